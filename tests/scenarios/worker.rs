//! The worker may die; the box and the answers go on.

use std::time::{Duration, Instant};

use tests::test_appliance::known_answer;
use tests::{Chat, Ended, FakeCloud, TestAppliance};

#[tokio::test]
async fn answers_go_on_word_for_word_when_the_worker_is_killed_in_the_middle_of_eight_streams() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = [known_answer(false), known_answer(true)];
    let mut streams = Vec::new();
    for number in 0..8 {
        let chat = Chat::new("local-only", &known[number % 2].question);
        let mut stream = appliance.client().stream(&chat).await;
        assert!(stream.until(1).await);
        streams.push((stream, &known[number % 2].answer));
    }
    let before = appliance.workers();
    assert_eq!(appliance.kill_worker(), 1);
    for (stream, answer) in streams {
        let streamed = stream.finish().await;
        assert!(streamed.is_whole(), "{streamed:?}");
        assert_eq!(&streamed.said(), answer);
        assert_eq!(streamed.genset().last().unwrap()["served_by"], "local/pilot-light");
    }
    let reply = appliance.client().ask(&Chat::new("local-only", &known[0].question)).await;
    assert_eq!(reply.said(), known[0].answer, "the worker is back");
    assert_ne!(appliance.workers(), before);
    assert_eq!(appliance.workers().len(), 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_while_idle_is_back_before_anybody_waits() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    for _ in 0..3 {
        assert_eq!(appliance.kill_worker(), 1);
        let started = Instant::now();
        let reply = appliance.client().ask(&Chat::new("local-only", &known.question)).await;
        assert_eq!(reply.said(), known.answer, "{}", reply.text());
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn many_answers_run_side_by_side() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = tests::test_appliance::known_answers();
    let asked: Vec<_> = known.iter().cycle().take(48).cloned().collect();
    let running: Vec<_> = asked
        .iter()
        .map(|known| {
            let (client, chat) = (appliance.client(), Chat::new("local-only", &known.question));
            tokio::spawn(async move { client.stream_whole(&chat).await })
        })
        .collect();
    for (answer, known) in running.into_iter().zip(&asked) {
        let streamed = answer.await.unwrap();
        assert!(streamed.is_whole(), "{streamed:?}");
        assert_eq!(streamed.said(), known.answer, "one user's text never reaches another");
    }
}

#[tokio::test]
async fn a_worker_that_dies_again_and_again_ends_its_streams_clearly_and_the_box_goes_on() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    let client = appliance.client();
    let running = tokio::spawn({
        let chat = Chat::new("local-only", &known.question);
        async move { futures_util::future::join_all((0..32).map(|_| client.stream_whole(&chat))).await }
    });
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        appliance.kill_worker();
    }
    for streamed in running.await.unwrap() {
        match streamed.ended {
            Ended::Done => assert_eq!(streamed.said(), known.answer),
            Ended::Error(_) => {
                assert!(known.answer.starts_with(&streamed.said()) && streamed.finish_reason().is_none());
            }
            _ => assert!(streamed.status.is_server_error(), "neither whole nor a clear error: {streamed:?}"),
        }
    }
    let reply = appliance.client().ask(&Chat::new("local-only", &known.question)).await;
    assert_eq!(reply.said(), known.answer, "{}", reply.text());
}

#[tokio::test]
async fn the_box_tells_where_a_models_layers_are_and_what_its_process_has() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let begun = Instant::now();
    let local = loop {
        let local = appliance.status().await["locals"][0].clone();
        if local["memory"].is_object() && local["layers"].is_object() {
            break local;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{local}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let layers = local["facts"]["layers"].as_u64().unwrap() + 1;
    assert_eq!(local["layers"]["all"], layers, "the output counts as one");
    let own = local["memory"]["own_bytes"].as_u64().unwrap();
    assert!(own > 0 && own <= local["memory"]["resident_bytes"].as_u64().unwrap(), "{local}");
    let metrics = appliance.client().get("/metrics").await.text();
    assert!(metrics.contains(&format!("genset_local_layers{{model=\"pilot-light\"}} {layers}")), "{metrics}");
    for name in ["resident_bytes", "own_bytes", "replacements", "layers_on_gpu"] {
        assert!(
            metrics.contains(&format!("genset_local_{name}{{model=\"pilot-light\"}}")),
            "{name}: {metrics}"
        );
    }
}
