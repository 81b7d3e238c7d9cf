//! The way back to an upstream after a reset: a hold-down for one that flaps, then a growing share of conversations.

use std::time::{Duration, Instant};

/// The failback of one upstream. A new one is full: nothing was lost yet.
///
/// A probe asks less than a request does, so a reset is proven only by a request that succeeds: until then requests go
/// one at a time along the ramp. Where probes are known to be blind to what is wrong (they went well just after requests
/// had failed, or a first request failed after a reset), the way back is tried no sooner than `blind_hold_down` after
/// the loss.
///
/// ```text
///                          lost
///     ┌──────────────┬────────────────┬────────────────┐
///     ▼              │                │                │
/// ┌──────┐ back  ┌───┴───────┐    ┌───┴──┐         ┌───┴──┐
/// │ LOST ├──────▶│ HOLD-DOWN ├───▶│ RAMP ├────────▶│ FULL │
/// │  0 % │       │    0 %    │    │ 10 % │  time   │ 100 %│
/// └──────┘       └───────────┘    │ 50 % │         └──────┘
///                 none after      └──────┘
///                 the first trip
/// ```
#[derive(Debug, Clone)]
pub struct Failback {
    steps: FailbackSteps,
    standing: Standing,
    /// When the upstream was lost within the flap memory, oldest first.
    trips: Vec<Instant>,
    /// Probes have not seen what the requests have.
    is_blind: bool,
    /// Requests without a conversation that were dealt out since the ramp began.
    dealt: usize,
}

/// How an upstream's share grows after a reset, and how long one that flaps is held down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailbackSteps {
    /// From the smallest share to the largest; after the last one the upstream has everything.
    pub ramp: Vec<RampStep>,
    /// How long a trip counts against its upstream.
    pub flap_memory: Duration,
    /// The hold-down after the second trip within the flap memory; each further one doubles it.
    pub hold_down_first: Duration,
    pub hold_down_max: Duration,
    /// From a loss that probes are blind to until requests try the upstream again.
    pub blind_hold_down: Duration,
}

/// A share of the new conversations, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RampStep {
    pub percent: u8,
    pub lasts: Duration,
}

/// Where an upstream is on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Lost,
    HoldDown { until: Instant },
    Ramp { percent: u8, until: Instant },
    Full,
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    NeverLost,
    Lost {
        since: Instant,
    },
    /// Reset, and held down until `ramp_from`.
    Back {
        ramp_from: Instant,
        trial: Trial,
    },
}

/// Whether a request has succeeded since the reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    Awaited { next_from: Instant },
    Proven,
}

/// How an upstream was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostBy {
    /// Requests failed there.
    Requests,
    /// A probe, other upstreams, the box's own link or a person said so.
    Others,
}

/// Where requests without a conversation stand, one after the other: of any ten in a row one is below 10 %, and of any
/// two one is below 50 %. The first is always admitted, so a quiet site is back with its first request.
const DEAL: [u8; 10] = [0, 50, 10, 60, 20, 70, 30, 80, 40, 90];

/// A request that has not succeeded in this time does not keep the next one from trying.
const TRIAL_LASTS: Duration = Duration::from_secs(5);

/// More trips than this make no difference: the hold-down has long been at its longest.
const TRIPS_KEPT: usize = 16;

impl Default for FailbackSteps {
    fn default() -> Self {
        FailbackSteps {
            ramp: vec![
                RampStep { percent: 10, lasts: Duration::from_secs(10) },
                RampStep { percent: 50, lasts: Duration::from_secs(20) },
            ],
            flap_memory: Duration::from_secs(60 * 60),
            hold_down_first: Duration::from_secs(15),
            hold_down_max: Duration::from_secs(15 * 60),
            blind_hold_down: Duration::from_secs(30),
        }
    }
}

impl Failback {
    pub fn new(mut steps: FailbackSteps) -> Self {
        // A share that shrank along the ramp would send a conversation away again that it had admitted.
        steps.ramp.sort_by_key(|step| step.percent);
        Failback { steps, standing: Standing::NeverLost, trips: Vec::new(), is_blind: false, dealt: 0 }
    }

    /// The breaker tripped. While it is lost already this changes nothing: a failed trial is no new flap.
    pub fn lost(&mut self, by: LostBy, now: Instant) {
        match self.standing {
            Standing::Lost { .. } => return,
            Standing::Back { trial: Trial::Awaited { .. }, .. } => self.is_blind |= by == LostBy::Requests,
            Standing::Back { trial: Trial::Proven, .. } | Standing::NeverLost => self.is_blind = false,
        }
        self.standing = Standing::Lost { since: now };
        self.trips.retain(|trip| now.saturating_duration_since(*trip) < self.steps.flap_memory);
        if self.trips.len() == TRIPS_KEPT {
            self.trips.remove(0);
        }
        self.trips.push(now);
    }

    /// What was lost since `since` was lost on purpose, and counts as no flap.
    pub fn forgive(&mut self, since: Instant) {
        self.trips.retain(|trip| *trip < since);
    }

    /// A probe sees nothing of what the upstream was lost for.
    pub fn contradicted(&mut self) {
        self.is_blind |= matches!(self.standing, Standing::Lost { .. });
    }

    /// The breaker was reset. Nothing changes for an upstream that was not lost.
    pub fn back(&mut self, now: Instant) {
        if let Standing::Lost { since } = self.standing {
            let blind_until = if self.is_blind { since + self.steps.blind_hold_down } else { now };
            let ramp_from = blind_until.max(now + self.hold_down());
            self.standing = Standing::Back { ramp_from, trial: Trial::Awaited { next_from: ramp_from } };
            self.dealt = 0;
        }
    }

    /// A request succeeded: the upstream is back in earnest.
    pub fn proven(&mut self) {
        if let Standing::Back { trial, .. } = &mut self.standing {
            *trial = Trial::Proven;
        }
    }

    /// Whether a request that the ramp admits may go now: while the return is not proven, one at a time.
    pub fn admits_trial(&mut self, now: Instant) -> bool {
        let is_on_ramp = matches!(self.phase(now), Phase::Ramp { .. });
        match &mut self.standing {
            Standing::Back { trial: Trial::Awaited { next_from }, .. } if is_on_ramp => {
                let admits = now >= *next_from;
                if admits {
                    *next_from = now + TRIAL_LASTS;
                }
                admits
            }
            _ => true,
        }
    }

    /// The share of new conversations that may go to the upstream, from 0 to 100.
    pub fn share_percent(&self, now: Instant) -> u8 {
        match self.phase(now) {
            Phase::Lost | Phase::HoldDown { .. } => 0,
            Phase::Ramp { percent, .. } => percent,
            Phase::Full => 100,
        }
    }

    /// Whether a conversation may go to the upstream. `conversation_draw` is drawn once per conversation, so that
    /// one which was admitted stays admitted while the share grows.
    pub fn admits(&self, now: Instant, conversation_draw: u64) -> bool {
        conversation_draw % 100 < u64::from(self.share_percent(now))
    }

    /// Whether the next request that belongs to no conversation may go to the upstream. They are dealt out in turn
    /// rather than drawn: with one request every few seconds, luck could leave a whole step of the ramp without any.
    pub fn admits_next(&mut self, now: Instant) -> bool {
        match self.share_percent(now) {
            0 => false,
            100.. => true,
            share => {
                let ones = (self.dealt / DEAL.len() % 10) as u8;
                let place = DEAL[self.dealt % DEAL.len()] + ones;
                self.dealt = self.dealt.wrapping_add(1);
                place < share
            }
        }
    }

    pub fn phase(&self, now: Instant) -> Phase {
        let ramp_from = match self.standing {
            Standing::NeverLost => return Phase::Full,
            Standing::Lost { .. } => return Phase::Lost,
            Standing::Back { ramp_from, .. } => ramp_from,
        };
        if now < ramp_from {
            return Phase::HoldDown { until: ramp_from };
        }
        let mut until = ramp_from;
        for step in &self.steps.ramp {
            until += step.lasts;
            if now < until {
                return Phase::Ramp { percent: step.percent.min(100), until };
            }
        }
        Phase::Full
    }

    fn hold_down(&self) -> Duration {
        let Some(doublings) = self.trips.len().checked_sub(2) else { return Duration::ZERO };
        self.steps.hold_down_first.saturating_mul(1 << doublings).min(self.steps.hold_down_max)
    }
}

#[cfg(test)]
mod tests;
