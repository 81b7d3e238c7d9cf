//! Vectors and scores through the whole box: inside the building, from a cloud, and never from a model that is another.

mod cloud;
mod refused;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tests::embedder::{Tiny, minilm, tiny};
use tests::test_appliance::{Builder, nonce};
use tests::{FakeCloud, Reply, TestAppliance, repository};

const ALIASES: &str = "
[[alias]]
name = \"notes\"
standby = [\"embedder\"]
[[alias]]
name = \"judge\"
standby = [\"reranker\"]
";

/// A box with a model that makes vectors and one that scores documents.
fn described() -> Builder {
    TestAppliance::builder()
        .model("embedder", tiny(Tiny::Mean), "kind = \"embedding\"")
        .model("reranker", tiny(Tiny::Rank), "kind = \"rerank\"")
        .extra(ALIASES)
}

/// Asks, and takes note of the texts: none of them may stand in the log.
async fn ask(appliance: &TestAppliance, path: &str, body: &Value) -> Reply {
    let client = appliance.client();
    note(&client, body);
    client.post(path, body.to_string()).await
}

fn note(client: &tests::Client, body: &Value) {
    for field in ["input", "query", "documents"] {
        match &body[field] {
            Value::String(text) => client.note(text),
            Value::Array(list) => list.iter().filter_map(Value::as_str).for_each(|text| client.note(text)),
            _ => {}
        }
    }
}

fn numbers(vector: &Value) -> Vec<f32> {
    vector.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn of_base64(text: &str) -> Vec<f32> {
    let bytes = BASE64.decode(text.as_bytes()).unwrap();
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let product =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}

/// The rows of the log about this alias.
fn rows(appliance: &TestAppliance, alias: &str) -> Vec<Value> {
    let log = String::from_utf8(appliance.cli(&["audit", "export"]).stdout).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|row| row.to_string().contains(alias)).collect()
}

#[tokio::test]
async fn texts_become_vectors_in_the_building_in_either_encoding_and_the_log_has_their_request() {
    let appliance = described().start().await;
    let local = appliance.until_local_is("embedder", "ready").await;
    assert_eq!(
        (&local["kind"], &local["facts"]["vectors"]),
        (&json!("embedding"), &json!({"dimensions": 32, "pooling": "mean"}))
    );
    let text = format!("the ward {}", nonce());
    let one =
        ask(&appliance, "/v1/embeddings", &json!({"model": "notes", "input": text, "user": "ward-3"})).await;
    assert_eq!(one.status, 200, "{}", one.text());
    assert_eq!((one.served_by().as_str(), one.route().as_str()), ("local/embedder", "local"));
    assert_eq!(
        (one.header("x-genset-reason").as_str(), one.header("x-genset-lane").as_str()),
        ("first-route", "interactive")
    );
    let told = one.json();
    assert_eq!(
        (&told["object"], &told["model"], &told["data"][0]["object"]),
        (&json!("list"), &json!("embedder"), &json!("embedding"))
    );
    assert_eq!(told["genset"]["served_by"], "local/embedder");
    let tokens = told["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens > 4 && told["usage"]["total_tokens"] == tokens, "{}", told["usage"]);

    let texts = [text.as_str(), "비상 발전기가 켜집니다.", "a"];
    let body = json!({"model": "notes", "input": texts, "encoding_format": "base64", "dimensions": 32});
    let many = ask(&appliance, "/v1/embeddings", &body).await.json();
    let many: Vec<Vec<f32>> =
        (0..3).map(|at| of_base64(many["data"][at]["embedding"].as_str().unwrap())).collect();
    assert!(cosine(&many[0], &numbers(&told["data"][0]["embedding"])) > 0.99999);
    assert!(many.iter().all(|vector| (cosine(vector, vector) - 1.0).abs() < 1e-9 && vector.len() == 32));
    let rows = rows(&appliance, "\"notes\"");
    assert!(rows.len() >= 2, "each request has its row: {rows:?}");
    let log = String::from_utf8(appliance.cli(&["audit", "export"]).stdout).unwrap();
    assert!(log.contains("local/embedder") && !log.contains(&text), "the log has who served, and no text");
}

#[tokio::test]
async fn documents_are_put_in_order_by_how_well_they_answer() {
    let appliance = described().start().await;
    let documents = json!(["lunch at noon", {"text": "press on the wound"}, "정전 비상 발전기", "a"]);
    let mut body = json!({"model": "judge", "query": "patient needs oxygen?", "documents": documents});
    let told = ask(&appliance, "/v1/rerank", &body).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!((told.served_by(), told.route()), ("local/reranker".into(), "local".into()));
    let all = told.json();
    let results = all["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 4);
    let scores: Vec<f64> = results.iter().map(|result| result["relevance_score"].as_f64().unwrap()).collect();
    assert!(
        scores.is_sorted_by(|one, other| one >= other)
            && scores.iter().all(|score| (0.0..=1.0).contains(score))
    );
    assert!(results.iter().all(|result| result.get("document").is_none()), "no text comes back unasked");
    assert!(all["usage"]["total_tokens"].as_u64().unwrap() > 16);
    let golden: Value =
        serde_json::from_slice(&std::fs::read(repository().join("tests/embeddings/golden.json")).unwrap())
            .unwrap();
    let texts: Vec<&str> =
        golden["tiny"]["texts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for result in &results {
        let document = &documents[result["index"].as_u64().unwrap() as usize];
        let text = document.as_str().or(document["text"].as_str()).unwrap();
        if let Some(at) = texts.iter().position(|known| *known == text) {
            let logit = golden["tiny"]["rank"]["scores"][at].as_f64().unwrap();
            let expected = 1.0 / (1.0 + (-logit).exp());
            let got = result["relevance_score"].as_f64().unwrap();
            assert!((got - expected).abs() < 0.005, "{text}: {got} and not {expected}");
        }
    }
    body["top_n"] = json!(2);
    body["return_documents"] = json!(true);
    let best = ask(&appliance, "/v1/rerank", &body).await.json();
    assert_eq!(best["results"].as_array().unwrap().len(), 2);
    assert_eq!(best["results"][0]["index"], results[0]["index"]);
    assert!(best["results"][0]["document"]["text"].is_string());
}

#[tokio::test]
async fn the_real_model_finds_in_both_languages_what_sentence_transformers_finds() {
    let file = std::fs::read(minilm()).unwrap();
    let builder = TestAppliance::builder().model("minilm", file, "kind = \"embedding\"\nthreads = 1");
    let alias = "\n[[alias]]\nname = \"search\"\nstandby = [\"minilm\"]\n";
    let appliance = builder.extra(alias).start().await;
    let golden: Value =
        serde_json::from_slice(&std::fs::read(repository().join("tests/embeddings/golden.json")).unwrap())
            .unwrap();
    let golden = &golden["minilm"];
    let body = json!({"model": "search", "input": golden["texts"]});
    let told = ask(&appliance, "/v1/embeddings", &body).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.json();
    let tokens: u64 = golden["tokens"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(told["usage"]["prompt_tokens"], tokens);
    for (at, expected) in golden["vectors"].as_array().unwrap().iter().enumerate() {
        let likeness =
            cosine(&numbers(&told["data"][at]["embedding"]), &of_base64(expected.as_str().unwrap()));
        assert!(likeness >= 0.999, "{likeness} of {}", golden["texts"][at]);
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_amid_the_work_loses_no_request() {
    let appliance = described().start().await;
    let texts: Vec<String> = (0..1000).map(|n| format!("{} ward", "the ".repeat(n % 100))).collect();
    let body = json!({"model": "notes", "input": texts, "encoding_format": "base64"});
    let running: Vec<_> = (0..4)
        .map(|_| {
            let (client, body) = (appliance.client(), body.to_string());
            tokio::spawn(async move { client.post("/v1/embeddings", body).await })
        })
        .collect();
    for _ in 0..2 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        appliance.kill_worker();
    }
    let mut answers = Vec::new();
    for answer in running {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answers.push(answer.json()["data"].as_array().unwrap().len());
    }
    assert_eq!(answers, [1000; 4]);
}

#[tokio::test]
async fn programs_and_people_see_what_each_model_is_for() {
    let cloud = FakeCloud::start();
    let appliance = described().cloud(&cloud).https().start().await;
    let models = appliance.client().get("/v1/models").await.json();
    let names: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(names, ["assistant", "local-only", "notes", "judge"]);
    let status = appliance.status().await;
    let kinds: Vec<_> =
        status["aliases"].as_array().unwrap().iter().map(|alias| alias["kind"].clone()).collect();
    assert_eq!(kinds, ["chat", "chat", "embedding", "rerank"]);
    let owner = appliance.portal().await;
    let page = owner.page("/status").await.text();
    assert!(page.contains("makes vectors of texts") && page.contains("scores documents"), "{page}");
    assert!(page.contains("32d mean"), "{page}");
    let chat = owner.page("/").await.text();
    assert!(
        chat.contains("local-only") && !chat.contains(">notes<") && !chat.contains("\"notes\""),
        "{chat}"
    );
}

#[tokio::test]
async fn a_box_that_only_makes_vectors_does_not_call_itself_ready_to_answer() {
    let appliance = described().model_file("/nowhere/model.gguf".as_ref()).start_unready().await;
    appliance.until_local_is("embedder", "ready").await;
    let ready = appliance.anonymous().get("/readyz?verbose").await;
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert_eq!(ready.json()["standby"]["embedder"]["ready"], true, "{}", ready.text());
    let vectors = ask(&appliance, "/v1/embeddings", &json!({"model": "notes", "input": "the ward"})).await;
    assert_eq!(vectors.status, 200, "{}", vectors.text());
}
