//! How an answer is shown: its text, its seam, and a note that says in plain words who wrote it and why.

use gateway::{OutageView, Reason, Site};
use store::{Message, NewMessage, Outage};

use crate::asking::NEXT_MODEL;
use crate::band::is_pilot_light;
use crate::moment::Clock;
use crate::text::{AnswerText, ChatText, Text};

/// An open question counts as still being answered for this long; no answer takes longer.
const LONGEST_ANSWER_MS: i64 = 300_000;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Finished,
    Cut,
    Failed,
}

impl End {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            End::Finished => "finished",
            End::Cut => "cut",
            End::Failed => "failed",
        }
    }

    pub(crate) fn is_incomplete(self) -> bool {
        self != End::Finished
    }
}

/// A question with everything that came back for it.
pub(crate) struct TurnView {
    pub(crate) question: String,
    pub(crate) asked_at: String,
    pub(crate) answers: Vec<AnswerView>,
    /// Said in an answer's place while there is none.
    pub(crate) waiting: Option<&'static str>,
}

pub(crate) struct AnswerView {
    pub(crate) before_seam: String,
    pub(crate) seam: Option<String>,
    pub(crate) after_seam: String,
    pub(crate) problem: Option<String>,
    pub(crate) note: String,
    pub(crate) route: String,
    pub(crate) end: End,
    pub(crate) at: String,
    pub(crate) at_full: String,
    pub(crate) not_reviewed: &'static str,
}

/// A stretch of time without the cloud.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: Option<i64>,
}

impl Out {
    pub(crate) fn all(recorded: &[Outage], running: Option<&OutageView>) -> Vec<Out> {
        let running = running.map(|outage| Out { start_ms: outage.started_ms, end_ms: None });
        let recorded = recorded.iter().filter(|outage| outage.end_ms.is_some());
        let recorded = recorded.map(|outage| Out { start_ms: outage.start_ms, end_ms: outage.end_ms });
        running.into_iter().chain(recorded).collect()
    }

    fn holds(&self, at_ms: i64) -> bool {
        self.start_ms <= at_ms && self.end_ms.is_none_or(|end_ms| at_ms <= end_ms)
    }
}

/// Puts answers into words.
pub(crate) struct Narrator<'a> {
    pub(crate) text: &'static Text,
    pub(crate) clock: &'a Clock,
    pub(crate) outages: Vec<Out>,
}

impl Narrator<'_> {
    pub(crate) fn now<'a>(text: &'static Text, clock: &'a Clock, site: &Site) -> Narrator<'a> {
        Narrator { text, clock, outages: Out::all(&[], site.outage.as_ref()) }
    }

    /// The messages of a conversation, each question with its answers.
    pub(crate) fn turns(&self, messages: &[Message], now_ms: i64) -> Vec<TurnView> {
        let mut turns: Vec<(i64, TurnView)> = Vec::new();
        for message in messages {
            match (message.content.role.as_str(), turns.last_mut()) {
                ("user", _) => turns.push((message.at_ms, self.turn(message))),
                ("assistant", Some((_, turn))) => turn.answers.push(self.answer(message)),
                _ => {}
            }
        }
        for (asked_ms, turn) in &mut turns {
            turn.waiting = turn.answers.is_empty().then_some(if now_ms - *asked_ms < LONGEST_ANSWER_MS {
                self.text.answer.pending
            } else {
                self.text.answer.failed
            });
        }
        turns.into_iter().map(|(_, turn)| turn).collect()
    }

    fn turn(&self, message: &Message) -> TurnView {
        TurnView {
            question: message.content.text.clone(),
            asked_at: self.clock.short(message.at_ms),
            answers: Vec::new(),
            waiting: None,
        }
    }

    fn answer(&self, message: &Message) -> AnswerView {
        let content = &message.content;
        let end = match content {
            NewMessage { complete: true, .. } => End::Finished,
            NewMessage { text, .. } if text.is_empty() => End::Failed,
            _ => End::Cut,
        };
        let models: Vec<&str> =
            content.served_by.as_deref().map(|by| by.split(NEXT_MODEL).collect()).unwrap_or_default();
        let route = content.route.clone().unwrap_or_else(|| "none".to_owned());
        let reason = content.reason.as_deref().unwrap_or_default();
        let seam = content.seam.filter(|_| models.len() > 1);
        let (before, after) = split_at_char(&content.text, seam);
        AnswerView {
            before_seam: before.to_owned(),
            seam: seam.map(|_| self.seam(&models, &route)),
            after_seam: after.to_owned(),
            problem: self.problem(end, reason),
            note: self.note(&models, &route, reason, message.at_ms),
            route,
            end,
            at: self.clock.short(message.at_ms),
            at_full: self.clock.full(message.at_ms),
            not_reviewed: self.text.answer.not_reviewed,
        }
    }

    /// Who wrote the answer, in order, and why it was not the cloud.
    pub(crate) fn note(&self, models: &[&str], route: &str, reason: &str, at_ms: i64) -> String {
        let text = &self.text.answer;
        let who = match models {
            [] => return text.by_nobody.to_owned(),
            [only] => by(text, only, route),
            [first, .., last] => {
                format!("{} {}", (text.begun_by)(model_of(first)), finished_by(text, last, route))
            }
        };
        match self.why(route, reason, at_ms) {
            Some(why) => format!("{who} {why}"),
            None => who,
        }
    }

    /// Why it was not the cloud's first model, in a sentence. A word that is no reason is the code of a refusal.
    pub(crate) fn why(&self, route: &str, word: &str, at_ms: i64) -> Option<String> {
        let text = &self.text.answer;
        let fixed = match Reason::of_word(word) {
            Some(Reason::FirstRoute) if route == "local" => text.no_cloud,
            Some(Reason::FirstRoute | Reason::Cut) => return None,
            None if word.is_empty() => return None,
            _ if route == "cloud" => text.other_cloud,
            Some(Reason::LocalOnly) => text.kept_inside,
            Some(Reason::WarmShare) => text.warm_share,
            Some(Reason::Conversation) => text.begun_inside,
            Some(Reason::ForcedLocal | Reason::ForcedCloud | Reason::Isolated) => text.by_order,
            Some(Reason::Drill) => text.in_a_drill,
            Some(Reason::Quota) => text.cloud_quota,
            Some(Reason::Recovering) => text.cloud_recovering,
            Some(Reason::Throttled) => text.cloud_throttled,
            Some(Reason::Slow | Reason::Stalled) => text.cloud_slow,
            Some(Reason::Context) => text.cloud_too_short,
            Some(Reason::CloudLacks) => text.cloud_lacks,
            Some(Reason::BrownOut) => text.brown_out,
            Some(reason) if reason.is_among_standbys() => text.other_standby,
            _ => match self.outages.iter().find(|outage| outage.holds(at_ms)) {
                Some(Out { start_ms, end_ms: None }) => {
                    return Some((text.cloud_out_since)(&self.clock.short(*start_ms)));
                }
                Some(Out { start_ms, .. }) => {
                    return Some((text.cloud_was_out_from)(&self.clock.short(*start_ms)));
                }
                None => text.cloud_out,
            },
        };
        Some(fixed.to_owned())
    }

    /// Said beside the note when the oldest messages of a conversation were left out.
    pub(crate) fn shortened(&self, left_out: Option<usize>) -> Option<String> {
        left_out.map(|messages| (self.text.answer.shortened)(messages))
    }

    /// The sentence at the seam: who broke off, who went on.
    pub(crate) fn seam(&self, models: &[&str], route: &str) -> String {
        let text = &self.text.answer;
        let (first, last) =
            (models.first().copied().unwrap_or_default(), models.last().copied().unwrap_or_default());
        let sentence = if route == "local" { text.seam_local } else { text.seam_cloud };
        sentence(model_of(first), model_of(last))
    }

    fn problem(&self, end: End, reason: &str) -> Option<String> {
        let text = &self.text.answer;
        match end {
            End::Finished => None,
            End::Cut => Some(text.cut.to_owned()),
            End::Failed => Some(format!("{} {}", text.failed, refusal(&self.text.chat, reason))),
        }
    }
}

/// Why there was no answer, by the fixed word of the refusal.
pub(crate) fn refusal<'a>(text: &'a ChatText, code: &str) -> &'a str {
    match code {
        "context_length_exceeded" => text.refused_too_long,
        "too_many_at_once" | "too_many_per_minute" => text.refused_often,
        "too_many_requests" | "standby_busy" => text.refused_busy,
        "standby_lacks" => text.refused_lacks,
        "content_filter" | "content_policy_violation" => text.refused_filter,
        "model_not_found" => text.refused_unknown_assistant,
        "alias_not_allowed" => text.refused_restricted,
        "no_route" | "no_local_route" | "upstream_error" | "audit_unavailable" => text.refused_unready,
        "cut" | "answer_cut" => "",
        _ => text.refused_otherwise,
    }
}

fn by(text: &AnswerText, label: &str, route: &str) -> String {
    let (upstream, model) = parts_of(label);
    match route {
        "cloud" => (text.by_cloud)(model, upstream),
        _ if is_pilot_light(model) => (text.by_pilot_light)(model),
        _ => (text.by_local)(model),
    }
}

fn finished_by(text: &AnswerText, label: &str, route: &str) -> String {
    let (upstream, model) = parts_of(label);
    match route {
        "cloud" => (text.finished_by_cloud)(model, upstream),
        _ if is_pilot_light(model) => (text.finished_by_pilot_light)(model),
        _ => (text.finished_by_local)(model),
    }
}

/// `upstream/model` or `local/model`, in two.
fn parts_of(label: &str) -> (&str, &str) {
    label.split_once('/').unwrap_or(("", label))
}

fn model_of(label: &str) -> &str {
    parts_of(label).1
}

fn split_at_char(text: &str, chars: Option<u64>) -> (&str, &str) {
    let Some(chars) = chars.and_then(|chars| usize::try_from(chars).ok()) else { return (text, "") };
    let byte = text.char_indices().nth(chars).map_or(text.len(), |(byte, _)| byte);
    text.split_at(byte)
}

#[cfg(test)]
mod tests;
