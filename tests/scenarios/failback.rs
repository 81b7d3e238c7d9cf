//! The way back: probes first, then a growing share of new conversations, then all.

use std::time::Duration;

use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

#[tokio::test]
async fn the_cloud_comes_back_by_probes_and_a_ramp() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.refuse();
    let known = known_answer(false);
    appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    appliance.until_state("offline").await;
    let (chats, probes) = (cloud.chats().len(), cloud.probes().len());

    cloud.restore();
    appliance.until_state("recovering").await;
    assert_eq!(cloud.chats().len(), chats, "no request of anybody was used to try the cloud");
    assert!(cloud.probes().len() >= probes + 3, "three good probes came first");

    appliance.until_state("connected").await;
    let reply = appliance.client().ask(&Chat::new("assistant", "Please answer again")).await;
    assert_eq!(
        (reply.route().as_str(), reply.header("x-genset-site-state").as_str()),
        ("cloud", "connected")
    );
}

#[tokio::test]
async fn a_conversation_stays_where_it_is_while_the_share_grows() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.refuse();
    appliance.until_state("offline").await;
    cloud.restore();
    appliance.until_state("recovering").await;

    let mut went_to_cloud = [false; 12];
    while appliance.site_state().await == "recovering" {
        for (number, went) in went_to_cloud.iter_mut().enumerate() {
            let conversation = format!("conversation-{number}");
            let chat =
                Chat::new("assistant", "Are you ready?").header("x-genset-conversation", &conversation);
            let reply = appliance.client().ask(&chat).await;
            let on_cloud = reply.route() == "cloud";
            assert!(on_cloud || !*went, "{conversation} went to the cloud and back: {:?}", reply.headers);
            *went |= on_cloud;
        }
    }
    appliance.until_state("connected").await;
}

#[tokio::test]
async fn a_flapping_cloud_is_held_down_longer_each_time() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let mut spans = Vec::new();
    for _ in 0..3 {
        cloud.refuse();
        appliance.until_state("offline").await;
        cloud.restore();
        spans.push(appliance.until_state("connected").await);
    }
    assert!(spans[2] > spans[0] + Duration::from_millis(500), "the third return takes longer: {spans:?}");
}

#[tokio::test]
async fn a_flip_is_logged_once_and_a_poll_never() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.refuse();
    appliance.until_state("offline").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = appliance.log();
    let offline = log.lines().filter(|line| line.contains("site state offline")).count();
    assert_eq!(offline, 1, "one line for the flip:\n{log}");
    let about = log.lines().filter(|line| line.contains("breaker")).count();
    assert!(about <= 12, "open and half-open alternate twice a second at most, each told once:\n{log}");
}
