//! What a person in charge orders stands above what the box finds out, and ends by itself.

use std::process::Output;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use tests::{Chat, Client, FakeCloud, Reply, TestAppliance};

fn chat() -> Chat {
    Chat::new("assistant", "Are you ready for the orders?")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Gives an order on the command line and gives its number back.
fn order(appliance: &TestAppliance, words: &[&str]) -> String {
    let arguments = [&["order"], words, &["--reason", "cable works, floor 2", "--for", "30m"]].concat();
    let output = appliance.cli(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Asks until an answer gives this reason; an order is in force within a second.
async fn until_reason(client: &Client, reason: &str) -> Reply {
    let started = Instant::now();
    loop {
        let reply = client.ask(&chat()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        if reply.header("x-genset-reason") == reason {
            return reply;
        }
        let seen = reply.header("x-genset-reason");
        assert!(started.elapsed() < Duration::from_secs(30), "the reason stays {seen}, not {reason}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn events(appliance: &TestAppliance) -> Vec<String> {
    let database = Connection::open(appliance.data_dir().join("audit.db")).unwrap();
    let mut query = database.prepare("SELECT body FROM entries WHERE kind = 'event' ORDER BY seq").unwrap();
    let bodies = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let whats = bodies.map(|body| serde_json::from_str::<Value>(&body.unwrap()).unwrap()["what"].to_string());
    whats.filter(|what| what.contains("order-")).collect()
}

#[tokio::test]
async fn by_order_nothing_goes_to_the_cloud_and_after_it_all_does() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let client = appliance.client();
    assert_eq!(client.ask(&chat()).await.route(), "cloud");

    let id = order(&appliance, &["force-local"]);
    let reply = until_reason(&client, "forced-local").await;
    assert_eq!(
        (reply.route().as_str(), reply.header("x-genset-site-state").as_str()),
        ("local", "forced-local")
    );
    let (chats, probes) = (cloud.chats().len(), cloud.probes().len());
    for _ in 0..20 {
        assert_eq!(client.ask(&chat()).await.route(), "local");
    }
    assert_eq!(cloud.chats().len(), chats, "not one request of a user leaves the building");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(cloud.probes().len() > probes, "the cloud is still being watched");
    let status = appliance.status().await;
    assert_eq!(status["orders"][0]["reason"], "cable works, floor 2");
    assert!(status["outage"].is_null(), "an order is no outage");

    let lifted = appliance.cli(&["order", "lift", &id]);
    assert_eq!(lifted.status.code(), Some(0), "{}", stderr(&lifted));
    assert_eq!(until_reason(&client, "first-route").await.route(), "cloud");
    assert_eq!(events(&appliance), ["\"order-given\"", "\"order-lifted\""]);
    let log = appliance.log();
    assert_eq!(
        log.lines().filter(|line| line.contains("(force-local)")).count(),
        2,
        "one line per change:\n{log}"
    );
}

#[tokio::test]
async fn by_order_the_cloud_is_asked_although_its_breaker_is_open_and_no_request_is_lost() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let client = appliance.client();
    cloud.refuse();
    client.ask(&chat()).await;
    appliance.until_state("offline").await;
    order(&appliance, &["force-cloud"]);
    appliance.until_state("forced-cloud").await;
    assert_eq!(client.ask(&chat()).await.route(), "local", "a failed attempt still goes over");

    cloud.restore();
    let reply = until_reason(&client, "forced-cloud").await;
    assert_eq!(reply.route(), "cloud");
    for _ in 0..10 {
        assert_eq!(client.ask(&chat()).await.route(), "cloud", "the ramp is left out");
    }
}

#[tokio::test]
async fn an_isolated_upstream_gets_nothing_while_the_next_one_serves() {
    let (first, second) = (FakeCloud::start(), FakeCloud::start());
    let appliance =
        TestAppliance::builder().upstream("first", &first).upstream("second", &second).start().await;
    let client = appliance.client();
    order(&appliance, &["isolate", "first"]);
    let reply = until_reason(&client, "isolated").await;
    assert_eq!(
        (reply.served_by().as_str(), reply.header("x-genset-site-state").as_str()),
        ("second/large", "degraded")
    );
    let chats = first.chats().len();
    for _ in 0..5 {
        client.ask(&chat()).await;
    }
    assert_eq!(first.chats().len(), chats);
    order(&appliance, &["isolate", "second"]);
    appliance.until_state("forced-local").await;
    assert_eq!(client.ask(&chat()).await.route(), "local");
}

#[tokio::test]
async fn an_order_survives_the_death_of_the_box_and_runs_out_by_itself() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    order(&appliance, &["force-local"]);
    appliance.until_state("forced-local").await;
    appliance.kill().await;
    // What was left when the box died is all but over, and the wall clock has been set back by years since then.
    let core = Connection::open(appliance.data_dir().join("core.db")).unwrap();
    core.execute("UPDATE orders SET left_ms = 3000, noted_ms = noted_ms + 100000000000", []).unwrap();
    drop(core);
    appliance.start_again().await;
    assert_eq!(appliance.client().ask(&chat()).await.route(), "local");
    appliance.until_state("connected").await;
    assert_eq!(until_reason(&appliance.client(), "first-route").await.route(), "cloud");
    assert_eq!(events(&appliance), ["\"order-given\"", "\"order-expired\""]);
    assert!(appliance.log().contains("order 1 (force-local) has run out"), "{}", appliance.log());
}

#[tokio::test]
async fn an_order_without_a_reason_or_an_end_is_refused_in_one_line() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    order(&appliance, &["force-local"]);
    let table: [(&[&str], &str); 7] = [
        (&["order", "isolate", "cloud", "--reason", "x", "--for", "30m"], "3 to 200 characters"),
        (&["order", "isolate", "cloud", "--reason", "cable", "--for", "25h"], "1 minute to 24 hours"),
        (&["order", "isolate", "cloud", "--reason", "cable", "--for", "30s"], "1 minute to 24 hours"),
        (&["order", "isolate", "cloud", "--reason", "cable", "--for", "soon"], "no length of time"),
        (&["order", "isolate", "moon", "--reason", "cable", "--for", "30m"], "names: cloud"),
        (&["order", "force-cloud", "--reason", "cable", "--for", "30m"], "order 1 (force-local)"),
        (&["order", "lift", "99"], "no order with this number"),
    ];
    for (arguments, told) in table {
        let output = appliance.cli(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
        assert!(stderr(&output).contains(told), "{arguments:?}: {}", stderr(&output));
    }
    let listed = appliance.cli(&["order", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.starts_with("1\tforce-local\tstands") && listed.lines().count() == 1, "{listed}");
}

#[tokio::test]
async fn a_box_that_cannot_read_its_standing_orders_does_not_start_and_says_so_in_one_line() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    order(&appliance, &["force-local"]);
    appliance.stop().await;
    let core = Connection::open(appliance.data_dir().join("core.db")).unwrap();
    core.execute("ALTER TABLE orders RENAME TO misplaced", []).unwrap();
    drop(core);
    let (code, log) = appliance.second_box().await;
    assert_eq!(code, Some(1), "{log}");
    let told: Vec<&str> = log.lines().filter(|line| line.contains("standing orders")).collect();
    assert!(told.len() == 1 && told[0].contains("core.db") && told[0].contains("does not start"), "{log}");
}
