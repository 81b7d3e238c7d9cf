//! The reason words: why an answer did not come from the first route of its alias, and what each says of the cloud.

use std::fmt;

/// Makes the enum, the words, the meanings and the list of all from one table, so that none of them can miss a reason.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident = $word:literal, $meaning:ident;)+) => {
        /// Why not the first route: the fixed word of `x-genset-reason`, of the metrics and of the audit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])+ $name,)+
        }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $word,)+
                }
            }

            const fn meaning(self) -> Meaning {
                match self {
                    $(Reason::$name => Meaning::$meaning,)+
                }
            }
        }
    };
}

reasons! {
    /// It was the first route.
    FirstRoute = "first-route", Wanted;
    /// The request may not leave the building.
    LocalOnly = "local-only", Wanted;
    /// By order nothing goes to the cloud.
    ForcedLocal = "forced-local", InPlaceOfTheCloud;
    /// By order the cloud is asked first, whatever its breakers say.
    ForcedCloud = "forced-cloud", InPlaceOfTheCloud;
    /// By order nothing goes to this upstream.
    Isolated = "isolated", InPlaceOfTheCloud;
    /// A drill of this key or alias treats the way as cut.
    Drill = "drill", Rehearsed;
    /// The breaker of the upstream refuses.
    CircuitOpen = "circuit-open", InPlaceOfTheCloud;
    /// The breaker of the upstream's model refuses.
    ModelOpen = "model-open", InPlaceOfTheCloud;
    /// The upstream is back, and not yet with all conversations.
    Recovering = "recovering", InPlaceOfTheCloud;
    /// The conversation began on a local model and is finished there.
    Conversation = "conversation", GoesOn;
    /// The small part that always goes local.
    WarmShare = "warm-share", Wanted;
    /// The ladder of scarcity chose a smaller model, or refused the wait for this one.
    BrownOut = "brown-out", AmongStandbys;
    /// The cloud route cannot do what the request needs.
    CloudLacks = "cloud-lacks", InPlaceOfTheCloud;
    /// The conversation is too long for the cloud route.
    Context = "context", InPlaceOfTheCloud;
    /// The first token was later than is usual, or the time for the whole answer is over.
    Slow = "slow", InPlaceOfTheCloud;
    /// The connection was refused.
    Refused = "refused", InPlaceOfTheCloud;
    /// Nothing came, or no answer began in time.
    Silent = "silent", InPlaceOfTheCloud;
    /// The connection was reset.
    Reset = "reset", InPlaceOfTheCloud;
    /// The certificate is not the upstream's, or not of this time.
    Tls = "tls", InPlaceOfTheCloud;
    /// The upstream's name could not be resolved.
    Dns = "dns", InPlaceOfTheCloud;
    /// The box has no way to the upstream's network.
    NoRoute = "no-route", InPlaceOfTheCloud;
    /// The upstream answered with an error of its own.
    UpstreamError = "upstream-error", InPlaceOfTheCloud;
    /// The breaker opened while the request waited.
    UpstreamLost = "upstream-lost", InPlaceOfTheCloud;
    /// The upstream asks for fewer requests.
    Throttled = "throttled", InPlaceOfTheCloud;
    /// What was paid for is used up.
    Quota = "quota", InPlaceOfTheCloud;
    /// The upstream does not take the box's key, or the box has none.
    KeyRejected = "key-rejected", InPlaceOfTheCloud;
    /// The upstream has the model no more.
    ModelWithdrawn = "model-withdrawn", InPlaceOfTheCloud;
    /// Something on the way answered in the upstream's place.
    Intercepted = "intercepted", InPlaceOfTheCloud;
    /// The answer was none in the upstream's dialect.
    Malformed = "malformed", InPlaceOfTheCloud;
    /// The answer ended before it was whole.
    Cut = "cut", InPlaceOfTheCloud;
    /// No token came for too long in the middle of the answer.
    Stalled = "stalled", InPlaceOfTheCloud;
    /// The upstream says that the request is wrong: it is passed on, and stands in the metrics alone.
    CallerFault = "caller-fault", InPlaceOfTheCloud;
    /// An earlier standby is being loaded, or cannot be.
    StandbyUnready = "standby-unready", AmongStandbys;
    /// An earlier standby has generated no token of late, and another one has.
    StandbyUnproven = "standby-unproven", AmongStandbys;
    /// An earlier standby had no room in time.
    StandbyBusy = "standby-busy", AmongStandbys;
    /// An earlier standby cannot do what the request needs.
    StandbyLacks = "standby-lacks", AmongStandbys;
    /// The conversation is too long for an earlier standby.
    StandbyContext = "standby-context", AmongStandbys;
    /// The chat template of an earlier standby refuses the conversation.
    StandbyTemplate = "standby-template", AmongStandbys;
    /// The worker of an earlier standby was lost for good.
    StandbyFailed = "standby-failed", AmongStandbys;
}

/// What a local answer for a reason says of the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Nothing was lost: the alias, a policy or the warm share wants a local model.
    Wanted,
    /// A rehearsal keeps it from the cloud.
    Rehearsed,
    /// It goes on with what an answer in the cloud's place began, also when the cloud is back.
    GoesOn,
    /// The cloud could not answer, or was not allowed to.
    InPlaceOfTheCloud,
    /// One standby answers in the place of another; what kept the cloud from it, if anything did, would be the reason.
    AmongStandbys,
}

impl Reason {
    /// The reason of this word; a word that is none may be the code of an error, which stands in the same place.
    pub fn of_word(word: &str) -> Option<Self> {
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }

    /// A local answer for this reason stands where one of the cloud would have stood.
    pub fn is_in_place_of_the_cloud(self) -> bool {
        matches!(self.meaning(), Meaning::GoesOn | Meaning::InPlaceOfTheCloud)
    }

    /// A local answer for this reason shows that requests go over to the standby, in earnest or in a drill.
    pub(crate) fn shows_the_transfer(self) -> bool {
        matches!(self.meaning(), Meaning::Rehearsed | Meaning::InPlaceOfTheCloud)
    }

    /// It says nothing of the cloud: a standby answers for another one of an alias that has no cloud before it.
    pub fn is_among_standbys(self) -> bool {
        self.meaning() == Meaning::AmongStandbys
    }

    /// The request needs what the route cannot do.
    pub(crate) fn is_a_lack(self) -> bool {
        matches!(self, Reason::CloudLacks | Reason::StandbyLacks)
    }

    /// The conversation is too long for the route.
    pub(crate) fn is_the_length(self) -> bool {
        matches!(self, Reason::Context | Reason::StandbyContext)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_one_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::of_word(reason.as_str()), Some(*reason), "{reason}");
        }
        assert_eq!(Reason::of_word("answer_cut"), None);
    }

    #[test]
    fn every_word_that_a_client_may_see_stands_in_the_readme() {
        let readme = include_str!("../../../README.md");
        for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::CallerFault) {
            assert!(readme.contains(&format!("`{reason}`")), "{reason}");
        }
    }

    #[test]
    fn what_was_wanted_or_rehearsed_or_is_between_standbys_stands_in_no_clouds_place() {
        let words_without = |says: fn(Reason) -> bool| -> Vec<&str> {
            let others = Reason::ALL.iter().filter(|reason| !says(**reason)).map(|reason| reason.as_str());
            others.filter(|word| !word.starts_with("standby-")).collect()
        };
        let others = words_without(Reason::is_in_place_of_the_cloud);
        assert_eq!(others, ["first-route", "local-only", "drill", "warm-share", "brown-out"]);
        let anyway = words_without(Reason::shows_the_transfer);
        assert_eq!(anyway, ["first-route", "local-only", "conversation", "warm-share", "brown-out"]);
        assert!(
            !Reason::StandbyBusy.is_in_place_of_the_cloud() && !Reason::StandbyFailed.shows_the_transfer()
        );
    }
}
