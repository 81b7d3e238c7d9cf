//! Ready is what has answered of late, and what is not ready is seen before it is needed.

use std::time::{Duration, Instant};

use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

/// A frozen worker is found after seven seconds of silence; a model is proven for a minute after its last token.
const PATIENCE: Duration = Duration::from_secs(75);

#[tokio::test]
async fn a_worker_that_freezes_while_nobody_asks_is_replaced_and_proven_again() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let frozen = appliance.workers();
    assert_eq!(appliance.freeze_worker(), 1);
    let begun = Instant::now();
    while appliance.workers() == frozen || appliance.anonymous().get("/readyz").await.status != 200 {
        let ready = appliance.anonymous().get("/readyz").await.status;
        assert!(begun.elapsed() < PATIENCE, "the frozen worker is still there, and /readyz says {ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(appliance.log().contains("the worker is silent and is killed"), "{}", appliance.log());
    let known = known_answer(false);
    let reply = appliance.client().ask(&Chat::new("local-only", &known.question)).await;
    assert_eq!(reply.said(), known.answer, "{}", reply.text());
}

#[tokio::test]
async fn a_standby_that_cannot_be_loaded_is_a_red_item_while_the_cloud_is_well() {
    let cloud = FakeCloud::start();
    let missing = std::path::Path::new("/nowhere/large-model.gguf");
    let builder = TestAppliance::builder().cloud(&cloud).https().model_file(missing);
    let appliance = builder.start_unready().await;
    appliance.until_local_is("pilot-light", "failed").await;
    let ready = appliance.anonymous().get("/readyz?verbose").await;
    assert_eq!(ready.status, 503, "{}", ready.text());
    let ready = ready.json();
    assert_eq!(ready["standby"]["pilot-light"]["ready"], false, "{ready}");
    assert_eq!(ready["cloud"]["cloud"]["ready"], true, "{ready}");
    assert_eq!(ready["aliases"]["assistant"]["standby_ready"], false, "{ready}");

    let portal = appliance.portal().await;
    for (language, model, alias) in [
        ("en", "pilot-light cannot be loaded", "assistant has no standby that has proven itself"),
        ("ko", "pilot-light 모델을 불러올 수 없어", "assistant: 작동이 확인된 대기 모델이 없어"),
    ] {
        let page = portal.page_in("/status", language).await.text();
        assert!(page.contains("id=\"alarms\"") && page.contains(model) && page.contains(alias), "{page}");
    }
    assert_eq!(appliance.site_state().await, "connected", "and no outage was needed to see it");
}

#[tokio::test]
async fn a_box_that_was_killed_says_so_and_has_checked_its_files_when_it_is_back() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let store_of = async |appliance: &TestAppliance| {
        appliance.anonymous().get("/readyz?verbose").await.json()["store"].clone()
    };
    let store = store_of(&appliance).await;
    assert!(store["ready"] == true && store["unclean_stop"] == false, "{store}");
    appliance.kill().await;
    appliance.start_again().await;
    let begun = Instant::now();
    while store_of(&appliance).await["checked_ms"].is_null() {
        assert!(begun.elapsed() < PATIENCE, "no full check was made");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let store = store_of(&appliance).await;
    assert!(store["ready"] == true && store["unclean_stop"] == true, "{store}");
    let portal = appliance.portal().await;
    let pages = [("en", "was not stopped in order"), ("ko", "정상적으로 종료되지 않았습니다")];
    for (language, words) in pages {
        let page = portal.page_in("/status", language).await.text();
        assert!(page.contains("id=\"store-checks\"") && page.contains(words), "{page}");
    }
    let metrics = appliance.anonymous().get("/metrics").await.text();
    assert!(metrics.contains("genset_sqlite_wal_bytes{file=\"audit.db\"}"), "{metrics}");
    appliance.stop().await;
    appliance.start_again().await;
    assert_eq!(store_of(&appliance).await["unclean_stop"], false);
}
