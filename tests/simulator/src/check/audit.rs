//! What stands in the audit log: one row and one outcome for each request, and only what its answer used.

use store::{Entry, OutcomeRow, Record, RequestRow};

use super::{Findings, status};
use crate::client::Seen;
use crate::plan::{Need, RequestPlan};
use crate::world::Remains;

pub(super) fn check(remains: &Remains, findings: &mut Findings) {
    if !remains.plan.audit_is_well() {
        return;
    }
    for seen in remains.seen.iter().chain(&remains.trials) {
        if was_taken(seen) {
            request(seen, remains, findings);
        }
    }
}

/// The request was well-formed and allowed, so the gateway took it.
fn was_taken(seen: &Seen) -> bool {
    let is_well_formed = !matches!(seen.plan.need, Need::BadBody | Need::UnknownAlias);
    is_well_formed && seen.head.is_some() && status(seen) != 401
}

fn request(seen: &Seen, remains: &Remains, findings: &mut Findings) {
    let id = seen.plan.id;
    let rows: Vec<&RequestRow> = rows(&remains.audit, seen.plan.prompt_bytes() as u64).collect();
    let [row] = rows[..] else {
        return findings.wrong("10 audit-first", format!("request {id} has {} rows", rows.len()));
    };
    let outcomes: Vec<&OutcomeRow> = outcomes(&remains.audit, &row.request_id).collect();
    let [outcome] = outcomes[..] else {
        return findings
            .wrong("1 ends-once", format!("request {id} has {} outcomes in the log", outcomes.len()));
    };
    let used = (outcome.tokens_in, outcome.tokens_out);
    let nothing = used == (0, 0);
    match outcome.outcome.as_str() {
        "success" if is_used(used, true, &seen.plan, remains) => {}
        "success" => {
            findings.wrong(
                "5 bills-once",
                format!("request {id}: the log bills {used:?}, which no attempt used"),
            );
        }
        _ if nothing => {}
        other => findings.wrong("5 bills-once", format!("request {id}: {other}, and the log bills {used:?}")),
    }
}

fn rows(audit: &[Entry], bytes_in: u64) -> impl Iterator<Item = &RequestRow> {
    audit.iter().filter_map(move |entry| match &entry.record {
        Record::Request(row) if row.bytes_in == bytes_in => Some(row),
        _ => None,
    })
}

fn outcomes<'a>(audit: &'a [Entry], request_id: &'a str) -> impl Iterator<Item = &'a OutcomeRow> {
    audit.iter().filter_map(move |entry| match &entry.record {
        Record::Outcome(row) if row.request_id == request_id => Some(row),
        _ => None,
    })
}

/// Whether one attempt at the request used just that: one that said its answer to its end, or that broke off when it had
/// said as many tokens as the request allows, so that nobody has to go on. Where an upstream ended before it told its
/// usage, the box may estimate it by the chunks and the bytes, and says so.
pub(super) fn is_used(
    usage: (u64, u64),
    may_be_estimated: bool,
    request: &RequestPlan,
    remains: &Remains,
) -> bool {
    let pages = remains.book.pages();
    // What a tool or a form adds to the bytes is not written down.
    let is_estimate = may_be_estimated
        && (request.need != Need::Prose || usage.0 == request.prompt_bytes().div_ceil(4) as u64);
    let mut cloud = pages.attempts.iter().filter(|attempt| attempt.request == request.id);
    let mut local = pages.jobs.iter().filter(|job| job.request == request.id);
    cloud.any(|attempt| match attempt.finish {
        Some(_) if attempt.billed => usage == (attempt.prompt_tokens, attempt.completion_tokens),
        Some(_) => is_estimate && usage.1 <= attempt.completion_tokens + 1,
        None => attempt.at_limit && is_estimate && usage.1 == attempt.completion_tokens,
    }) || local.any(|job| usage == (job.prompt_tokens, job.prefix_tokens + job.tokens))
}
