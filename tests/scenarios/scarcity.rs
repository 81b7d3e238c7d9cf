//! More is asked than the local models can answer at once: who goes first, and what the others are told.

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
    let made = appliance.cli(&["key", "create", &format!("{lane}-key"), "--lane", lane]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    appliance.anonymous().with_key(String::from_utf8_lossy(&made.stdout).trim())
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
    assert!(clinical * 2 < interactive, "clinical {clinical:?}, interactive {interactive:?}");
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
