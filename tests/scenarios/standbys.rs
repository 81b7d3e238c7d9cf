//! Two standbys of one alias, each with a worker of its own: which of them answers, and what is said of the other.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use tests::test_appliance::{Builder, known_answer};
use tests::{Chat, Client, Ended, FakeCloud, Reply, TestAppliance};

const PATIENCE: Duration = Duration::from_secs(30);

/// `ward` goes to the cloud, then to `first` and `second`; `inside` knows no cloud.
const ALIASES: &str = "\n[[alias]]\nname = \"ward\"\ncloud = [\"cloud/large\"]\nstandby = [\"first\", \"second\"]\n\
    \n[[alias]]\nname = \"inside\"\ncloud = []\nstandby = [\"first\", \"second\"]\n\
    \n[[alias]]\nname = \"first\"\ncloud = []\nstandby = [\"first\"]\n";

/// A box with two standbys beside the pilot light; the first has room for few answers at once.
fn two_standbys(cloud: &FakeCloud, sequences: u32) -> Builder {
    let narrow = format!("sequences = {sequences}\nqueue_limit = 256\n");
    TestAppliance::builder().cloud(cloud).standby("first", &narrow).standby("second", "").extra(ALIASES)
}

/// Waits until both standbys have generated a token.
async fn until_proven(appliance: &TestAppliance) {
    for name in ["first", "second"] {
        appliance.until_local(name, |local| local["proven"] == true).await;
    }
}

fn served(reply: &Reply) -> (String, String) {
    (reply.served_by(), reply.header("x-genset-reason"))
}

#[tokio::test]
async fn in_a_brown_out_the_smaller_standby_answers_for_the_larger_one_but_not_for_the_clinical_lane() {
    let cloud = FakeCloud::start();
    let hurried = "\n[brown_out]\nclimb_wait_ms = 300\nclimb_after_ms = 300\nsettle_wait_ms = 200\n\
        settle_after_ms = 500\nmax_wait_ms = 60000\n";
    let appliance = two_standbys(&cloud, 2).extra(hurried).start().await;
    until_proven(&appliance).await;
    let clinical = appliance.client_of("clinic", &["--lane", "clinical"]);
    let (client, known) = (appliance.client(), known_answer(false));
    let chat = Chat::new("inside", &known.question);
    assert_eq!(served(&client.ask(&chat).await), ("local/first".into(), "first-route".into()));

    // The crowd is on the first standby alone, so that the second has room all the time.
    let crowd: Vec<_> = (0..120)
        .map(|_| {
            let (client, chat) = (client.clone(), Chat::new("first", &known.question));
            tokio::spawn(async move { client.stream_whole(&chat).await })
        })
        .collect();
    let step = async || appliance.status().await["brown_out_step"].as_u64().unwrap();
    let begun = Instant::now();
    while step().await < 2 {
        assert!(begun.elapsed() < PATIENCE, "the ladder stays at step {}", step().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let reply = client.ask(&chat).await;
    assert_eq!(served(&reply), ("local/second".into(), "brown-out".into()), "{}", reply.text());
    let reply = clinical.ask(&chat).await;
    assert_eq!(served(&reply), ("local/first".into(), "first-route".into()), "{}", reply.text());
    for answer in crowd {
        let streamed = answer.await.unwrap();
        assert!(streamed.is_whole(), "who was let in is served: {streamed:?}");
    }
    while step().await > 0 {
        assert!(begun.elapsed() < 3 * PATIENCE, "the ladder stays at step {}", step().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reply = client.ask(&chat).await;
    assert_eq!(served(&reply), ("local/first".into(), "first-route".into()), "every step is taken back");
}

#[tokio::test]
async fn who_waits_for_the_larger_standby_when_the_smaller_one_goes_first_is_served_by_it_too() {
    let cloud = FakeCloud::start();
    let hurried = "\n[brown_out]\nclimb_wait_ms = 300\nclimb_after_ms = 2500\nsettle_wait_ms = 200\n\
        max_wait_ms = 60000\nshorter_answer_tokens = 512\n";
    let appliance = two_standbys(&cloud, 1).extra(hurried).start().await;
    until_proven(&appliance).await;
    let known = known_answer(false);
    let callers: Vec<Client> =
        (0..8).map(|number| appliance.client_of(&format!("ward {number}"), &[])).collect();
    let ask = |client: &Client, alias| {
        let (client, chat) = (client.clone(), Chat::new(alias, &known.question));
        tokio::spawn(async move { client.stream_whole(&chat).await })
    };
    assert!(ask(&callers[0], "first").await.unwrap().is_whole(), "now it is known how long an answer takes");
    let crowd: Vec<_> = callers.iter().cycle().take(120).map(|caller| ask(caller, "first")).collect();
    appliance.until_local("first", |local| local["in_flight"].as_u64() >= Some(60)).await;
    assert!(
        appliance.status().await["brown_out_step"].as_u64() < Some(2),
        "nobody prefers the smaller one yet"
    );
    // Its own crowd stands before it.
    let streamed = ask(&callers[0], "inside");
    let whole = {
        let (client, chat) = (callers[0].clone(), Chat::new("inside", &known.question));
        tokio::spawn(async move { client.ask(&chat).await })
    };
    let (streamed, whole) = (streamed.await.unwrap(), whole.await.unwrap());
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    let told = streamed.genset();
    assert_eq!(told.last().map(|last| &last["served_by"]), Some(&"local/second".into()), "{streamed:?}");
    assert!(streamed.comments.iter().any(|comment| comment.starts_with("waiting, position")), "{streamed:?}");
    assert_eq!(served(&whole), ("local/second".into(), "brown-out".into()), "{}", whole.text());
    for answer in crowd {
        let streamed = answer.await.unwrap();
        assert!(streamed.is_whole(), "who was let in is served: {streamed:?}");
    }
}

#[tokio::test]
async fn a_late_cloud_is_raced_by_the_standby_that_could_begin_at_once() {
    let cloud = FakeCloud::start();
    let builder = two_standbys(&cloud, 1);
    let builder = builder.tune("first_token_timeout_ms", 20_000).tune("hedge_min_ms", 200);
    let appliance = builder.tune("hedge_unknown_ms", 400).start().await;
    until_proven(&appliance).await;
    let (client, known) = (appliance.client(), known_answer(false));
    cloud.slow_first_token(Duration::from_secs(20));
    let race = async |expected: &str| {
        let begun = Instant::now();
        let streamed = client.stream_whole(&Chat::new("ward", &known.question)).await;
        assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
        assert_eq!(
            (streamed.header("x-genset-served-by").as_str(), streamed.header("x-genset-reason").as_str()),
            (expected, "slow")
        );
        assert_eq!(streamed.seam(), None, "the cloud has said nothing: {streamed:?}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    };
    race("local/first").await;

    // A frozen worker keeps its only place taken for as long as it is frozen.
    let waiting = tokio::spawn({
        let (client, chat) = (client.clone(), Chat::new("first", &known.question));
        appliance.freeze_worker_of("first");
        async move { client.stream_whole(&chat).await }
    });
    appliance.until_local("first", |local| local["in_flight"].as_u64() >= Some(1)).await;
    race("local/second").await;
    appliance.kill_worker_of("first");
    assert_eq!(waiting.await.unwrap().said(), known.answer, "its own answer comes from the next worker");

    let metrics = client.get("/metrics").await.text();
    assert!(metrics.contains("genset_hedges_total 2"), "{metrics}");
    assert!(cloud.chats().len() == 2, "the cloud was asked once each time");
}

#[tokio::test]
async fn a_standby_that_breaks_while_it_takes_over_is_replaced_by_the_next_one_without_a_lost_word() {
    let cloud = FakeCloud::start();
    let known = known_answer(false);
    cloud.say(&known.answer);
    cloud.pace(Duration::from_millis(30));
    let appliance = two_standbys(&cloud, 4).start().await;
    until_proven(&appliance).await;
    let mut stream = appliance.client().stream(&Chat::new("ward", &known.question)).await;
    assert!(stream.until(20).await);
    // The first standby takes over, and is lost for good before it has said a word.
    appliance.freeze_worker_of("first");
    cloud.refuse();
    appliance.until_local("first", |local| local["in_flight"].as_u64() >= Some(1)).await;
    std::fs::write(appliance.model_file("first"), "no model any more").unwrap();
    appliance.kill_worker_of("first");

    let streamed = stream.finish().await;
    assert!(streamed.is_whole(), "{streamed:?}");
    assert_eq!(streamed.said(), known.answer, "no word is lost and none is said twice");
    let last = streamed.genset().pop().unwrap();
    assert_eq!(last["served_by"], "local/second", "{last}");
    assert!(streamed.seam().is_some_and(|characters| characters >= 20), "{last}");
    appliance.until_local_is("first", "failed").await;
}

#[tokio::test]
async fn an_answer_that_breaks_twice_is_said_once() {
    let (one, two) = (FakeCloud::named("one"), FakeCloud::named("two"));
    let known = known_answer(false);
    for cloud in [&one, &two] {
        cloud.say(&known.answer);
        cloud.cut_streams(4);
    }
    let appliance = TestAppliance::builder().upstream("one", &one).upstream("two", &two).start().await;
    let chat = Chat::new("assistant", &known.question).header("x-genset-mode", "committed");
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    assert_eq!(streamed.header("x-genset-served-by"), "local/pilot-light");
    assert_eq!((one.chats().len(), two.chats().len()), (1, 1), "each cloud was asked once");
}

#[tokio::test]
async fn a_standby_that_has_proven_nothing_is_passed_over_until_it_has() {
    let cloud = FakeCloud::start();
    let appliance = two_standbys(&cloud, 4).start().await;
    until_proven(&appliance).await;
    let (client, known) = (appliance.client(), known_answer(false));
    let chat = Chat::new("inside", &known.question);

    // As on a disk that hangs, no worker of it gets on with loading.
    let hang = async {
        let mut frozen = appliance.worker_of("first");
        appliance.kill_worker_of("first");
        loop {
            let worker = appliance.worker_of("first");
            if worker.is_some() && worker != frozen {
                appliance.freeze_worker_of("first");
                frozen = worker;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let ask = async {
        appliance.until_local("first", |local| local["proven"] == false).await;
        let begun = Instant::now();
        let replies = join_all((0..4).map(|_| client.ask(&chat))).await;
        (replies, begun.elapsed())
    };
    let (replies, took) = tokio::select! { asked = ask => asked, () = hang => unreachable!() };
    for reply in replies {
        assert_eq!(served(&reply), ("local/second".into(), "standby-unproven".into()), "{}", reply.text());
        assert_eq!(reply.said(), known.answer);
    }
    assert!(took < Duration::from_secs(10), "nobody waits for it: {took:?}");

    appliance.kill_worker_of("first");
    until_proven(&appliance).await;
    let reply = client.ask(&chat).await;
    assert_eq!(served(&reply), ("local/first".into(), "first-route".into()), "{}", reply.text());
}

/// Gives an order about a model on the command line and gives its number back.
fn order(appliance: &TestAppliance, kind: &str, model: &str) -> String {
    let output = appliance.cli(&["order", kind, model, "--reason", "room for others", "--for", "30m"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_model_is_unloaded_by_order_after_its_last_answers_and_loaded_again_when_the_order_is_lifted() {
    let cloud = FakeCloud::start();
    let appliance = two_standbys(&cloud, 1).start().await;
    until_proven(&appliance).await;
    let (client, known) = (appliance.client(), known_answer(false));
    // Frozen, it has not ended before the order is given.
    appliance.freeze_worker_of("first");
    let crowd: Vec<_> = (0..8)
        .map(|_| {
            let (client, chat) = (client.clone(), Chat::new("first", &known.question));
            tokio::spawn(async move { client.stream_whole(&chat).await })
        })
        .collect();
    appliance.until_local("first", |local| local["in_flight"].as_u64() >= Some(8)).await;

    let id = order(&appliance, "unload", "first");
    appliance.until_local_is("first", "unloading").await;
    let reply = client.ask(&Chat::new("inside", &known.question)).await;
    assert_eq!(served(&reply).0, "local/second", "it takes no new request: {}", reply.text());
    appliance.thaw_worker_of("first");
    for answer in crowd {
        let streamed = answer.await.unwrap();
        assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    }
    appliance.until_local_is("first", "unloaded").await;
    assert_eq!(appliance.worker_of("first"), None, "its memory is free");
    let refused = client.ask(&Chat::new("first", &known.question)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    let status = appliance.status().await;
    assert_eq!(
        (&status["orders"][0]["kind"], &status["orders"][0]["model"]),
        (&"unload".into(), &"first".into())
    );

    let lifted = appliance.cli(&["order", "lift", &id]);
    assert_eq!(lifted.status.code(), Some(0));
    until_proven(&appliance).await;
    let reply = client.ask(&Chat::new("inside", &known.question)).await;
    assert_eq!(served(&reply), ("local/first".into(), "first-route".into()));
}

#[tokio::test]
async fn an_answer_that_lasts_longer_than_an_unloaded_model_may_is_given_by_the_next() {
    let cloud = FakeCloud::start();
    let appliance = two_standbys(&cloud, 1).start().await;
    until_proven(&appliance).await;
    let (client, known) = (appliance.client(), known_answer(false));
    appliance.freeze_worker_of("first");
    let [waiting, alone] = ["inside", "first"].map(|alias| {
        let (client, chat) = (client.clone(), Chat::new(alias, &known.question));
        tokio::spawn(async move { client.stream_whole(&chat).await })
    });
    appliance.until_local("first", |local| local["in_flight"].as_u64() >= Some(2)).await;
    order(&appliance, "unload", "first");
    // The frozen worker is noticed and killed; nothing begins in its place.
    let alone = alone.await.unwrap();
    let Ended::Error(error) = &alone.ended else { panic!("no other model has its answer: {alone:?}") };
    assert_eq!(error["code"], "no_route", "nothing broke off, for nothing had begun: {alone:?}");
    let streamed = waiting.await.unwrap();
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    assert_eq!(streamed.genset().pop().map(|last| last["served_by"].clone()), Some("local/second".into()));
    appliance.until_local_is("first", "unloaded").await;
}

#[tokio::test]
async fn a_person_is_not_told_of_an_answer_that_broke_off_where_none_had_begun() {
    let cloud = FakeCloud::start();
    let appliance = two_standbys(&cloud, 1).https().start().await;
    let owner = appliance.portal().await;
    until_proven(&appliance).await;
    let known = known_answer(false);
    appliance.freeze_worker_of("first");
    let unload = async {
        appliance.until_local("first", |local| local["in_flight"].as_u64() >= Some(2)).await;
        order(&appliance, "unload", "first");
    };
    let (moved, refused, ()) = tokio::join!(
        owner.ask_line_by_line("inside", &known.question),
        owner.ask_line_by_line("first", &known.question),
        unload
    );
    let kinds = |lines: &[Value]| -> Vec<String> {
        let mut kinds: Vec<String> =
            lines.iter().map(|line| line["kind"].as_str().unwrap_or_default().to_owned()).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&moved), ["asked", "begun", "waiting", "begun", "text", "finished"], "{moved:?}");
    let note = moved.iter().rfind(|line| line["kind"] == "begun").expect("it began")["note"].to_string();
    assert!(note.contains("second") && !note.contains("first"), "the first has written nothing: {note}");
    assert_eq!(kinds(&refused), ["asked", "begun", "waiting", "failed"], "{refused:?}");
    let sentence = refused.last().expect("it ended")["sentence"].to_string();
    assert!(sentence.contains("No answer came."), "{sentence}");
}

#[tokio::test]
async fn a_model_that_is_not_resident_is_loaded_by_order_and_stays_so_over_a_restart() {
    let cloud = FakeCloud::start();
    let builder = TestAppliance::builder().cloud(&cloud);
    let builder = builder.standby("first", "resident = false\n").standby("second", "").extra(ALIASES);
    let mut appliance = builder.start().await;
    appliance.until_local("second", |local| local["proven"] == true).await;
    appliance.until_local_is("first", "unloaded").await;
    let known = known_answer(false);
    let chat = Chat::new("inside", &known.question);
    let first_choice = async |appliance: &TestAppliance| appliance.client().ask(&chat).await.served_by();
    assert_eq!(first_choice(&appliance).await, "local/second");

    let refused = |appliance: &TestAppliance, words: [&str; 2]| {
        let rest = ["--reason", "room for others", "--for", "30m"];
        let output = appliance.cli(&[&["order"], &words[..], &rest].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&appliance, ["load", "moon"]).contains("The configuration names: "));
    assert!(refused(&appliance, ["load", "second"]).contains("is loaded by itself"));
    assert!(refused(&appliance, ["unload", "first"]).contains("only while an order says so"));

    let id = order(&appliance, "load", "first");
    appliance.until_local("first", |local| local["proven"] == true).await;
    assert_eq!(first_choice(&appliance).await, "local/first");
    assert!(refused(&appliance, ["load", "first"]).contains("stands already"));

    appliance.stop().await;
    appliance.start_again().await;
    until_proven(&appliance).await;
    assert_eq!(first_choice(&appliance).await, "local/first");
    assert_eq!(appliance.cli(&["order", "lift", &id]).status.code(), Some(0));
    appliance.until_local_is("first", "unloaded").await;
    assert_eq!(first_choice(&appliance).await, "local/second");
}
