//! Lies, one for each invariant, told by a simulated part on purpose: a check that does not notice its lie proves
//! nothing.

use std::time::Duration;

/// One lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The end of every answer reaches the client twice.
    DoubledEnd,
    /// The last bytes of every answer are kept back for ten minutes.
    LateEnd,
    /// Upstreams leave out the last words, and say that the answer is whole.
    LyingFinish,
    /// The header names another model than the one that answered.
    FalseName,
    /// The usage of an answer is told as twice what it was.
    DoubledUsage,
    /// A request that was left in silence reaches the upstream again.
    RepeatedSilence,
    /// Each request reaches the upstream three times.
    Repeated,
    /// The status page shows a breaker that never leaves half-open.
    StuckHalfOpen,
    /// The status page shows no upstream as back.
    NeverBack,
    /// No row of the audit log is found.
    NoAudit,
    /// Clients forget to say that a request is local-only.
    ForgottenPolicy,
    /// A revocation is noted, and not carried out.
    ForgottenRevocation,
    /// Upstreams say one word twice.
    DoubledWord,
    /// The status page calls the site connected, whatever its breakers are.
    FalseState,
    /// An order to unload a model is noted, and not given.
    ForgottenUnload,
    /// The ladder of scarcity stands on its highest step, and the batch lane is refused, with nobody waiting.
    StuckLadder,
}

impl Sabotage {
    /// Each lie, and the invariant that it breaks.
    pub(crate) const ALL: [(Sabotage, &'static str); 16] = [
        (Sabotage::DoubledEnd, "1 ends-once"),
        (Sabotage::LateEnd, "2 deadline"),
        (Sabotage::LyingFinish, "3 whole"),
        (Sabotage::FalseName, "4 names-its-route"),
        (Sabotage::DoubledUsage, "5 bills-once"),
        (Sabotage::RepeatedSilence, "6 no-retry-after-silence"),
        (Sabotage::Repeated, "7 attempts"),
        (Sabotage::StuckHalfOpen, "8 half-open"),
        (Sabotage::NeverBack, "9 comes-back"),
        (Sabotage::NoAudit, "10 audit-first"),
        (Sabotage::ForgottenPolicy, "11 stays-inside"),
        (Sabotage::ForgottenRevocation, "12 revoked"),
        (Sabotage::DoubledWord, "words"),
        (Sabotage::FalseState, "site-state"),
        (Sabotage::ForgottenUnload, "unloaded"),
        (Sabotage::StuckLadder, "answered"),
    ];

    pub(crate) fn named(name: &str) -> Option<Sabotage> {
        Sabotage::ALL.iter().map(|(sabotage, _)| *sabotage).find(|sabotage| format!("{sabotage:?}") == name)
    }

    /// How long the last bytes are kept back.
    pub(crate) const LATE: Duration = Duration::from_secs(600);
}
