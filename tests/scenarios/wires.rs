//! Answers whose bytes come as no upstream should send them, and as some do: whole in the end, or clearly not.

mod odd;

use serde_json::{Value, json};
use tests::raw_cloud::{Step, json_response};
use tests::test_appliance::{Known, known_answer, known_answers};
use tests::{Chat, Client, Ended, RawCloud, Streamed, TestAppliance};

/// Who gives an answer in the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Cloud,
    /// The cloud began it.
    Both,
    Local,
}

/// One wire: its name, what comes over it, and who answers.
type Wire = (&'static str, Vec<Step>, By);

/// A known answer of a few sentences: there are many wires.
fn brief(korean: bool) -> Known {
    let is_korean = |text: &str| text.chars().any(|char| ('가'..='힣').contains(&char));
    let fits = |known: &Known| {
        is_korean(&known.question) == korean && is_korean(&known.answer) == korean && known.answer.len() > 120
    };
    known_answers().into_iter().filter(fits).min_by_key(|known| known.answer.len()).expect("there are some")
}

/// A box with one upstream for each wire. Probes are rare, so that they decide nothing.
async fn box_with(cloud: &RawCloud, wires: &[Wire]) -> TestAppliance {
    let mut builder = TestAppliance::builder();
    for (name, steps, _) in wires {
        cloud.play(name, steps.clone());
        builder = builder.wire(name, cloud).tune("probe_interval_ms", 30_000);
    }
    builder.start().await
}

/// Asks over each wire for a stream, and for a whole answer: each time it must be the known one, word for word.
async fn assert_answered(known: &Known, wires: &[Wire]) {
    let cloud = RawCloud::start();
    let appliance = box_with(&cloud, wires).await;
    let client = appliance.client();
    let mut wrong = Vec::new();
    for (name, _, by) in wires {
        let chat = Chat::new(name, &known.question);
        let streamed = client.stream_whole(&chat).await;
        if let Some(what) = what_is_wrong(&streamed, known, *by) {
            wrong.push(format!("{name}, streamed: {what}"));
        }
        let reply = client.ask(&chat).await;
        let expected = if *by == By::Cloud { "cloud" } else { "local" };
        if reply.said() != known.answer || reply.route() != expected {
            wrong.push(format!("{name}, whole: by {}: {}", reply.served_by(), reply.text()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wires:\n{}", wrong.len(), wires.len(), wrong.join("\n"));
}

fn what_is_wrong(streamed: &Streamed, known: &Known, by: By) -> Option<String> {
    let began = streamed.header("x-genset-route");
    let is_of = match by {
        By::Cloud => began == "cloud" && streamed.seam().is_none(),
        // On a busy machine the break may be read together with all that stands before it: then nothing was shown.
        By::Both => (began == "cloud") == streamed.seam().is_some(),
        By::Local => began == "local" && streamed.seam().is_none(),
    };
    let is_right = streamed.is_whole() && streamed.said() == known.answer && is_of;
    (!is_right).then(|| {
        let (said, ended) = (streamed.said(), &streamed.ended);
        let (route, reason) = (streamed.header("x-genset-route"), streamed.header("x-genset-reason"));
        format!("{said:?} by {route} ({reason}), seam {:?}, {ended:?}", streamed.seam())
    })
}

#[tokio::test]
async fn what_is_odd_and_whole_is_passed_on() {
    let known = brief(true);
    assert_answered(&known, &odd::whole(&known.answer)).await;
}

#[tokio::test]
async fn what_breaks_in_its_middle_is_finished_by_the_pilot_light() {
    let known = brief(true);
    assert_answered(&known, &odd::broken(&known.answer)).await;
}

#[tokio::test]
async fn what_is_no_answer_at_all_is_replaced() {
    let known = brief(false);
    assert_answered(&known, &odd::none()).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_goes_nowhere_else() {
    let (cloud, elsewhere) = (RawCloud::start(), RawCloud::start());
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/chat/completions", elsewhere.base_url("any"));
        let response = format!("HTTP/1.1 {status} X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let wires = [("any", vec![Step::send(response)], By::Local)];
        let appliance = box_with(&cloud, &wires).await;
        let reply = appliance.client().ask(&Chat::new("any", &known_answer(false).question)).await;
        assert_eq!((reply.route().as_str(), reply.said()), ("local", known_answer(false).answer), "{status}");
    }
    assert!(elsewhere.heard().is_empty(), "{:?}", elsewhere.heard());
}

#[tokio::test]
async fn what_an_upstream_says_of_the_request_is_passed_on_whatever_its_shape() {
    let cloud = RawCloud::start();
    let schema = "Invalid schema for function 'get_billing_record': object schema missing properties";
    let azure =
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.";
    let table: [(&'static str, u16, Value, &str); 5] = [
        ("schema", 400, json!({"error": {"message": schema, "code": "invalid_function_parameters"}}), schema),
        ("azure", 400, json!({"error": {"message": azure, "code": "content_filter", "status": 400}}), azure),
        ("text", 400, json!({"error": "top_k must be positive"}), "top_k must be positive"),
        ("detail", 422, json!({"detail": "field required"}), "field required"),
        ("list", 400, json!([{"error": {"code": 400, "message": "no such field"}}]), "no such field"),
    ];
    let wires: Vec<Wire> = table
        .iter()
        .map(|(name, status, body, _)| (*name, vec![Step::Send(json_response(*status, body))], By::Cloud))
        .collect();
    let appliance = box_with(&cloud, &wires).await;
    for (name, status, _, message) in &table {
        for _ in 0..4 {
            let reply = appliance.client().ask(&Chat::new(name, "Please do it all the same")).await;
            assert_eq!(
                (reply.status.as_u16(), reply.error_message().as_str()),
                (*status, *message),
                "{name}"
            );
        }
        assert_eq!(cloud.chats(name).len(), 4, "{name}: once each, and never somewhere else");
    }
    let status = appliance.status().await;
    let breakers: Vec<_> =
        status["upstreams"].as_array().unwrap().iter().map(|upstream| upstream["breaker"].clone()).collect();
    assert!(breakers.iter().all(|breaker| breaker == "closed"), "it is no fault of theirs: {breakers:?}");
}

/// A box whose one wire says so much of an answer and is reset then.
async fn box_with_a_cut(cloud: &RawCloud, pieces: &[&str]) -> (TestAppliance, Client) {
    let said = pieces.iter().map(|piece| odd::says(piece));
    let steps = [odd::head("text/event-stream")].into_iter().chain(said).map(Step::send);
    let steps = steps.chain([Step::Pause(std::time::Duration::from_millis(20)), Step::Reset]).collect();
    let appliance = box_with(cloud, &[("cut", steps, By::Both)]).await;
    let client = appliance.client();
    (appliance, client)
}

#[tokio::test]
async fn the_most_tokens_that_a_caller_wants_hold_over_a_seam() {
    let (cloud, known) = (RawCloud::start(), known_answer(false));
    let pieces: Vec<&str> = known.answer.split_inclusive(' ').take(6).collect();
    let (_appliance, client) = box_with_a_cut(&cloud, &pieces).await;
    let chat = Chat::new("cut", &known.question).with("stream_options", json!({ "include_usage": true }));
    for (most, more) in [(6, 0), (8, 2)] {
        let streamed = client.stream_whole(&chat.clone().with("max_tokens", most)).await;
        assert_eq!(streamed.finish_reason().as_deref(), Some("length"), "{streamed:?}");
        assert!(streamed.is_whole() && known.answer.starts_with(&streamed.said()), "{streamed:?}");
        let said = streamed.said();
        let added = said.strip_prefix(&pieces.concat()).expect("what was shown stays");
        assert!(added.split_whitespace().count() <= more, "{most}: {added:?}");
    }
    let streamed = client.stream_whole(&chat.with("max_tokens", 500)).await;
    assert_eq!((streamed.finish_reason().as_deref(), streamed.said()), (Some("stop"), known.answer));
}

#[tokio::test]
async fn a_stop_string_that_lies_over_the_seam_ends_the_answer() {
    let (cloud, known) = (RawCloud::start(), known_answer(false));
    let words: Vec<&str> = known.answer.split_inclusive(' ').collect();
    let (_appliance, client) = box_with_a_cut(&cloud, &words[..4]).await;
    let stop = format!("{}{}", words[3], words[4].trim_end());
    let streamed = client.stream_whole(&Chat::new("cut", &known.question).with("stop", json!([stop]))).await;
    assert_eq!(streamed.finish_reason().as_deref(), Some("stop"), "{streamed:?}");
    assert!(streamed.is_whole() && streamed.seam().is_some(), "{streamed:?}");
    assert_eq!(
        streamed.said(),
        words[..4].concat(),
        "what began it was shown before; nothing of the rest is"
    );
}

#[tokio::test]
async fn what_was_shown_before_a_seam_stays_to_the_letter_in_any_script() {
    let cloud = RawCloud::start();
    // Jamo, a combining accent, a flag, a family in one glyph, Windows line ends, an open code fence, a space at the end.
    let begun = [
        "\u{1112}\u{1161}\u{11ab}\u{ae00} e",
        "\u{301} 🇰🇷 ",
        "👩\u{200d}👩\u{200d}",
        "👧\r\n",
        "```rust\r\n    let x = ",
        "\"\\u{1f600}\";  ",
    ];
    let (_appliance, client) = box_with_a_cut(&cloud, &begun).await;
    for question in known_answers().iter().take(2).map(|known| &known.question) {
        let streamed = client.stream_whole(&Chat::new("cut", question).with("max_tokens", 40)).await;
        assert!(streamed.is_whole() && streamed.said().starts_with(&begun.concat()), "{streamed:?}");
        assert_eq!(streamed.seam(), Some(begun.concat().chars().count() as u64));
        assert!(!streamed.said().contains('\u{fffd}'), "{streamed:?}");
    }
}

#[tokio::test]
async fn what_nobody_may_go_on_with_ends_as_the_upstream_left_it() {
    let cloud = RawCloud::start();
    let call = json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "dose", "arguments": "{\"mg\": 5" } }] });
    let begun = |delta: &Value| {
        let events = format!("{}{}", odd::head("text/event-stream"), odd::event(delta, &Value::Null));
        vec![Step::send(events), Step::Pause(std::time::Duration::from_millis(20)), Step::Reset]
    };
    let filtered =
        [odd::head("text/event-stream"), odd::says("So far"), odd::ends("content_filter")].concat();
    let wires: [Wire; 3] = [
        ("call", begun(&call), By::Cloud),
        ("refusal", begun(&json!({ "refusal": "I must not" })), By::Cloud),
        ("filtered", vec![Step::send(filtered)], By::Cloud),
    ];
    let appliance = box_with(&cloud, &wires).await;
    let ask = async |name| appliance.client().stream_whole(&Chat::new(name, "Please go on")).await;
    for name in ["call", "refusal"] {
        let streamed = ask(name).await;
        let Ended::Error(error) = &streamed.ended else { panic!("{name} was cut: {streamed:?}") };
        assert_eq!((&error["code"], streamed.finish_reason()), (&json!("answer_cut"), None), "{name}");
    }
    let streamed = ask("filtered").await;
    assert_eq!((streamed.said().as_str(), streamed.seam()), ("So far", None), "{streamed:?}");
    assert_eq!((streamed.finish_reason().as_deref(), streamed.is_whole()), (Some("content_filter"), true));
}
