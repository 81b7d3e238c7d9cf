//! The real cut of a drill: packets dropped on their way out by a helper, in a network of its own. Where the right to
//! make one is missing, nothing is tested here.

use std::time::{Duration, Instant};

use tests::lab::{Lab, Site};
use tests::{Chat, TestAppliance};

async fn until(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    started.elapsed()
}

fn start(appliance: &TestAppliance) -> String {
    let output = appliance.cli(&["drill", "start"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", appliance.log());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn until_carried(appliance: &TestAppliance) {
    let started = Instant::now();
    while appliance.status().await["drill"]["running"]["phase"] != "carrying-load" {
        assert!(started.elapsed() < Duration::from_secs(30), "{}", appliance.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn report(appliance: &TestAppliance, id: &str) -> String {
    let started = Instant::now();
    loop {
        let output = appliance.cli(&["drill", "report", id]);
        if output.status.success() {
            return String::from_utf8(output.stdout).unwrap();
        }
        assert!(started.elapsed() < Duration::from_secs(90), "no report:\n{}", appliance.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn packets_to_the_clouds_are_dropped_while_the_building_is_served_and_every_death_frees_the_way() {
    if Lab::missing().is_some() {
        return;
    }
    let lab = Lab::build();
    let (alpha, beta) = (lab.cloud(Site::Alpha), lab.cloud(Site::Beta));
    let cutter = lab.cutter();
    let drills = "duration_s = 20\nload_percent = 20\nquiet_minutes = 0\n";
    let builder = lab.appliance_with(&cutter).extra(drills).upstream("alpha", &alpha).upstream("beta", &beta);
    let mut appliance = builder.start().await;
    appliance.until_state("connected").await;
    assert!(lab.box_reaches(Site::Alpha) && lab.cut().is_empty());

    // A whole drill.
    [&alpha, &beta].iter().for_each(|cloud| {
        cloud.pace(Duration::from_millis(200));
        cloud.say(&"word ".repeat(120));
    });
    let id = start(&appliance);
    let desk = lab.at_desk(&appliance);
    let long = Chat::new("assistant", "Tell the desk many words");
    let under_way = futures_util::future::join_all((0..4).map(|_| desk.stream_whole(&long)));
    let (streams, ()) = futures_util::future::join(under_way, until_carried(&appliance)).await;
    assert!(streams.iter().all(tests::Streamed::is_whole), "answers under way at the cut are carried over");
    let phase = appliance.status().await["drill"]["running"]["phase"].clone();
    assert_eq!(phase, "carrying-load", "the desk has its answers while the way is still cut");
    let chats = (alpha.chats().len(), beta.chats().len());
    assert!(!lab.box_reaches(Site::Alpha) && !lab.box_reaches(Site::Beta), "{}", lab.cut());
    assert!(lab.root_reaches(Site::Alpha), "the rest of the machine is not cut");
    let chat = Chat::new("assistant", "Does the desk get an answer?");
    let reply = lab.at_desk(&appliance).ask(&chat).await;
    assert_eq!((reply.status.as_u16(), reply.route().as_str()), (200, "local"), "{}", reply.text());
    let printed = report(&appliance, &id).await;
    assert!(printed.starts_with("Drill 1: PASSED"), "{printed}\n{}", appliance.log());
    assert_eq!(printed.matches("cut for real").count(), 2, "{printed}");
    assert_eq!((alpha.chats().len(), beta.chats().len()), chats, "nothing got through");
    assert!(lab.cut().is_empty() && lab.box_reaches(Site::Alpha));
    appliance.until_state("connected").await;

    // The box dies in the middle.
    start(&appliance);
    until_carried(&appliance).await;
    assert!(!lab.cut().is_empty());
    appliance.kill().await;
    until("the way is free after the box died", Duration::from_secs(10), || lab.cut().is_empty()).await;
    assert!(lab.box_reaches(Site::Alpha));

    // The helper dies in the middle: the kernel lets the rule run out.
    appliance.start_again().await;
    appliance.until_state("connected").await;
    let id = start(&appliance);
    until_carried(&appliance).await;
    cutter.kill();
    assert!(!lab.box_reaches(Site::Alpha), "the rule outlives its maker, but not for long");
    until("the rule has run out", Duration::from_secs(30), || lab.box_reaches(Site::Alpha)).await;
    let printed = report(&appliance, &id).await;
    assert!(printed.contains(": ABORTED") && printed.contains("the helper gave it free"), "{printed}");
    assert!(!lab.cut().is_empty());
    let cutter = lab.cutter();
    assert!(lab.cut().is_empty(), "a new helper removes what was left");
    drop(cutter);
    appliance.until_state("connected").await;
}
