//! What the upstreams saw: no request twice after silence, few attempts, and nothing that had to stay inside.

use std::collections::BTreeMap;
use std::time::Duration;

use store::OrderKind;

use super::Findings;
use crate::book::Attempt;
use crate::client::Seen;
use crate::plan::UPSTREAMS;
use crate::sabotage::Sabotage;
use crate::world::Remains;

/// Times are compared where the requests arrive, which is a little later than where the budget is kept.
const SLACK: f64 = 1.0;

/// What was on its way when an order came has arrived by then.
const AT_ONCE: Duration = Duration::from_millis(100);

pub(super) fn check(remains: &Remains, findings: &mut Findings) {
    let attempts = remains.book.pages().attempts.clone();
    let mut by_request: BTreeMap<(u32, usize, String), Vec<&Attempt>> = BTreeMap::new();
    for attempt in &attempts {
        let place = (attempt.request, attempt.upstream, attempt.model.clone());
        by_request.entry(place).or_default().push(attempt);
    }
    for ((request, upstream, _), tries) in &by_request {
        let name = UPSTREAMS[*upstream];
        if tries.len() > 2 {
            let what = format!("request {request} reached {name} {} times", tries.len());
            findings.wrong("7 attempts", what);
        }
        let silent = tries.iter().position(|attempt| !attempt.answered && attempt.what == "left");
        if silent.is_some_and(|place| place + 1 < tries.len()) {
            let what = format!("request {request} was silent on {name} and was sent there again");
            findings.wrong("6 no-retry-after-silence", what);
        }
    }
    for upstream in 0..remains.plan.upstreams {
        budget(upstream, &attempts, findings);
    }
    unloaded(remains, findings);
    for seen in &remains.seen {
        ordered(seen, &attempts, remains, findings);
        let stays = seen.plan.local_only || remains.plan.aliases[seen.plan.alias].cloud.is_empty();
        if stays && attempts.iter().any(|attempt| attempt.request == seen.plan.id) {
            findings
                .wrong("11 stays-inside", format!("request {} had to stay inside and left", seen.plan.id));
        }
    }
}

/// A request that began under an order keeps to it.
fn ordered(seen: &Seen, attempts: &[Attempt], remains: &Remains, findings: &mut Findings) {
    let began = seen.began;
    for order in remains.orders.iter().filter(|order| order.from < began && began < order.to) {
        let forbids = |upstream: usize| match &order.kind {
            OrderKind::ForceLocal => true,
            OrderKind::Isolate(name) => name == UPSTREAMS[upstream],
            OrderKind::ForceCloud | OrderKind::Load(_) | OrderKind::Unload(_) => false,
        };
        let mut own = attempts.iter().filter(|attempt| attempt.request == seen.plan.id);
        if own.any(|attempt| forbids(attempt.upstream)) {
            let what = format!("request {} went out under {:?}", seen.plan.id, order.kind);
            findings.wrong("11 stays-inside", what);
        }
    }
}

/// A local model that is unloaded takes no new job, whatever it still has to end.
fn unloaded(remains: &Remains, findings: &mut Findings) {
    let pages = remains.book.pages();
    for order in &remains.orders {
        let OrderKind::Unload(model) = &order.kind else { continue };
        let mut held = 0;
        for load in pages.loads.iter().filter(|load| load.model == model) {
            if load.jobs > held && order.from + AT_ONCE < load.at && load.at < order.to {
                let (at_s, jobs) = (load.at.as_secs(), load.jobs);
                findings.wrong("unloaded", format!("{model} has {jobs} jobs after {at_s} s, {held} before"));
            }
            held = load.jobs;
        }
    }
}

/// Second tries are a tenth of the requests and one a second, ten saved up at most.
fn budget(upstream: usize, attempts: &[Attempt], findings: &mut Findings) {
    let (mut tokens, mut filled) = (1.0_f64, Duration::ZERO);
    let mut known: Vec<(u32, &str)> = Vec::new();
    for attempt in attempts.iter().filter(|attempt| attempt.upstream == upstream) {
        tokens = (tokens + attempt.at.saturating_sub(filled).as_secs_f64()).min(10.0);
        filled = attempt.at;
        let place = (attempt.request, attempt.model.as_str());
        if known.contains(&place) {
            tokens -= 1.0;
        } else {
            tokens = (tokens + 0.1).min(10.0);
            known.push(place);
        }
        if tokens < -SLACK {
            let what = format!("{} got more second tries than the budget has", UPSTREAMS[upstream]);
            return findings.wrong("7 attempts", what);
        }
    }
}

/// Puts attempts into the book that a network which repeats requests would have made.
pub(crate) fn repeat(remains: &Remains, sabotage: Option<Sabotage>) {
    let mut pages = remains.book.pages();
    let again = match sabotage {
        Some(Sabotage::Repeated) => 2,
        Some(Sabotage::RepeatedSilence) => 1,
        _ => return,
    };
    let Some(attempt) = pages.attempts.first_mut() else { return };
    (attempt.answered, attempt.what) = (false, "left");
    let copy = attempt.clone();
    pages.attempts.extend(std::iter::repeat_n(copy, again));
}
