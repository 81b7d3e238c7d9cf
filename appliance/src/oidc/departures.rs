//! Sign-ins that have gone to the identity provider and are not back yet.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq;
use tokio::time::Instant;
use zeroize::Zeroizing;

const LIFE: Duration = Duration::from_secs(5 * 60);
/// Kept at once, in all and for one address; past it the oldest is forgotten, and its person begins once more.
const MAX: usize = 4096;
const MAX_OF_ONE_ADDRESS: usize = 512;

/// Kept in memory only, the oldest first: after a restart people press the button once more.
#[derive(Default)]
pub(super) struct Departures(Mutex<VecDeque<Departed>>);

/// One sign-in under way, bound to the browser by its ticket.
pub(super) struct Departed {
    ticket: Zeroizing<String>,
    pub(super) state: Zeroizing<String>,
    pub(super) nonce: Zeroizing<String>,
    /// The secret half of the challenge (RFC 7636).
    pub(super) verifier: Zeroizing<String>,
    pub(super) back: String,
    address: Option<IpAddr>,
    at: Instant,
}

impl Departed {
    /// # Errors
    /// When the kernel has no random bytes.
    pub(super) fn new(address: Option<IpAddr>, back: &str) -> Result<Departed, getrandom::Error> {
        Ok(Departed {
            ticket: random()?,
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            back: back.to_owned(),
            address,
            at: Instant::now(),
        })
    }

    pub(super) fn ticket(&self) -> &str {
        &self.ticket
    }

    pub(super) fn has_state(&self, given: &str) -> bool {
        self.state.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl Departures {
    pub(super) fn insert(&self, new: Departed) {
        let mut all = self.all();
        all.retain(|departed| departed.at.elapsed() < LIFE);
        let of_one = all.iter().filter(|departed| departed.address == new.address).count();
        if of_one >= MAX_OF_ONE_ADDRESS {
            let oldest = all.iter().position(|departed| departed.address == new.address);
            oldest.map(|at| all.remove(at));
        } else if all.len() >= MAX {
            all.pop_front();
        }
        all.push_back(new);
    }

    /// Each sign-in comes back once, whatever comes of it.
    pub(super) fn take(&self, ticket: &str) -> Option<Departed> {
        let mut all = self.all();
        let at = all.iter().position(|d| d.ticket.as_bytes().ct_eq(ticket.as_bytes()).into())?;
        all.remove(at).filter(|departed| departed.at.elapsed() < LIFE)
    }

    /// The lock guards single changes of one list.
    fn all(&self) -> MutexGuard<'_, VecDeque<Departed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits in 43 letters that need no escape anywhere, as RFC 7636 wants its verifier.
fn random() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(bytes.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departed(address: [u8; 4]) -> Departed {
        Departed::new(Some(address.into()), "/status").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_in_comes_back_once_and_within_five_minutes() {
        let departures = Departures::default();
        let (one, late) = (departed([192, 0, 2, 1]), departed([192, 0, 2, 1]));
        let tickets = [one.ticket().to_owned(), late.ticket().to_owned()];
        let state = one.state.to_string();
        departures.insert(one);
        departures.insert(late);
        assert!(departures.take("another").is_none());
        let back = departures.take(&tickets[0]).expect("it is there");
        assert!(back.has_state(&state) && !back.has_state("") && !back.has_state(&state[1..]));
        assert!(departures.take(&tickets[0]).is_none());
        tokio::time::advance(LIFE).await;
        assert!(departures.take(&tickets[1]).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_pushes_out_nobody_but_itself() {
        let departures = Departures::default();
        let other = departed([192, 0, 2, 9]);
        let ticket = other.ticket().to_owned();
        departures.insert(other);
        (0..5000).for_each(|_| departures.insert(departed([192, 0, 2, 1])));
        assert_eq!(departures.all().len(), MAX_OF_ONE_ADDRESS + 1);
        assert!(departures.take(&ticket).is_some());
    }
}
