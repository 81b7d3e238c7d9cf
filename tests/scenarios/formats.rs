//! Answers that must have a form, when the cloud is lost: a standby holds to it, or the caller is told.

use serde_json::{Value, json};
use tests::{Chat, FakeCloud, TestAppliance};

const ALIASES: &str = "\n[[alias]]\nname = \"orders\"\ncloud = [\"cloud/large\"]\nstandby = [\"scribe\"]\n";

/// A box whose cloud is lost, and whose alias `orders` has a standby that may be asked for JSON.
async fn box_without_cloud() -> (TestAppliance, FakeCloud) {
    let cloud = FakeCloud::start();
    let builder = TestAppliance::builder().cloud(&cloud).standby("scribe", "json = true\n").extra(ALIASES);
    let appliance = builder.start().await;
    cloud.refuse();
    appliance.until_state("offline").await;
    (appliance, cloud)
}

fn chat(alias: &str, format: Value) -> Chat {
    Chat::new(alias, "Who helps the patient?").with("response_format", format)
}

fn order() -> Value {
    let schema = json!({
        "type": "object",
        "properties": { "dose_mg": { "type": "integer", "minimum": 1, "maximum": 500 }, "urgent": { "type": "boolean" } },
        "required": ["dose_mg", "urgent"],
        "additionalProperties": false,
    });
    json!({ "type": "json_schema", "json_schema": { "name": "order", "strict": true, "schema": schema } })
}

fn is_order(text: &str) -> bool {
    let answer: Value = serde_json::from_str(text).expect("JSON");
    answer["dose_mg"].as_u64().is_some_and(|dose| (1..=500).contains(&dose)) && answer["urgent"].is_boolean()
}

#[tokio::test]
async fn a_standby_answers_in_the_form_that_was_asked_of_the_cloud() {
    let (appliance, _cloud) = box_without_cloud().await;
    let client = appliance.client();
    let reply = client.ask(&chat("orders", order())).await;
    assert_eq!(
        (reply.status.as_u16(), reply.served_by()),
        (200, "local/scribe".to_owned()),
        "{}",
        reply.text()
    );
    assert!(is_order(&reply.said()), "{}", reply.said());
    for mode in ["stream", "committed"] {
        let streamed = client.stream_whole(&chat("orders", order()).header("x-genset-mode", mode)).await;
        assert!(streamed.is_whole() && is_order(&streamed.said()), "{streamed:?}");
    }
    let phone = json!({ "type": "regex", "value": "0[0-9]{2}-[0-9]{4}" });
    let said = client.ask(&chat("orders", phone)).await.said();
    assert!(said.len() == 8 && said.starts_with('0') && said.as_bytes()[3] == b'-', "{said}");
}

#[tokio::test]
async fn the_pilot_light_is_not_asked_for_json() {
    let (appliance, _cloud) = box_without_cloud().await;
    let reply = appliance.client().ask(&chat("assistant", order())).await;
    assert_eq!(
        (reply.status.as_u16(), reply.error_code().as_str()),
        (503, "standby_lacks"),
        "{}",
        reply.text()
    );
    assert!(reply.error_message().contains("JSON"), "{}", reply.text());
}

#[tokio::test]
async fn a_form_that_makes_no_sense_is_refused_with_its_place() {
    let (appliance, _cloud) = box_without_cloud().await;
    let schema =
        |schema: Value| json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } });
    let table = [
        (json!("json"), "response_format"),
        (json!({ "type": "json_schema" }), "response_format.json_schema"),
        (schema(json!([])), "response_format.json_schema.schema"),
        (json!({ "type": "regex" }), "response_format.value"),
        (schema(json!({ "type": "objekt" })), "response_format"),
        (json!({ "type": "regex", "value": "(" }), "response_format"),
    ];
    for (format, place) in table {
        let reply = appliance.client().ask(&chat("orders", format.clone())).await;
        assert_eq!(reply.status, 400, "{format}: {}", reply.text());
        assert_eq!(reply.json()["error"]["param"], place, "{}", reply.text());
    }
    let unknown = appliance.client().ask(&chat("orders", json!({ "type": "haiku" }))).await;
    assert_eq!(unknown.error_code(), "standby_lacks", "{}", unknown.text());
    assert_eq!(appliance.client().ask(&chat("orders", order())).await.status, 200, "nothing has died of it");
}
