//! The wires: each says one known answer in its own way, or a part of it, or nothing of the kind.

use std::time::Duration;

use serde_json::{Value, json};
use tests::raw_cloud::{Step, json_response};

use super::{By, Wire};

const EVENTS: &str = "text/event-stream";
const DONE: &str = "data: [DONE]\n\n";

/// A head whose body ends with the connection, so that an end looks like a cut.
pub(super) fn head(kind: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n")
}

pub(super) fn event(delta: &Value, finish: &Value) -> String {
    let choices = json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
    let chunk = json!({ "id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "large", "choices": choices });
    format!("data: {chunk}\n\n")
}

pub(super) fn says(text: &str) -> String {
    event(&json!({ "content": text }), &Value::Null)
}

pub(super) fn ends(reason: &str) -> String {
    event(&json!({}), &json!(reason))
}

fn role() -> String {
    event(&json!({ "role": "assistant", "content": "" }), &Value::Null)
}

/// The answer in three pieces, cut inside words.
fn pieces(answer: &str) -> [String; 3] {
    let letters: Vec<char> = answer.chars().collect();
    let (first, second) = (letters.len() / 3, letters.len() / 2);
    [&letters[..first], &letters[first..second], &letters[second..]].map(|piece| piece.iter().collect())
}

/// All events of the answer up to its finish reason.
fn said(answer: &str) -> String {
    let pieces = pieces(answer).map(|piece| says(&piece)).concat();
    format!("{}{pieces}{}", role(), ends("stop"))
}

fn one(bytes: impl Into<Vec<u8>>) -> Vec<Step> {
    vec![Step::send(bytes)]
}

fn usage() -> Value {
    json!({ "prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12 })
}

fn in_one_piece(answer: &str) -> Value {
    let message = json!({ "role": "assistant", "content": answer });
    let choices = json!([{ "index": 0, "message": message, "finish_reason": "stop" }]);
    json!({ "id": "c-1", "object": "chat.completion", "created": 1, "model": "large", "choices": choices, "usage": usage() })
}

fn called(kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// Wires that are odd and say all of it.
pub(super) fn whole(answer: &str) -> Vec<Wire> {
    let all = format!("{}{DONE}", said(answer));
    let events = |body: &str| one(format!("{}{body}", head(EVENTS)));
    let [first, second, third] = pieces(answer);
    let odd = [
        event(&json!({ "role": "assistant", "content": null, "refusal": false, "tool_calls": [] }), &json!("")),
        "data: {\"choices\": [], \"prompt_filter_results\": [], \"error\": null, \"usage\": {\"prompt_tokens\": 0.5}}\n\n".into(),
        event(&json!({ "reasoning": {"steps": 1}, "function_call": null }), &Value::Null),
        "data: {\"choices\": null}\n\n".into(),
    ]
    .concat();
    let mut in_chunks =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in all.as_bytes().chunks(7) {
        in_chunks.extend([format!("{:x};ext=1\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    in_chunks.extend(b"0\r\nx-trailer: 1\r\n\r\n");
    let torn = all.bytes().map(|byte| Step::send([byte]));
    let torn = [Step::send(head(EVENTS))].into_iter().chain(torn).collect();
    let twice = format!(
        "{}{}data: {}\n\n{DONE}",
        said(answer),
        ends("stop"),
        json!({ "choices": [], "usage": usage() })
    );
    let with_usage = ends("stop").replace("\"choices\"", &format!("\"usage\":{},\"choices\"", usage()));
    let wires: Vec<(&'static str, Vec<Step>)> = vec![
        ("byte-order-mark", events(&format!("\u{feff}{all}"))),
        ("crlf", events(&all.replace('\n', "\r\n"))),
        ("cr", events(&all.replace('\n', "\r"))),
        ("byte-by-byte", torn),
        ("odd-chunks", events(&format!("{odd}{all}"))),
        (
            "comments-and-fields",
            events(&all.replace("data:", ": alive\nid: 7\nretry: 10\nevent: message\ndata:")),
        ),
        ("no-done", events(&said(answer))),
        ("done-with-spaces", events(&format!("{}data:  [DONE] \n\n", said(answer)))),
        ("text-after-done", events(&format!("{all}{}", says("and more")))),
        (
            "error-after-done",
            events(&format!("{all}data: {{\"error\": {{\"message\": \"late\"}}}}\n\n<html>")),
        ),
        ("no-empty-line-at-the-end", events(said(answer).trim_end())),
        ("done-without-its-empty-line", events(all.trim_end())),
        ("ends-twice", events(&twice)),
        (
            "usage-in-the-last-chunk",
            events(&format!("{}{}{}{}{with_usage}{DONE}", role(), says(&first), says(&second), says(&third))),
        ),
        ("called-text", one(format!("{}{all}", head("text/plain")))),
        ("called-json", one(format!("{}{all}", head("application/json")))),
        ("called-a-page", one(format!("{}{all}", head("text/html; charset=utf-8")))),
        ("called-nothing", one(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{all}"))),
        ("one-piece-called-events", one(called(EVENTS, &in_one_piece(answer).to_string()))),
        ("one-piece-called-a-page", one(called("text/html", &in_one_piece(answer).to_string()))),
        (
            "early-hints",
            one(format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n{}{all}",
                head(EVENTS)
            )),
        ),
        ("http-1-0", one(format!("HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{all}"))),
        ("chunk-extensions-and-trailers", one(in_chunks)),
        (
            "reset-after-the-end",
            vec![
                Step::send(format!("{}{all}", head(EVENTS))),
                Step::Pause(Duration::from_millis(50)),
                Step::Reset,
            ],
        ),
    ];
    wires.into_iter().map(|(name, steps)| (name, steps, By::Cloud)).collect()
}

/// Wires that say a part of it.
pub(super) fn broken(answer: &str) -> Vec<Wire> {
    let [first, second, _] = pieces(answer);
    let begun = format!("{}{}{}{}", head(EVENTS), role(), says(&first), says(&second));
    let bytes = |rest: &[u8]| {
        vec![Step::send(begun.clone()), Step::Pause(Duration::from_millis(30)), Step::send(rest)]
    };
    let then = |rest: &str| bytes(rest.as_bytes());
    let data = |value: &Value| format!("data: {value}\n\n");
    let error = json!({ "message": "the engine died", "type": "server_error", "code": null });
    let open_router = json!({ "id": "c-1", "error": { "code": 502, "message": "Provider disconnected" },
        "choices": [{ "index": 0, "delta": { "content": "" }, "finish_reason": "error" }] });
    let letter = says("가");
    let in_a_letter = letter.find('가').expect("it stands there as it is") + 1;
    let wires: Vec<(&'static str, Vec<Step>)> = vec![
        ("end-without-a-reason", then("")),
        ("done-without-a-reason", then(DONE)),
        ("reset", vec![Step::send(begun.clone()), Step::Pause(Duration::from_millis(20)), Step::Reset]),
        ("silence", vec![Step::send(begun.clone()), Step::Hold]),
        (
            "comments-for-ever",
            [Step::send(begun.clone())]
                .into_iter()
                .chain(
                    (0..100)
                        .flat_map(|_| [Step::Pause(Duration::from_millis(50)), Step::send(": alive\n\n")]),
                )
                .collect(),
        ),
        (
            "empty-chunks-for-ever",
            [Step::send(begun.clone())]
                .into_iter()
                .chain((0..100).flat_map(|_| [Step::Pause(Duration::from_millis(50)), Step::send(role())]))
                .collect(),
        ),
        (
            "a-byte-at-a-time",
            [Step::send(begun.clone())]
                .into_iter()
                .chain(
                    says("slow")
                        .bytes()
                        .flat_map(|byte| [Step::Pause(Duration::from_millis(50)), Step::send([byte])]),
                )
                .chain([Step::Hold])
                .collect(),
        ),
        ("error-of-openai", then(&data(&json!({ "error": error })))),
        ("error-of-openrouter", then(&data(&open_router))),
        (
            "error-of-old-vllm",
            then(&format!("{}{DONE}", data(&json!({ "object": "error", "message": "died", "code": 500 })))),
        ),
        ("error-as-an-event", then(&format!("event: error\n{}", data(&json!({ "error": "died" }))))),
        ("throttled-inside", then(&data(&json!({ "error": { "code": 429, "message": "slow down" } })))),
        ("ends-as-error", then(&format!("{}{DONE}", ends("error")))),
        ("ends-as-abort", then(&format!("{}{DONE}", ends("abort")))),
        ("ends-for-lack-of-resources", then(&format!("{}{DONE}", ends("insufficient_system_resource")))),
        ("ends-for-the-network", then(&format!("{}{DONE}", ends("network_error")))),
        ("cut-in-a-letter", bytes(&letter.as_bytes()[..in_a_letter])),
        ("cut-in-an-escape", then("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud8")),
        (
            "half-a-surrogate",
            then("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud83d\"}}]}\n\n"),
        ),
        ("cut-in-a-field", then("dat")),
        ("no-utf-8", bytes(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n")),
        ("endless-line", then(&format!("data: {{\"choices\": \"{}", "x".repeat(2 << 20)))),
        ("page-inside", then("data: <html>502 Bad Gateway</html>\n\n")),
        ("page-after", then("<html>502 Bad Gateway</html>")),
    ];
    let mut wires: Vec<Wire> = wires.into_iter().map(|(name, steps)| (name, steps, By::Both)).collect();
    let rest = begun.split_once("\r\n\r\n").expect("a head").1;
    let of_length =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {EVENTS}\r\ncontent-length: 99999\r\n\r\n{rest}");
    let in_chunks = |end: &str| {
        let size = rest.len();
        one(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {EVENTS}\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{rest}\r\n{end}"
        ))
    };
    wires.push(("shorter-than-its-length", one(of_length), By::Both));
    wires.push(("last-chunk-without-a-reason", in_chunks("0\r\n\r\n"), By::Both));
    wires.push(("chunk-size-that-is-none", in_chunks("zz\r\n"), By::Both));
    wires.push(("no-last-chunk", in_chunks(""), By::Both));
    wires
}

/// Wires that say nothing of it.
pub(super) fn none() -> Vec<Wire> {
    let gzip = [
        head(EVENTS).replace("connection", "content-encoding: gzip\r\nconnection").as_bytes(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\0\0\xff\xff\0\0\0\0\0\0\0\0",
    ]
    .concat();
    let status = |status: u16, more: &str| {
        one(format!("HTTP/1.1 {status} X\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n"))
    };
    let refuses = |status: u16, body: Value| one(json_response(status, &body));
    let says = |message: &str, code: Value| json!({ "error": { "message": message, "type": "error", "code": code } });
    let page = "<!doctype html><title>Sign in</title>";
    let wires: Vec<(&'static str, Vec<Step>)> = vec![
        ("empty-events", one(called(EVENTS, ""))),
        ("empty-json", one(called("application/json", ""))),
        ("empty-done", one(called(EVENTS, DONE))),
        ("only-a-role", one(format!("{}{}", head(EVENTS), role()))),
        ("only-a-page", one(called(EVENTS, page))),
        ("page-called-json", one(called("application/json", page))),
        ("page-called-nothing", one(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{page}"))),
        ("zipped", one(gzip)),
        ("error-first", one(called(EVENTS, &format!("data: {}\n\n", says("overloaded", json!(null)))))),
        ("error-called-answer", one(called("application/json", &says("overloaded", json!(503)).to_string()))),
        ("no-choices", one(called("application/json", "{\"id\": \"x\", \"choices\": []}"))),
        ("a-number", one(called("application/json", "7"))),
        ("no-http", one("SSH-2.0-OpenSSH_9.2\r\n")),
        ("switching", one("HTTP/1.1 101 Switching Protocols\r\nupgrade: tls\r\nconnection: upgrade\r\n\r\n")),
        ("endless-head", one(format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(1 << 20)))),
        ("half-a-head", one("HTTP/1.1 200 O")),
        ("nothing", Vec::new()),
        ("reset-at-once", vec![Step::Reset]),
        ("no-content", status(204, "")),
        ("partial", status(206, "")),
        ("timeout-408", status(408, "")),
        ("conflict-409", refuses(409, says("locked", json!("lock_timeout")))),
        ("misdirected-421", status(421, "")),
        ("early-425", status(425, "retry-after: soon\r\n")),
        ("throttled-429-date", status(429, "retry-after: Wed, 21 Oct 2099 07:28:00 GMT\r\n")),
        ("throttled-429-huge", status(429, "retry-after: 99999999999999999999\r\n")),
        ("throttled-429-negative", status(429, "retry-after: -1\r\n")),
        ("quota-429", refuses(429, says("You exceeded your current quota", json!("insufficient_quota")))),
        ("gone-499", status(499, "")),
        ("unavailable-503", status(503, "retry-after: 1\r\n")),
        ("cloudflare-520", status(520, "")),
        ("cloudflare-524", status(524, "content-type: text/html\r\n")),
        ("overloaded-529", refuses(529, says("Overloaded", json!(null)))),
        (
            "no-deployment",
            refuses(
                404,
                says("The API deployment for this resource does not exist.", json!("DeploymentNotFound")),
            ),
        ),
        (
            "no-model-of-mistral",
            refuses(400, json!({ "message": "Invalid model: large", "type": "invalid_model" })),
        ),
        (
            "no-key-of-gemini",
            refuses(
                400,
                json!([{ "error": { "code": 400, "message": "API key not valid. Please pass a valid API key." } }]),
            ),
        ),
    ];
    wires.into_iter().map(|(name, steps)| (name, steps, By::Local)).collect()
}
