//! What is refused, and in which words.

use serde_json::json;

use super::*;

#[tokio::test]
async fn each_bad_request_is_refused_by_its_field_before_any_work() {
    let appliance = described().start().await;
    let long = "the ".repeat(200);
    let embed = |input: Value| json!({"model": "notes", "input": input});
    let rank = |documents: Value| json!({"model": "judge", "query": "the ward", "documents": documents});
    let table = [
        ("/v1/embeddings", embed(json!("")), 400, "invalid_input", "input"),
        ("/v1/embeddings", embed(json!([])), 400, "invalid_input", "input"),
        ("/v1/embeddings", embed(json!(["a", ""])), 400, "invalid_input", "input[1]"),
        ("/v1/embeddings", embed(json!([1, 2, 3])), 400, "tokens_not_supported", "input"),
        ("/v1/embeddings", embed(json!(["a", long])), 400, "context_length_exceeded", "input[1]"),
        (
            "/v1/embeddings",
            json!({"model": "notes", "input": "a", "dimensions": 16}),
            400,
            "dimensions_not_supported",
            "dimensions",
        ),
        (
            "/v1/embeddings",
            json!({"model": "notes", "input": "a", "encoding_format": "hex"}),
            400,
            "invalid_value",
            "encoding_format",
        ),
        ("/v1/embeddings", json!({"model": "nobody", "input": "a"}), 404, "model_not_found", "model"),
        ("/v1/embeddings", json!({"model": "local-only", "input": "a"}), 400, "wrong_kind", "model"),
        ("/v1/embeddings", json!({"model": "judge", "input": "a"}), 400, "wrong_kind", "model"),
        ("/v1/rerank", rank(json!([])), 400, "invalid_value", "documents"),
        ("/v1/rerank", rank(json!(["a", long])), 400, "context_length_exceeded", "documents[1]"),
        (
            "/v1/rerank",
            json!({"model": "notes", "query": "q", "documents": ["a"]}),
            400,
            "wrong_kind",
            "model",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "notes", "messages": [{"role": "user", "content": "a"}]}),
            400,
            "wrong_kind",
            "model",
        ),
    ];
    for (path, body, status, code, param) in table {
        let refused = ask(&appliance, path, &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.error_code().as_str()),
            (status, code),
            "{}",
            refused.text()
        );
        assert_eq!(refused.json()["error"]["param"], param, "{}", refused.text());
    }
    let told = ask(&appliance, "/v1/embeddings", &embed(json!([long]))).await.error_message();
    assert!(told.contains("202 tokens") && told.contains("128"), "{told}");
    let body = embed(json!("a")).to_string();
    assert_eq!(appliance.anonymous().post("/v1/embeddings", body).await.status, 401);
    assert_eq!(appliance.client().get("/v1/rerank").await.status, 405);
}

#[tokio::test]
async fn whoever_may_not_use_an_alias_gets_no_vectors_of_it() {
    let builder = TestAppliance::builder().model("embedder", tiny(Tiny::Mean), "kind = \"embedding\"");
    let alias = "\n[[alias]]\nname = \"oncology\"\nstandby = [\"embedder\"]\nrestricted = true\n";
    let appliance = builder.extra(alias).start().await;
    let refused = ask(&appliance, "/v1/embeddings", &json!({"model": "oncology", "input": "a"})).await;
    assert_eq!(
        (refused.status.as_u16(), refused.error_code().as_str()),
        (403, "alias_not_allowed"),
        "{}",
        refused.text()
    );
    let given = appliance.cli(&["grant", "give", "key test-client", "use", "alias oncology"]);
    assert!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));
    assert_eq!(
        ask(&appliance, "/v1/embeddings", &json!({"model": "oncology", "input": "a"})).await.status,
        200
    );
}

#[tokio::test]
async fn a_text_whose_vector_is_no_number_gets_an_error_and_no_vector() {
    let builder = TestAppliance::builder().model("embedder", tiny(Tiny::Poisoned), "kind = \"embedding\"");
    let alias = "\n[[alias]]\nname = \"notes\"\nstandby = [\"embedder\"]\n";
    let appliance = builder.extra(alias).start().await;
    let bad = ask(&appliance, "/v1/embeddings", &json!({"model": "notes", "input": ["the", "nan"]})).await;
    assert_eq!((bad.status.as_u16(), bad.error_code().as_str()), (502, "no_vector"), "{}", bad.text());
    assert_eq!(
        ask(&appliance, "/v1/embeddings", &json!({"model": "notes", "input": ["the"]})).await.status,
        200
    );
}

#[tokio::test]
async fn a_check_says_which_model_cannot_do_what_it_is_for() {
    let builder = TestAppliance::builder()
        .model("talker", tiny(Tiny::Mean), "")
        .model("embedder", tiny(Tiny::Unsaid), "kind = \"embedding\"")
        .model("told", tiny(Tiny::Unsaid), "kind = \"embedding\"\npooling = \"cls\"")
        .model("reranker", tiny(Tiny::Headless), "kind = \"rerank\"");
    let appliance = builder.start().await;
    let checked = appliance.cli(&["check"]);
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(2), "{said}");
    for (name, words) in [
        ("talker", "kind = \"embedding\""),
        ("embedder", "pooling = "),
        ("reranker", "no layer that makes a score"),
    ] {
        let line =
            said.lines().find(|line| line.contains(&format!("\"{name}\""))).expect("each has its line");
        assert!(line.contains(words), "{line}");
    }
    assert!(!said.contains("\"told\""), "{said}");
}
