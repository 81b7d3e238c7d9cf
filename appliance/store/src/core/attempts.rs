//! How often somebody may guess: slower from the fourth try within a time, and refused past a limit.
//!
//! | counted | tries | by whom |
//! | --- | --- | --- |
//! | an account | 10 | all callers on devices that the account does not know, together |
//! | an account from one address | 5 | so that one machine never takes all of an account's tries |
//! | an address | 30 | whatever accounts it names; a try that succeeds is given back |
//! | a known device of an account | 10 | its own, which no stranger can use up: the way in while others guess |
//!
//! The time is a minute for passwords. A try is forgotten after it, so nobody locks another person out for good.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::secret::digest;

const FREE_TRIES: usize = 3;
const MAX_DELAY: Duration = Duration::from_secs(8);
/// Counts kept at once. Past it all are forgotten, which gives a guesser the same tries once more for each of this many;
/// one address fills 60 of them.
const MAX_COUNTS: usize = 30_000;

/// Kept in memory only: a restart takes longer than what it would give away.
pub(super) struct Attempts {
    window: Duration,
    counts: Mutex<HashMap<Counted, Count>>,
}

/// A name as it is counted; of one length, however long a name somebody sends.
type Name = [u8; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Account(Name),
    AccountFrom(Name, IpAddr),
    From(IpAddr),
    Device([u8; 32]),
}

#[derive(Default)]
struct Count {
    /// The tries of the last minute, the oldest first.
    at: Vec<Instant>,
    /// When a refusal was last called news.
    told: Option<Instant>,
}

/// Who tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// None where no account is named.
    name: Option<Name>,
    source: IpAddr,
    device: Option<[u8; 32]>,
    /// Whether it may be one of many at as many accounts.
    may_be_spray: bool,
}

/// A try over the limit; it is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) retry_after: Duration,
    /// The first of its kind within a minute: worth a line in the audit log, which the others would flood.
    pub(super) is_news: bool,
}

impl Try {
    /// `device` is the hash of a device's token, given only where the account knows that device.
    pub(super) fn new(name: &str, address: Option<IpAddr>, device: Option<[u8; 32]>) -> Try {
        let name = Some(digest(&name.to_lowercase()));
        Try { name, source: source(address), device, may_be_spray: true }
    }

    /// A try that names no account: its address alone counts.
    pub(super) fn at_no_account(address: Option<IpAddr>) -> Try {
        Try { name: None, source: source(address), device: None, may_be_spray: true }
    }

    /// The same by somebody who has shown to know this account.
    pub(super) fn at_this_account_alone(self) -> Try {
        Try { may_be_spray: false, ..self }
    }

    /// What it counts on; the delay goes by the first.
    fn counted(&self) -> Vec<Counted> {
        match (self.device, self.name) {
            (Some(device), _) => vec![Counted::Device(device)],
            (None, Some(name)) => {
                let mut counted = vec![Counted::AccountFrom(name, self.source), Counted::Account(name)];
                counted.extend(self.may_be_spray.then_some(Counted::From(self.source)));
                counted
            }
            (None, None) => vec![Counted::From(self.source)],
        }
    }
}

impl Counted {
    fn max_tries(self) -> usize {
        match self {
            Counted::AccountFrom(..) => 5,
            Counted::Account(_) | Counted::Device(_) => 10,
            Counted::From(_) => 30,
        }
    }
}

impl Attempts {
    pub(super) fn within(window: Duration) -> Attempts {
        Attempts { window, counts: Mutex::default() }
    }

    /// Counts a try and says how long to wait before looking at it.
    pub(super) fn admit(&self, new: &Try, now: Instant) -> Result<Duration, Refused> {
        let mut counts = self.counts();
        make_room(&mut counts, now, self.window);
        let counted = new.counted();
        for one in &counted {
            let count = counts.entry(*one).or_default();
            count.forget_old(now, self.window);
            if count.at.len() >= one.max_tries() {
                return Err(count.refuse(now, self.window));
            }
        }
        for one in &counted {
            counts.entry(*one).or_default().at.push(now);
        }
        Ok(delay(counts[&counted[0]].at.len()))
    }

    /// Gives back a try that was no guess.
    pub(super) fn give_back(&self, good: &Try) {
        let mut counts = self.counts();
        for one in good.counted() {
            if let Some(count) = counts.get_mut(&one) {
                count.at.pop();
            }
        }
    }

    /// The lock guards short changes of one map, and a half-made one is only a try more or less.
    fn counts(&self) -> MutexGuard<'_, HashMap<Counted, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn forget_old(&mut self, now: Instant, window: Duration) {
        self.at.retain(|at| now.duration_since(*at) < window);
    }

    fn refuse(&mut self, now: Instant, window: Duration) -> Refused {
        let is_news = self.told.is_none_or(|at| now.duration_since(at) >= window);
        if is_news {
            self.told = Some(now);
        }
        let oldest = self.at.first().copied().unwrap_or(now);
        Refused { retry_after: window.saturating_sub(now.duration_since(oldest)), is_news }
    }
}

fn make_room(counts: &mut HashMap<Counted, Count>, now: Instant, window: Duration) {
    if counts.len() >= MAX_COUNTS {
        counts.retain(|_, count| count.at.iter().any(|at| now.duration_since(*at) < window));
    }
    if counts.len() >= MAX_COUNTS {
        counts.clear();
    }
}

/// The address as it is counted: of IPv6 the network, because one machine has as many addresses in it as it likes.
fn source(address: Option<IpAddr>) -> IpAddr {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(v6)) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        Some(v4) => v4,
        None => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// 1, 2, 4 and then 8 seconds from the fourth try.
fn delay(tries: usize) -> Duration {
    match tries.checked_sub(FREE_TRIES + 1) {
        None => Duration::ZERO,
        Some(late) => MAX_DELAY.min(Duration::from_secs(1 << late.min(3))),
    }
}

#[cfg(test)]
mod tests;
