//! What is asked of single tokens: how likely they were, and which are favoured or ruled out.

use inference::{Job, JobError, Sampling, TokenOdds};

use crate::harness::*;

fn with(question: &str, sampling: Sampling) -> Job {
    Job { sampling, ..job(question) }
}

fn told(alternatives: u8) -> Sampling {
    Sampling { logprobs: Some(alternatives), ..Sampling::default() }
}

fn bytes(odds: &[TokenOdds]) -> Vec<u8> {
    odds.iter().flat_map(|token| token.said.bytes.clone()).collect()
}

#[test]
fn how_likely_each_token_was_is_told_with_the_text_that_it_made() {
    with_model(spec(), async |model| {
        for korean in [false, true] {
            let known = &longest(korean, 1)[0];
            let answer = ask(model, with(&known.question, told(3))).await.unwrap();
            assert_eq!(answer.text(), known.answer);
            assert_eq!(String::from_utf8(bytes(&answer.odds)).unwrap(), known.answer, "token by token");
            for odds in &answer.odds {
                assert_eq!((odds.top.len(), &odds.top[0]), (3, &odds.said), "the likeliest is said");
                assert!(odds.top.is_sorted_by(|a, b| a.logprob >= b.logprob));
                let sum: f32 = odds.top.iter().map(|token| token.logprob.exp()).sum();
                assert!(odds.said.logprob <= 0.0 && sum <= 1.0 + 1e-4, "{sum}");
            }
            let plain = ask(model, job(&known.question)).await.unwrap();
            assert!(plain.odds.is_empty() && plain.text() == known.answer);
            let bare = ask(model, with(&known.question, told(0))).await.unwrap();
            assert!(bare.odds.len() == answer.odds.len() && bare.odds.iter().all(|odds| odds.top.is_empty()));
        }
    });
}

#[test]
fn a_stop_string_is_in_no_token_that_is_told_and_a_given_beginning_neither() {
    with_model(spec(), async |model| {
        let known = &longest(false, 1)[0];
        let stop = known.answer.split(' ').nth(4).unwrap().to_owned();
        let stopped = Job { stop: vec![stop.clone()], ..with(&known.question, told(0)) };
        let stopped = ask(model, stopped).await.unwrap();
        let (text, tokens) = (stopped.text(), String::from_utf8(bytes(&stopped.odds)).unwrap());
        assert!(
            !text.contains(&stop) && tokens.starts_with(&text) && tokens.len() < text.len() + 16,
            "{tokens}"
        );

        // In the middle of a word: the token there begins inside what was given, and is left out.
        let (given, rest) = known.answer.split_at(known.answer.len() / 2);
        let going_on = Job { answer_prefix: given.to_owned(), ..with(&known.question, told(0)) };
        let going_on = ask(model, going_on).await.unwrap();
        let tokens = String::from_utf8(bytes(&going_on.odds)).unwrap();
        assert_eq!(going_on.text(), rest);
        assert!(rest.ends_with(&tokens) && rest.len() < tokens.len() + 16, "{tokens:?} of {rest:?}");
    });
}

#[test]
fn a_favoured_token_is_said_again_and_again_and_one_that_is_ruled_out_never() {
    with_model(spec(), async |model| {
        let known = &longest(false, 1)[0];
        let biased = |token, bias| Sampling { logit_bias: vec![(token, bias)], ..told(1) };
        let mut tried = 0;
        for token in 300..400 {
            let job = Job { max_tokens: 3, ..with(&known.question, biased(token, 100.0)) };
            let answer = ask(model, job).await.unwrap();
            let said: Vec<_> = answer.odds.iter().map(|odds| odds.said.bytes.clone()).collect();
            // A part of a character makes no text, and the end of the answer none either.
            let [first, second, third] = &said[..] else { continue };
            assert!(first == second && second == third, "{said:?}");
            assert_ne!(
                answer.odds[0].said, answer.odds[0].top[0],
                "the model itself would have said another"
            );
            let without = ask(model, with(&known.question, biased(token, -100.0))).await.unwrap();
            assert!(without.odds.iter().all(|odds| odds.said.bytes != *first));
            tried += 1;
        }
        assert!(tried > 10, "{tried}");
    });
}

#[test]
fn a_number_that_is_no_token_is_refused_with_how_many_there_are() {
    with_model(spec(), async |model| {
        for token in [-1, 10_000_000] {
            let biased = Sampling { logit_bias: vec![(5, 1.0), (token, 1.0)], ..Sampling::default() };
            let refused = ask(model, with("Are you ready?", biased)).await.unwrap_err();
            let JobError::NoSuchToken { token: named, tokens } = refused else { panic!("{refused:?}") };
            assert!(named == token && (100..10_000_000).contains(&tokens), "{named} of {tokens}");
        }
        assert!(ask(model, job("Are you ready?")).await.is_ok(), "others are served");
    });
}
