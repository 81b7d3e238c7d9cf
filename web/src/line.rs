//! The dashboard line: a drawing of the changeover, with the supply that carries the requests now.

use continuity::SiteState;
use gateway::{LocalView, Site};

use crate::band::Supply;
use crate::text::LineText;

/// Which supply carries the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Cloud,
    Local,
    Both,
    Neither,
}

impl Carries {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Carries::Cloud => "cloud",
            Carries::Local => "local",
            Carries::Both => "both",
            Carries::Neither => "none",
        }
    }

    fn of(site: &Site) -> Carries {
        let local_ready = Supply::of(&site.locals) != Supply::None;
        match site.state {
            SiteState::Connected | SiteState::ForcedCloud => Carries::Cloud,
            SiteState::Degraded | SiteState::Recovering if local_ready => returning(site),
            SiteState::Degraded | SiteState::Recovering => Carries::Cloud,
            SiteState::Offline | SiteState::ForcedLocal | SiteState::Drill if local_ready => Carries::Local,
            SiteState::Offline | SiteState::ForcedLocal | SiteState::Drill => Carries::Neither,
        }
    }
}

/// While the cloud is coming back: still local in the hold-down, then both, by the share of conversations.
fn returning(site: &Site) -> Carries {
    match site.upstreams.iter().map(|upstream| upstream.share_percent).max() {
        None | Some(0) => Carries::Local,
        Some(100) if site.state == SiteState::Degraded => Carries::Cloud,
        Some(_) => Carries::Both,
    }
}

/// The line, ready to be drawn.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: &'static LineText,
    pub(crate) carries: Carries,
    pub(crate) cloud_names: String,
    pub(crate) local_names: String,
    pub(crate) cloud_role: &'static str,
    pub(crate) local_role: &'static str,
}

impl Line {
    pub(crate) fn of(site: &Site, text: &'static LineText) -> Line {
        let carries = Carries::of(site);
        let ready: Vec<&str> = site
            .locals
            .iter()
            .filter(|local| local.speaks() && local.status == "ready")
            .map(|local| local.name.as_str())
            .collect();
        let names: Vec<&str> = site.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        let any_admits = site.upstreams.iter().any(|upstream| upstream.breaker == "closed");
        let cloud_role = match carries {
            Carries::Cloud => text.carries,
            Carries::Both => text.carries_part,
            _ if names.is_empty() => text.not_set_up,
            _ if any_admits => text.stands_by,
            _ => text.out,
        };
        let local_role = match carries {
            Carries::Local => text.carries,
            Carries::Both => text.carries_part,
            _ if !site.locals.iter().any(LocalView::speaks) => text.not_set_up,
            _ if ready.is_empty() => text.not_ready,
            _ => text.stands_by,
        };
        Line {
            text,
            carries,
            cloud_names: names.join(", "),
            local_names: ready.join(", "),
            cloud_role,
            local_role,
        }
    }
}
