//! What the status page says of the building's directory to those in charge.

use store::DirectoryCondition;

use crate::moment::Clock;
use crate::text::DirectoryText;

/// The lamp and the words.
pub(crate) fn state(
    directory: &DirectoryCondition,
    text: &DirectoryText,
    clock: &Clock,
) -> (&'static str, String) {
    let text = &text.status;
    let last_seen = directory.last_seen_ms.map_or_else(|| text.never.to_owned(), |at_ms| clock.full(at_ms));
    match directory.reachable {
        None => ("waiting", text.not_asked.to_owned()),
        Some(true) => ("good", (text.there)(&last_seen, directory.cached_people)),
        Some(false) => {
            let why = directory.trouble.map_or("", text.trouble);
            ("bad", (text.lost)(why, &last_seen, directory.cached_people, directory.cached_sign_ins))
        }
    }
}
