//! The outer defences of the real box, and that SECURITY.md tells what is really there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tests::{Chat, FakeCloud, TestAppliance, repository};

fn security() -> String {
    std::fs::read_to_string(repository().join("SECURITY.md")).unwrap()
}

/// Every source of the product, tests aside.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join("appliance"), repository().join("web/src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" && name != "target" {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                found.push((path.display().to_string(), product));
            }
        }
    }
    found
}

/// What stands before the word of an event.
const EVENTS: [&str; 12] = [
    ".note(",
    "note_with(",
    "what: \"",
    "let what = \"",
    "self.changed(by, \"",
    "super::note(&store, \"",
    "event(\"",
    "row(\"",
    "note_change(\"",
    "recorded(&store, \"",
    "recorded(who, \"",
    "recorded(&who, \"",
];

/// How statements to a database begin, and go on.
const STATEMENTS: [&str; 7] =
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "PRAGMA ", " FROM ", " WHERE "];

/// Sends bytes as they are, and reads until the box closes the connection.
fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A box that resets instead of closing has said all that it will say.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn one_request_cannot_hide_a_second_one_in_its_body() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).start().await;
    let address = address_of(&appliance.base_url());
    let hidden = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // The length says that all belongs to the first request, the coding that it ends at once: the coding counts, or the
    // request is refused. It must never be that the hidden one is taken for a body by one and for a request by another.
    let both = format!(
        "POST /v1/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        5 + hidden.len()
    );
    let (two, folded, plus) = (
        format!(
            "POST /v1/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n{hidden}"
        ),
        format!("POST /v1/nothing HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n{hidden}"),
        format!("POST /v1/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: +0\r\n\r\n{hidden}"),
    );
    let answers = |bytes: String| tokio::task::spawn_blocking(move || raw(address, bytes.as_bytes()));
    let said = String::from_utf8_lossy(&answers(both).await.unwrap()).into_owned();
    let statuses: Vec<_> =
        said.match_indices("HTTP/1.1 ").map(|(at, _)| said[at + 9..at + 12].to_owned()).collect();
    assert!([vec!["404", "200"], vec!["404"], vec!["400"]].iter().any(|fine| statuses == *fine), "{said}");
    for wrong in [two, folded, plus] {
        let said = String::from_utf8_lossy(&answers(wrong.clone()).await.unwrap()).into_owned();
        assert!(said.starts_with("HTTP/1.1 400"), "{wrong:?}: {said}");
        assert_eq!(said.matches("HTTP/1.1").count(), 1, "nothing behind it is answered: {said}");
    }
    assert_eq!(appliance.anonymous().get("/livez").await.status, 200);
}

#[tokio::test]
async fn an_old_protocol_is_refused_and_plain_text_gets_no_answer_on_the_door_of_tls() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let address = appliance.https_address();
    // A greeting of TLS 1.1 with one suite of its time.
    let body = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x13, 1, 0]].concat();
    let greeting = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let record = [&[0x16, 3, 1, 0, greeting.len() as u8][..], &greeting].concat();
    let refused = tokio::task::spawn_blocking(move || raw(address, &record)).await.unwrap();
    assert_eq!(refused.first(), Some(&0x15), "an alert and no handshake: {refused:?}");
    let plain = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let said = tokio::task::spawn_blocking(move || raw(address, plain)).await.unwrap();
    assert!(!said.starts_with(b"HTTP/"), "neither an answer nor a way to it in the clear: {said:?}");
}

#[tokio::test]
async fn an_address_in_a_request_is_never_called_by_the_box() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/picture.png", trap.local_addr().unwrap());
    let picture = json!([{ "role": "user", "content": [
        { "type": "text", "text": "Please look at this picture" },
        { "type": "image_url", "image_url": { "url": url } },
    ] }]);
    let chat = Chat::new("assistant", "").with("messages", picture);
    assert_eq!(appliance.client().ask(&chat).await.route(), "cloud");
    cloud.refuse();
    assert_eq!(appliance.client().ask(&chat).await.status, 503);
    let called = trap.accept().err().map(|error| error.kind());
    assert_eq!(called, Some(std::io::ErrorKind::WouldBlock), "nobody came");
}

#[tokio::test]
async fn a_redirect_of_a_cloud_is_not_followed() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.redirect();
    let known = tests::test_appliance::known_answer(false);
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer));
    appliance.until_state("offline").await;
    assert_eq!(appliance.status().await["upstreams"][0]["verdict"], "intercepted");
}

#[test]
fn security_md_has_every_chapter_that_a_reviewer_asks_for() {
    let told = security();
    let chapters = [
        "The ways in",
        "Sessions",
        "Rights",
        "What is taken in",
        "Data",
        "Keys",
        "Connections",
        "Logs",
        "Parts of others",
    ];
    for chapter in chapters {
        let text = told.split(&format!("\n## {chapter}\n")).nth(1).expect(chapter);
        assert!(text.split("\n## ").next().unwrap().len() > 400, "{chapter} says something");
    }
    let limits =
        ["512 requests", "4,096 connections", "16,384 waiting writes", "64 KiB", "8 MiB", "50 at most"];
    for limit in limits {
        assert!(told.contains(limit), "{limit}");
    }
}

#[tokio::test]
async fn every_file_that_the_box_makes_is_told_in_security_md() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    appliance.portal().await.ask("assistant", "Please leave traces").await;
    appliance.stop().await;
    let told = security();
    let mut folders = vec![appliance.data_dir()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let name = name.trim_end_matches("-wal").trim_end_matches("-shm").to_owned();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert!(
                    told.contains(&format!("`{name}`")),
                    "SECURITY.md does not tell of {}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_word_of_the_audit_log_stands_in_the_table_of_events_and_is_told_in_security_md() {
    let told = security();
    let mut words = 0;
    for (path, text) in sources() {
        for start in EVENTS {
            for (at, _) in text.match_indices(start) {
                let rest = &text[at + start.len()..];
                let line = rest.split(['\n', ';']).next().unwrap();
                let word = if start.ends_with('"') { line.split('"').next() } else { line.split('"').nth(1) };
                let is_word = |word: &&str| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                };
                // A person in the place of a person: "nobody" comes before the word.
                let word = match word {
                    Some("nobody") => line.split('"').nth(3),
                    other => other,
                };
                if let Some(word) = word.filter(is_word) {
                    words += 1;
                    assert!(store::EVENT_WORDS.contains(&word), "the table of events has no {word} ({path})");
                }
            }
        }
    }
    assert!(words > 30, "{words} words");
    for word in store::EVENT_WORDS {
        assert!(told.contains(&format!("`{word}`")), "SECURITY.md does not tell of {word}");
    }
}

#[test]
fn every_word_that_no_password_is_made_of_is_told_in_security_md() {
    let told = security();
    let source = repository().join("appliance/store/src/password/guessable.rs");
    let text = std::fs::read_to_string(source).unwrap();
    let list = text.split("const KNOWN_WORDS").nth(1).unwrap().split("];").next().unwrap();
    let words: Vec<_> = list.split('"').skip(1).step_by(2).collect();
    assert!(words.len() > 10);
    for word in words {
        assert!(told.contains(&format!("`{word}`")), "{word}");
    }
}

#[test]
fn every_package_comes_from_the_one_registry_with_its_checksum() {
    let lock = std::fs::read_to_string(repository().join("Cargo.lock")).unwrap();
    let packages: Vec<_> = lock.split("[[package]]").skip(1).collect();
    assert!(packages.len() > 100);
    for package in packages {
        if let Some(source) = package.lines().find_map(|line| line.strip_prefix("source = ")) {
            assert_eq!(source, "\"registry+https://github.com/rust-lang/crates.io-index\"", "{package}");
            assert!(package.contains("checksum = \""), "{package}");
        }
    }
    let script = std::fs::read_to_string(repository().join("tests/all")).unwrap();
    assert!(script.contains("cargo deny --locked check") && script.contains("licenses bans sources"));
}

#[test]
fn unsafe_code_runs_in_a_worker_alone_and_no_sum_overflows_in_silence() {
    let whole = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    assert!(whole.contains("unsafe_code = \"deny\"") && whole.contains("overflow-checks = true"));
    // What is computed in the place of llama.cpp's own operations is called by llama.cpp, which the worker has alone.
    let kernels = ["appliance/kernels/", "appliance/src/own_kernels"].map(|place| repository().join(place));
    let of_control = |path: &str| !kernels.iter().any(|place| path.starts_with(&place.display().to_string()));
    for (path, text) in sources().into_iter().filter(|(path, _)| of_control(path)) {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            let allows = line.contains("allow(unsafe_code") || line.contains("expect(unsafe_code");
            assert!(!allows && !line.contains("unsafe {") && !line.contains("unsafe fn"), "{path}: {line}");
        }
    }
    let members = whole.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    for member in members.split('"').skip(1).step_by(2) {
        let text = std::fs::read_to_string(repository().join(member).join("Cargo.toml")).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{member}");
    }
}

#[test]
fn statements_to_the_databases_are_constants_and_no_shell_is_started() {
    for (path, text) in sources() {
        for line in text.lines().filter(|line| STATEMENTS.iter().any(|word| line.contains(word))) {
            for placed in line.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let is_constant = placed.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
                // Three functions choose between texts of their own.
                assert!(is_constant || ["rows", "which", "mode"].contains(&placed), "{path}: {line}");
            }
        }
        for shell in ["\"sh\"", "\"bash\"", "/bin/sh", "Command::new(\"sh"] {
            assert!(!text.contains(shell), "{path} starts a shell");
        }
    }
}

#[test]
fn no_secret_lies_in_the_sources() {
    let mut folders = vec![repository().to_path_buf()];
    let skipped = ["target", ".git", ".genset"].map(|name| repository().join(name));
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !skipped.contains(&path) && !path.is_symlink() {
                folders.push(path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).unwrap_or_default();
                assert!(!holds_a_key(&bytes), "{} holds a private key", path.display());
            }
        }
    }
}

fn holds_a_key(bytes: &[u8]) -> bool {
    let mark = ["-----BEGIN", "PRIVATE KEY-----"];
    let text = String::from_utf8_lossy(bytes);
    text.lines().any(|line| line.starts_with(mark[0]) && line.ends_with(mark[1]))
}

#[test]
fn every_place_of_the_documents_that_names_a_file_names_one_that_is_there() {
    for word in security().split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs")) {
        assert!(repository().join(word).exists() || Path::new(word).is_absolute(), "{word}");
    }
}
