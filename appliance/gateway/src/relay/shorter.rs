//! The last resort of an alias that allows it: the oldest turns are left out until a route has room, and it is told.

use super::open::{self, Closed, Opened, Opening, Size};
use super::tried::Tried;
use crate::answer::Ask;
use crate::course::{Candidate, Course};

/// A route that counts exactly is asked so often, each time with less.
const MAX_TRIES: usize = 3;

/// Room that is kept for the answer, where the request does not say how long it may be.
const USUAL_ANSWER: u32 = 512;

/// Before a route has counted, a token is taken for so many bytes: few enough for any script.
const BYTES_PER_TOKEN: u64 = 3;

/// Asks the routes that found the conversation too long once more, with as much of it as they have room for.
pub(super) async fn first_that_answers(
    opening: Opening<'_>,
    course: &mut Course,
    tried: &mut Tried,
) -> Option<Opened> {
    opening.gateway.alias(&opening.ask.request.model).ok()?.shorten?;
    let passed_over = course.too_short().cloned().map(|candidate| (candidate, None));
    let routes: Vec<_> = passed_over.chain(tried.long_for.clone()).collect();
    for (candidate, size) in routes {
        if let Some(opened) = one(opening, course, tried, &candidate, size).await {
            return Some(opened);
        }
    }
    None
}

async fn one(
    opening: Opening<'_>,
    course: &mut Course,
    tried: &mut Tried,
    candidate: &Candidate,
    mut size: Option<Size>,
) -> Option<Opened> {
    let limit = candidate.facts(opening.gateway).context;
    let mut ask: Ask = opening.ask.clone();
    for _ in 0..MAX_TRIES {
        let room = room(&ask, size, size.map(|size| size.limit).or(limit)?);
        let (request, _) = ask.request.newest_turns(room)?;
        ask.request = request;
        let shorter = Opening { ask: &ask, ..opening };
        match open::one(&shorter, course, candidate, "").await {
            Ok(mut opened) => {
                let left_out = opening.ask.request.messages.len() - ask.request.messages.len();
                opened.served.shortened = Some(left_out);
                opened.shortened = Some(ask.request);
                return Some(opened);
            }
            Err(Closed::TooLong { size: Some(counted), .. }) => size = Some(counted),
            Err(closed) => {
                tried.note(course, candidate, closed);
                return None;
            }
        }
    }
    None
}

/// Bytes of text for which there is room beside the answer.
fn room(ask: &Ask, size: Option<Size>, limit: u32) -> u64 {
    let answer = ask.request.max_tokens.unwrap_or(USUAL_ANSWER).min(limit / 4);
    let tokens = u64::from(limit - answer);
    match size {
        // A tenth less than by its own measure: turns differ in how many bytes their tokens have.
        Some(size) => ask.request.text_bytes() * tokens / size.tokens.max(1) * 9 / 10,
        None => tokens * BYTES_PER_TOKEN,
    }
}
