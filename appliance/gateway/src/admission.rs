//! Who gets room on a local model when it is scarce, and what those are told who do not.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use continuity::Load;
use dialect::Queue;
use inference::{Kind, Lane, LocalModel, Place};

use crate::answer::Refusal;
use crate::settings::BrownOutSettings;

/// The step of the ladder of scarcity that holds now, and what it means for one request.
pub(crate) struct Admission {
    settings: BrownOutSettings,
    step: AtomicU8,
}

/// What a request gives up, for the sake of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Relief {
    /// The step that touches this request; 0 for none.
    pub step: u8,
    /// The most tokens of its answer.
    pub max_tokens: Option<u32>,
}

impl Admission {
    pub(crate) fn new(settings: BrownOutSettings) -> Self {
        Admission { settings, step: AtomicU8::new(0) }
    }

    pub(crate) fn settings(&self) -> &BrownOutSettings {
        &self.settings
    }

    pub(crate) fn step(&self) -> u8 {
        self.step.load(Ordering::Relaxed)
    }

    pub(crate) fn set_step(&self, step: u8) {
        self.step.store(step, Ordering::Relaxed);
    }

    /// What a request of this lane gives up on a local model; the refusal says when to come again.
    pub(crate) fn relief(&self, lane: Lane, model: &LocalModel) -> Result<Relief, Refusal> {
        let place = model.occupancy().next[lane as usize];
        self.relief_at(lane, place).ok_or_else(|| no_room(model.name(), place))
    }

    /// A smaller model first, for whoever is not of the clinical lane.
    pub(crate) fn prefers_smaller(&self, lane: Lane) -> bool {
        lane != Lane::Clinical && self.step() >= 2
    }

    fn relief_at(&self, lane: Lane, place: Place) -> Option<Relief> {
        let step = self.step();
        let refused = match lane {
            Lane::Clinical => return Some(Relief::default()),
            Lane::Interactive => step >= 4 && place.expected > self.settings.max_wait,
            // Nobody is served sooner for a place that stays empty.
            Lane::Batch => step >= 3 && !place.expected.is_zero(),
        };
        let max_tokens = match step {
            0 => None,
            1 => Some(self.settings.short_answer_tokens),
            _ => Some(self.settings.shorter_answer_tokens),
        };
        (!refused).then_some(Relief { step, max_tokens })
    }
}

/// How busy the busiest of the models is that answer in words: what the ladder gives up are words.
pub(crate) fn load(models: &[LocalModel]) -> Load {
    let mut load = Load::default();
    let speakers = models.iter().filter(|model| model.kind() == Kind::Chat);
    for occupancy in speakers.map(LocalModel::occupancy) {
        let waiting: u32 = occupancy.waiting.iter().sum();
        // A queue without places cannot be half taken: there the wait alone tells.
        let percent = (waiting * 100).checked_div(occupancy.queue_limit).unwrap_or(0).min(100);
        load.queue_percent = load.queue_percent.max(percent as u8);
        load.expected_wait = load.expected_wait.max(occupancy.next[Lane::Interactive as usize].expected);
    }
    load
}

/// The refusal of a request that a local model has no room for, with its place and when to come again.
pub(crate) fn no_room(model: &str, place: Place) -> Refusal {
    let expected_wait_s = wait_s(place.expected);
    let position = place.position;
    let message = format!(
        "The local model {model} has no more room for this caller: the request would be number {position} in its queue \
         and wait about {expected_wait_s} s. Try again then."
    );
    Refusal::unavailable("standby_busy", message).in_queue(Queue { position, expected_wait_s })
}

/// A wait in whole seconds, at least one.
pub(crate) fn wait_s(wait: Duration) -> u32 {
    (wait.as_millis().div_ceil(1000) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_gives_up_what_the_step_asks_of_it_and_the_clinical_one_nothing() {
        let admission = Admission::new(BrownOutSettings::default());
        let at_once = Place { position: 1, expected: Duration::ZERO };
        let soon = Place { position: 1, expected: Duration::from_millis(1) };
        let late = Place { position: 99, expected: Duration::from_secs(61) };
        let table: [(u8, Lane, Place, Option<Option<u32>>); 15] = [
            (0, Lane::Batch, late, Some(None)),
            (1, Lane::Clinical, late, Some(None)),
            (1, Lane::Interactive, late, Some(Some(512))),
            (1, Lane::Batch, late, Some(Some(512))),
            (2, Lane::Interactive, late, Some(Some(256))),
            (2, Lane::Batch, late, Some(Some(256))),
            (3, Lane::Interactive, late, Some(Some(256))),
            (3, Lane::Batch, soon, None),
            (3, Lane::Batch, at_once, Some(Some(256))),
            (3, Lane::Clinical, late, Some(None)),
            (4, Lane::Interactive, at_once, Some(Some(256))),
            (4, Lane::Interactive, late, None),
            (4, Lane::Batch, soon, None),
            (4, Lane::Batch, at_once, Some(Some(256))),
            (4, Lane::Clinical, late, Some(None)),
        ];
        for (step, lane, place, expected) in table {
            admission.set_step(step);
            let relief = admission.relief_at(lane, place).map(|relief| relief.max_tokens);
            assert_eq!(relief, expected, "step {step}, {lane:?}");
            assert_eq!(admission.prefers_smaller(lane), step >= 2 && lane != Lane::Clinical);
        }
    }
}
