use std::cell::RefCell;
use std::time::Duration;

use dialect::openai::{ChatRequest, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Patience, Reply, Upstream, Way};
use crate::fault::Fault;
use crate::settings::UpstreamSettings;

const CHUNK: &str =
    "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}";

fn response(status: u16, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

fn stream() -> String {
    response(200, "text/event-stream", &format!("data: {CHUNK}\n\ndata: [DONE]\n\n"))
}

/// Asks an upstream that gives `answer` to each body `times` times; the bodies that it saw, and the last reply.
async fn asked(
    times: usize,
    stream: bool,
    answer: impl Fn(&str) -> String,
) -> (Vec<String>, Result<Reply, Fault>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings =
        UpstreamSettings { base_url: format!("http://{address}/v1"), ..UpstreamSettings::for_tests("cloud") };
    let upstream = Upstream::build(settings, vec![("large".into(), inference::Kind::Chat)]).unwrap();
    let bodies = RefCell::new(Vec::new());
    let serve = async {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let body = read_body(&mut socket).await;
            let answer = answer(&body);
            bodies.borrow_mut().push(body);
            socket.write_all(answer.as_bytes()).await.unwrap();
            // What has no length goes on for ever, and says nothing more.
            if !answer.contains("content-length") {
                std::future::pending::<()>().await;
            }
        }
    };
    let message = Message::new("user", "Is it so?");
    let request = ChatRequest::from_messages("a", vec![message], stream);
    let short = Duration::from_millis(300);
    let patience = Patience { headers: short, first_token: 2 * short, whole_answer: 10 * short };
    let ask = async {
        for _ in 1..times {
            let _ = upstream.chat(&request, "large", Way::Kept, patience).await;
        }
        upstream.chat(&request, "large", Way::Kept, patience).await
    };
    let reply = tokio::select! {
        () = serve => unreachable!("it serves for ever"),
        reply = ask => reply,
    };
    (bodies.into_inner(), reply)
}

async fn read_body(socket: &mut tokio::net::TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        socket.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return body.to_owned();
        }
    }
}

fn is_stream(reply: &Result<Reply, Fault>) -> bool {
    matches!(reply, Ok(Reply::Stream(_)))
}

#[tokio::test]
async fn an_upstream_that_refuses_the_options_of_streams_is_asked_without_them_from_then_on() {
    let refusal =
        "{\"error\": {\"message\": \"Unknown field: stream_options\", \"type\": \"invalid_request_error\"}}";
    let answer = |body: &str| match body.contains("stream_options") {
        true => response(400, "application/json", refusal),
        false => stream(),
    };
    let (bodies, reply) = asked(2, true, answer).await;
    assert!(is_stream(&reply));
    let with_options: Vec<bool> = bodies.iter().map(|body| body.contains("stream_options")).collect();
    assert_eq!(with_options, [true, false, false]);
}

#[tokio::test]
async fn an_answer_in_one_piece_is_understood_where_a_stream_was_asked_for() {
    let whole = "{\"id\": \"x\", \"choices\": [{\"index\": 0, \"finish_reason\": \"stop\", \
                 \"message\": {\"role\": \"assistant\", \"content\": \"yes\"}}]}";
    let (_, reply) = asked(1, true, |_| response(200, "application/json", whole)).await;
    let Ok(Reply::Stream(mut stream)) = reply else { panic!("no stream") };
    let mut text = String::new();
    while let Some(chunk) = stream.next(Duration::from_secs(1)).await.unwrap() {
        text.push_str(&chunk.facts.text);
    }
    assert_eq!(text, "yes");
}

#[tokio::test]
async fn an_error_inside_an_answer_says_what_it_says() {
    let error = |code: &str| format!("{{\"error\": {{\"message\": \"no\", \"code\": \"{code}\"}}}}");
    let json = |code: &str| response(200, "application/json", &error(code));
    let event = |code: &str| response(200, "text/event-stream", &format!("data: {}\n\n", error(code)));
    let (_, reply) = asked(1, false, |_| json("content_filter")).await;
    assert!(matches!(reply, Err(Fault::ContentFilter(_))));
    let (_, reply) = asked(1, false, |_| event("content_filter")).await;
    assert!(matches!(reply, Err(Fault::ContentFilter(_))));
    let (_, reply) = asked(1, true, |_| json("overloaded")).await;
    assert!(matches!(reply, Err(Fault::Malformed)));
    let (_, reply) = asked(1, true, |_| event("overloaded")).await;
    assert!(matches!(reply, Err(Fault::Cut)));
}

#[tokio::test]
async fn headers_and_first_tokens_have_deadlines_of_their_own() {
    let (_, reply) = asked(1, true, |_| String::new()).await;
    assert!(matches!(reply, Err(Fault::HeadersTimeout(_))));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: thinking\n\n";
    let waits = |_: &str| head.to_owned();
    let (_, reply) = asked(1, true, waits).await;
    assert!(matches!(reply, Err(Fault::FirstTokenTimeout(_))), "a comment is no token");
}
