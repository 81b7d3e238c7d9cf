//! What a request asks about single tokens and about several answers, served by a local model.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

/// The texts of a whole answer's choices, in their order.
fn texts(reply: &Value) -> Vec<String> {
    let choices = reply["choices"].as_array().expect("choices");
    let each = choices.iter().enumerate().map(|(index, choice)| {
        assert_eq!(choice["index"], index);
        choice["message"]["content"].as_str().expect("text").to_owned()
    });
    each.collect()
}

/// The bytes of all tokens: one may be a part of a character, also of one that the next chunk goes on with.
fn bytes(logprobs: &Value) -> Vec<u8> {
    let content = logprobs["content"].as_array().expect("a list of tokens");
    let bytes = content.iter().flat_map(|token| token["bytes"].as_array().expect("bytes"));
    bytes.map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect()
}

/// The text that all tokens of some chunks, or of one answer, are.
fn tokens<'a>(logprobs: impl IntoIterator<Item = &'a Value>) -> String {
    let bytes: Vec<u8> =
        logprobs.into_iter().filter(|logprobs| !logprobs.is_null()).flat_map(bytes).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn how_likely_the_tokens_were_is_told_whole_and_in_a_stream() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(true);
    let plain = Chat::new("local-only", &known.question);
    let chat = plain.clone().with("logprobs", true).with("top_logprobs", 2);
    let whole = appliance.client().ask(&chat).await.json();
    let logprobs = &whole["choices"][0]["logprobs"];
    assert_eq!(tokens([logprobs]), known.answer);
    for token in logprobs["content"].as_array().unwrap() {
        assert_eq!(token["top_logprobs"].as_array().map(Vec::len), Some(2));
        assert_eq!(token["top_logprobs"][0]["bytes"], token["bytes"], "the likeliest is said");
        assert!(token["logprob"].as_f64().is_some_and(|logprob| (-20.0..=0.0).contains(&logprob)), "{token}");
    }
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    let told = streamed.chunks.iter().map(|chunk| &chunk["choices"][0]["logprobs"]);
    assert_eq!(tokens(told), known.answer);
    let silent = appliance.client().ask(&plain).await.json();
    assert!(silent["choices"][0]["logprobs"].is_null(), "who did not ask is not told");
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_with_the_tokens_of_who_goes_on() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    cloud.say(&known.answer);
    cloud.cut_streams(known.answer.split(' ').count() / 2);
    let chat = Chat::new("assistant", &known.question).with("logprobs", true);
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    let seam = streamed.seam().expect("a local model went on");
    let rest: String = known.answer.chars().skip(seam as usize).collect();
    let after = streamed.chunks.iter().filter(|chunk| chunk["model"] == "pilot-light");
    let told = after.map(|chunk| &chunk["choices"][0]["logprobs"]);
    let told = tokens(told);
    assert!(rest.ends_with(&told) && rest.len() < told.len() + 16, "{told:?} of {rest:?}");
}

#[tokio::test]
async fn several_answers_come_side_by_side_and_the_same_seed_gives_the_same_ones() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    let three = Chat::new("local-only", &known.question).with("n", 3).with("max_tokens", 40);
    let drawn = three.clone().with("temperature", 1.5).with("seed", 11).with("logprobs", true);
    let whole = appliance.client().ask(&drawn).await.json();
    let said = texts(&whole);
    assert_eq!(said.len(), 3, "{whole}");
    assert!(said.iter().any(|text| *text != said[0]), "each is a draw of its own: {said:?}");
    for (choice, text) in whole["choices"].as_array().unwrap().iter().zip(&said) {
        let told = tokens([&choice["logprobs"]]);
        assert!(told.starts_with(text.as_str()), "{told:?} is not {text:?}");
        assert!(["stop", "length"].contains(&choice["finish_reason"].as_str().unwrap()));
    }
    assert_eq!(texts(&appliance.client().ask(&drawn).await.json()), said, "a seed is a promise");

    let options = json!({"include_usage": true});
    let streamed = appliance.client().stream_whole(&drawn.clone().with("stream_options", options)).await;
    assert!(streamed.is_whole(), "{streamed:?}");
    let (mut parts, mut ends) = (BTreeMap::<u64, String>::new(), BTreeMap::<u64, u32>::new());
    for chunk in &streamed.chunks {
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap();
            parts.entry(index).or_default().push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            *ends.entry(index).or_default() += u32::from(!choice["finish_reason"].is_null());
        }
    }
    assert_eq!(parts.into_values().collect::<Vec<_>>(), said);
    assert_eq!(ends.into_values().collect::<Vec<_>>(), [1, 1, 1], "each ends once");
    let usage = &streamed.chunks.last().unwrap()["usage"];
    assert_eq!(usage, &whole["usage"], "all three are counted, and the prompt once");

    let same = appliance.client().ask(&three).await.json();
    let same = texts(&same);
    assert!(same.iter().all(|text| *text == same[0]), "at temperature 0 there is one answer");
    let many = appliance.client().ask(&three.with("n", 9)).await;
    assert_eq!(
        (many.status.as_u16(), many.error_code().as_str()),
        (400, "standby_lacks"),
        "no cloud to wait for"
    );
    assert!(many.error_message().contains("more answers at once than 8"), "{}", many.text());
}

#[tokio::test]
async fn numbers_of_tokens_go_to_the_cloud_as_they_came_and_to_a_local_model_only_as_its_own() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    let bias = json!({"50256": -100, "300": 1.5});
    let chat = Chat::new("assistant", &known.question).with("logit_bias", bias.clone());
    assert_eq!(appliance.client().ask(&chat).await.route(), "cloud");
    assert_eq!(cloud.chats()[0].body["logit_bias"], bias);
    cloud.refuse();
    appliance.until_state("offline").await;
    let refused = appliance.client().ask(&chat).await;
    assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (503, "standby_lacks"));
    assert!(refused.error_message().contains("logit_bias"), "{}", refused.text());

    let own = |bias: Value| Chat::new("local-only", &known.question).with("logit_bias", bias);
    assert_eq!(appliance.client().ask(&own(json!({"300": -100}))).await.status, 200);
    let favoured = appliance.client().ask(&own(json!({"300": 100})).with("max_tokens", 3)).await;
    assert_ne!(favoured.said(), known.answer);
    for (token, why) in [("2000000000", "has tokens 0 to "), ("4000000000", "the token 4000000000;")] {
        let unknown = appliance.client().ask(&own(json!({token: 1}))).await;
        assert_eq!((unknown.status.as_u16(), unknown.error_code().as_str()), (400, "invalid_value"));
        assert_eq!(unknown.json()["error"]["param"], "logit_bias");
        assert!(unknown.error_message().contains(why), "{}", unknown.text());
    }
}

#[tokio::test]
async fn a_number_out_of_its_range_is_refused_by_its_name_before_anybody_is_asked() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    for (name, value, range) in [
        ("n", json!(0), "from 1 to 128"),
        ("top_logprobs", json!(3), "needs \"logprobs\""),
        ("logprobs", json!(5), "true or false"),
        ("logit_bias", json!({"5": 101}), "from -100 to 100"),
        ("min_p", json!(1.1), "from 0 to 1"),
        ("top_k", json!(-1), "from 0 to 1000000"),
        ("repetition_penalty", json!(0), "from 0.01 to 2"),
        ("seed", json!("x"), "a whole number"),
    ] {
        for alias in ["assistant", "local-only"] {
            let refused = appliance.client().ask(&Chat::new(alias, "hello").with(name, value.clone())).await;
            assert_eq!(refused.status, 400, "{name}: {}", refused.text());
            assert_eq!(refused.json()["error"]["param"], name);
            assert!(refused.error_message().contains(range), "{}", refused.error_message());
        }
    }
    assert!(cloud.chats().is_empty());
}
