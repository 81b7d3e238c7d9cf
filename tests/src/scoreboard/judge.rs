//! The criteria: what is a pass, a partial, safe, or a fail, as strict as the public scorecard.

use std::time::Duration;

use super::Mode;
use super::answered::Answered;
use super::faults::{FALLBACK_TOKENS, PRIMARY_TOKENS, Stage};
use super::words;

/// How one performance went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    Pass,
    /// A whole answer, and one criterion missed.
    Partial,
    /// No answer, and a clear error.
    Safe,
    /// A cut or wrong text as success, no clear end, or no end in time.
    Fail,
}

/// What both sides saw.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    pub(super) answered: Answered,
    /// When the primary was asked, since the client asked.
    pub(super) primary: Vec<Duration>,
    pub(super) fallback: usize,
    /// The box answers another request afterwards.
    pub(super) alive: bool,
}

/// The grade and the reason, the number of lost words and of doubled ones.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    pub(super) grade: Grade,
    pub(super) why: String,
    pub(super) lost: usize,
    pub(super) doubled: usize,
}

const ALL_END_WITHIN: Duration = Duration::from_secs(100);

pub(super) fn judge(stage: &Stage, evidence: &Evidence) -> Judgement {
    let answered = &evidence.answered;
    let (lost, doubled) = words_against(stage, answered);
    let given = |grade, why: String| Judgement { grade, why, lost, doubled };
    let shown = format!("{} {}", answered.said, answered.error.clone().unwrap_or_default());
    if shown.contains("prefill") {
        return given(Grade::Fail, "the refusal of a prefill was shown".to_owned());
    }
    if !evidence.alive {
        return given(Grade::Fail, "the box does not answer afterwards".to_owned());
    }
    if answered.took > ALL_END_WITHIN {
        return given(Grade::Fail, format!("took {:?}", answered.took));
    }
    if answered.whole && lost + doubled > 0 {
        return given(Grade::Fail, format!("a wrong text as success: {:?}", answered.said));
    }
    match (answered.whole, &answered.error) {
        (true, _) => match missed(stage, evidence) {
            None => given(Grade::Pass, String::new()),
            Some(why) => given(Grade::Partial, why),
        },
        (false, Some(error)) if stage.fault == "S13" => match propagated(evidence, error) {
            None => given(Grade::Pass, String::new()),
            Some(why) => given(Grade::Partial, why),
        },
        (false, Some(error)) => given(Grade::Safe, format!("error {}", error["code"])),
        (false, None) => given(Grade::Fail, format!("neither whole nor a clear error: {answered:?}")),
    }
}

/// In which words the answer differs from the nearest text that would be whole.
fn words_against(stage: &Stage, answered: &Answered) -> (usize, usize) {
    if !answered.whole {
        return (0, 0);
    }
    let texts = [&stage.primary.text, &stage.fallback.text, &stage.known.answer];
    if texts.contains(&&answered.said) {
        return (0, 0);
    }
    let counts = texts.map(|text| words::lost_and_doubled(text, &answered.said));
    let nearest = counts.into_iter().min_by_key(|(lost, doubled)| lost + doubled).unwrap_or_default();
    // A text may differ in less than a word, in a space for instance: that is a difference too.
    if nearest == (0, 0) { (1, 0) } else { nearest }
}

/// The first criterion that a whole answer misses.
fn missed(stage: &Stage, evidence: &Evidence) -> Option<String> {
    let Evidence { answered, primary, fallback, .. } = evidence;
    let attempts = primary.len();
    let within = |seconds: f64| primary.iter().filter(|at| at.as_secs_f64() < seconds).count();
    let by = |name: &str| answered.served_by.iter().all(|by| by.starts_with(name));
    let (took, waited) = (answered.took.as_secs_f64(), answered.waited.as_secs_f64());
    let unless = |met: bool, why: &str| {
        (!met).then(|| {
            format!(
                "{why} ({attempts} attempts, {fallback} at the fallback, {took:.1} s, {:?})",
                answered.served_by
            )
        })
    };
    if stage.mode == Mode::Committed && answered.served_by.len() != 1 {
        return unless(false, "not from one model");
    }
    match stage.fault {
        "S01" => {
            let waited =
                primary.get(1).is_some_and(|second| *second - primary[0] >= Duration::from_millis(1800));
            unless(by("primary/") && waited && within(1.5) <= 2, "Retry-After was not waited for")
        }
        "S02" => unless(within(3.0) <= 4 && attempts <= 6, "too many attempts"),
        "S03" => unless(by("primary/") && attempts == 2, "not one retry on the same upstream"),
        "S04" | "S05" => unless(attempts <= 6, "too many attempts"),
        "S06" => unless(attempts == 1 && waited <= 10.0, "the silent route was retried or waited for"),
        "S07" => unless(waited <= 15.0, "no limit for the first token"),
        "S09" => unless(took <= 45.0, "the stall was waited for"),
        "S11" => unless(took <= 8.0 && usage_is_right(answered), "not ended at once with its usage"),
        "S12" => unless(by("fallback/") && attempts == 1, "not one attempt, then the larger context"),
        "S13" => unless(false, "routed around"),
        "S16" => {
            let right = by("fallback/") && answered.model == stage.fallback_model();
            unless(right && usage_is_right(answered), "the accounts are not the fallback's")
        }
        _ => None,
    }
}

/// The usage is that of the upstream that made the answer.
fn usage_is_right(answered: &Answered) -> bool {
    let prompt = answered.usage["prompt_tokens"].as_u64().map(|tokens| tokens as usize);
    match answered.served_by.first().and_then(|by| by.split('/').next()) {
        Some("primary") => prompt == Some(PRIMARY_TOKENS),
        Some("fallback") => prompt == Some(FALLBACK_TOKENS),
        _ => prompt.is_some_and(|tokens| tokens > 0),
    }
}

/// A content filter's reason reaches the client, after one attempt and with nobody else asked.
fn propagated(evidence: &Evidence, error: &serde_json::Value) -> Option<String> {
    let right = evidence.answered.status == 400
        && error["code"] == "content_filter"
        && evidence.primary.len() == 1
        && evidence.fallback == 0;
    (!right).then(|| format!("the reason was not passed on: {error}"))
}
