//! The doors of the box, and TLS on both sides of it.

use tests::test_appliance::{known_answer, nonce};
use tests::{Chat, FakeCloud, TestAppliance};

#[tokio::test]
async fn https_and_plain_loopback_serve_the_same_box() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let known = known_answer(true);
    for client in [appliance.client(), appliance.https_client()] {
        let reply = client.ask(&Chat::new("local-only", &known.question)).await;
        assert_eq!(reply.said(), known.answer);
        assert!(client.stream_whole(&Chat::new("assistant", "Please stream on both doors")).await.is_whole());
    }
}

#[tokio::test]
async fn browsers_are_told_to_come_back_by_tls_alone_by_every_answer_over_it() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    for path in ["/setup", "/no-such-page", "/livez", "/v1/models", "/v1/nothing", "/static/0/none.css"] {
        let policy = appliance.https_client().get(path).await.header("strict-transport-security");
        assert_eq!(policy, "max-age=63072000; includeSubDomains", "{path}");
        assert_eq!(appliance.client().get(path).await.header("strict-transport-security"), "", "{path}");
    }
}

#[tokio::test]
async fn the_certificate_survives_a_restart() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let authority = std::fs::read(appliance.data_dir().join("tls/ca.pem")).unwrap();
    appliance.stop().await;
    appliance.start_again().await;
    assert_eq!(std::fs::read(appliance.data_dir().join("tls/ca.pem")).unwrap(), authority);
    assert_eq!(appliance.https_client().get("/v1/models").await.status, 200);
}

#[tokio::test]
async fn private_keys_are_for_the_box_alone() {
    use std::os::unix::fs::PermissionsExt;
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let mut folders = vec![appliance.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, mode) = (entry.path(), entry.metadata().unwrap().permissions().mode());
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).unwrap().windows(11).any(|window| window == b"PRIVATE KEY") {
                assert_eq!(mode & 0o077, 0, "{} can be read by others", path.display());
            }
        }
    }
}

#[tokio::test]
async fn a_cloud_behind_tls_is_reached_by_http2_under_its_own_authority() {
    let cloud = FakeCloud::with_tls();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let nonce = nonce();
    let reply = appliance.client().ask(&Chat::new("assistant", &format!("Please repeat {nonce}"))).await;
    assert_eq!(reply.route(), "cloud", "{}", reply.text());
    assert!(reply.said().contains(&nonce));
    let chats: Vec<_> =
        futures_util::future::join_all((0..8).map(|_| async {
            appliance.client().stream_whole(&Chat::new("assistant", "Please share")).await
        }))
        .await;
    assert!(chats.iter().all(tests::Streamed::is_whole));
    assert!(cloud.chats().iter().all(|seen| seen.version == "HTTP/2.0"), "{:?}", cloud.chats());
    assert!(cloud.attempts() <= 4, "connections are shared: {}", cloud.attempts());

    let known = known_answer(false);
    cloud.say(&known.answer);
    cloud.cut_streams(4);
    let streamed = appliance.client().stream_whole(&Chat::new("assistant", &known.question)).await;
    assert!(streamed.is_whole(), "{streamed:?}");
    assert_eq!(streamed.said(), known.answer);
}

#[tokio::test]
async fn a_cloud_that_falls_silent_on_http2_is_replaced() {
    let cloud = FakeCloud::with_tls();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    appliance.client().ask(&Chat::new("assistant", "Please open a connection")).await;
    cloud.go_silent();
    let known = known_answer(false);
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer));
}

#[tokio::test]
async fn a_cloud_under_an_unknown_authority_is_not_spoken_to() {
    let (cloud, other) = (FakeCloud::with_tls(), FakeCloud::with_tls());
    std::fs::copy(other.ca_file().unwrap(), cloud.ca_file().unwrap()).unwrap();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer));
    assert!(cloud.seen().is_empty(), "neither the prompt nor the key was shown");
    appliance.until_state("offline").await;
    assert_eq!(appliance.status().await["upstreams"][0]["verdict"], "intercepted");
}

#[tokio::test]
async fn a_known_proxys_word_is_taken_for_where_a_request_comes_from_and_nobody_elses() {
    let cloud = FakeCloud::start();
    for (lines, status) in [("", 200), ("trusted_proxies = [\"127.0.0.1\"]\n", 401)] {
        let appliance = TestAppliance::builder().cloud(&cloud).listen(lines).start().await;
        let client = appliance.anonymous();
        // The status is open to the box itself alone, so it tells whom the box takes the caller for.
        assert_eq!(client.get("/api/status").await.status, 200, "{lines}");
        let from_elsewhere = client.with_header("x-forwarded-for", "127.0.0.1, 192.0.2.7");
        assert_eq!(from_elsewhere.get("/api/status").await.status, status, "{lines}");
    }
    let wrong = TestAppliance::builder().cloud(&cloud).listen("trusted_proxies = [\"proxy.example\"]\n");
    let (code, log) = wrong.refused().await;
    assert!(
        code == 2 && log.contains("[listen]") && log.contains("\"proxy.example\" is no address"),
        "{log}"
    );
}
