//! Keeps the standing orders: sees what any process has written, and ends each order when its time is over.
//!
//! Time is measured by the runtime's clock, which does not jump. The wall clock counts only for the time in which no
//! box was running; so an order ends when its time is over, also on a box whose clock is set to another year meanwhile.

use std::sync::Arc;
use std::time::Duration;

use store::OrderRecord;
use tokio::time::Instant;

use super::{Standing, StandingOrder, later};
use crate::announcer::AnnouncementKind;
use crate::clock;
use crate::gateway::Gateway;

/// What the command line has written is in force within this.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often what is left of each order is written down, for the case that the box dies.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// A wall clock that has moved by more than this against the runtime's has jumped.
const JUMP: Duration = Duration::from_secs(2);

/// Runs as long as the box does.
pub(crate) async fn keep(gateway: &Gateway) {
    let mut keeper = Keeper { gateway, live: Vec::new() };
    // What has stood since the box was built stands also where the first look cannot read the store.
    let standing = gateway.orders().current();
    keeper.compare(standing.orders.iter().map(|order| order.record.clone()).collect(), Instant::now());
    loop {
        keeper.look().await;
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = gateway.orders().0.written.notified() => {}
        }
    }
}

struct Keeper<'a> {
    gateway: &'a Gateway,
    live: Vec<Live>,
}

/// An order that this box has seen.
struct Live {
    record: OrderRecord,
    ends: Instant,
    until_ms: i64,
    noted: Instant,
}

impl Live {
    fn new(record: OrderRecord, now: Instant, now_ms: i64) -> Self {
        let left = record.left(now_ms);
        Live { ends: now + left, until_ms: later(now_ms, left), noted: now, record }
    }

    fn left(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }
}

impl Keeper<'_> {
    async fn look(&mut self) {
        let now = Instant::now();
        match self.gateway.store().core.standing_orders() {
            Ok(written) => self.compare(written, now),
            // What stood goes on standing until its own end.
            Err(error) => tracing::error!(%error, "the orders cannot be read"),
        }
        self.expire(now).await;
        self.follow_the_clock(now);
        self.publish(now);
        self.note(now).await;
    }

    /// Takes in what was given or lifted, by whichever process.
    fn compare(&mut self, written: Vec<OrderRecord>, now: Instant) {
        let (kept, gone): (Vec<Live>, Vec<Live>) = std::mem::take(&mut self.live)
            .into_iter()
            .partition(|live| written.iter().any(|record| record.id == live.record.id));
        self.live = kept;
        for Live { record, .. } in gone {
            let ended = self.gateway.store().core.order(record.id).ok().flatten();
            let by = ended.and_then(|record| record.ended_by).unwrap_or_else(|| "the command line".into());
            tracing::warn!(order = record.id, "order {} ({}) was lifted by {by}", record.id, record.kind);
            self.tell_end(&record);
        }
        for record in written {
            if self.live.iter().all(|live| live.record.id != record.id) {
                let live = Live::new(record, now, clock::unix_ms());
                let OrderRecord { id, kind, who, reason, .. } = &live.record;
                let left_s = live.left(now).as_secs();
                tracing::warn!(
                    order = id,
                    left_s,
                    "order {id} ({kind}) by {who} is in force for {left_s} s: {reason}"
                );
                self.gateway.announcer().tell(AnnouncementKind::OrderBegan {
                    order: kind.as_str(),
                    upstream: kind.upstream().map(str::to_owned),
                    model: kind.model().map(str::to_owned),
                    until_ms: live.until_ms,
                });
                self.live.push(live);
            }
        }
    }

    /// Ends what has run out. An end that cannot be written down is tried again; the order is out of force all the same.
    async fn expire(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.live.len() {
            if self.live[index].ends > now {
                index += 1;
                continue;
            }
            let id = self.live[index].record.id;
            match self.gateway.store().expire_order(id).await {
                Ok(expired) => {
                    let live = self.live.remove(index);
                    if expired.is_some() {
                        tracing::warn!(order = id, "order {id} ({}) has run out", live.record.kind);
                    }
                    self.tell_end(&live.record);
                }
                Err(error) => {
                    tracing::error!(order = id, %error, "the end of order {id} cannot be written down");
                    index += 1;
                }
            }
        }
    }

    /// The end that is shown follows the wall clock; the end that counts does not.
    fn follow_the_clock(&mut self, now: Instant) {
        let now_ms = clock::unix_ms();
        for live in &mut self.live {
            let until_ms = later(now_ms, live.left(now));
            let moved_ms = until_ms.abs_diff(live.until_ms);
            if u128::from(moved_ms) > JUMP.as_millis() {
                let (id, moved_s) = (live.record.id, moved_ms / 1000);
                tracing::warn!(order = id, "the clock jumped by {moved_s} s: order {id} keeps its length");
                live.until_ms = until_ms;
            }
        }
    }

    fn publish(&self, now: Instant) {
        let in_force = self.live.iter().filter(|live| live.ends > now);
        let orders: Vec<StandingOrder> = in_force
            .map(|live| StandingOrder { record: live.record.clone(), until_ms: live.until_ms })
            .collect();
        let changed = self.gateway.orders().0.standing.send_if_modified(|standing| {
            let same = standing.orders.len() == orders.len()
                && standing
                    .orders
                    .iter()
                    .zip(&orders)
                    .all(|(a, b)| a.record.id == b.record.id && a.until_ms == b.until_ms);
            if !same {
                *standing = Arc::new(Standing { orders, drill: standing.drill.clone() });
            }
            !same
        });
        if changed {
            self.gateway.orders().current().rule(self.gateway.locals());
            self.gateway.board().changed.notify_one();
        }
    }

    async fn note(&mut self, now: Instant) {
        for live in &mut self.live {
            if now.saturating_duration_since(live.noted) >= NOTE_EVERY {
                live.noted = now;
                if let Err(error) = self.gateway.store().core.note_order(live.record.id, live.left(now)).await
                {
                    tracing::error!(%error, "what is left of an order cannot be written down");
                }
            }
        }
    }

    fn tell_end(&self, record: &OrderRecord) {
        self.gateway.announcer().tell(AnnouncementKind::OrderEnded {
            order: record.kind.as_str(),
            upstream: record.kind.upstream().map(str::to_owned),
            model: record.kind.model().map(str::to_owned),
        });
    }
}
