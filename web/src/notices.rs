//! Announcements in the reader's words, for the band and the status page.

use gateway::{Announcement, AnnouncementKind, Site};

use crate::language::Language;
use crate::moment::Clock;
use crate::text::{NoticeText, Text};

/// What people should read now, the oldest first. An order that stands has a line of its own, with who gave it and why.
pub(crate) fn current(site: &Site, language: Language, clock: &Clock) -> Vec<String> {
    let told = Announcement::current(&site.announcements, Clock::now_ms());
    let news = told.filter(|told| !matches!(told.kind, AnnouncementKind::OrderBegan { .. }));
    news.map(|announcement| sentence(announcement, &Text::of(language).notice, clock)).collect()
}

/// One announcement as a sentence.
pub(crate) fn sentence(announcement: &Announcement, text: &NoticeText, clock: &Clock) -> String {
    let at = clock.short(announcement.at_ms);
    match &announcement.kind {
        AnnouncementKind::OutageBegan => (text.outage_began)(&at),
        AnnouncementKind::CloudBack { out_since_ms } => (text.cloud_back)(&clock.short(*out_since_ms), &at),
        AnnouncementKind::BrownOut { step: 0, .. } => (text.brown_out_over)(&at),
        AnnouncementKind::BrownOut { step, .. } => {
            let last = text.brown_out.len() - 1;
            (text.brown_out[last.min(usize::from(*step) - 1)])(&at)
        }
        AnnouncementKind::DrillBegan => (text.drill_began)(&at),
        AnnouncementKind::DrillEnded { passed: true } => (text.drill_passed)(&at),
        AnnouncementKind::DrillEnded { passed: false } => (text.drill_failed)(&at),
        AnnouncementKind::OrderBegan { order, upstream, model, until_ms } => {
            let until = clock.short(*until_ms);
            match (*order, model) {
                ("force-local", _) => (text.forced_local)(&until),
                ("force-cloud", _) => (text.forced_cloud)(&until),
                ("load", Some(model)) => (text.loaded)(model, &until),
                (_, Some(model)) => (text.unloaded)(model, &until),
                _ => (text.isolated)(upstream.as_deref().unwrap_or_default(), &until),
            }
        }
        AnnouncementKind::OrderEnded { upstream: Some(upstream), .. } => (text.isolation_over)(upstream, &at),
        AnnouncementKind::OrderEnded { model: Some(model), .. } => (text.model_order_over)(model, &at),
        AnnouncementKind::OrderEnded { .. } => (text.order_over)(&at),
        AnnouncementKind::GlassBroken => (text.glass_broken)(&at),
    }
}
