//! Where conversations began: one that began on a local model is finished there, also when the cloud is back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::answer::Route;
use crate::reason::Reason;

/// A conversation that nobody goes on with for so long is over.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// With so many remembered, the ones that are over are forgotten, and then no new ones are taken in.
const MAX_REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(crate) struct Homes(Mutex<HashMap<String, Home>>);

struct Home {
    began: Beginning,
    used: Instant,
}

/// Who gave the first answer of a conversation, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginning {
    pub route: Route,
    pub reason: Reason,
}

impl Homes {
    /// Where the conversation began, when that is known.
    pub(crate) fn of(&self, conversation: &str) -> Option<Beginning> {
        let homes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        homes.get(conversation).filter(|home| home.used.elapsed() < REMEMBERED).map(|home| home.began)
    }

    /// The conversation was served so; the first time makes its home.
    pub(crate) fn served(&self, conversation: &str, began: Beginning) {
        let mut homes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if homes.len() >= MAX_REMEMBERED {
            homes.retain(|_, home| home.used.elapsed() < REMEMBERED);
        }
        if let Some(home) = homes.get_mut(conversation).filter(|home| home.used.elapsed() < REMEMBERED) {
            home.used = now;
        } else if homes.len() < MAX_REMEMBERED {
            homes.insert(conversation.to_owned(), Home { began, used: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_conversation_stays_where_it_began_until_it_is_over() {
        let local = Beginning { route: Route::Local, reason: Reason::WarmShare };
        let cloud = Beginning { route: Route::Cloud, reason: Reason::FirstRoute };
        let homes = Homes::default();
        homes.served("a", local);
        homes.served("a", cloud);
        assert_eq!(homes.of("a"), Some(local));
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(homes.of("a"), None);
        homes.served("a", cloud);
        assert_eq!(homes.of("a"), Some(cloud));
    }
}
