use serde_json::json;

use super::*;

fn parse(body: &Value) -> Result<EmbeddingRequest, ApiError> {
    EmbeddingRequest::parse(body.to_string().as_bytes())
}

fn extension() -> Extension {
    Extension {
        served_by: "local/notes".into(),
        route: "local",
        reason: "first-route",
        site_state: "connected",
        seam: None,
        usage: None,
        shortened: None,
        brown_out: None,
    }
}

#[test]
fn a_text_a_list_of_texts_and_tokens_are_told_apart() {
    let read = |input: Value| parse(&json!({"model": "notes", "input": input})).expect("good");
    assert_eq!(read(json!("안녕")).texts, Some(vec!["안녕".to_owned()]));
    let two = read(json!(["a", "b"]));
    assert_eq!((two.texts.map(|texts| texts.len()), two.count), (Some(2), 2));
    let tokens = read(json!([1, 2, 3]));
    assert_eq!((tokens.texts.is_none(), tokens.count), (true, 1));
    let lists = read(json!([[1, 2], [3]]));
    assert_eq!((lists.texts.is_none(), lists.count), (true, 2));
}

#[test]
fn nothing_of_the_body_is_lost_on_its_way_to_the_upstream() {
    let mut body = json!({"model": "notes", "input": ["안녕"], "user": "ward-3", "dimensions": 256,
        "encoding_format": "base64", "x": {"y": [1.5]}});
    let request = parse(&body).expect("good");
    assert_eq!((request.dimensions, request.encoding), (Some(256), VectorEncoding::Base64));
    assert_eq!(request.text_bytes(), 6);
    let sent: Value = serde_json::from_slice(&request.body_for("text-embedding-3-small")).expect("JSON");
    body["model"] = json!("text-embedding-3-small");
    assert_eq!(sent, body);
}

#[test]
fn each_bad_field_is_refused_by_its_name() {
    let many: Vec<&str> = vec!["a"; MAX_TEXTS + 1];
    for (field, value, param) in [
        ("input", Value::Null, "input"),
        ("input", json!(""), "input"),
        ("input", json!([]), "input"),
        ("input", json!(7), "input"),
        ("input", json!({"text": "a"}), "input"),
        ("input", json!(many), "input"),
        ("input", json!(["a", ""]), "input[1]"),
        ("input", json!(["a", 7]), "input[1]"),
        ("input", json!([[1], []]), "input[0]"),
        ("encoding_format", json!("hex"), "encoding_format"),
        ("encoding_format", json!(1), "encoding_format"),
        ("dimensions", json!(0), "dimensions"),
        ("dimensions", json!("256"), "dimensions"),
        ("model", json!(""), "model"),
    ] {
        let mut body = json!({"model": "notes", "input": "a"});
        body[field] = value;
        let error = parse(&body).expect_err("must be refused");
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{field}");
    }
    let error = EmbeddingRequest::parse(b"{\"model\":").expect_err("half");
    assert!(error.message.contains("\"model\" and \"input\""), "{}", error.message);
}

#[test]
fn vectors_are_written_as_the_clients_read_them() {
    let vectors = [vec![0.1_f32, -0.25], vec![1.0, 3.4e-5]];
    let usage = Usage { prompt_tokens: 9, ..Usage::default() };
    let told = embeddings("notes", &vectors, VectorEncoding::Float, usage, &extension());
    let golden = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-0.25]},{"object":"embedding","index":1,"embedding":[1.0,0.000034]}],"model":"notes","usage":{"prompt_tokens":9,"total_tokens":9},"genset":{"served_by":"local/notes","route":"local","reason":"first-route","site_state":"connected"}}"#;
    assert_eq!(String::from_utf8_lossy(&told), golden);
    let told = embeddings("notes", &vectors, VectorEncoding::Base64, usage, &extension());
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    // struct.pack("<2f", 0.1, -0.25)
    assert_eq!(told["data"][0]["embedding"], "zczMPQAAgL4=");
}

#[test]
fn an_upstreams_answer_keeps_every_digit_and_is_stamped() {
    let body = br#"{"object":"list","data":[{"index":0,"object":"embedding","embedding":[0.10000000000000000555,-1e-7]}],"model":"up","usage":{"prompt_tokens":4,"total_tokens":4},"x":1}"#;
    let answer = EmbeddingAnswer::read(body, 1).expect("one vector");
    assert_eq!(answer.usage, Some(4));
    let stamped = String::from_utf8(answer.stamped(&extension())).expect("text");
    assert!(stamped.contains("[0.10000000000000000555,-1e-7]"), "{stamped}");
    let told: Value = serde_json::from_str(&stamped).expect("JSON");
    assert_eq!(
        (&told["x"], &told["model"], &told["genset"]["route"]),
        (&json!(1), &json!("up"), &json!("local"))
    );
}

#[test]
fn an_answer_with_other_than_the_vectors_that_were_asked_for_is_none() {
    let two = br#"{"data":[{"embedding":[1]},{"embedding":"AAAA"}]}"#;
    assert!(EmbeddingAnswer::read(two, 2).is_some());
    assert!(EmbeddingAnswer::read(two, 3).is_none());
    for bad in [&b"{}"[..], b"<html>", br#"{"data":{}}"#, br#"{"data":[{"index":0}]}"#, br#"{"error":{}}"#] {
        assert!(EmbeddingAnswer::read(bad, 1).is_none());
    }
}

#[test]
fn no_text_of_a_request_is_in_the_debug_output() {
    let request = parse(&json!({"model": "a", "input": ["secret words"]}));
    assert!(!format!("{request:?}").contains("secret"));
}
