//! The verdict table: one fault of each kind injected for real, in several ways, and the name that the box gives it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use continuity::{Language, Verdict};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Options;
use super::building::Building;
use crate::lab::{Answering, Impostor, Site};
use crate::{FakeCloud, Lab};

/// One way to bring about one kind.
#[derive(Clone, Copy)]
struct Injection {
    verdict: Verdict,
    way: &'static str,
    inject: fn(&Building),
    /// Clients ask meanwhile; without them probes alone must tell.
    traffic: bool,
}

/// What the box said.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) injected: Verdict,
    pub(super) way: &'static str,
    pub(super) seed: u64,
    /// What it said in the end; none where it said nothing.
    pub(super) named: Option<String>,
    /// What it said before that, in order.
    pub(super) before: Vec<String>,
    /// Until the right name stood.
    pub(super) after: Option<Duration>,
    /// The sentence for staff and the action for administrators are on the page, in both languages.
    pub(super) told: bool,
}

/// A verdict is right when it stands within this and is still there a while later.
const NAMED_WITHIN: Duration = Duration::from_secs(20);
const STANDS_FOR: Duration = Duration::from_secs(2);
/// Of a hundred, so many are named right.
const RIGHT_PERCENT: usize = 95;

const fn quiet(verdict: Verdict, way: &'static str, inject: fn(&Building)) -> Injection {
    Injection { verdict, way, inject, traffic: false }
}

const fn busy(verdict: Verdict, way: &'static str, inject: fn(&Building)) -> Injection {
    Injection { verdict, way, inject, traffic: true }
}

const INJECTIONS: &[Injection] = &[
    quiet(Verdict::LinkDown, "cable pulled", |b| b.lab.pull_cable()),
    busy(Verdict::LinkDown, "cable pulled, traffic", |b| b.lab.pull_cable()),
    quiet(Verdict::LinkDown, "default route gone", |b| b.lab.take_route()),
    quiet(Verdict::DnsDown, "no such name", |b| names_fail(b, Answering::Nxdomain)),
    busy(Verdict::DnsDown, "server failure, traffic", |b| names_fail(b, Answering::Servfail)),
    quiet(Verdict::DnsDown, "no answer", |b| names_fail(b, Answering::Nothing)),
    quiet(Verdict::InternetDown, "all swallowed but names", |b| b.lab.swallow_all_but_names()),
    busy(Verdict::InternetDown, "all swallowed, traffic", |b| b.lab.swallow_all()),
    quiet(Verdict::InternetDown, "network unreachable", |b| b.lab.unreachable_all()),
    quiet(Verdict::Intercepted, "page of a trusted proxy", |b| {
        lead_to(b, Impostor::Trusted, FakeCloud::speak_html);
    }),
    busy(Verdict::Intercepted, "redirected, traffic", |b| lead_to(b, Impostor::Trusted, FakeCloud::redirect)),
    quiet(Verdict::Intercepted, "another authority", |b| lead_to(b, Impostor::OtherAuthority, |_| {})),
    busy(Verdict::Intercepted, "another name, traffic", |b| lead_to(b, Impostor::OtherName, |_| {})),
    quiet(Verdict::Intercepted, "names lead to a portal", portal_by_names),
    quiet(Verdict::UpstreamDown, "refuses", |b| b.alpha.refuse()),
    busy(Verdict::UpstreamDown, "swallowed, traffic", |b| b.lab.swallow(Site::Alpha)),
    busy(Verdict::UpstreamDown, "500, traffic", |b| b.alpha.answer_500()),
    quiet(Verdict::UpstreamDown, "accepts in silence", |b| b.alpha.go_silent()),
    busy(Verdict::ModelWithdrawn, "not listed, 404", |b| b.alpha.withdraw_model()),
    busy(Verdict::ModelWithdrawn, "listed, 404", |b| b.alpha.answer_status(404, "model_not_found")),
    quiet(Verdict::KeyRejected, "401", |b| b.alpha.reject_key()),
    busy(Verdict::KeyRejected, "403, traffic", |b| b.alpha.answer_status(403, "permission_denied")),
    busy(Verdict::QuotaExhausted, "429 insufficient_quota", |b| b.alpha.exhaust_quota()),
    busy(Verdict::QuotaExhausted, "402", |b| b.alpha.answer_status(402, "payment_required")),
    busy(Verdict::Throttled, "429, Retry-After 30 s", |b| b.alpha.throttle(Duration::from_secs(30))),
    busy(Verdict::Throttled, "429 alone", |b| b.alpha.answer_status(429, "rate_limit_exceeded")),
    busy(Verdict::Slow, "first token after 12 s", |b| b.alpha.slow_first_token(Duration::from_secs(12))),
    busy(Verdict::Slow, "first token after 40 s", |b| b.alpha.slow_first_token(Duration::from_secs(40))),
];

fn names_fail(building: &Building, answering: Answering) {
    building.lab.names(answering);
    building.alpha.hang_up();
    building.beta.hang_up();
}

fn lead_to(building: &Building, kind: Impostor, mood: fn(&FakeCloud)) {
    mood(building.impostor(kind));
    building.lab.redirect(Site::Alpha, kind);
    building.lab.redirect(Site::Beta, kind);
}

fn portal_by_names(building: &Building) {
    let portal = building.impostor(Impostor::OtherAuthority).address().ip();
    let std::net::IpAddr::V4(portal) = portal else { return };
    names_fail(building, Answering::Everything(portal));
}

/// The whole table.
#[derive(Debug)]
pub(super) enum Verdicts {
    NotRun(&'static str),
    Named(Vec<Named>),
}

impl Verdicts {
    /// Enough are right, and what is right is told.
    pub(super) fn is_fine(&self) -> bool {
        let Verdicts::Named(rows) = self else { return true };
        let right = rows.iter().filter(|row| row.is_right()).count();
        right * 100 >= rows.len() * RIGHT_PERCENT && rows.iter().all(|row| !row.is_right() || row.told)
    }
}

/// All injections, where they are wanted and possible.
pub(super) async fn all(options: &Options) -> Verdicts {
    match Lab::missing() {
        _ if !options.verdicts => return Verdicts::Named(Vec::new()),
        Some(missing) => return Verdicts::NotRun(missing),
        None => {}
    }
    assert_words_are_distinct();
    let seeds = &options.seeds[..options.seeds.len().min(if options.short { 1 } else { 3 })];
    let places = Arc::new(Semaphore::new(options.labs));
    let mut running = JoinSet::new();
    for (seed, injection) in seeds.iter().flat_map(|seed| INJECTIONS.iter().map(|one| (*seed, *one))) {
        let places = places.clone();
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let named = tokio::spawn(name(injection, seed)).await;
            named.unwrap_or_else(|error| Named {
                injected: injection.verdict,
                way: injection.way,
                seed,
                named: Some(error.to_string()),
                before: Vec::new(),
                after: None,
                told: false,
            })
        });
    }
    let mut rows = running.join_all().await;
    let place =
        |row: &Named| INJECTIONS.iter().position(|one| one.verdict == row.injected && one.way == row.way);
    rows.sort_by_key(|row| (place(row), row.seed));
    Verdicts::Named(rows)
}

impl Named {
    pub(super) fn is_right(&self) -> bool {
        self.named.as_deref() == Some(self.injected.as_str())
    }
}

/// No two kinds have the same sentence or the same action, in either language.
fn assert_words_are_distinct() {
    for language in [Language::English, Language::Korean] {
        for text in [Verdict::sentence_for_staff, Verdict::action_for_administrator] {
            let texts: std::collections::BTreeSet<_> =
                Verdict::ALL.iter().map(|v| text(*v, language)).collect();
            assert_eq!(texts.len(), Verdict::ALL.len(), "each kind has words of its own");
        }
    }
}

async fn name(injection: Injection, seed: u64) -> Named {
    let mut building = Building::well(seed).await;
    let portal = building.appliance.portal().await;
    let traffic = injection.traffic.then(|| building.traffic(3));
    tokio::time::sleep(Duration::from_secs(1)).await;
    (injection.inject)(&building);
    let (heard, after) = listen(&building, injection.verdict).await;
    let told = told(&portal, injection.verdict).await;
    if let Some(traffic) = traffic {
        traffic.stop().await;
    }
    building.appliance.stop().await;
    let (named, before) = match heard.split_last() {
        Some((last, before)) => (Some(last.clone()), before.to_vec()),
        None => (None, Vec::new()),
    };
    Named { injected: injection.verdict, way: injection.way, seed, named, before, after, told }
}

/// The names in the order in which they stood, until the right one stays; and when it came.
async fn listen(building: &Building, right: Verdict) -> (Vec<String>, Option<Duration>) {
    let (started, mut heard, mut since) = (Instant::now(), Vec::<String>::new(), None);
    while started.elapsed() < NAMED_WITHIN {
        let status = building.appliance.status().await;
        let named = status["upstreams"][0]["verdict"].as_str().map(str::to_owned);
        since = match &named {
            Some(named) if named == right.as_str() => since.or(Some(started.elapsed())),
            _ => None,
        };
        if let Some(named) = named
            && heard.last() != Some(&named)
        {
            heard.push(named);
        }
        if since.is_some_and(|since| started.elapsed() >= since + STANDS_FOR) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (heard, since)
}

/// The status page says it, for staff and for administrators, in both languages.
async fn told(portal: &crate::Portal, verdict: Verdict) -> bool {
    let mut told = true;
    for (language, tag) in [(Language::English, "en"), (Language::Korean, "ko")] {
        let page = portal.page_in("/status", tag).await.text();
        let page = page.replace("&#39;", "'").replace("&#x27;", "'").replace("&quot;", "\"");
        told &= page.contains(verdict.sentence_for_staff(language));
        told &= page.contains(verdict.action_for_administrator(language));
    }
    told
}
