//! The orderly stop: no new work, running streams to their end, nothing left behind.

use std::time::Duration;

use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

#[tokio::test]
async fn a_running_stream_is_drained_before_the_box_stops() {
    let cloud = FakeCloud::start();
    let known = known_answer(false);
    cloud.say(&known.answer);
    cloud.pace(Duration::from_millis(30));
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    let mut from_cloud = appliance.client().stream(&Chat::new("assistant", "Please take your time")).await;
    let mut from_standby = appliance.client().stream(&Chat::new("local-only", &known.question)).await;
    assert!(from_cloud.until(5).await && from_standby.until(1).await);

    appliance.terminate();
    let (cloud_said, standby_said) = (from_cloud.finish().await, from_standby.finish().await);
    assert!(cloud_said.is_whole(), "{cloud_said:?}");
    assert!(standby_said.is_whole(), "{standby_said:?}");
    assert_eq!((cloud_said.said(), standby_said.said()), (known.answer.clone(), known.answer));
    appliance.stopped().await;
}

#[tokio::test]
async fn a_stopped_box_starts_again_with_its_keys() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    appliance.stop().await;
    appliance.start_again().await;
    let reply = appliance.client().ask(&Chat::new("assistant", "Are you still there?")).await;
    assert_eq!(reply.route(), "cloud", "{}", reply.text());
    appliance.stop().await;
}

#[tokio::test]
async fn an_idle_box_stops_at_once() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    let started = std::time::Instant::now();
    appliance.stop().await;
    // Half of what an answer that runs would be waited for.
    assert!(started.elapsed() < Duration::from_secs(15), "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn a_box_that_is_killed_leaves_no_worker_and_comes_back_with_a_whole_log() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    for _ in 0..3 {
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(appliance.client().stream(&Chat::new("local-only", &known.question)).await);
        }
        appliance.kill().await;
        drop(streams);
        let verified = appliance.cli(&["audit", "verify"]);
        assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
        appliance.start_again().await;
        let reply = appliance.client().ask(&Chat::new("local-only", &known.question)).await;
        assert_eq!(reply.said(), known.answer);
    }
}

#[tokio::test]
async fn a_second_box_on_the_same_data_is_refused_and_the_first_is_unharmed() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let (code, said) = appliance.second_box().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&appliance.data_dir().display().to_string()), "{said}");
    assert_eq!(appliance.client().ask(&Chat::new("assistant", "Are you unharmed?")).await.status, 200);
}
