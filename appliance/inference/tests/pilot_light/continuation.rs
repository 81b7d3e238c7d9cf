//! Answers that another model began.

use futures_util::StreamExt;
use futures_util::stream;
use inference::{KnownAnswer, LocalModel};

use crate::harness::*;

#[test]
fn an_answer_cut_anywhere_is_continued_word_for_word() {
    with_model(spec(), async |model| {
        let (mut whole, mut cuts) = (0, 0);
        for known in middling(false, 2).into_iter().chain(middling(true, 3)) {
            let right = continued(model, &known).await;
            cuts += right.len();
            whole += right.iter().filter(|right| **right).count();
        }
        println!("continued word for word from {whole} of {cuts} cut points");
        assert!(whole * 100 >= cuts * 98, "{whole} of {cuts}");
    });
}

/// Whether the answer, cut at each character, is continued to the same whole.
async fn continued(model: &LocalModel, known: &KnownAnswer) -> Vec<bool> {
    let cuts: Vec<usize> =
        known.answer.char_indices().map(|(at, _)| at).chain([known.answer.len()]).collect();
    stream::iter(cuts)
        .map(async |at| {
            let (begun, rest) = known.answer.split_at(at);
            let mut job = job(&known.question);
            job.answer_prefix = begun.into();
            let answer = ask(model, job).await.unwrap();
            if answer.text() != rest {
                println!("{begun:?} went on with {:?}, not {rest:?}", answer.text());
            }
            answer.text() == rest
        })
        .buffered(16)
        .collect()
        .await
}
