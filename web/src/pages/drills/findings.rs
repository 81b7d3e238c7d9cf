//! What was found in a drill, or why none begins, in the reader's words.

use continuity::drill::{Finding, NotNow, Warmth};
use gateway::drill::{Means, NoDrill};

use crate::text::{DrillText, Text};

pub(super) fn means(means: Means, text: &DrillText) -> &'static str {
    match means {
        Means::Nftables => text.by_nftables,
        Means::Connector => text.by_connector,
        Means::Course => text.by_course,
    }
}

pub(super) fn no_drill(why: &NoDrill, text: &DrillText) -> String {
    let why = match why {
        NoDrill::Stale => text.asked_of_nobody,
        NoDrill::BadScope => text.no_such_scope,
        NoDrill::NoSuchAlias => text.no_such_alias,
        NoDrill::NoSuchKey => text.no_such_key,
        NoDrill::NothingToRehearse => text.nothing_to_rehearse,
        NoDrill::NotNow(NotNow::Running) => text.one_runs,
        NoDrill::NotNow(NotNow::OrderStands) => text.order_stands,
        NoDrill::NotNow(NotNow::Outage) => text.outage_stands,
        NoDrill::NotNow(NotNow::StandbyUnproven) => text.nothing_is_proven,
        NoDrill::Said(words) => words,
    };
    why.to_owned()
}

pub(super) fn sentence(finding: &Finding, text: &Text) -> String {
    let (actor, text) = (&text.actor, &text.drill);
    match finding {
        Finding::NoTransfer => text.no_transfer.to_owned(),
        Finding::SlowTransfer { ms, promise_ms } => (text.slow_transfer)(*ms, *promise_ms),
        Finding::LostRequests { requests } => (text.lost_requests)(*requests),
        Finding::CloudAnswered { answers } => (text.cloud_answered)(*answers),
        Finding::Warmed { by: Warmth::ForcedLocal } => text.warmed_by_order.to_owned(),
        Finding::Warmed { by: Warmth::WorkerStarted } => text.warmed_by_start.to_owned(),
        Finding::Warmed { by: Warmth::EarlierDrill } => text.warmed_by_drill.to_owned(),
        Finding::TooLittleLoad { percent, wanted } => (text.little_load)(*percent, *wanted),
        Finding::AbortedBy { who } => (text.aborted_by)(&actor.acting(who)),
        Finding::OrderGiven => text.order_given.to_owned(),
        Finding::TooManyRefusals { refused, limit } => (text.too_many_refusals)(*refused, *limit),
        Finding::TooSlow { p95_ms, limit_ms } => (text.too_slow)(*p95_ms, *limit_ms),
        Finding::StandbyUnproven => text.standby_unproven.to_owned(),
        Finding::CutFailed => text.cut_failed.to_owned(),
        Finding::CloudStayedAway => text.cloud_stayed_away.to_owned(),
        Finding::BoxStopped => text.box_stopped.to_owned(),
    }
}
