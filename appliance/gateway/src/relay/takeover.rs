//! What becomes of an answer whose source broke: it starts over, goes on, or fails.

use crate::answer::Mode;

/// What an answer is when its source breaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broken {
    pub mode: Mode,
    /// Text has been passed on to the client.
    pub has_text: bool,
    /// Something has been passed on that no other model can go on with: a part of a tool call, for instance.
    pub is_bound: bool,
    /// The answer has to be strict JSON.
    pub is_json: bool,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing was shown yet: any route may make the answer anew, whole, alone.
    StartOver,
    /// Prose was shown: a local model goes on from where it stopped.
    GoOn,
    /// What was shown cannot be gone on with, and cannot be taken back. Why, for the client.
    GiveUp(&'static str),
}

impl Broken {
    pub(super) fn after(self) -> After {
        let shown = self.has_text || self.is_bound;
        match self.mode {
            Mode::Committed => After::StartOver,
            Mode::Stream if !shown => After::StartOver,
            Mode::Stream if self.is_bound => After::GiveUp(
                "no other model can go on in the middle of a tool call, a refusal or several answers",
            ),
            Mode::Stream if self.is_json => After::GiveUp("no other model can go on in the middle of JSON"),
            Mode::Stream => After::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prose_that_was_shown_is_gone_on_with() {
        const Y: bool = true;
        const N: bool = false;
        let table = [
            // mode, has_text, is_bound, is_json
            (Mode::Committed, N, N, N, "start over"),
            (Mode::Committed, Y, N, N, "start over"),
            (Mode::Committed, Y, Y, N, "start over"),
            (Mode::Committed, Y, N, Y, "start over"),
            (Mode::Stream, N, N, N, "start over"),
            (Mode::Stream, N, N, Y, "start over"),
            (Mode::Stream, Y, N, N, "go on"),
            (Mode::Stream, Y, N, Y, "give up"),
            (Mode::Stream, N, Y, N, "give up"),
            (Mode::Stream, Y, Y, N, "give up"),
        ];
        for (mode, has_text, is_bound, is_json, expected) in table {
            let broken = Broken { mode, has_text, is_bound, is_json };
            let after = match broken.after() {
                After::StartOver => "start over",
                After::GoOn => "go on",
                After::GiveUp(_) => "give up",
            };
            assert_eq!(after, expected, "{broken:?}");
        }
    }
}
