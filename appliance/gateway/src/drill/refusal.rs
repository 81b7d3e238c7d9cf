//! Why a drill does not begin: the words of its record, and the sentences of the command line.

use continuity::drill::NotNow;

/// The running box keeps the word in the record of the drill; whoever asked reads it in their own language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDrill {
    #[error("it was asked for while no box was running")]
    Stale,
    #[error("its scope is none; write site, \"key NAME\" or \"alias NAME\"")]
    BadScope,
    #[error("there is no such alias; the configuration names those that there are")]
    NoSuchAlias,
    #[error("there is no such key, or it was revoked; `genset key list` names those that there are")]
    NoSuchKey,
    #[error("no alias in its scope has both a cloud route and a standby, so there is nothing to rehearse")]
    NothingToRehearse,
    #[error(transparent)]
    NotNow(NotNow),
    /// In the words of a box of another version.
    #[error("{0}")]
    Said(String),
}

impl NoDrill {
    /// The word of records.
    pub fn as_str(&self) -> &str {
        match self {
            NoDrill::Stale => "stale",
            NoDrill::BadScope => "bad-scope",
            NoDrill::NoSuchAlias => "no-such-alias",
            NoDrill::NoSuchKey => "no-such-key",
            NoDrill::NothingToRehearse => "nothing-to-rehearse",
            NoDrill::NotNow(not_now) => not_now.as_str(),
            NoDrill::Said(words) => words,
        }
    }

    pub fn of_record(word: &str) -> Self {
        let of_the_wish = [
            NoDrill::Stale,
            NoDrill::BadScope,
            NoDrill::NoSuchAlias,
            NoDrill::NoSuchKey,
            NoDrill::NothingToRehearse,
        ];
        let of_the_moment = NotNow::ALL.into_iter().map(NoDrill::NotNow);
        let mut all = of_the_wish.into_iter().chain(of_the_moment);
        all.find(|reason| reason.as_str() == word).unwrap_or_else(|| NoDrill::Said(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_one_of_before_keeps_its_words() {
        for reason in [NoDrill::Stale, NoDrill::NoSuchKey, NoDrill::NotNow(NotNow::Outage)] {
            assert_eq!(NoDrill::of_record(reason.as_str()), reason);
        }
        let words = "an order stands; lift it first";
        assert_eq!(NoDrill::of_record(words).to_string(), words);
    }
}
