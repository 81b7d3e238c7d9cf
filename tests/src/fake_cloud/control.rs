//! The verbs of the fake cloud over HTTP, for tests that are not written in Rust.
//!
//! `POST /refuse`, `/silent`, `/reset`, `/500`, `/cut?3` (pieces), `/throttle?2` (seconds), `/reject-key`,
//! `/slow?400` (milliseconds), `/html`, `/restore`, `/say` (the body is the text; none for the usual one), `/pace?20` (milliseconds);
//! `GET /seen` (requests so far, counted by path).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;

use super::FakeCloud;

/// Serves until the process ends.
pub(super) fn serve(cloud: FakeCloud, listener: std::net::TcpListener) {
    let cloud = Arc::new(cloud);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let cloud = cloud.clone();
            let service = service_fn(move |request| obey(cloud.clone(), request));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
}

async fn obey(
    cloud: Arc<FakeCloud>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = request.uri().query().and_then(|query| query.parse().ok()).unwrap_or_default();
    let path = request.uri().path().to_owned();
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let known = verb(&cloud, &path, number, &String::from_utf8_lossy(&body));
    let mut counts = BTreeMap::<String, usize>::new();
    for seen in cloud.seen() {
        *counts.entry(seen.path).or_default() += 1;
    }
    let answer = json!({ "known": known, "seen": counts, "attempts": cloud.attempts() });
    let mut response = Response::new(Full::from(answer.to_string()));
    if !known {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

/// Does what `path` says; false when there is no such verb.
fn verb(cloud: &FakeCloud, path: &str, number: u64, body: &str) -> bool {
    match path {
        "/refuse" => cloud.refuse(),
        "/silent" => cloud.go_silent(),
        "/reset" => cloud.reset(),
        "/500" => cloud.answer_500(),
        "/cut" => cloud.cut_streams(usize::try_from(number).unwrap_or(usize::MAX)),
        "/throttle" => cloud.throttle(Duration::from_secs(number)),
        "/reject-key" => cloud.reject_key(),
        "/slow" => cloud.slow_first_token(Duration::from_millis(number)),
        "/html" => cloud.speak_html(),
        "/restore" => cloud.restore(),
        "/say" if body.is_empty() => cloud.say_the_usual(),
        "/say" => cloud.say(body),
        "/pace" => cloud.pace(Duration::from_millis(number)),
        "/seen" => {}
        _ => return false,
    }
    true
}
