//! The state of the whole site in one word, from its upstreams and a person's order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What staff, logs and answers are told about the way to the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteState {
    /// Every upstream has all of its conversations.
    Connected,
    /// Some upstreams are out, others answer.
    Degraded,
    /// All upstreams are out, or there are none.
    Offline,
    /// No upstream is out, and some don't yet have all of their conversations back.
    Recovering,
    ForcedLocal,
    ForcedCloud,
    /// A rehearsed outage.
    Drill,
}

/// A person's order, which stands above what the upstreams say until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    ForceLocal,
    ForceCloud,
    Drill,
}

/// One upstream, as far as the site state asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamCondition {
    /// Its breaker's [`crate::Breaker::admits_requests`].
    pub admits: bool,
    /// Its [`crate::Failback::share_percent`].
    pub share_percent: u8,
    /// By a person's order nothing of users goes there.
    pub is_isolated: bool,
}

/// The state that the conditions and the order add up to.
pub fn site_state(upstreams: &[UpstreamCondition], order: Option<Order>) -> SiteState {
    match order {
        Some(Order::ForceLocal) => return SiteState::ForcedLocal,
        Some(Order::ForceCloud) => return SiteState::ForcedCloud,
        Some(Order::Drill) => return SiteState::Drill,
        None => {}
    }
    let is_out = |upstream: &UpstreamCondition| !upstream.admits || upstream.is_isolated;
    if !upstreams.is_empty() && upstreams.iter().all(|upstream| upstream.is_isolated) {
        SiteState::ForcedLocal
    } else if upstreams.iter().all(is_out) {
        SiteState::Offline
    } else if upstreams.iter().any(is_out) {
        SiteState::Degraded
    } else if upstreams.iter().any(|upstream| upstream.share_percent < 100) {
        SiteState::Recovering
    } else {
        SiteState::Connected
    }
}

impl SiteState {
    /// The word of the response header, of metrics and of records.
    pub fn as_str(self) -> &'static str {
        match self {
            SiteState::Connected => "connected",
            SiteState::Degraded => "degraded",
            SiteState::Offline => "offline",
            SiteState::Recovering => "recovering",
            SiteState::ForcedLocal => "forced-local",
            SiteState::ForcedCloud => "forced-cloud",
            SiteState::Drill => "drill",
        }
    }
}

impl fmt::Display for SiteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: UpstreamCondition = UpstreamCondition { admits: true, share_percent: 100, is_isolated: false };
    const OUT: UpstreamCondition = UpstreamCondition { admits: false, share_percent: 0, ..UP };
    const HELD_DOWN: UpstreamCondition = UpstreamCondition { share_percent: 0, ..UP };
    const RAMPING: UpstreamCondition = UpstreamCondition { share_percent: 50, ..UP };
    const ISOLATED: UpstreamCondition = UpstreamCondition { is_isolated: true, ..UP };

    #[test]
    fn the_upstreams_add_up_to_one_word() {
        let table: [(&[UpstreamCondition], SiteState); 15] = [
            (&[], SiteState::Offline),
            (&[UP], SiteState::Connected),
            (&[UP, UP], SiteState::Connected),
            (&[OUT], SiteState::Offline),
            (&[OUT, OUT], SiteState::Offline),
            (&[UP, OUT], SiteState::Degraded),
            (&[RAMPING, OUT], SiteState::Degraded),
            (&[HELD_DOWN], SiteState::Recovering),
            (&[UP, RAMPING], SiteState::Recovering),
            (&[RAMPING, HELD_DOWN], SiteState::Recovering),
            (&[ISOLATED], SiteState::ForcedLocal),
            (&[ISOLATED, ISOLATED], SiteState::ForcedLocal),
            (&[ISOLATED, UP], SiteState::Degraded),
            (&[ISOLATED, RAMPING], SiteState::Degraded),
            (&[ISOLATED, OUT], SiteState::Offline),
        ];
        for (upstreams, expected) in table {
            assert_eq!(site_state(upstreams, None), expected, "{upstreams:?}");
        }
    }

    #[test]
    fn an_order_stands_above_the_upstreams() {
        let table = [
            (Order::ForceLocal, SiteState::ForcedLocal),
            (Order::ForceCloud, SiteState::ForcedCloud),
            (Order::Drill, SiteState::Drill),
        ];
        for (order, expected) in table {
            for upstreams in [&[][..], &[UP], &[OUT], &[UP, RAMPING]] {
                assert_eq!(site_state(upstreams, Some(order)), expected);
            }
        }
    }

    #[test]
    fn the_word_is_the_same_in_json() {
        let states = [
            SiteState::Connected,
            SiteState::Degraded,
            SiteState::Offline,
            SiteState::Recovering,
            SiteState::ForcedLocal,
            SiteState::ForcedCloud,
            SiteState::Drill,
        ];
        for state in states {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
