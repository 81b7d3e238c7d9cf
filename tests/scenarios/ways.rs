//! The way to an upstream has troubles of its own, which are none of the upstream's.

use std::time::Duration;

use serde_json::json;
use tests::lab::{Lab, Site};
use tests::raw_cloud::{Step, json_response};
use tests::test_appliance::nonce;
use tests::{Chat, RawCloud, TestAppliance};

#[tokio::test]
async fn behind_a_dead_address_of_a_name_the_next_one_is_found_in_time() {
    if Lab::missing().is_some() {
        return;
    }
    let lab = Lab::build();
    let alpha = lab.cloud(Site::Alpha);
    lab.first_lead_nowhere(Site::Alpha);
    let builder = lab.appliance().upstream("alpha", &alpha).as_shipped().tune("probe_interval_ms", 500);
    let appliance = builder.start().await;
    for _ in 0..3 {
        alpha.hang_up();
        let nonce = nonce();
        let reply = appliance.client().ask(&Chat::new("assistant", &format!("Please repeat {nonce}"))).await;
        assert_eq!(reply.route(), "cloud", "{}: {}", reply.header("x-genset-reason"), reply.text());
        assert!(reply.said().contains(&nonce));
    }
    while alpha.probes().len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(appliance.site_state().await, "connected");
}

/// A whole answer that leaves it open whether the connection stays.
fn kept_open() -> Step {
    let message = json!({ "role": "assistant", "content": "Yes." });
    let choices = json!([{ "index": 0, "message": message, "finish_reason": "stop" }]);
    let response =
        json_response(200, &json!({ "id": "c-1", "object": "chat.completion", "choices": choices }));
    Step::send(String::from_utf8(response).unwrap().replace("connection: close\r\n", ""))
}

#[tokio::test]
async fn a_kept_connection_that_an_upstream_closes_is_no_failure_of_it() {
    let cloud = RawCloud::start();
    cloud.play("closes", vec![kept_open(), Step::UntilMore]);
    cloud.play("resets", vec![kept_open(), Step::UntilMore, Step::Reset]);
    let builder = TestAppliance::builder().wire("closes", &cloud).wire("resets", &cloud);
    let appliance = builder.start().await;
    for wire in ["closes", "resets"] {
        let ask = async || {
            let reply = appliance.client().ask(&Chat::new(wire, "Is it so?")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply
        };
        futures_util::future::join_all((0..6).map(|_| ask())).await;
        // The budget of second tries earns one in a second, whatever the six have spent of it.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        // All connections that are kept are gone: a second try over another of them would end as the first.
        let next = ask().await;
        assert_eq!(next.route(), "cloud", "{}", next.header("x-genset-reason"));
        for _ in 0..3 {
            futures_util::future::join_all((0..6).map(|_| ask())).await;
        }
        assert!(cloud.chats(wire).len() > 6, "a new connection was tried");
    }
    let status = appliance.status().await;
    let is_closed = |upstream: &serde_json::Value| upstream["breaker"] == "closed";
    assert!(status["upstreams"].as_array().unwrap().iter().all(is_closed), "{status}");
}
