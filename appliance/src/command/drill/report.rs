//! The report of a drill as it is printed.

use continuity::drill::{DrillResult, Finding, Warmth};
use gateway::DrillReport;
use gateway::drill::{DrillServed, Means};

pub(super) fn lines(id: i64, report: &DrillReport) -> Vec<String> {
    let result = report.judgement.as_ref().map_or(DrillResult::Aborted, |judgement| judgement.result);
    let moment = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), super::super::moment);
    let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let mut lines = vec![format!("Drill {id}: {}", result.as_str().to_uppercase()), String::new()];
    let mut put = |name: &str, value: String| lines.push(format!("  {name:<22}{value}"));
    put("scope", format!("{}{}", report.scope, if report.long { ", long" } else { "" }));
    put("asked for by", report.asked_by.clone());
    put("began", moment(Some(report.started_ms)));
    put("cut", moment(report.cut_ms));
    put("restored", moment(report.restored_ms));
    put("ended", moment(Some(report.ended_ms)));
    for cut in &report.cuts {
        put(&format!("way to {}", cut.upstream), means(cut.means).to_owned());
    }
    if let Some(why) = &report.softer_because {
        put("the softer kind", why.clone());
    }
    put("transfer", format!("{} (promise {} ms)", ms(report.transfer_ms), report.promise_ms));
    put("load carried", format!("{} s of {} s", report.carried_s, report.wanted_s));
    put("mean load", load(report));
    put(
        "first token",
        format!("p50 {}, p95 {}", ms(report.first_token_p50_ms), ms(report.first_token_p95_ms)),
    );
    put("real requests", served(&report.real));
    put("load bank", served(&report.synthetic));
    for (model, count) in &report.by_model {
        put(&format!("by {model}"), count.to_string());
    }
    put("cloud back after", ms(report.cloud_back_ms));
    let quiet = report.quiet_s / 60;
    put(
        "rule",
        format!(
            "invalid when in the {quiet} min before it an order kept requests from the cloud, a worker was started, or a drill ended"
        ),
    );
    lines.push(String::new());
    match &report.judgement {
        Some(judgement) if !judgement.findings.is_empty() => {
            lines.extend(judgement.findings.iter().map(|found| format!("  - {}", finding(found))));
        }
        _ => lines.push("  Nothing was found wrong.".to_owned()),
    }
    lines
}

fn load(report: &DrillReport) -> String {
    let DrillReport { real_load_percent: real, synthetic_load_percent: synthetic, .. } = report;
    let (all, rated, wanted) = (real + synthetic, report.rated_sequences, report.wanted_load_percent);
    format!(
        "{all:.1} % of {rated} answers at once: {real:.1} % real, {synthetic:.1} % load bank ({wanted} % wanted)"
    )
}

fn served(served: &DrillServed) -> String {
    let DrillServed { asked, by_cloud, by_local, whole, seams, refused, broken, left } = served;
    format!(
        "{asked} asked; {by_local} local, {by_cloud} cloud, {seams} taken over in the middle; {whole} whole, \
         {refused} refused, {broken} broken, {left} left or still under way"
    )
}

fn means(means: Means) -> &'static str {
    match means {
        Means::Nftables => "cut for real: packets were dropped on their way out",
        Means::Connector => "cut by the connector: connections refused and reset (the softer kind)",
        Means::Course => "requests in the scope were not sent there (the softer kind)",
    }
}

fn finding(finding: &Finding) -> String {
    match finding {
        Finding::NoTransfer => "no local model answered after the cut".into(),
        Finding::SlowTransfer { ms, promise_ms } => {
            format!("the transfer took {ms} ms; {promise_ms} ms are promised")
        }
        Finding::LostRequests { requests } => {
            format!("{requests} requests of users were refused or broke off")
        }
        Finding::CloudAnswered { answers } => {
            format!("a cloud gave {answers} answers although its way was cut")
        }
        Finding::Warmed { by: Warmth::ForcedLocal } => {
            "not valid: shortly before, an order kept requests from the cloud".into()
        }
        Finding::Warmed { by: Warmth::WorkerStarted } => {
            "not valid: shortly before, a local model was started".into()
        }
        Finding::Warmed { by: Warmth::EarlierDrill } => {
            "not valid: shortly before, another drill ended".into()
        }
        Finding::TooLittleLoad { percent, wanted } => {
            format!("not valid: the mean load was {percent} %; {wanted} % are wanted")
        }
        Finding::AbortedBy { who } => format!("ended early by {who}"),
        Finding::OrderGiven => "ended early: an order was given".into(),
        Finding::TooManyRefusals { refused, limit } => {
            format!("ended by itself: {refused} requests of users were refused, more than {limit}")
        }
        Finding::TooSlow { p95_ms, limit_ms } => {
            format!("ended by itself: first tokens took {p95_ms} ms (p95), more than {limit_ms} ms")
        }
        Finding::StandbyUnproven => "ended by itself: no local model could prove that it answers".into(),
        Finding::CutFailed => "ended by itself: the way could not be cut, or the helper gave it free".into(),
        Finding::CloudStayedAway => "the cloud did not come back after the restore: a real outage".into(),
        Finding::BoxStopped => "the box stopped in the middle".into(),
    }
}
