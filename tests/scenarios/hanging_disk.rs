//! A disk that does not fail but gives no answer at all: nobody waits for ever, and everybody is told.

use std::time::{Duration, Instant};

use tests::{Chat, Ended, FakeCloud, TestAppliance};

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the box says that it is ready, or that it is not.
async fn until_ready(appliance: &TestAppliance, wanted: bool) {
    let begun = Instant::now();
    while (appliance.anonymous().get("/readyz").await.status == 200) != wanted {
        assert!(begun.elapsed() < PATIENCE, "ready stays {}: {}", !wanted, appliance.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until what is told of the log is this trouble: it is published once a second.
async fn until_told(appliance: &TestAppliance, trouble: &str) {
    let begun = Instant::now();
    loop {
        let ready = appliance.anonymous().get("/readyz?verbose").await.json();
        if ready["store"]["files"]["audit.db"]["trouble"] == trouble {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_disk_that_hangs_holds_no_answer_for_ever_and_what_was_asked_is_in_the_log_once_it_is_back() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).hanging_disk().start().await;
    let ward = appliance.client_of("ward-3", &["--lane", "clinical"]);
    let chat = Chat::new("assistant", "Who helps the patient?");
    assert_eq!(appliance.client().ask(&chat).await.status, 200);
    let events = |what: &str| {
        let log = rusqlite::Connection::open(appliance.data_dir().join("audit.db")).unwrap();
        let question = "SELECT count(*) FROM entries WHERE kind = ?1";
        log.query_row(question, [what], |row| row.get::<_, i64>(0)).unwrap()
    };
    let asked = events("request");

    appliance.disk_hangs();
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(!streamed.is_whole(), "the end of an answer waits for its row");
    assert!(matches!(streamed.ended, Ended::Error(_)), "and says so: {:?}", streamed.ended);
    // The spool lies on the same disk, so the clinical lane has no place for its rows either.
    for client in [appliance.client(), ward.clone()] {
        let begun = Instant::now();
        let refused = client.ask(&chat).await;
        assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (503, "audit_unavailable"));
        assert!(begun.elapsed() < PATIENCE / 2, "a hang that is known is not waited out");
    }
    until_ready(&appliance, false).await;
    until_told(&appliance, "hanging").await;
    assert_eq!(appliance.anonymous().get("/metrics").await.status, 200, "whoever looks is answered");
    assert!(appliance.log().contains("the disk does not answer"), "{}", appliance.log());

    appliance.disk_answers();
    until_ready(&appliance, true).await;
    assert_eq!(appliance.client().ask(&chat).await.status, 200);
    assert_eq!(ward.ask(&chat).await.status, 200);
    assert_eq!(events("request"), asked + 5, "what was asked meanwhile was put into the log");
    assert_eq!(appliance.cli(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn a_box_whose_disk_hangs_can_be_stopped() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder().cloud(&cloud).hanging_disk().start().await;
    appliance.disk_hangs();
    assert_eq!(appliance.client().ask(&Chat::new("assistant", "Who is there?")).await.status, 503);
    until_ready(&appliance, false).await;
    appliance.stop().await;
}
