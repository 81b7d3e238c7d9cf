//! What one caller may have: at once, in a minute, and of a local model's queue.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

const FEW: &str = "\n[limits]\nkey_max_requests = 2\nkey_max_per_minute = 8\nperson_max_requests = 1\n\
    person_max_per_minute = 2\n";

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_again_and_costs_the_cloud_nothing() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).extra(FEW).start().await;
    let (busy, calm) = (appliance.client_of("busy", &[]), appliance.client_of("calm", &[]));
    let chat = Chat::new("assistant", "Are you ready?");
    for _ in 0..8 {
        assert_eq!(busy.ask(&chat).await.status, 200);
    }
    let asked = cloud.chats().len();
    for streamed in [false, true] {
        let refused = busy.ask(&chat.clone().with("stream", streamed)).await;
        assert_eq!(refused.status, 429, "{}", refused.text());
        assert_eq!(refused.error_code(), "too_many_per_minute");
        let retry_after_s: u64 = refused.header("retry-after").parse().expect("it says when to come again");
        assert!((1..=8).contains(&retry_after_s), "{retry_after_s}");
        assert!(refused.error_message().contains("8 times within a minute"), "{}", refused.text());
    }
    assert_eq!(cloud.chats().len(), asked, "it was turned away before any work");
    assert_eq!(calm.ask(&chat).await.status, 200, "another caller is not concerned");
    let metrics = calm.get("/metrics").await.text();
    assert!(metrics.contains("genset_turned_away_total{limit=\"per-minute\"} 2"), "{metrics}");
}

#[tokio::test]
async fn a_key_may_be_made_with_a_share_of_its_own() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).extra(FEW).start().await;
    let busy = appliance.client_of("busy", &["--max-per-minute", "12"]);
    let chat = Chat::new("assistant", "Are you ready?");
    for _ in 0..12 {
        assert_eq!(busy.ask(&chat).await.status, 200);
    }
    assert_eq!(busy.ask(&chat).await.error_code(), "too_many_per_minute");
    for (limits, words) in [
        (["--max-requests", "513"], "--max-requests 513 must be 1 to 512"),
        (["--max-requests", "0"], "--max-requests 0 must be 1 to 512"),
        (["--max-per-minute", "0"], "--max-per-minute 0 must be 1 to 1000000"),
    ] {
        let refused = appliance.cli(&[["key", "create", "wrong"].as_slice(), &limits].concat());
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(words), "{refused:?}");
    }
    let listed = String::from_utf8_lossy(&appliance.cli(&["key", "list"]).stdout).into_owned();
    let busy = listed.lines().find(|line| line.starts_with("busy\t")).expect("it is listed");
    assert!(busy.ends_with("\tvalid\tinteractive\t-\t12"), "{busy}");
    assert!(!listed.contains("wrong"), "{listed}");
}

#[tokio::test]
async fn a_person_who_asks_too_often_is_told_so_on_the_page_and_the_log_knows() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(FEW).start().await;
    let owner = appliance.portal().await;
    for _ in 0..2 {
        let page = owner.ask("assistant", "Are you ready?").await.text();
        assert!(page.contains("data-route=\"cloud\""), "{page}");
    }
    let page = owner.ask("assistant", "Are you ready?").await.text();
    assert!(page.contains("than one person may"), "{page}");
    let status = owner.page("/status").await.text();
    assert!(status.contains("kim asked more than 2 times within a minute"), "{status}");
    let korean = owner.page_in("/status", "ko").await.text();
    assert!(korean.contains("kim 님이 1분 동안 허용된 2건보다 많이 요청하여"), "{korean}");
}

/// A pilot light that says one answer at a time.
const ONE: &str = "\n[[local]]\nname = \"one\"\nfile = \"pilot-light.gguf\"\nsequences = 1\nqueue_limit = 40\n\
    \n[[alias]]\nname = \"one\"\ncloud = []\nstandby = [\"one\"]\n";

#[tokio::test]
async fn one_callers_crowd_waits_for_the_one_question_of_another_and_leaves_places_free() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).extra(ONE).start().await;
    let (greedy, modest) = (appliance.client_of("greedy", &[]), appliance.client_of("modest", &[]));
    let chat = Chat::new("one", &known_answer(false).question);
    let waiting = async || appliance.status().await["locals"][1]["in_flight"].as_u64().unwrap();
    // Nobody is served until the keeper has replaced the workers, so that all of them wait.
    assert!(appliance.freeze_worker() > 0);
    let crowd: Vec<_> = (0..30)
        .map(|_| {
            let (client, chat) = (greedy.clone(), chat.clone());
            tokio::spawn(async move { (client.ask(&chat).await, Instant::now()) })
        })
        .collect();
    let begun = Instant::now();
    while waiting().await < 20 {
        assert!(begun.elapsed() < Duration::from_secs(20), "in flight: {}", waiting().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answered = modest.ask(&chat).await;
    let served = Instant::now();
    assert_eq!(answered.status, 200, "{}", answered.text());
    let crowd: Vec<_> = join_all(crowd).await.into_iter().map(Result::unwrap).collect();
    let refused: Vec<_> = crowd.iter().filter(|(reply, _)| reply.status == 503).collect();
    assert_eq!(refused.len(), 9, "one runs and half of forty wait");
    assert!(refused.iter().all(|(reply, _)| reply.error_code() == "standby_busy"));
    let after = crowd.iter().filter(|(reply, at)| reply.status == 200 && *at > served).count();
    assert!(after >= 15, "only {after} of the crowd were served after the one that came last");
}
