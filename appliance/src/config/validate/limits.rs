//! What the configuration says of the bounds on callers.

use continuity::Share;
use gateway::settings::Limits;

use super::{Check, ConfigError, raw};

const PLACE: &str = "[limits]";
/// More than any machine answers: a limit beyond it is a slip of the pen.
const MOST_PER_MINUTE: u32 = 1_000_000;

impl Check {
    pub(super) fn limits(&self, raw: &raw::Limits) -> Result<Limits, ConfigError> {
        let usual = Limits::default();
        let max_requests = raw.max_requests.unwrap_or(usual.max_requests);
        let max_body_bytes = raw.max_body_bytes.unwrap_or(usual.max_body_bytes);
        let local_max_tokens = raw.local_max_tokens.unwrap_or(usual.local_max_tokens);
        let usable = (1024..=64 << 20).contains(&max_body_bytes)
            && (1..=100_000).contains(&max_requests)
            && local_max_tokens > 0;
        if !usable {
            let what = "max_body_bytes may be 1024 to 67108864, max_requests 1 to 100000, local_max_tokens 1 or more";
            return Err(self.wrong(PLACE, what));
        }
        let room = max_requests as u32;
        // A smaller box is shared out in the same way.
        let of_a_key = Share { at_once: usual.of_a_key.at_once.min(room.div_ceil(2)), ..usual.of_a_key };
        let of_a_person =
            Share { at_once: usual.of_a_person.at_once.min(room.div_ceil(2)), ..usual.of_a_person };
        let limits = Limits {
            max_body_bytes,
            max_requests,
            local_max_tokens,
            of_a_key: self.share("key", (raw.key_max_requests, raw.key_max_per_minute), of_a_key, room)?,
            of_a_person: self.share(
                "person",
                (raw.person_max_requests, raw.person_max_per_minute),
                of_a_person,
                room,
            )?,
        };
        Ok(limits)
    }

    fn share(
        &self,
        whose: &str,
        (at_once, per_minute): (Option<u32>, Option<u32>),
        usual: Share,
        room: u32,
    ) -> Result<Share, ConfigError> {
        let share = Share {
            at_once: at_once.unwrap_or(usual.at_once),
            per_minute: per_minute.unwrap_or(usual.per_minute),
        };
        if !(1..=room).contains(&share.at_once) {
            let what = format!(
                "{whose}_max_requests = {} must be 1 to max_requests, which is {room}; 0 would let nobody in",
                share.at_once
            );
            return Err(self.wrong(PLACE, what));
        }
        if !(1..=MOST_PER_MINUTE).contains(&share.per_minute) {
            let what =
                format!("{whose}_max_per_minute = {} must be 1 to {MOST_PER_MINUTE}", share.per_minute);
            return Err(self.wrong(PLACE, what));
        }
        Ok(share)
    }
}
