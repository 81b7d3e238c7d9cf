//! What the routes that gave no answer have said, and what is told when none is left.

use super::open::{Closed, Opening, Size};
use crate::answer::{Ask, Refusal};
use crate::course::{Candidate, Course};
use crate::reason::Reason;

/// The attempts of one request so far.
#[derive(Default)]
pub(super) struct Tried {
    /// Each route with its reason.
    routes: Vec<String>,
    /// The first words about the length: those of the first upstream, where one was asked.
    too_long: Option<Refusal>,
    /// Routes that found the conversation too long, as they count it.
    pub long_for: Vec<(Candidate, Option<Size>)>,
    /// A route failed for another reason than the request's own length.
    failed: bool,
    /// The newest refusal that says more than that nothing is left.
    refusal: Option<Refusal>,
}

impl Tried {
    /// Takes note of a route that gave no answer, and says why it did not.
    pub(super) fn note(&mut self, course: &mut Course, candidate: &Candidate, closed: Closed) -> Reason {
        let reason = match closed {
            Closed::Refused(refusal) => {
                self.refusal = Some(*refusal);
                Reason::CallerFault
            }
            Closed::TooLong { refusal, size } => {
                self.too_long.get_or_insert(*refusal);
                self.long_for.push((candidate.clone(), size));
                if let Candidate::Cloud(route) = candidate {
                    course.need_more_than(route.facts.context);
                    Reason::Context
                } else {
                    Reason::StandbyContext
                }
            }
            Closed::Next { reason, refusal } => {
                self.failed = true;
                self.refusal = refusal.map(|refusal| *refusal).or(self.refusal.take());
                reason
            }
        };
        self.routes.push(format!("{}: {reason}", candidate.label()));
        reason
    }

    /// What the caller is told when nothing answers.
    pub(super) fn refusal(self, opening: Opening<'_>, course: &Course) -> Refusal {
        match (self.too_long, self.refusal) {
            (Some(too_long), _) if !self.failed => return too_long,
            (_, Some(refusal)) => return refusal,
            _ => {}
        }
        if self.routes.is_empty()
            && let Some(refusal) = lacking(opening, course).or_else(|| too_long_for_all(opening, course))
        {
            return refusal;
        }
        nothing_left(opening.ask, course, &self.routes)
    }
}

/// No route that is left can do what the request needs.
fn lacking(opening: Opening<'_>, course: &Course) -> Option<Refusal> {
    let (route, lack) = course.lack(opening.gateway)?;
    let told = |left: &str| format!("This request needs {lack}, and {route} cannot do that; {left}.");
    if course.lacks_for_good {
        let left = format!("\"{}\" has nothing else for it", opening.ask.request.model);
        return Some(Refusal::new(400, "invalid_request_error", "standby_lacks", told(&left)));
    }
    let message = told("nothing else can answer now");
    Some(Refusal::unavailable("standby_lacks", message).retry_after(30))
}

fn too_long_for_all(opening: Opening<'_>, course: &Course) -> Option<Refusal> {
    let longest = course
        .too_short()
        .filter_map(|candidate| Some((candidate.facts(opening.gateway).context?, candidate.label())))
        .max_by_key(|(context, _)| *context);
    let (limit, route) = longest?;
    let message = format!(
        "The conversation has {} tokens at least; the longest that can be answered now is {limit} tokens, by {route}. \
         Shorten it.",
        course.least_tokens()
    );
    Some(Refusal::invalid("context_length_exceeded", "messages", message))
}

fn nothing_left(ask: &Ask, course: &Course, tried: &[String]) -> Refusal {
    let (alias, reason) = (&ask.request.model, course.reason);
    if ask.local_only {
        let message = format!(
            "This request may not leave the building, and no local model can answer for \"{alias}\" now ({reason})."
        );
        return Refusal::unavailable("no_local_route", message).retry_after(10);
    }
    let tried = if tried.is_empty() { reason.to_string() } else { tried.join("; ") };
    let message = format!(
        "Neither the cloud nor a local model can answer for \"{alias}\" now ({tried}). Try again soon."
    );
    Refusal::unavailable("no_route", message).retry_after(5)
}
