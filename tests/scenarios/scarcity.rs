//! More is asked than the local models can answer at once: who goes first, and what the others are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tests::test_appliance::known_answer;
use tests::{Chat, Client, FakeCloud, Streamed, TestAppliance};

/// A pilot light with little room, under an alias of its own.
const NARROW: &str = "\n[[local]]\nname = \"narrow\"\nfile = \"pilot-light.gguf\"\nsequences = 4\nqueue_limit = 48\n\
    \n[[alias]]\nname = \"narrow\"\ncloud = []\nstandby = [\"narrow\"]\n";

/// What a hospital sees of its queue: an answer in time, or a clear word when to come again.
const PATIENCE: Duration = Duration::from_secs(60);

struct Asked {
    lane: &'static str,
    first_word: Option<Duration>,
    streamed: Streamed,
}

/// A client with a key of its own that may use this lane.
fn client_of(appliance: &TestAppliance, lane: &str) -> Client {
    appliance.client_of(&format!("{lane}-key"), &["--lane", lane])
}

async fn ask(client: Client, lane: &'static str, question: String) -> Asked {
    let chat = Chat::new("narrow", &question).header("x-genset-lane", lane);
    let begun = Instant::now();
    let mut stream = client.stream(&chat).await;
    let first_word = stream.until(1).await.then(|| begun.elapsed());
    Asked { lane, first_word, streamed: stream.finish().await }
}

fn median_first_word(asked: &[Asked], lane: &str) -> Duration {
    let mut times: Vec<Duration> =
        asked.iter().filter(|asked| asked.lane == lane).filter_map(|asked| asked.first_word).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn of_sixty_four_clients_at_once_the_clinical_ones_go_first_and_nobody_is_left_without_a_word() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).extra(NARROW).start().await;
    let known = known_answer(false);
    let lanes = ["clinical", "interactive", "interactive", "batch", "batch"];
    let clients = ["clinical", "interactive", "batch"].map(|lane| (lane, client_of(&appliance, lane)));
    let crowd = (0..64).map(|number| {
        let lane = lanes[number % 5];
        let client = clients.iter().find(|(name, _)| *name == lane).unwrap().1.clone();
        tokio::spawn(ask(client, lane, known.question.clone()))
    });
    let answered = tokio::time::timeout(PATIENCE, join_all(crowd)).await.expect("nobody hangs");
    let asked: Vec<Asked> = answered.into_iter().map(Result::unwrap).collect();

    let (whole, refused): (Vec<&Asked>, Vec<&Asked>) = asked.iter().partition(|a| a.streamed.is_whole());
    assert!(whole.iter().all(|asked| asked.streamed.said() == known.answer));
    assert!(whole.len() >= 36 && !refused.is_empty(), "{} whole, {} refused", whole.len(), refused.len());
    for asked in &refused {
        let streamed = &asked.streamed;
        assert_eq!(streamed.status, 503, "{streamed:?}");
        let retry_after: u32 =
            streamed.header("retry-after").parse().expect("a refusal says when to come again");
        assert!((1..=120).contains(&retry_after));
    }
    assert!(refused.iter().all(|asked| asked.lane != "clinical"), "there was room for all of this lane");
    let (clinical, interactive) =
        (median_first_word(&asked, "clinical"), median_first_word(&asked, "interactive"));
    assert!(clinical < interactive, "clinical {clinical:?}, interactive {interactive:?}");
}

#[tokio::test]
async fn a_refusal_says_the_place_in_the_queue_and_when_to_come_again() {
    let cloud = FakeCloud::start();
    let lines = NARROW.replace("queue_limit = 48", "queue_limit = 0");
    let appliance = TestAppliance::builder().cloud(&cloud).extra(&lines).start().await;
    let chat = Chat::new("narrow", &known_answer(false).question);
    let client = appliance.client();
    let replies = join_all((0..16).map(|_| client.ask(&chat))).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(!refused.is_empty() && refused.len() < 16);
    for reply in refused {
        let error = &reply.json()["error"];
        assert_eq!(error["code"], "standby_busy", "{}", reply.text());
        assert!(error["position"].as_u64().is_some_and(|position| position >= 1), "{error}");
        let wait_s = error["expected_wait_s"].as_u64().expect("a wait in seconds");
        assert_eq!(reply.header("retry-after"), wait_s.clamp(1, 120).to_string());
        assert!(reply.error_message().contains("in its queue"));
    }
}

#[tokio::test]
async fn a_key_gets_the_lane_that_it_may_use_and_no_higher_one() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let (usual, clinical, batch) =
        (appliance.client(), client_of(&appliance, "clinical"), client_of(&appliance, "batch"));
    let table = [
        (&usual, None, "interactive"),
        (&usual, Some("clinical"), "interactive"),
        (&usual, Some("batch"), "batch"),
        (&clinical, None, "clinical"),
        (&clinical, Some("clinical"), "clinical"),
        (&clinical, Some("batch"), "batch"),
        (&batch, None, "batch"),
        (&batch, Some("clinical"), "batch"),
    ];
    for (client, wished, given) in table {
        let chat = Chat::new("assistant", "Please say which lane");
        let chat = wished.map_or(chat.clone(), |lane| chat.header("x-genset-lane", lane));
        let reply = client.ask(&chat).await;
        assert_eq!(reply.header("x-genset-lane"), given, "wished {wished:?}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_leaves_the_queue_at_once() {
    let cloud = FakeCloud::start();
    let lines = NARROW.replace("sequences = 4", "sequences = 1");
    let appliance = TestAppliance::builder().cloud(&cloud).extra(&lines).start().await;
    let chat = Chat::new("narrow", &known_answer(false).question);
    let in_flight = async || appliance.status().await["locals"][1]["in_flight"].as_u64().unwrap();
    let until = async |wanted: u64| {
        let begun = Instant::now();
        while in_flight().await != wanted {
            assert!(begun.elapsed() < Duration::from_secs(20), "in flight: {}", in_flight().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let crowd: Vec<_> = (0..24)
        .map(|_| {
            let (client, chat) = (appliance.client(), chat.clone());
            tokio::spawn(async move { client.stream_whole(&chat).await })
        })
        .collect();
    let begun = Instant::now();
    while in_flight().await < 12 {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
    drop(crowd);
    until(0).await;
}

/// The ladder of scarcity in a hurry.
const HURRIED: &str = "\n[brown_out]\nclimb_wait_ms = 300\nclimb_after_ms = 300\nsettle_wait_ms = 200\n\
    settle_after_ms = 500\nmax_wait_ms = 0\n";

#[tokio::test]
async fn the_ladder_is_climbed_in_a_crowd_and_left_after_it_and_every_step_is_told() {
    let cloud = FakeCloud::start();
    let lines = format!("{}{HURRIED}", NARROW.replace("queue_limit = 48", "queue_limit = 200"));
    let appliance = TestAppliance::builder().cloud(&cloud).extra(&lines).start().await;
    let chat = Chat::new("narrow", &known_answer(false).question);
    let step = async || appliance.status().await["brown_out_step"].as_u64().unwrap();
    assert_eq!(step().await, 0);
    let (usual, batch) = (appliance.client(), client_of(&appliance, "batch"));
    let clinical = client_of(&appliance, "clinical");
    // However fast the model is, the crowd fills over half of the queue until the ladder is climbed. One key alone never
    // fills it.
    let climbed = Arc::new(AtomicBool::new(false));
    let others = [usual.clone(), client_of(&appliance, "interactive")];
    let crowd: Vec<_> = (0..140)
        .map(|number| {
            let (client, chat, climbed) = (others[number % 2].clone(), chat.clone(), climbed.clone());
            tokio::spawn(async move {
                loop {
                    let streamed = client.stream_whole(&chat).await;
                    if climbed.load(Ordering::Relaxed) || !streamed.is_whole() {
                        return streamed;
                    }
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while step().await < 4 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the ladder stays at step {}", step().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    climbed.store(true, Ordering::Relaxed);
    for client in [&batch, &usual] {
        let refused = client.ask(&chat).await;
        assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (503, "standby_busy"));
        assert!(
            refused.json()["error"]["position"].as_u64().is_some()
                && !refused.header("retry-after").is_empty()
        );
    }
    let answered = clinical.ask(&chat).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert_eq!(answered.header("x-genset-brown-out"), "", "the clinical lane gives nothing up");
    let metrics = usual.get("/metrics").await.text();
    assert!(metrics.contains("genset_brown_out_step{scope=\"site\"} "), "{metrics}");
    for answer in crowd {
        let streamed = answer.await.unwrap();
        let is_let_in = streamed.status != 503;
        assert!(streamed.is_whole() || !is_let_in, "who was let in is served: {streamed:?}");
    }
    while step().await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(90), "the ladder stays at step {}", step().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told: Vec<u64> = appliance.status().await["announcements"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|told| told["kind"] == "brown-out")
        .map(|told| told["step"].as_u64().unwrap())
        .collect();
    // On a busy machine it is climbed a little once more before the crowd has gone.
    let is_next = |two: &[u64]| two[0].abs_diff(two[1]) == 1;
    assert!(told.starts_with(&[1, 2, 3, 4]) && told.ends_with(&[1, 0]), "{told:?}");
    assert!(told.windows(2).all(is_next), "no step is left out: {told:?}");
    assert_eq!(usual.ask(&chat).await.header("x-genset-brown-out"), "");
}

#[tokio::test]
async fn a_short_answer_in_a_crowd_says_which_step_cut_it() {
    let cloud = FakeCloud::start();
    let lines =
        format!("{NARROW}{HURRIED}short_answer_tokens = 4\nshorter_answer_tokens = 3\nclimb_wait_ms = 0\n")
            .replace("climb_wait_ms = 300\n", "")
            .replace("settle_wait_ms = 200", "settle_wait_ms = 0")
            .replace("max_wait_ms = 0", "max_wait_ms = 60000");
    let appliance = TestAppliance::builder().cloud(&cloud).extra(&lines).start().await;
    let (client, chat) = (appliance.client(), Chat::new("narrow", &known_answer(false).question));
    // A crowd of the same key would take the places that one key may have.
    let others = client_of(&appliance, "interactive");
    let crowd: Vec<_> = (0..24)
        .map(|_| {
            let (client, chat) = (others.clone(), chat.clone());
            tokio::spawn(async move { client.stream_whole(&chat).await })
        })
        .collect();
    let begun = Instant::now();
    let cut = loop {
        let reply = client.ask(&chat).await;
        if !reply.header("x-genset-brown-out").is_empty() {
            break reply;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no answer was cut short");
    };
    let step: u64 = cut.header("x-genset-brown-out").parse().unwrap();
    assert_eq!(cut.json()["genset"]["brown_out"], step);
    assert_eq!(cut.json()["choices"][0]["finish_reason"], "length");
    join_all(crowd).await;
}

#[tokio::test]
async fn a_stream_that_waits_tells_its_place_in_comments_and_is_whole_in_the_end() {
    let cloud = FakeCloud::start();
    let lines = NARROW.replace("sequences = 4", "sequences = 1");
    let appliance = TestAppliance::builder().cloud(&cloud).extra(&lines).start().await;
    let known = known_answer(false);
    let (client, chat) = (appliance.client(), Chat::new("narrow", &known.question));
    // Nobody is served until the keeper has replaced the workers, which takes longer than the first telling.
    assert!(appliance.freeze_worker() > 0);
    let answers = join_all((0..4).map(|_| client.stream_whole(&chat))).await;
    for streamed in &answers {
        assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
        assert!(!streamed.comments.is_empty(), "it waited for seconds and was told nothing: {streamed:?}");
        for comment in &streamed.comments {
            assert!(comment.starts_with("waiting, position ") && comment.ends_with(" s"), "{comment}");
        }
    }
    let metrics = client.get("/metrics").await.text();
    let first_tokens = "genset_first_token_seconds_count{route=\"local\"} 4\n";
    assert!(metrics.contains(first_tokens), "those who waited are in the numbers too: {metrics}");
}

#[tokio::test]
async fn a_conversation_of_the_warm_share_stays_one_and_none_of_its_answers_waits_for_a_second_look() {
    let cloud = FakeCloud::start();
    let warm = "\n[[alias]]\nname = \"warm\"\ncloud = [\"cloud/large\"]\nstandby = [\"pilot-light\"]\nwarm_share_percent = 50\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(warm).https().start().await;
    appliance.until_state("connected").await;
    let mut drawn = 0;
    for number in 0..16 {
        let conversation = format!("warm-{number}");
        let chat = Chat::new("warm", "Are you ready?").header("x-genset-conversation", &conversation);
        let first = appliance.client().ask(&chat).await;
        let second = appliance.client().ask(&chat).await;
        assert_eq!(first.route(), second.route(), "{conversation}");
        if first.route() == "local" {
            drawn += 1;
            assert_eq!(first.header("x-genset-reason"), "warm-share");
            assert_eq!(second.header("x-genset-reason"), "warm-share");
        }
    }
    assert!((1..16).contains(&drawn), "half of the conversations, not {drawn} of 16");

    // What stands in for the cloud does wait, so that an empty list says something.
    cloud.refuse();
    appliance.client().ask(&Chat::new("assistant", "Are you ready?")).await;
    let portal = appliance.portal().await;
    let deadline = Instant::now() + PATIENCE;
    let mut page = portal.page("/second-look").await.text();
    while !page.contains("data-request=") && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        page = portal.page("/second-look").await.text();
    }
    assert_eq!(page.matches("data-request=").count(), 1, "{page}");
    assert!(!page.contains("data-reason=\"warm-share\""));
}
