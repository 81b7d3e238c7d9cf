//! A rehearsed outage: the way is cut, the standby carries the load, the way is given free, and a report says how it went.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Chat, FakeCloud, TestAppliance};

/// A drill of three seconds that nothing before it can make invalid.
const SHORT: &str = "\n[drill]\nduration_s = 3\nload_percent = 20\nquiet_minutes = 0\n";

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Starts a drill on the command line and gives its number back.
fn start(appliance: &TestAppliance, words: &[&str]) -> String {
    let output = appliance.cli(&[&["drill", "start"], words].concat());
    assert_eq!(output.status.code(), Some(0), "{}\n{}", text(&output), appliance.log());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Waits until the drill is over, and gives its printed report.
async fn report(appliance: &TestAppliance, id: &str) -> String {
    let started = Instant::now();
    loop {
        let output = appliance.cli(&["drill", "report", id]);
        if output.status.success() {
            return text(&output);
        }
        let log = appliance.log();
        assert!(started.elapsed() < Duration::from_secs(60), "no report: {}\n{log}", text(&output));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn until_phase(appliance: &TestAppliance, phase: &str) -> Value {
    let started = Instant::now();
    loop {
        let status = appliance.status().await;
        if status["drill"]["running"]["phase"] == phase {
            return status;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "not {phase}: {}\n{}",
            status["drill"],
            appliance.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_drill_cuts_the_way_carries_the_load_and_passes() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).extra(SHORT).start().await;
    appliance.until_state("connected").await;
    let id = start(&appliance, &[]);
    let during = until_phase(&appliance, "carrying-load").await;
    assert_eq!(during["state"], "drill");
    let chats = cloud.chats().len();
    let chat = Chat::new("assistant", "Who answers in the drill?");
    for _ in 0..5 {
        let reply = appliance.client().ask(&chat).await;
        assert_eq!((reply.status.as_u16(), reply.route().as_str()), (200, "local"), "{}", reply.text());
        assert_eq!(reply.header("x-genset-site-state"), "drill");
    }
    let second = appliance.cli(&["drill", "start"]);
    assert_eq!(second.status.code(), Some(2), "{}", text(&second));
    assert!(text(&second).contains("a drill is running already"), "{}", text(&second));

    let report = report(&appliance, &id).await;
    assert!(report.starts_with(&format!("Drill {id}: PASSED")), "{report}\n{}", appliance.log());
    assert!(report.contains("the softer kind") && report.contains("Nothing was found wrong."), "{report}");
    assert_eq!(cloud.chats().len(), chats, "no request reached the cloud while its way was cut");

    appliance.until_state("connected").await;
    let status = appliance.status().await;
    assert_eq!((&status["drill"]["urgency"], &status["drill"]["days"]), (&"green".into(), &0.into()));
    assert!(status["outage"].is_null());
    let metrics = appliance.client().get("/metrics").await.text();
    assert!(metrics.contains("genset_drill_last_success_timestamp_seconds 1"), "{metrics}");
    assert_eq!(appliance.client().ask(&chat).await.route(), "cloud");
}

#[tokio::test]
async fn answers_under_way_at_the_cut_are_carried_over() {
    let cloud = FakeCloud::start();
    cloud.pace(Duration::from_millis(150));
    cloud.say(&"word ".repeat(60));
    let appliance = TestAppliance::builder()
        .cloud(&cloud)
        .extra("\n[drill]\nduration_s = 8\nload_percent = 20\nquiet_minutes = 0\n")
        .start()
        .await;
    appliance.until_state("connected").await;
    let id = start(&appliance, &[]);
    until_phase(&appliance, "preparing").await;
    let (client, chat) = (appliance.client(), Chat::new("assistant", "Tell me many words"));
    let streamed = client.stream_whole(&chat).await;
    assert!(streamed.is_whole(), "the answer that the cut met is whole");
    let report = report(&appliance, &id).await;
    assert!(report.contains("1 taken over in the middle"), "{report}");
    assert!(report.contains(": PASSED"), "{report}");
}

#[tokio::test]
async fn a_drill_is_aborted_at_once_and_the_way_is_free_again() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder()
        .cloud(&cloud)
        .extra("\n[drill]\nduration_s = 600\nquiet_minutes = 0\n")
        .start()
        .await;
    appliance.until_state("connected").await;
    let id = start(&appliance, &[]);
    until_phase(&appliance, "carrying-load").await;
    let aborted = appliance.cli(&["drill", "abort"]);
    assert_eq!(aborted.status.code(), Some(0), "{}", text(&aborted));
    let report = report(&appliance, &id).await;
    assert!(report.contains(": ABORTED") && report.contains("ended early by"), "{report}");
    appliance.until_state("connected").await;
    assert_eq!(appliance.cli(&["drill", "abort"]).status.code(), Some(2), "none is running");
}

#[tokio::test]
async fn a_drill_of_one_alias_leaves_the_others_on_the_cloud() {
    let cloud = FakeCloud::start();
    let extra = "\n[[alias]]\nname = \"other\"\ncloud = [\"cloud/large\"]\nstandby = [\"pilot-light\"]\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(extra).extra(SHORT).start().await;
    appliance.until_state("connected").await;
    let id = start(&appliance, &["--scope", "alias assistant"]);
    until_phase(&appliance, "carrying-load").await;
    let reply = appliance.client().ask(&Chat::new("assistant", "Where does this go?")).await;
    assert_eq!((reply.route().as_str(), reply.header("x-genset-reason").as_str()), ("local", "drill"));
    let other = appliance.client().ask(&Chat::new("other", "Where does that go?")).await;
    assert_eq!(
        (other.route().as_str(), other.header("x-genset-site-state").as_str()),
        ("cloud", "connected")
    );
    assert!(report(&appliance, &id).await.contains("PASSED"));
    assert!(
        appliance.status().await["drill"]["last_passed_ms"].is_null(),
        "it is no drill of the whole site"
    );
}

#[tokio::test]
async fn a_long_drill_of_one_key_leaves_other_programs_on_the_cloud() {
    let cloud = FakeCloud::start();
    let one_second = SHORT.replace("duration_s = 3", "duration_s = 1");
    let appliance = TestAppliance::builder().cloud(&cloud).extra(&one_second).start().await;
    let other = appliance.client_of("radiology", &[]);
    appliance.until_state("connected").await;
    let id = start(&appliance, &["--scope", "key test-client", "--long"]);
    let during = until_phase(&appliance, "carrying-load").await;
    assert_eq!(during["drill"]["running"]["of_s"], 8, "a long drill takes eight times that");
    let chat = Chat::new("assistant", "Whose program is this?");
    let reply = appliance.client().ask(&chat).await;
    assert_eq!((reply.route().as_str(), reply.header("x-genset-reason").as_str()), ("local", "drill"));
    assert_eq!(other.ask(&chat).await.route(), "cloud");
    let printed = report(&appliance, &id).await;
    assert!(printed.contains("PASSED"), "{printed}");
}

#[tokio::test]
async fn no_drill_begins_in_trouble_and_one_after_warming_is_invalid() {
    let cloud = FakeCloud::start();
    let warm = "\n[drill]\nduration_s = 2\nload_percent = 0\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(warm).start().await;
    appliance.until_state("connected").await;
    let ordered = appliance.cli(&["order", "force-local", "--reason", "cable works", "--for", "5m"]);
    assert_eq!(ordered.status.code(), Some(0), "{}", text(&ordered));
    appliance.until_state("forced-local").await;
    let refused = appliance.cli(&["drill", "start"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused).contains("an order stands"), "{}", text(&refused));
    appliance.cli(&["order", "lift", "1"]);
    appliance.until_state("connected").await;
    let printed = report(&appliance, &start(&appliance, &[])).await;
    assert!(printed.contains(": INVALID") && printed.contains("an order kept requests"), "{printed}");
    assert!(printed.contains("a local model was started"), "{printed}");

    appliance.until_state("connected").await;
    cloud.refuse();
    appliance.until_state("offline").await;
    let refused = appliance.cli(&["drill", "start"]);
    assert!(text(&refused).contains("a real outage"), "{}", text(&refused));
}

#[tokio::test]
async fn a_drill_of_somebody_who_is_not_there_does_not_begin() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).extra(SHORT).start().await;
    appliance.until_state("connected").await;
    for (scope, why) in [("alias nobody", "there is no such alias"), ("key nobody", "there is no such key")] {
        let refused = appliance.cli(&["drill", "start", "--scope", scope]);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(refused.stdout.is_empty() && text(&refused).contains(why), "{}", text(&refused));
        assert!(text(&refused).contains(&format!("\"{scope}\"")), "{}", text(&refused));
    }
    let listed = appliance.cli(&["drill", "list"]);
    assert!(text(&listed).contains("refused\talias nobody\t") && text(&listed).contains("no such alias"));
}

#[tokio::test]
async fn a_drill_that_the_box_does_not_survive_is_aborted_and_nothing_stays_cut() {
    let cloud = FakeCloud::start();
    let long = "\n[drill]\nduration_s = 600\nquiet_minutes = 0\n";
    let mut appliance = TestAppliance::builder().cloud(&cloud).extra(long).start().await;
    appliance.until_state("connected").await;
    let id = start(&appliance, &[]);
    until_phase(&appliance, "carrying-load").await;
    appliance.kill().await;
    appliance.start_again().await;
    let printed = report(&appliance, &id).await;
    assert!(printed.contains(": ABORTED") && printed.contains("the box stopped"), "{printed}");
    appliance.until_state("connected").await;
    let reply = appliance.client().ask(&Chat::new("assistant", "Is the way free?")).await;
    assert_eq!(reply.route(), "cloud");
}

#[tokio::test]
async fn without_a_running_box_no_drill_begins() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder().cloud(&cloud).extra(SHORT).start().await;
    appliance.stop().await;
    let refused = appliance.cli(&["drill", "start"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("no running box"), "{}", text(&refused));
    assert!(appliance.cli(&["drill", "list"]).stdout.is_empty(), "the wish is taken back");
    for scope in ["house", "key "] {
        assert_eq!(appliance.cli(&["drill", "start", "--scope", scope]).status.code(), Some(2));
    }
}
