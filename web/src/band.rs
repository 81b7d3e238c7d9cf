//! The band on every page: the state of the site as staff read it.

use std::hash::{DefaultHasher, Hash, Hasher};

use askama::Template;
use continuity::SiteState;
use gateway::{LocalView, Site};

use crate::language::Language;
use crate::moment::Clock;
use crate::notices;
use crate::pages::orders;
use crate::text::{BandText, BandWords, Text};
use crate::visit::Visit;

/// The name by which everything knows the smallest emergency model.
const PILOT_LIGHT: &str = "pilot-light";

/// How strongly the band speaks. Each tone has its own icon and colour; the words say the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Calm,
    Changed,
    /// Nothing can answer.
    Stopped,
    Returning,
    /// By a person's order, drills among them.
    Ordered,
}

impl Tone {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Tone::Calm => "calm",
            Tone::Changed => "changed",
            Tone::Stopped => "stopped",
            Tone::Returning => "returning",
            Tone::Ordered => "ordered",
        }
    }
}

/// The band, ready to be shown.
#[derive(Debug)]
pub(crate) struct Band {
    pub(crate) state: &'static str,
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) changed: &'static str,
    pub(crate) todo: &'static str,
    /// Announcements that people should read now.
    pub(crate) notices: Vec<String>,
    /// Who has ordered what, until when and why; only for people of the house.
    pub(crate) orders: Vec<String>,
    /// Changes with everything that the band shows, so that an unchanged band is not sent or announced again.
    pub(crate) fingerprint: String,
}

/// The band alone, as htmx asks for it.
#[derive(Debug, Template)]
#[template(path = "partials/band.html")]
pub(crate) struct BandPartial {
    pub(crate) band: Band,
}

impl Band {
    /// The band for whoever visits: people of the house also read who has ordered what, and why.
    pub(crate) fn of_visit(visit: &Visit) -> Band {
        let (site, clock) = (visit.portal.site(), visit.portal.clock());
        let mut band = Band::of(&site, visit.language, clock);
        if visit.person.is_some() {
            band.orders = orders::told(&site, visit.text(), clock);
            let mut hasher = DefaultHasher::new();
            (&band.fingerprint, &band.orders).hash(&mut hasher);
            band.fingerprint = format!("{:016x}", hasher.finish());
        }
        band
    }

    pub(crate) fn of(site: &Site, language: Language, clock: &Clock) -> Band {
        let (tone, words) = voice(site, &Text::of(language).band);
        let title = (words.title)(&clock.short(site.since_ms));
        let notices = notices::current(site, language, clock);
        let mut hasher = DefaultHasher::new();
        (language.code(), site.state.as_str(), &title, words.changed, &notices).hash(&mut hasher);
        Band {
            state: site.state.as_str(),
            tone,
            title,
            changed: words.changed,
            todo: words.todo,
            notices,
            orders: Vec::new(),
            fingerprint: format!("{:016x}", hasher.finish()),
        }
    }
}

/// The tone and the words for what the site can do now, which is more than its state alone.
fn voice<'a>(site: &Site, text: &'a BandText) -> (Tone, &'a BandWords) {
    let local = Supply::of(&site.locals);
    match site.state {
        SiteState::Connected => (Tone::Calm, &text.connected),
        SiteState::Degraded => (Tone::Changed, &text.degraded),
        SiteState::Recovering => (Tone::Returning, &text.recovering),
        SiteState::ForcedCloud => (Tone::Ordered, &text.forced_cloud),
        SiteState::Offline | SiteState::ForcedLocal | SiteState::Drill if local == Supply::None => {
            (Tone::Stopped, &text.unanswerable)
        }
        SiteState::ForcedLocal => (Tone::Ordered, &text.forced_local),
        SiteState::Drill => (Tone::Ordered, &text.drill),
        SiteState::Offline if site.upstreams.is_empty() => (Tone::Calm, &text.no_cloud),
        SiteState::Offline if local == Supply::PilotLightOnly => (Tone::Changed, &text.offline_pilot_light),
        SiteState::Offline => (Tone::Changed, &text.offline),
    }
}

/// What the building itself can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    None,
    PilotLightOnly,
    Models,
}

impl Supply {
    pub(crate) fn of(locals: &[LocalView]) -> Supply {
        let mut supply = Supply::None;
        for local in locals.iter().filter(|local| local.speaks() && local.status == "ready") {
            if !is_pilot_light(&local.name) {
                return Supply::Models;
            }
            supply = Supply::PilotLightOnly;
        }
        supply
    }
}

pub(crate) fn is_pilot_light(model: &str) -> bool {
    model == PILOT_LIGHT
}
