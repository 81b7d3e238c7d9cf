//! Who did something, in the reader's words: a person, somebody at the command line, or the schedule.

use gateway::drill::SCHEDULE;
use store::{COMMAND_LINE, DIRECTORY, IDENTITY_PROVIDER};

/// What stands for a name where nobody, or nobody known, acted.
#[derive(Debug)]
pub(crate) struct ActorText {
    schedule: &'static str,
    identity_provider: &'static str,
    command_line: &'static str,
    directory: &'static str,
    /// The user of the machine.
    at_the_command_line: fn(&str) -> String,
    key: fn(&str) -> String,
    /// The name as the subject of a sentence: whether it is a person's, and the name in words.
    acting: fn(Kind, String) -> String,
}

/// What a name in a record stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Person,
    Thing,
}

pub(super) const EN: ActorText = ActorText {
    schedule: "the schedule",
    identity_provider: "the identity provider",
    command_line: "somebody at the command line",
    directory: "the directory",
    at_the_command_line: |user| format!("{user} (command line)"),
    key: |name| format!("the key {name}"),
    acting: |_, name| name,
};

pub(super) const KO: ActorText = ActorText {
    schedule: "정기 일정",
    identity_provider: "외부 로그인 서버",
    command_line: "명령줄 사용자",
    directory: "디렉터리",
    at_the_command_line: |user| format!("{user}(명령줄)"),
    key: |name| format!("{name} 키"),
    acting: |kind, name| match kind {
        Kind::Person => format!("{name} 님이"),
        Kind::Thing if ends_open(&name) => format!("{name}가"),
        Kind::Thing => format!("{name}이"),
    },
};

/// Whether the last syllable of a Korean word has no final consonant.
fn ends_open(word: &str) -> bool {
    let last = word.chars().next_back().map_or(0, u32::from);
    (0xAC00..=0xD7A3).contains(&last) && (last - 0xAC00).is_multiple_of(28)
}

impl ActorText {
    /// Puts the name that a record keeps into words.
    pub(crate) fn name(&self, who: &str) -> String {
        self.known(who).1
    }

    /// The same as the subject of a sentence, with all that the language puts there.
    pub(crate) fn acting(&self, who: &str) -> String {
        let (kind, name) = self.known(who);
        (self.acting)(kind, name)
    }

    fn known(&self, who: &str) -> (Kind, String) {
        let user = who.strip_suffix(')').and_then(|who| who.strip_suffix(COMMAND_LINE)?.strip_suffix(" ("));
        match (who, user, who.strip_prefix("key:")) {
            (SCHEDULE, ..) => (Kind::Thing, self.schedule.to_owned()),
            (IDENTITY_PROVIDER, ..) => (Kind::Thing, self.identity_provider.to_owned()),
            (COMMAND_LINE, ..) => (Kind::Thing, self.command_line.to_owned()),
            (DIRECTORY, ..) => (Kind::Thing, self.directory.to_owned()),
            (_, Some(user), _) => (Kind::Person, (self.at_the_command_line)(user)),
            (_, None, Some(key)) => (Kind::Thing, (self.key)(key)),
            (person, None, None) => (Kind::Person, person.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_acted_is_told_in_words_and_a_person_by_name() {
        let table = [
            ("kim", "kim", "kim"),
            ("schedule", "the schedule", "정기 일정"),
            ("identity provider", "the identity provider", "외부 로그인 서버"),
            ("command line", "somebody at the command line", "명령줄 사용자"),
            ("root (command line)", "root (command line)", "root(명령줄)"),
            ("directory", "the directory", "디렉터리"),
            ("key:ward-3", "the key ward-3", "ward-3 키"),
        ];
        for (who, english, korean) in table {
            assert_eq!((EN.name(who).as_str(), KO.name(who).as_str()), (english, korean));
            assert_eq!(EN.acting(who), english);
        }
    }

    #[test]
    fn in_korean_a_person_is_honoured_and_a_thing_is_not() {
        let table = [
            ("kim", "kim 님이"),
            ("root (command line)", "root(명령줄) 님이"),
            ("command line", "명령줄 사용자가"),
            ("schedule", "정기 일정이"),
            ("identity provider", "외부 로그인 서버가"),
            ("directory", "디렉터리가"),
            ("key:ward-3", "ward-3 키가"),
        ];
        for (who, begins) in table {
            assert_eq!(KO.acting(who), begins);
        }
    }
}
