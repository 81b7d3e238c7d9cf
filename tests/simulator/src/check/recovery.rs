//! What the status page showed, once a second: breakers that settle, a cloud that comes back, and a true state.

use std::time::Duration;

use super::{Findings, header, status};
use crate::book::{Look, ShownBreaker};
use crate::world::Remains;

/// A half-open breaker is decided upon within 30 s; the page is a second old at most, and so is the look.
const HALF_OPEN: Duration = Duration::from_millis(32_500);

pub(super) fn check(remains: &Remains, findings: &mut Findings) {
    let looks = remains.book.pages().looks.clone();
    let names = looks.first().map_or(Vec::new(), |look| look.breakers.clone());
    for breaker in &names {
        half_open(&breaker.whose, &looks, findings);
    }
    came_back(remains, &looks, findings);
    for look in &looks {
        if let Some(what) = false_state(look) {
            findings.wrong("site-state", what);
            break;
        }
    }
}

/// Between two looks a breaker may have been open and be half-open anew: then it says so by its `since_ms`.
fn half_open(whose: &str, looks: &[Look], findings: &mut Findings) {
    let mut trial: Option<(i64, Duration)> = None;
    for look in looks {
        let shown = look.breakers.iter().find(|shown| shown.whose == whose && shown.state == "half-open");
        let Some(shown) = shown else {
            trial = None;
            continue;
        };
        let (_, first_seen) = match trial {
            Some(trial) if trial.0 == shown.since_ms => trial,
            _ => *trial.insert((shown.since_ms, look.at)),
        };
        if look.at - first_seen > HALF_OPEN {
            let what = format!("{whose} is half-open since {} s", first_seen.as_secs());
            return findings.wrong("8 half-open", what);
        }
    }
}

fn came_back(remains: &Remains, looks: &[Look], findings: &mut Findings) {
    let Some(last) = looks.iter().rfind(|look| look.at <= remains.settled) else { return };
    for ShownBreaker { whose, state, .. } in last.breakers.iter().filter(|shown| shown.state != "closed") {
        let at = last.at.as_secs();
        findings.wrong("9 comes-back", format!("{whose} is well since long, and {state} at {at} s"));
    }
    for trial in &remains.trials {
        if status(trial) != 200 || header(trial, "x-genset-route") != "cloud" {
            let (by, why) = (header(trial, "x-genset-served-by"), header(trial, "x-genset-reason"));
            let what = format!("trial {}: status {}, by {by}, {why}", trial.plan.id, status(trial));
            findings.wrong("9 comes-back", what);
        }
    }
}

fn false_state(look: &Look) -> Option<String> {
    let is_true = look.adds_up_to.contains(&look.state.as_str());
    (!is_true).then(|| {
        let (at, state) = (look.at.as_millis(), &look.state);
        format!("at {at} ms the site is {state}, and what is shown beside it is {:?}", look.adds_up_to)
    })
}
