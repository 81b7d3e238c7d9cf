//! What each client got: once, in time, whole, and under the right name.

use std::time::Duration;

use gateway::Lane;

use super::{DEADLINE, Findings, STANDBY, header, is_success, label_of, status};
use crate::book::Violation;
use crate::client::{Seen, Told};
use crate::persons::Ordered;
use crate::plan::{LocalPlan, Need, Reader};
use crate::words::{self, Form, is_mark};
use crate::world::Remains;

pub(super) fn check(seen: &Seen, told: &Told, remains: &Remains, findings: &mut Findings) {
    ends_once(seen, told, findings);
    in_time(seen, told, findings);
    whole(seen, told, findings);
    named(seen, told, findings);
    billed(seen, told, remains, findings);
    audited(seen, told, findings);
    allowed(seen, remains, findings);
    needless(seen, told, remains, findings);
}

/// The letters of half a token, in which a standby may have to begin: at a seam the count of tokens is off by one.
const PIECE: usize = 12;

fn ends_once(seen: &Seen, told: &Told, findings: &mut Findings) {
    let mut wrong = |what: String| findings.wrong("1 ends-once", format!("client {}: {what}", seen.plan.id));
    if seen.left {
        return;
    }
    if seen.head.is_none() {
        return wrong("no response at all".into());
    }
    if let Some(nonsense) = told.nonsense.first() {
        wrong(format!("this is no event and no answer: {nonsense}"));
    }
    let ends = told.dones + told.errors.len();
    if ends != 1 || told.after_end {
        wrong(format!(
            "{} ends and {} errors, more after the end: {}",
            told.dones,
            told.errors.len(),
            told.after_end
        ));
    }
    if told.dones == 1 && told.finishes.len() != 1 {
        wrong(format!("the answer says {} times how it ended", told.finishes.len()));
    }
}

fn in_time(seen: &Seen, told: &Told, findings: &mut Findings) {
    let Some(ended) = seen.ended else { return };
    let took = ended.saturating_sub(seen.began).saturating_sub(seen.paused);
    let by_standby = told.last_by.as_deref().is_some_and(|by| by.starts_with("local/"));
    if took > if by_standby { DEADLINE + STANDBY } else { DEADLINE } {
        findings.wrong("2 deadline", format!("client {}: ended after {} s", seen.plan.id, took.as_secs()));
    }
}

fn whole(seen: &Seen, told: &Told, findings: &mut Findings) {
    let order = seen.plan.order();
    if status(seen) != 200 || order.form == Form::Filtered {
        return;
    }
    let (said, expected) = (told.said(), order.text('_'));
    let is_beginning = words::plain(&expected).starts_with(&words::plain(said));
    if !is_beginning {
        let what = words::difference(said, &expected);
        return findings.wrong("words", format!("client {}: {what}", seen.plan.id));
    }
    if !is_success(seen, told) || seen.left {
        return;
    }
    let is_whole = said.chars().count() == expected.chars().count();
    let finish = told.finishes.first().map_or("", String::as_str);
    let may_be_short = finish == "length" && seen.plan.max_tokens.is_some();
    if !is_whole && !may_be_short {
        let what = words::difference(said, &expected);
        findings.wrong("3 whole", format!("client {}: told as whole ({finish}), {what}", seen.plan.id));
    }
    let tokens = order.tokens('_');
    if let Some(limit) = seen.plan.max_tokens.filter(|limit| (*limit as usize) < tokens.len()) {
        let most: usize = tokens.iter().take(limit as usize).map(|token| token.chars().count()).sum();
        let got = said.chars().count();
        if got > most + told.seams.len() * PIECE {
            findings
                .wrong("words", format!("client {}: {got} characters, {most} were allowed", seen.plan.id));
        }
    }
}

/// Each word is marked by who said it: the names that the client was told must be those.
fn named(seen: &Seen, told: &Told, findings: &mut Findings) {
    if status(seen) != 200 {
        return;
    }
    let mut wrong =
        |what: String| findings.wrong("4 names-its-route", format!("client {}: {what}", seen.plan.id));
    let by = header(seen, "x-genset-served-by");
    let route = header(seen, "x-genset-route");
    if by.starts_with("local/") != (route == "local") {
        wrong(format!("{by} is called {route}"));
    }
    for (at, chars, _) in &told.seams {
        if *at as u64 != *chars {
            wrong(format!("a seam after {at} characters is told as after {chars}"));
        }
    }
    // Where the words stand in JSON or in a tool's arguments, the letters around them are no marks.
    if seen.plan.order().form != Form::Prose {
        return;
    }
    for (place, mark) in told.text.chars().enumerate().filter(|(_, c)| is_mark(*c)) {
        let seam = told.seams.iter().rev().find(|(at, _, _)| *at <= place);
        let claimed = seam.map_or(by, |(_, _, by)| by);
        let real = label_of(mark);
        if real != claimed {
            return wrong(format!("the word at {place} is by {real}, and {claimed} is named"));
        }
    }
    let last = told.text.chars().rev().find(|c| is_mark(*c)).map(label_of);
    if let (Some(last), Some(named)) = (last, &told.last_by)
        && is_success(seen, told)
        && told.seams.is_empty()
        && last != *named
    {
        wrong(format!("the last word is by {last}, and the end names {named}"));
    }
}

/// What is told as used is what one attempt used: the one that is told as having answered.
fn billed(seen: &Seen, told: &Told, remains: &Remains, findings: &mut Findings) {
    let Some(usage) = told.usage.filter(|_| is_success(seen, told)) else { return };
    if !super::audit::is_used(usage, told.estimated, &seen.plan, remains) {
        let what = format!("client {}: no attempt used {usage:?}", seen.plan.id);
        findings.wrong("5 bills-once", what);
    }
}

fn audited(seen: &Seen, told: &Told, findings: &mut Findings) {
    if is_success(seen, told) && !seen.left && seen.audited != Some(true) {
        findings.wrong("10 audit-first", format!("client {}: no row when its last byte came", seen.plan.id));
    }
}

/// A key that was revoked before the request began is refused; one that was not yet, is not.
fn allowed(seen: &Seen, remains: &Remains, findings: &mut Findings) {
    let revoked = remains.plan.revoked.zip(remains.revoked).filter(|(plan, _)| plan.key == seen.plan.key);
    let is_refused = status(seen) == 401;
    match revoked {
        Some((_, (_, after))) if seen.began > after => {
            let what = format!("client {}: status {} with a revoked key", seen.plan.id, status(seen));
            let was_served = !is_refused && seen.head.is_some();
            findings.violations.extend(was_served.then_some(Violation { invariant: "12 revoked", what }));
        }
        Some((_, (before, _))) if seen.began >= before => {}
        _ if is_refused => {
            findings.wrong("12 revoked", format!("client {}: refused with a valid key", seen.plan.id));
        }
        _ => {}
    }
}

/// With a standby that was well all the time, no question in prose may end without its answer.
fn needless(seen: &Seen, told: &Told, remains: &Remains, findings: &mut Findings) {
    let plan = &remains.plan;
    let well = |name: &&str| {
        plan.locals
            .iter()
            .find(|local| local.name == *name && local.lives.is_empty() && seen.began > local.loading)
    };
    let is_loaded = |local: &&LocalPlan| remains.orders.iter().all(|order| leaves_loaded(order, local, seen));
    let standbys = plan.aliases[seen.plan.alias].standby.iter().filter_map(well).filter(is_loaded);
    let standbys: Vec<&LocalPlan> = standbys.collect();
    let is_easy = seen.plan.need == Need::Prose && seen.plan.reader == Reader::Eager;
    let is_ours = !matches!(status(seen), 401 | 429) && plan.audit_is_well();
    let gives_way =
        told.errors.iter().any(|error| error == "standby_busy") && gives_way(seen, &standbys, remains);
    let settled = seen.began > Duration::from_secs(30);
    if !standbys.is_empty()
        && is_easy
        && is_ours
        && settled
        && !gives_way
        && !seen.left
        && !is_success(seen, told)
    {
        let (status, error) = (status(seen), told.errors.first().map_or("?", String::as_str));
        findings
            .wrong("answered", format!("client {}: {status} {error}, with a standby at hand", seen.plan.id));
    }
}

/// Nobody has unloaded the model for a part of this request's time, or for so short a while before it that it is being
/// loaded again.
fn leaves_loaded(order: &Ordered, local: &LocalPlan, seen: &Seen) -> bool {
    if order.kind.model() != Some(local.name) {
        return true;
    }
    let (began, ended) = (seen.began, seen.ended.unwrap_or(seen.began));
    ended + ORDER_AGE < order.from || began > order.to + ORDER_AGE + local.loading
}

/// An order is in force a moment before that is told, and for a moment after its end.
const ORDER_AGE: Duration = Duration::from_secs(3);

/// Waited for so long, a place in a queue is given up.
const PATIENCE: Duration = Duration::from_secs(120);

const PAGE_AGE: Duration = Duration::from_secs(3);

/// Standbys that have more to do than they can give up some lanes for the others, and what has waited for too long.
fn gives_way(seen: &Seen, standbys: &[&LocalPlan], remains: &Remains) -> bool {
    let ended = seen.ended.unwrap_or(seen.began);
    let pages = remains.book.pages();
    let is_crowded =
        |local: &&LocalPlan| pages.most_jobs(local.name, seen.began, ended) >= common_room(local);
    // The page is two seconds old at most, and it is looked at once a second; a step holds for longer.
    let is_shown = |at: Duration| seen.began.saturating_sub(PAGE_AGE) <= at && at <= ended + PAGE_AGE;
    let steps = pages.looks.iter().filter(|look| is_shown(look.at)).map(|look| look.brown_out_step);
    let step = steps.max().unwrap_or_default();
    let is_given_up = match seen.plan.lane {
        _ if ended.saturating_sub(seen.began) >= PATIENCE => true,
        Lane::Batch => step >= 3,
        Lane::Interactive => step >= 4,
        Lane::Clinical => false,
    };
    is_given_up && standbys.iter().all(is_crowded)
}

/// A quarter of a local model is the clinical lane's alone.
fn common_room(local: &LocalPlan) -> usize {
    local.sequences - local.sequences / 4
}
