//! What the model says, and in which pieces.

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::select_all;
use inference::{
    Event, FinishReason, Job, KnownAnswer, Lane, LocalModel, ModelSpec, Sampling, Status, selftest,
};
use tokio::time::Instant;

use crate::harness::*;

#[test]
fn every_known_answer_comes_word_for_word() {
    run(async || {
        let known = known_answers();
        let found = selftest(spec(), &known).await.unwrap();
        let rate = found.tokens as f64 / found.took.as_secs_f64();
        println!("{} of {} right, {rate:.0} tokens/s with 16 streams", found.right, known.len());
        for wrong in &found.wrong {
            println!("{}\n  expected {:?}\n  got      {:?}", wrong.question, wrong.expected, wrong.got);
        }
        assert!(found.wrong.is_empty());
    });
}

#[test]
fn eight_streams_at_once_each_get_their_own_answer() {
    with_model(spec(), async |model| {
        let known: Vec<KnownAnswer> = longest(false, 4).into_iter().chain(longest(true, 4)).collect();
        let begun = tokio::time::Instant::now();
        let answers = join_all(known.iter().map(|known| ask(model, job(&known.question)))).await;
        let rate = model.tokens_generated() as f64 / begun.elapsed().as_secs_f64();
        println!("{rate:.0} tokens/s with 8 streams");
        for (known, answer) in known.iter().zip(answers) {
            assert_eq!(answer.unwrap().text(), known.answer);
        }
    });
}

#[test]
fn a_context_of_any_size_is_used_to_its_end() {
    let small = ModelSpec { context_cells: 300, sequences: 2, clinical_reserve: Some(0), ..spec() };
    with_model(small, async |model| {
        let question = longest(false, 1)[0].question.clone();
        let long = Job { max_tokens: 16, ..job(&question.repeat(200 / question.len() + 1)) };
        let both = join_all([ask(model, long.clone()), ask(model, long)]).await;
        assert!(both.iter().all(Result::is_ok), "{both:?}");
        assert_eq!(model.restarts(), 0);
    });
}

#[test]
fn a_long_prompt_is_read_between_the_steps_of_running_answers() {
    let mut spec = spec();
    spec.sequences = 8;
    with_model(spec, async |model| {
        let Status::Ready { facts, .. } = model.status().borrow().clone() else { panic!("ready") };
        let known = longest(false, 3);
        let mut long = job(&"word ".repeat(facts.context_limit as usize / 4));
        long.max_tokens = 4;
        let answers = join_all(known.iter().map(|known| ask(model, job(&known.question))));
        let (answers, long) = tokio::join!(answers, ask(model, long));
        assert!(long.is_ok() || facts.context_limit < 64, "{long:?}");
        for (known, answer) in known.iter().zip(answers) {
            assert_eq!(answer.unwrap().text(), known.answer);
        }
    });
}

#[test]
fn an_answer_that_has_begun_lets_those_that_came_with_it_be_read_first() {
    let spec = ModelSpec { context_cells: 16_384, sequences: 8, ..spec() };
    with_model(spec, async |model| {
        let question = "word ".repeat(900);
        let long = || Job { max_tokens: 200, ..job(&question) };
        let mut all =
            select_all((0..6).map(|number| model.generate(long()).map(move |event| (number, event))));
        let mut begun: Vec<(usize, Instant, u32)> = Vec::new();
        while begun.len() < 6 {
            let (number, event) = all.next().await.unwrap();
            if !matches!(event.unwrap(), Event::Text(_)) {
                continue;
            }
            match begun.iter_mut().find(|(other, ..)| *other == number) {
                Some((.., pieces)) => *pieces += 1,
                None => begun.push((number, Instant::now(), 1)),
            }
        }
        let (_, at, pieces) = begun[0];
        let waited_s = at.elapsed().as_secs_f64();
        println!("{pieces} pieces in {waited_s:.1} s");
        assert!(f64::from(pieces) <= 2.0 + waited_s, "one in a second: {begun:?}");
    });
}

#[test]
fn clinical_questions_get_their_first_word_sooner_when_all_sequences_are_asked_for() {
    let mut spec = spec();
    spec.sequences = 4;
    with_model(spec, async |model| {
        let question = &longest(false, 1)[0].question;
        let first_word = async |lane| {
            let begun = tokio::time::Instant::now();
            let mut generation = model.generate(Job { lane, ..job(question) });
            let mut first = None;
            while let Some(event) = generation.next().await {
                if matches!(event.unwrap(), Event::Text(_)) {
                    first.get_or_insert(begun.elapsed());
                }
            }
            first.expect("it says something")
        };
        let crowd = join_all((0..24).map(|_| first_word(Lane::Interactive)));
        let clinical = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            join_all((0..3).map(|_| first_word(Lane::Clinical))).await
        };
        let (mut crowd, clinical) = tokio::join!(crowd, clinical);
        crowd.sort_unstable();
        let slowest_clinical = clinical.into_iter().max().unwrap();
        println!("first word: interactive median {:?}, clinical at most {slowest_clinical:?}", crowd[12]);
        assert!(slowest_clinical < crowd[12]);
        assert_eq!(model.occupancy().waiting, [0; 3]);
    });
}

#[test]
fn korean_comes_in_whole_syllables() {
    with_model(spec(), async |model| {
        for known in longest(true, 3) {
            let answer = ask(model, job(&known.question)).await.unwrap();
            assert!(answer.pieces.len() > 3, "it comes in pieces");
            assert!(answer.pieces.iter().all(|piece| !piece.contains('\u{fffd}')));
            assert_eq!(answer.text(), known.answer);
        }
    });
}

#[test]
fn the_usage_counts_the_tokens_and_max_tokens_ends_the_answer() {
    with_model(spec(), async |model| {
        let known = &longest(false, 1)[0];
        let begun = tokio::time::Instant::now();
        let whole = ask(model, job(&known.question)).await.unwrap();
        let (reason, usage) = whole.end.unwrap();
        println!("{:.0} tokens/s alone", f64::from(usage.completion_tokens) / begun.elapsed().as_secs_f64());
        assert_eq!(reason, FinishReason::Stop);
        assert!(usage.prompt_tokens > 3 && usage.completion_tokens > 10);
        let mut short = job(&known.question);
        short.max_tokens = 5;
        let short = ask(model, short).await.unwrap();
        let (reason, usage) = short.end.unwrap();
        assert_eq!((reason, usage.completion_tokens), (FinishReason::Length, 5));
        assert!(known.answer.starts_with(&short.text()));
    });
}

#[test]
fn a_stop_string_ends_the_answer_wherever_the_tokens_are_cut() {
    with_model(spec(), async |model| {
        for known in [&longest(false, 1)[0], &longest(true, 1)[0]] {
            let chars: Vec<char> = known.answer.chars().collect();
            for at in 5..25 {
                let stop: String = chars[at..at + 4].iter().collect();
                let expected = known.answer.split(&stop).next().unwrap();
                let mut job = job(&known.question);
                job.stop = vec!["never said".into(), stop];
                let answer = ask(model, job).await.unwrap();
                assert_eq!(answer.text(), expected);
                assert_eq!(answer.end.unwrap().0, FinishReason::Stop);
            }
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_text() {
    with_model(spec(), async |model| {
        let warm = |seed| {
            let mut job = job("Tell me something new about the harbour");
            job.sampling = Sampling { temperature: 1.5, seed: Some(seed), ..Sampling::default() };
            job.max_tokens = 60;
            job
        };
        let text = async |seed| ask(model, warm(seed)).await.unwrap().text();
        let first = text(7).await;
        assert_eq!(text(7).await, first);
        assert!(differs(model, &first, warm).await, "some other seed gives another text");
    });
}

async fn differs(model: &LocalModel, first: &str, warm: impl Fn(u64) -> inference::Job) -> bool {
    for seed in 8..40 {
        if ask(model, warm(seed)).await.unwrap().text() != first {
            return true;
        }
    }
    false
}
