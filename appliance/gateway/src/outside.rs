//! What the box sees of the outside beside its upstreams: its own link, and witnesses.

mod address;
mod link;
mod witness;

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use continuity::{Asked, Link};
use tokio::sync::Notify;

use crate::board::Board;
use crate::settings::OutsideSettings;
use witness::Witness;

/// The newest look at the outside. Readers take a lock that is held for a copy.
pub(crate) struct Outside {
    witnesses: Vec<Witness>,
    watches_link: bool,
    remembers_addresses: bool,
    seen: Mutex<Seen>,
    /// An upstream has trouble on the way: wakes whoever asks the witnesses.
    trouble: Notify,
}

/// One look at the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub link: Link,
    /// Witnesses by address, and by name, that have ever answered.
    pub hosts: Asked,
    pub names: Asked,
    /// The upstreams at the addresses that their names last had.
    pub addresses: Asked,
    /// When the newest round of questions to them began; none before the first has ended.
    asked_at: Option<Instant>,
    nobody_to_ask: bool,
}

impl Outside {
    pub(crate) fn new(settings: &OutsideSettings) -> Self {
        Outside {
            witnesses: settings.witnesses.iter().cloned().map(Witness::new).collect(),
            watches_link: settings.watches_link,
            remembers_addresses: settings.remembers_addresses,
            seen: Mutex::new(Seen {
                nobody_to_ask: settings.witnesses.is_empty() && !settings.remembers_addresses,
                ..Seen::default()
            }),
            trouble: Notify::new(),
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trouble(&self) {
        self.trouble.notify_one();
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) -> (Seen, Seen) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *seen;
        change(&mut seen);
        (before, *seen)
    }
}

impl Seen {
    /// The witnesses have been asked since this moment, or there are none to ask.
    pub(crate) fn is_newer_than(&self, moment: Instant) -> bool {
        self.nobody_to_ask || self.asked_at.is_some_and(|asked| asked >= moment)
    }
}

/// Looks at the outside until it is dropped, and tells the board what has turned.
pub(crate) async fn watch(board: &Board) {
    futures_util::future::join(link::watch(board), witness::keep_asking(board)).await;
}

/// Keeps the look of the kernel at the link, and lets the board act on a loss or a return.
fn link_is(board: &Board, link: Link) {
    let (before, _) = board.outside.change(|seen| seen.link = link);
    if before.link == link {
        return;
    }
    tracing::info!(link = ?link, "the link to the outside: {}", in_words(link));
    match (before.link, link) {
        (_, Link::NoCarrier | Link::NoDefaultRoute) => board.link_lost(),
        (Link::NoCarrier | Link::NoDefaultRoute, Link::Up) => board.way_is_back(),
        _ => {}
    }
    board.changed.notify_one();
}

fn in_words(link: Link) -> &'static str {
    match link {
        Link::Up => "up, with a default route",
        Link::NoCarrier => "no carrier",
        Link::NoDefaultRoute => "no default route",
        Link::Unknown => "unknown",
    }
}

/// Keeps the answers of a round of witnesses. Where none answered before and one does now, the way is back.
fn witnesses_said(board: &Board, asked_at: Instant, hosts: Asked, names: Asked, addresses: Asked) {
    let (before, after) = board.outside.change(|seen| {
        *seen = Seen { hosts, names, addresses, asked_at: Some(asked_at), ..*seen };
    });
    let back = |was: Asked, is: Asked| was.asked > 0 && was.answering() == 0 && is.answering() > 0;
    if back(before.hosts, hosts) || back(before.addresses, addresses) {
        board.way_is_back();
    }
    if before != after {
        board.changed.notify_one();
    }
}
