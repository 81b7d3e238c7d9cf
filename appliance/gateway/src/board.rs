//! All upstreams side by side: what one of them learns may concern the others.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use continuity::{Flip, SharedFate, SiteState, Trip, UpstreamCondition, site_state};
use tokio::sync::{Notify, mpsc};

use crate::{clock, fault::Fault, orders::Orders, upstream::Upstream};

pub(crate) struct Board {
    pub upstreams: Vec<Upstream>,
    /// What persons in charge have ordered.
    pub orders: Orders,
    shared_fate: Mutex<SharedFate>,
    /// Wakes whoever publishes the site.
    pub changed: Notify,
    flips: mpsc::UnboundedSender<FlipNote>,
}

/// A trip or a reset, for the log and the audit.
#[derive(Debug)]
pub(crate) struct FlipNote {
    pub upstream: String,
    pub flip: Flip,
    pub evidence: Option<String>,
}

impl Board {
    pub(crate) fn new(upstreams: Vec<Upstream>) -> (Self, mpsc::UnboundedReceiver<FlipNote>) {
        let (flips, receiver) = mpsc::unbounded_channel();
        let board = Board {
            upstreams,
            orders: Orders::default(),
            shared_fate: Mutex::new(SharedFate::default()),
            changed: Notify::new(),
            flips,
        };
        (board, receiver)
    }

    /// The state of the site at this moment, straight from the breakers.
    pub(crate) fn site_state(&self) -> SiteState {
        let (now, orders) = (now(), self.orders.current());
        let conditions: Vec<UpstreamCondition> = self
            .upstreams
            .iter()
            .map(|upstream| {
                let reading = upstream.circuit.reading(now);
                UpstreamCondition {
                    admits: reading.admits,
                    share_percent: reading.share_percent,
                    is_isolated: orders.isolates(&upstream.settings.name),
                }
            })
            .collect();
        site_state(&conditions, orders.of_the_site())
    }

    /// What a request learned of an upstream; `None` is a success.
    pub(crate) fn record(&self, index: usize, fault: Option<&Fault>) {
        let flip = self.upstreams[index].circuit.record(fault, now(), clock::unix_ms());
        self.learned(index, fault, flip);
    }

    /// What a probe learned of an upstream; `None` is a success.
    pub(crate) fn record_probe(&self, index: usize, fault: Option<&Fault>) {
        let flip = self.upstreams[index].circuit.record_probe(fault, now(), clock::unix_ms());
        self.learned(index, fault, flip);
    }

    /// Lets time pass for one breaker.
    pub(crate) fn tick(&self, index: usize) {
        let flip = self.upstreams[index].circuit.tick(now(), clock::unix_ms());
        self.flipped(index, flip, None);
    }

    fn learned(&self, index: usize, fault: Option<&Fault>, flip: Option<Flip>) {
        self.flipped(index, flip, fault);
        let mut shared = self.shared_fate.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            None => shared.answered(),
            Some(fault) if fault.is_transport() && shared.observe(index, now()) => {
                drop(shared);
                self.trip_all(fault);
            }
            Some(_) => {}
        }
    }

    fn trip_all(&self, fault: &Fault) {
        for (index, upstream) in self.upstreams.iter().enumerate() {
            let flip = upstream.circuit.trip(Trip::SharedFate, now(), clock::unix_ms());
            self.flipped(index, flip, Some(fault));
        }
    }

    fn flipped(&self, index: usize, flip: Option<Flip>, fault: Option<&Fault>) {
        let Some(flip) = flip else { return };
        let upstream = self.upstreams[index].settings.name.clone();
        // A trial of an open breaker is a poll; what is worth a line is that it was lost, and that it is back.
        if flip.is_trip() || flip.is_reset() {
            // Nobody listens any more while the box stops; then there is nothing left to tell.
            let _ = self.flips.send(FlipNote { upstream, flip, evidence: fault.map(ToString::to_string) });
        }
        self.changed.notify_one();
    }
}

/// The runtime's clock, which tests may pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
