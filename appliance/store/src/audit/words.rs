//! The words of the events: every one that the box writes, and nothing else.
//!
//! A word that stands here has a sentence on the pages in both languages; a test of the portal sees to it. A word that
//! does not is refused where mistakes are looked for, in builds for development and tests.

/// Each event that a row of the log can tell of.
pub const EVENT_WORDS: &[&str] = &[
    // What the box sees and does by itself.
    "site-state",
    "breaker",
    "outage-began",
    "outage-ended",
    "brown-out",
    "drill-began",
    "drill-ended",
    "order-expired",
    "unclean-stop",
    "store-damaged",
    "audit-key-changed",
    "audit-spool-chained",
    "backup-verified",
    "backup-failed",
    "conversations-ended",
    "directory-lost",
    "directory-back",
    // What persons do.
    "order-given",
    "order-lifted",
    "setup-code-made",
    "setup-finished",
    "key-created",
    "key-revoked",
    "key-refused",
    "sign-in",
    "sign-in-refused",
    "sign-in-guessing",
    "sign-out",
    "second-step-refused",
    "second-step-guessing",
    "second-factor-set-up",
    "second-factor-removed",
    "second-factor-reset",
    "recovery-codes-renewed",
    "password-changed",
    "password-change-refused",
    "first-password-chosen",
    "first-password-refused",
    "session-ended",
    "sessions-ended",
    "demo-cut",
    "demo-restored",
    "second-look-marked",
    "alias-refused",
    "access-refused",
    "person-added",
    "first-code-made",
    "role-changed",
    "person-removed",
    "department-added",
    "department-removed",
    "department-joined",
    "department-left",
    // The same for whom the building's directory vouches, and what it alone does.
    "person-renamed",
    "directory-access-ended",
    "directory-verifier-dropped",
    "retention-changed",
    "grant-given",
    "grant-ended",
    "glass-broken",
    "glass-reviewed",
    "change-refused",
    "recovery-sheet-made",
    "recovery-sheet-proven",
    "restored",
    "audit-exported",
    "cloud-key-sealed",
    "wiped",
];

/// Whether the log may tell of this. Rows of tests that tell of nothing are let through.
pub(super) fn is_known(word: &str) -> bool {
    word.is_empty() || EVENT_WORDS.contains(&word)
}
