//! Which of the answers that were asked for at once have begun, and which have ended.

use std::collections::BTreeSet;

/// The choices of one stream, by their index: some upstreams say twice how one of them ends.
pub(super) struct Choices {
    asked: usize,
    open: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    all_said: bool,
}

impl Choices {
    pub(super) fn asked(count: u32) -> Self {
        Choices {
            asked: count.max(1) as usize,
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
            all_said: false,
        }
    }

    /// Takes a chunk's choices, each with whether it ends.
    pub(super) fn take(&mut self, choices: &[(u32, bool)]) {
        for &(index, ends) in choices {
            if ends {
                self.open.remove(&index);
                self.ended.insert(index);
            } else if !self.ended.contains(&index) {
                self.open.insert(index);
            }
        }
    }

    /// The answer came in one piece, and was not cut.
    pub(super) fn are_whole(&mut self) {
        self.ended.append(&mut self.open);
        self.all_said = true;
    }

    /// The upstream says that nothing more comes: it may have fewer answers than were asked for.
    pub(super) fn are_all_said(&mut self) {
        self.all_said = true;
    }

    pub(super) fn have_ended(&self) -> bool {
        let enough = if self.all_said { 1 } else { self.asked };
        self.open.is_empty() && self.ended.len() >= enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_ended_when_all_of_its_choices_have() {
        let ends = |asked, chunks: &[(u32, bool)], all_said| {
            let mut choices = Choices::asked(asked);
            choices.take(chunks);
            if all_said {
                choices.are_all_said();
            }
            choices.have_ended()
        };
        assert!(!ends(1, &[(0, false)], false) && !ends(1, &[(0, false)], true));
        assert!(ends(1, &[(0, false), (0, true)], false));
        assert!(!ends(2, &[(0, true), (0, true)], false), "one that ends twice is one");
        assert!(ends(2, &[(0, true), (0, true)], true), "an upstream may know of one answer only");
        assert!(!ends(2, &[(0, true), (1, false)], true), "one that began must end");
        assert!(ends(2, &[(1, true), (0, true), (0, false)], false), "what follows an end begins nothing");
        assert!(!ends(1, &[], true));
    }
}
