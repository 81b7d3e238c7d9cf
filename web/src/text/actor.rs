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
}

pub(super) const EN: ActorText = ActorText {
    schedule: "the schedule",
    identity_provider: "the identity provider",
    command_line: "somebody at the command line",
    directory: "the directory",
    at_the_command_line: |user| format!("{user} (command line)"),
};

pub(super) const KO: ActorText = ActorText {
    schedule: "정기 일정",
    identity_provider: "외부 로그인 서버",
    command_line: "명령줄 사용자",
    directory: "디렉터리",
    at_the_command_line: |user| format!("{user}(명령줄)"),
};

impl ActorText {
    /// Puts the name that a record keeps into words.
    pub(crate) fn name(&self, who: &str) -> String {
        let user = who.strip_suffix(')').and_then(|who| who.strip_suffix(COMMAND_LINE)?.strip_suffix(" ("));
        match (who, user) {
            (SCHEDULE, _) => self.schedule.to_owned(),
            (IDENTITY_PROVIDER, _) => self.identity_provider.to_owned(),
            (COMMAND_LINE, _) => self.command_line.to_owned(),
            (DIRECTORY, _) => self.directory.to_owned(),
            (_, Some(user)) => (self.at_the_command_line)(user),
            (person, None) => person.to_owned(),
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
        ];
        for (who, english, korean) in table {
            assert_eq!((EN.name(who).as_str(), KO.name(who).as_str()), (english, korean));
        }
    }
}
