//! The invariants, asked of what clients got, what upstreams saw, and what stands in the audit log.

mod answers;
mod audit;
mod recovery;
mod traffic;

use std::time::Duration;

use crate::book::Violation;
use crate::client::{Seen, Told};
use crate::plan::{MODELS, UPSTREAMS, cloud_mark};
use crate::words::LOCAL_MARKS;
use crate::world::Remains;
pub(crate) use traffic::repeat;

/// The cloud has so long for a whole answer, whichever of its routes are tried, and its last write adds a little.
const DEADLINE: Duration = Duration::from_secs(305);

/// A standby that comes after that has its own: its first token within 15 s of being ready and 120 s of its turn, and
/// then its tokens.
const STANDBY: Duration = Duration::from_secs(15 + 120 + 60);

/// What the checks found, and what the world had in it.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) violations: Vec<Violation>,
    pub(crate) tally: Tally,
}

/// Plain numbers of one world.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) whole: u64,
    pub(crate) by_cloud: u64,
    pub(crate) seams: u64,
    pub(crate) refused: u64,
    pub(crate) broken: u64,
    pub(crate) left: u64,
    pub(crate) attempts: u64,
}

impl Findings {
    fn wrong(&mut self, invariant: &'static str, what: String) {
        self.violations.push(Violation { invariant, what });
    }
}

/// Asks everything.
pub(crate) fn check(remains: &Remains) -> Findings {
    let mut findings =
        Findings { violations: remains.book.pages().seen_wrong.clone(), ..Findings::default() };
    for seen in remains.seen.iter().chain(&remains.trials) {
        let told = Told::read(seen);
        findings.tally.count(seen, &told);
        answers::check(seen, &told, remains, &mut findings);
    }
    traffic::check(remains, &mut findings);
    audit::check(remains, &mut findings);
    recovery::check(remains, &mut findings);
    findings.tally.attempts = remains.book.pages().attempts.len() as u64;
    findings
}

impl Tally {
    fn count(&mut self, seen: &Seen, told: &Told) {
        self.requests += 1;
        self.seams += told.seams.len() as u64;
        if seen.left {
            self.left += 1;
        } else if is_success(seen, told) {
            self.whole += 1;
            let by = told.last_by.as_deref().unwrap_or_default();
            self.by_cloud += u64::from(!by.starts_with("local/"));
        } else if status(seen) == 200 {
            self.broken += 1;
        } else {
            self.refused += 1;
        }
    }

    pub(crate) fn numbers(&self) -> [u64; 8] {
        let t = self;
        [t.requests, t.whole, t.by_cloud, t.seams, t.refused, t.broken, t.left, t.attempts]
    }

    pub(crate) fn add(&mut self, numbers: &[u64]) {
        let places = [
            &mut self.requests,
            &mut self.whole,
            &mut self.by_cloud,
            &mut self.seams,
            &mut self.refused,
            &mut self.broken,
            &mut self.left,
            &mut self.attempts,
        ];
        for (place, number) in places.into_iter().zip(numbers) {
            *place += number;
        }
    }
}

fn status(seen: &Seen) -> u16 {
    seen.head.as_ref().map_or(0, |(status, _)| *status)
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let value = seen.head.as_ref().and_then(|(_, headers)| headers.get(name)?.to_str().ok());
    value.unwrap_or_default()
}

/// The client was told that its answer is whole.
fn is_success(seen: &Seen, told: &Told) -> bool {
    status(seen) == 200 && told.dones > 0 && told.errors.is_empty()
}

/// Who a mark belongs to, as `x-genset-served-by` would name it.
fn label_of(mark: char) -> String {
    if let Some(local) = LOCAL_MARKS.iter().position(|local| *local == mark) {
        return format!("local/{}", ["large", "pilot"][local]);
    }
    for (upstream, name) in UPSTREAMS.iter().enumerate() {
        if let Some(model) = MODELS.iter().find(|model| cloud_mark(upstream, model) == mark) {
            return format!("{name}/{model}");
        }
    }
    "nobody".into()
}
