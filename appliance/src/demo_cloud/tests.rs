//! Real sockets: what a client of the demo cloud sees when its line is cut, silent and restored.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;

struct Running {
    options: DemoOptions,
    cancel: CancellationToken,
    tasks: JoinSet<Result<(), DemoError>>,
}

impl Running {
    async fn start() -> Running {
        let options = DemoOptions { listen: free_address().await, control: free_address().await };
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(run(options, cancel.clone()));
        let running = Running { options, cancel, tasks };
        while TcpStream::connect(options.control).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running
    }

    async fn order(&self, path: &str) -> String {
        exchange(
            self.options.control,
            &format!("POST {path} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n"),
        )
        .await
        .expect("the control door answers")
    }

    async fn ask(&self, stream: bool) -> std::io::Result<String> {
        exchange(self.options.listen, &chat_request("What do we do in an outage?", stream)).await
    }

    async fn stop(mut self) {
        self.cancel.cancel();
        let ended = timeout(Duration::from_secs(5), self.tasks.join_next()).await.expect("stops in time");
        ended.expect("one task").expect("no panic").expect("no error");
    }
}

async fn free_address() -> SocketAddr {
    let probe = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    probe.local_addr().expect("a bound socket has an address")
}

fn chat_request(question: &str, stream: bool) -> String {
    let body = serde_json::json!({
        "model": "demo-cloud-large", "stream": stream,
        "messages": [{ "role": "user", "content": question }],
    })
    .to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: demo\r\nauthorization: Bearer demo-key\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn answers_are_labelled_in_header_and_body() {
    let demo = Running::start().await;
    let whole = demo.ask(false).await.expect("an answer");
    assert!(whole.starts_with("HTTP/1.1 200"), "{whole}");
    assert!(whole.contains("server: genset-demo-cloud"), "{whole}");
    assert!(whole.contains("[demo cloud] In an outage"), "{whole}");
    let streamed = demo.ask(true).await.expect("a stream");
    assert!(streamed.contains("data: [DONE]"), "{streamed}");
    let korean = exchange(demo.options.listen, &chat_request("정전이 나면 어떻게 합니까?", false))
        .await
        .expect("an answer");
    assert!(korean.contains("비상 서식"), "{korean}");
    demo.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let demo = Running::start().await;
    let request = chat_request("Hello", false).replace("demo-key", "another-key");
    let answer = exchange(demo.options.listen, &request).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    demo.stop().await;
}

#[tokio::test]
async fn a_cut_resets_running_streams_and_refuses_new_ones_until_restored() {
    let demo = Running::start().await;
    let mut stream = TcpStream::connect(demo.options.listen).await.expect("up");
    stream.write_all(chat_request("Hello", true).as_bytes()).await.expect("sent");
    let mut first = [0; 64];
    stream.read_exact(&mut first).await.expect("the answer begins");

    assert!(demo.order("/cut").await.contains(r#""state":"cut""#));
    let error = stream.read_to_end(&mut Vec::new()).await.expect_err("the running stream is reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let refused = demo.ask(false).await.expect_err("new connections are refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    assert!(demo.order("/restore").await.contains(r#""state":"up""#));
    assert!(demo.ask(false).await.expect("back").contains("[demo cloud]"));
    demo.stop().await;
}

#[tokio::test]
async fn silence_accepts_and_never_answers() {
    let demo = Running::start().await;
    demo.order("/silent").await;
    let waited = timeout(Duration::from_millis(200), demo.ask(false)).await;
    assert!(waited.is_err(), "nothing is answered: {waited:?}");
    demo.order("/restore").await;
    assert!(demo.ask(false).await.expect("back").contains("[demo cloud]"));
    demo.stop().await;
}
