//! What everybody in the building is told for a while: the newest announcements, in words for programs.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::clock;

/// Older ones are dropped.
const MAX_KEPT: usize = 20;

/// How long something that is over is still told.
const TOLD_FOR: Duration = Duration::from_secs(15 * 60);

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// Unix milliseconds.
    pub at_ms: i64,
    #[serde(flatten)]
    pub kind: AnnouncementKind,
}

/// What happened. No names of persons and no free text: it stands on pages that nobody has signed in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AnnouncementKind {
    OutageBegan,
    /// The cloud is back; it had been out since `out_since_ms`.
    CloudBack {
        out_since_ms: i64,
    },
    /// The ladder of scarcity stands on another step; 0 is none.
    BrownOut {
        step: u8,
        was: u8,
    },
    DrillBegan,
    DrillEnded {
        passed: bool,
    },
    /// `force-local` or `force-cloud`; or `isolate`, which names its upstream; or `load` or `unload`, which name their
    /// local model.
    OrderBegan {
        order: &'static str,
        upstream: Option<String>,
        model: Option<String>,
        until_ms: i64,
    },
    OrderEnded {
        order: &'static str,
        upstream: Option<String>,
        model: Option<String>,
    },
    /// Somebody took in an emergency what was not granted to them.
    GlassBroken,
}

/// Takes announcements in and keeps the newest.
#[derive(Default)]
pub(crate) struct Announcer {
    kept: Mutex<VecDeque<Announcement>>,
    /// Wakes whoever publishes the site.
    pub changed: Notify,
}

impl Announcer {
    pub(crate) fn tell(&self, kind: AnnouncementKind) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(Announcement { at_ms: clock::unix_ms(), kind });
        let too_many = kept.len().saturating_sub(MAX_KEPT);
        kept.drain(..too_many);
        drop(kept);
        self.changed.notify_one();
    }

    /// All that are kept, the oldest first.
    pub(crate) fn kept(&self) -> Vec<Announcement> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Announcement {
    /// Those of `all` that people should read now, the oldest first: of each matter the newest one, while it lasts
    /// and for a quarter of an hour after its end.
    pub fn current(all: &[Announcement], now_ms: i64) -> impl Iterator<Item = &Announcement> {
        all.iter().enumerate().filter_map(move |(index, announcement)| {
            let is_newest = !all[index + 1..].iter().any(|later| later.matter() == announcement.matter());
            let age_ms = now_ms.saturating_sub(announcement.at_ms);
            let is_told = announcement.lasts() || age_ms < TOLD_FOR.as_millis() as i64;
            (is_newest && is_told).then_some(announcement)
        })
    }

    /// What it is about: a later announcement on the same matter takes its place.
    fn matter(&self) -> (&'static str, Option<&str>) {
        match &self.kind {
            AnnouncementKind::OutageBegan | AnnouncementKind::CloudBack { .. } => ("outage", None),
            AnnouncementKind::BrownOut { .. } => ("brown-out", None),
            AnnouncementKind::DrillBegan | AnnouncementKind::DrillEnded { .. } => ("drill", None),
            AnnouncementKind::GlassBroken => ("broken-glass", None),
            AnnouncementKind::OrderBegan { upstream, model, .. }
            | AnnouncementKind::OrderEnded { upstream, model, .. } => match model {
                Some(model) => ("model", Some(model)),
                None => ("order", upstream.as_deref()),
            },
        }
    }

    /// It says that something goes on, so it is told until the next announcement on its matter.
    fn lasts(&self) -> bool {
        match self.kind {
            AnnouncementKind::OutageBegan
            | AnnouncementKind::DrillBegan
            | AnnouncementKind::OrderBegan { .. } => true,
            AnnouncementKind::BrownOut { step, .. } => step > 0,
            AnnouncementKind::CloudBack { .. }
            | AnnouncementKind::DrillEnded { .. }
            | AnnouncementKind::OrderEnded { .. }
            | AnnouncementKind::GlassBroken => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_s: i64, kind: AnnouncementKind) -> Announcement {
        Announcement { at_ms: at_s * 1000, kind }
    }

    fn isolated(upstream: &str) -> AnnouncementKind {
        let upstream = Some(upstream.into());
        AnnouncementKind::OrderBegan { order: "isolate", upstream, model: None, until_ms: 0 }
    }

    #[test]
    fn of_each_matter_the_newest_is_told_and_an_end_for_a_quarter_of_an_hour() {
        let back = AnnouncementKind::CloudBack { out_since_ms: 0 };
        let brown_out = |step, was| AnnouncementKind::BrownOut { step, was };
        let table: [(&[Announcement], i64, &[usize]); 7] = [
            (&[at(0, AnnouncementKind::OutageBegan)], 86_400, &[0]),
            (&[at(0, AnnouncementKind::OutageBegan), at(60, back.clone())], 61, &[1]),
            (&[at(60, back.clone())], 60 + 899, &[0]),
            (&[at(60, back)], 60 + 900, &[]),
            (&[at(0, brown_out(1, 0)), at(5, brown_out(2, 1))], 9_999, &[1]),
            (&[at(0, brown_out(1, 0)), at(5, brown_out(0, 1))], 9_999, &[]),
            (&[at(0, isolated("a")), at(0, isolated("b"))], 9_999, &[0, 1]),
        ];
        for (all, now_s, expected) in table {
            let told: Vec<_> = Announcement::current(all, now_s * 1000).collect();
            let expected: Vec<_> = expected.iter().map(|index| &all[*index]).collect();
            assert_eq!(told, expected, "{all:?} at {now_s} s");
        }
    }

    #[test]
    fn only_the_newest_are_kept() {
        let announcer = Announcer::default();
        for step in 0..=MAX_KEPT as u8 {
            announcer.tell(AnnouncementKind::BrownOut { step, was: 0 });
        }
        let kept = announcer.kept();
        assert_eq!(kept.len(), MAX_KEPT);
        assert_eq!(kept[0].kind, AnnouncementKind::BrownOut { step: 1, was: 0 });
    }

    #[test]
    fn programs_read_a_flat_object() {
        let announcement = at(1, AnnouncementKind::CloudBack { out_since_ms: 5 });
        let json = serde_json::to_value(announcement).unwrap();
        assert_eq!(json, serde_json::json!({"at_ms": 1000, "kind": "cloud-back", "out_since_ms": 5}));
    }
}
