//! Watches how busy the local models are, and climbs or leaves the ladder of scarcity; every step is told.

use std::time::Duration;

use continuity::{BrownOut, Load, StepChange};
use serde_json::json;

use super::event;
use crate::admission;
use crate::announcer::AnnouncementKind;
use crate::board::now;
use crate::gateway::Gateway;

/// Between two looks at the queues.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Runs for ever.
pub(super) async fn watch_scarcity(gateway: &Gateway) {
    let settings = gateway.admission().settings();
    if !settings.enabled || gateway.locals().is_empty() {
        return std::future::pending().await;
    }
    let mut ladder = BrownOut::new(settings.lines);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let load = admission::load(gateway.locals());
        if let Some(change) = ladder.observe(load, now()) {
            take_step(gateway, change, load);
        }
    }
}

fn take_step(gateway: &Gateway, StepChange { from, to }: StepChange, load: Load) {
    gateway.admission().set_step(to);
    let (wait_s, queue_percent) = (load.expected_wait.as_secs(), load.queue_percent);
    tracing::warn!(from, to, wait_s, queue_percent, "brown-out step {to} (was {from})");
    let detail = json!({"from": from, "to": to, "expected_wait_s": wait_s, "queue_percent": queue_percent});
    drop(gateway.store().audit.event(event("brown-out", detail)));
    gateway.announcer().tell(AnnouncementKind::BrownOut { step: to, was: from });
}
