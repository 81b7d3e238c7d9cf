//! Who gets room on a local model when it is scarce, and what those are told who do not.

use dialect::Queue;
use inference::Place;

use crate::answer::Refusal;

/// The refusal of a request that a local model has no room for, with its place and when to come again.
pub(crate) fn no_room(model: &str, place: Place) -> Refusal {
    let expected_wait_s = wait_s(place);
    let position = place.position;
    let message = format!(
        "The local model {model} is at its limit: this request would be number {position} in its queue and wait \
         about {expected_wait_s} s. Try again then."
    );
    Refusal::unavailable("standby_busy", message).in_queue(Queue { position, expected_wait_s })
}

/// The expected wait in whole seconds, at least one.
pub(crate) fn wait_s(place: Place) -> u32 {
    (place.expected.as_millis().div_ceil(1000) as u32).max(1)
}
