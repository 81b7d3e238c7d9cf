//! What goes wrong on the way to the upstreams and in them, and when.

use std::time::Duration;

use crate::dice::Dice;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Episode {
    pub(crate) target: Target,
    pub(crate) fault: Fault,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// So many of a hundred requests have it.
    pub(crate) percent: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Site,
    Upstream(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    // Of the way: no connection, or nothing through one.
    Dns,
    Refused,
    NoRoute,
    Tls,
    Reset,
    BlackHole,
    /// Requests arrive, answers do not.
    OneWay,
    Latency(Duration),
    CaptivePortal,
    Redirect,
    // Of the upstream: instead of an answer.
    Status(u16),
    Throttled(Option<u64>),
    Key(u16),
    Quota,
    Withdrawn,
    NotJson,
    FirstTokenAfter(Duration),
    // Of the upstream: in the middle of an answer.
    Cut(Break),
    KeepAliveOnly,
    SlowTokens(Duration),
    NoFinish,
    NoDone,
    MalformedEvents,
    ErrorEvent,
}

/// How a connection ends in the middle of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    Close,
    HalfClose,
    Reset,
    Stall,
}

impl Fault {
    pub(crate) fn draw(dice: &mut Dice) -> Fault {
        let pause = dice.ms(200, 30_000);
        let broken = dice.pick(&[Break::Close, Break::HalfClose, Break::Reset, Break::Stall]);
        dice.pick(&[
            Fault::Dns,
            Fault::Refused,
            Fault::Refused,
            Fault::NoRoute,
            Fault::Tls,
            Fault::Reset,
            Fault::BlackHole,
            Fault::BlackHole,
            Fault::OneWay,
            Fault::Latency(pause),
            Fault::CaptivePortal,
            Fault::Redirect,
            Fault::Status(500),
            Fault::Status(502),
            Fault::Status(503),
            Fault::Status(529),
            Fault::Throttled(None),
            Fault::Throttled(Some(1)),
            Fault::Throttled(Some(30)),
            Fault::Key(401),
            Fault::Key(403),
            Fault::Quota,
            Fault::Withdrawn,
            Fault::NotJson,
            Fault::FirstTokenAfter(pause),
            Fault::Cut(broken),
            Fault::Cut(broken),
            Fault::Cut(Break::Close),
            Fault::KeepAliveOnly,
            Fault::SlowTokens(pause / 4),
            Fault::NoFinish,
            Fault::NoDone,
            Fault::MalformedEvents,
            Fault::ErrorEvent,
        ])
    }

    /// The fault meets everything that takes the way, the probes too.
    pub(crate) fn is_of_the_way(&self) -> bool {
        matches!(
            self,
            Fault::Dns
                | Fault::Refused
                | Fault::NoRoute
                | Fault::Tls
                | Fault::Reset
                | Fault::BlackHole
                | Fault::OneWay
                | Fault::Latency(_)
                | Fault::CaptivePortal
                | Fault::Redirect
        )
    }

    /// The fault meets the list of models as well as chats.
    pub(crate) fn meets_probes(&self) -> bool {
        self.is_of_the_way() || matches!(self, Fault::Status(_) | Fault::Key(_) | Fault::NotJson)
    }

    /// Connections that are open break when it begins.
    pub(crate) fn breaks_connections(&self) -> bool {
        matches!(self, Fault::Reset | Fault::Refused)
    }
}

/// All episodes of a world.
#[derive(Debug, Clone)]
pub(crate) struct Weather(Vec<Episode>);

impl Weather {
    pub(crate) fn new(episodes: Vec<Episode>) -> Weather {
        Weather(episodes)
    }

    /// What is wrong now between the box and an upstream, the first that matters first.
    pub(crate) fn at(&self, upstream: usize, now: Duration) -> impl Iterator<Item = &Episode> {
        self.0.iter().filter(move |episode| {
            (episode.from..episode.to).contains(&now) && episode.target.meets(upstream)
        })
    }

    /// When connections that are open now will break.
    pub(crate) fn next_break(&self, upstream: usize, now: Duration) -> Option<Duration> {
        let breaks = self
            .0
            .iter()
            .filter(|episode| episode.target.meets(upstream) && episode.fault.breaks_connections());
        breaks.map(|episode| episode.from).filter(|from| *from > now).min()
    }

    /// When bytes pass again in the direction that `blocks` asks for; `None` when they pass now.
    pub(crate) fn blocked_until(
        &self,
        upstream: usize,
        now: Duration,
        blocks: fn(&Fault) -> bool,
    ) -> Option<Duration> {
        self.at(upstream, now).filter(|episode| blocks(&episode.fault)).map(|episode| episode.to).max()
    }
}

impl Target {
    fn meets(self, upstream: usize) -> bool {
        self == Target::Site || self == Target::Upstream(upstream)
    }
}
