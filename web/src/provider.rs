//! The identity provider outside, as the portal needs it: a button that may be there, a way out, and who comes back.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use store::{Caller, Secret, Vouched};

/// Somebody outside who signs people in while there is a way to them. The portal works without.
pub trait IdentityProvider: Send + Sync {
    /// What people call it.
    fn label(&self) -> Option<&str>;

    /// Whether it answered when it was last asked. Waits for nothing.
    fn answers(&self) -> bool;

    /// Begins a sign-in that comes back to `back`, a path of this portal.
    ///
    /// # Errors
    /// When the provider does not answer within a few seconds.
    fn depart(&self, caller: &Caller, back: &str) -> BoxFuture<'_, Result<Departure, ProviderError>>;

    /// Ends the sign-in that this browser's ticket began: what came back is checked whole.
    ///
    /// # Errors
    /// Why nobody is signed in. The ticket is used up either way.
    fn arrive(&self, ticket: Secret, returned: Returned) -> BoxFuture<'_, Result<Arrival, ProviderError>>;
}

/// A sign-in that has begun.
pub struct Departure {
    /// Where the browser goes.
    pub address: String,
    /// What the browser keeps meanwhile, so that nobody else can end this sign-in.
    pub ticket: Secret,
}

/// Somebody who came back.
pub struct Arrival {
    pub who: Vouched,
    /// The path that the sign-in began with.
    pub back: String,
}

/// What the provider gave the browser to bring back.
#[derive(Deserialize)]
pub struct Returned {
    #[serde(default)]
    pub code: Option<Secret>,
    #[serde(default)]
    pub state: Option<Secret>,
    #[serde(default)]
    pub error: Option<String>,
}

/// Why a sign-in at the provider came to nothing. The words are for the log; they hold nothing of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    #[error("it does not answer")]
    Away,
    #[error("it was cancelled or refused there")]
    Declined,
    #[error("it was not begun in this browser within the last five minutes")]
    Stale,
    /// What came back is not to be believed; the word says what is wrong with it.
    #[error("what came back is not to be believed: {0}")]
    Untrusted(&'static str),
}

impl ProviderError {
    /// The reason in the audit log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ProviderError::Away => "provider-away",
            ProviderError::Declined => "declined",
            ProviderError::Stale => "state",
            ProviderError::Untrusted(word) => word,
        }
    }
}
