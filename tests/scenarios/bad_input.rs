//! What cannot be used is refused in one clear line, or in the OpenAI error shape; the box keeps running.

use std::net::TcpListener;

use serde_json::{Value, json};
use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, Reply, TestAppliance, repository};

/// One line that names each of `words`.
fn assert_one_line(said: &str, words: &[&str]) {
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 1, "one line is enough:\n{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
}

/// The OpenAI error shape with a sentence that helps.
fn assert_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
    assert_eq!(reply.error_code(), code, "{}", reply.text());
    assert!(reply.error_message().len() > 20, "{}", reply.text());
    assert!(reply.json()["error"]["type"].is_string(), "{}", reply.text());
}

#[tokio::test]
async fn an_unknown_configuration_key_is_refused_with_its_line() {
    let (code, said) = TestAppliance::builder().extra("\n[limits]\nmax_boddy_bytes = 9\n").refused().await;
    assert_eq!(code, 2, "{said}");
    assert_one_line(&said, &["genset.toml:", "max_boddy_bytes", "max_body_bytes"]);
    let line: usize = said.split("genset.toml:").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
    assert!(line > 5, "the line is the key's: {said}");
}

#[tokio::test]
async fn a_value_that_makes_no_sense_is_refused_with_its_place() {
    let lines = "\n[[alias]]\nname = \"other\"\ncloud = [\"nowhere/large\"]\n";
    let (code, said) = TestAppliance::builder().extra(lines).refused().await;
    assert_eq!(code, 2, "{said}");
    assert_one_line(&said, &["genset.toml", "other", "nowhere"]);

    let cloud = FakeCloud::start();
    let (code, said) = TestAppliance::builder().cloud(&cloud).breaker("max_failures = 0").refused().await;
    assert_eq!(code, 2, "{said}");
    assert_one_line(&said, &["genset.toml", "max_failures"]);
}

#[tokio::test]
async fn a_missing_configuration_is_named() {
    let binary = tests::genset_binary();
    let output = std::process::Command::new(binary)
        .args(["serve", "--config", "/nowhere/genset.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_one_line(&String::from_utf8_lossy(&output.stderr), &["/nowhere/genset.toml"]);
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let (code, said) = TestAppliance::builder().http(address).refused().await;
    assert_eq!(code, 2, "{said}");
    assert!(said.lines().any(|line| line.contains(&address.to_string())), "{said}");
}

#[tokio::test]
async fn a_plain_listener_outside_the_machine_is_refused() {
    let (code, said) = TestAppliance::builder().http("0.0.0.0:18099".parse().unwrap()).refused().await;
    assert_eq!(code, 2, "{said}");
    assert_one_line(&said, &["0.0.0.0:18099", "loopback"]);
}

#[tokio::test]
async fn a_missing_model_is_named_and_the_cloud_still_answers() {
    let cloud = FakeCloud::start();
    let missing = std::path::Path::new("/nowhere/large-model.gguf");
    let appliance = TestAppliance::builder().cloud(&cloud).model_file(missing).start_unready().await;
    assert!(appliance.log().contains("/nowhere/large-model.gguf"), "{}", appliance.log());
    let reply = appliance.client().ask(&Chat::new("assistant", "Please go on without it")).await;
    assert_eq!(reply.route(), "cloud", "{}", reply.text());

    let ready = appliance.anonymous().get("/readyz?verbose").await;
    assert_eq!(ready.status, 503, "without a standby the box is not ready: {}", ready.text());
    appliance.until_local_is("pilot-light", "failed").await;
    let detail = appliance.status().await["locals"][0]["detail"].clone();
    assert!(detail.as_str().unwrap().contains("/nowhere/large-model.gguf"), "{detail}");

    cloud.refuse();
    let reply = appliance.client().ask(&Chat::new("assistant", "Is anybody there at all?")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.error_message().len() > 20);
}

#[tokio::test]
async fn half_a_model_is_named_and_the_cloud_still_answers() {
    let cloud = FakeCloud::start();
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("half.gguf");
    let whole = std::fs::read(repository().join("provisioning/pilot-light/pilot-light.gguf")).unwrap();
    std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let appliance = TestAppliance::builder().cloud(&cloud).model_file(&half).start_unready().await;
    appliance.until_local_is("pilot-light", "failed").await;
    let detail = appliance.status().await["locals"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("half.gguf") && !detail.contains('\n'), "{detail}");
    let reply = appliance.client().ask(&Chat::new("assistant", "Please go on without it")).await;
    assert_eq!(reply.route(), "cloud", "{}", reply.text());
}

#[tokio::test]
async fn an_unreadable_key_file_takes_its_upstream_out_and_the_standby_answers() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).key_file("keys/missing").start().await;
    assert!(appliance.log().contains("keys/missing"), "{}", appliance.log());
    let known = known_answer(false);
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer));
    assert!(cloud.seen().is_empty(), "without its key the upstream is never asked");
    appliance.until_state("offline").await;
    assert_eq!(appliance.status().await["upstreams"][0]["verdict"], "key-rejected");
}

#[tokio::test]
async fn bodies_that_are_no_request_get_400_and_what_is_wrong() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let client = appliance.client();
    let path = "/v1/chat/completions";
    let message = json!([{ "role": "user", "content": "Please look at the rest" }]);
    for body in [
        "this is no JSON".to_owned(),
        "{\"model\": \"assistant\", \"messages\": [".to_owned(),
        String::new(),
        "[]".to_owned(),
        "null".to_owned(),
        json!({ "messages": message }).to_string(),
        json!({ "model": "assistant" }).to_string(),
        json!({ "model": "assistant", "messages": [] }).to_string(),
        json!({ "model": "assistant", "messages": "Hello" }).to_string(),
        json!({ "model": "assistant", "messages": [{ "role": "user", "content": 7 }] }).to_string(),
        json!({ "model": "assistant", "messages": message, "temperature": "hot" }).to_string(),
        json!({ "model": "assistant", "messages": message, "max_tokens": -1 }).to_string(),
        json!({ "model": 7, "messages": message }).to_string(),
    ] {
        let reply = client.post(path, body.clone()).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert!(reply.error_message().len() > 10, "{body}: {}", reply.text());
        assert!(!reply.text().contains("this is no JSON"), "the body is not said back");
    }
    let invalid = client.post(path, b"{\"model\": \"\xff\xfe\"}".to_vec()).await;
    assert_eq!(invalid.status, 400, "{}", invalid.text());
    assert!(cloud.chats().is_empty(), "none of them reached the cloud");
    assert_eq!(client.ask(&Chat::new("assistant", "Are you still well?")).await.status, 200);
}

#[tokio::test]
async fn deeply_nested_json_harms_nobody() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let deep =
        format!("{{\"model\": \"assistant\", \"messages\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(appliance.client().post("/v1/chat/completions", deep).await.status, 400);
    assert_eq!(appliance.client().ask(&Chat::new("assistant", "Are you still well?")).await.status, 200);
}

#[tokio::test]
async fn a_body_over_the_limit_gets_413() {
    let cloud = FakeCloud::start();
    let lines = "\n[limits]\nmax_body_bytes = 4096\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(lines).start().await;
    let reply = appliance.client().ask(&Chat::new("assistant", &"a long story ".repeat(1000))).await;
    assert_refused(&reply, 413, "body_too_large");
    assert!(reply.error_message().contains("4096"), "{}", reply.text());
    assert_eq!(appliance.client().ask(&Chat::new("assistant", "And a short one?")).await.status, 200);
}

#[tokio::test]
async fn an_unknown_alias_gets_404_and_the_names_that_there_are() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let reply = appliance.client().ask(&Chat::new("gpt-99", "Please answer me")).await;
    assert_refused(&reply, 404, "model_not_found");
    assert!(reply.error_message().contains("gpt-99") && reply.error_message().contains("assistant"));
}

#[tokio::test]
async fn a_wrong_key_and_no_key_get_401_on_every_path_of_the_api() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let wrong = appliance.anonymous().with_key("gsk_0000000000000000000000000000000000000000000");
    assert_refused(&wrong.ask(&Chat::new("assistant", "Please let me in")).await, 401, "invalid_api_key");
    assert_refused(&wrong.get("/v1/models").await, 401, "invalid_api_key");
    let nobody = appliance.anonymous();
    assert_eq!(nobody.ask(&Chat::new("assistant", "Please let me in")).await.status, 401);
    assert_eq!(nobody.get("/v1/models").await.status, 401);
    for header in ["x-api-key", "x-goog-api-key"] {
        let client = appliance.anonymous().with_header(header, appliance.key());
        assert_eq!(client.get("/v1/models").await.status, 200, "{header} is as good");
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_two_seconds() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    assert_eq!(appliance.client().get("/v1/models").await.status, 200);
    let revoked = appliance.cli(&["key", "revoke", "test-client"]);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(appliance.client().get("/v1/models").await.status, 401);
}

#[tokio::test]
async fn what_is_nowhere_is_told_so_in_the_shape_of_the_api() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let nowhere = appliance.client().post("/v1/nowhere", "{}").await;
    assert_eq!(nowhere.status, 404);
    assert_ne!(nowhere.json(), Value::Null, "{}", nowhere.text());
    assert_eq!(appliance.client().get("/v1/chat/completions").await.status, 405);
}

#[tokio::test]
async fn a_conversation_longer_than_the_context_is_refused_locally_as_such() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let reply = appliance.client().ask(&Chat::new("local-only", &"a very long story ".repeat(20_000))).await;
    assert_refused(&reply, 400, "context_length_exceeded");
    let known = known_answer(false);
    let reply = appliance.client().ask(&Chat::new("local-only", &known.question)).await;
    assert_eq!(reply.said(), known.answer);
}
