//! The ladder of scarcity: what is given up, and in which order, when the local models have more to do than they can.

use std::time::{Duration, Instant};

/// The ladder of one box. Each step keeps those before it.
///
/// ```text
///   load above the climbing line for 3 s: one step up
///  ┌────────────────────────────────────────────────────────────────────────────────────▶
///  ┌───┐   ┌──────────────┐   ┌──────────────────┐   ┌───────────────┐   ┌──────────────────┐
///  │ 0 ├──▶│ 1            ├──▶│ 2                ├──▶│ 3             ├──▶│ 4                │
///  │   │   │ answers kept │   │ kept shorter; a  │   │ batch refused │   │ interactive over │
///  │   │◀──┤ shorter      │◀──┤ smaller model    │◀──┤ if it waits   │◀──┤ a wait refused   │
///  └───┘   └──────────────┘   └──────────────────┘   └───────────────┘   └──────────────────┘
///  ◀────────────────────────────────────────────────────────────────────────────────────┘
///   load below the settling line for 15 s: one step down; between the lines it stays
/// ```
///
/// The clinical lane is on none of these steps: what the others give up is what it goes on with.
#[derive(Debug, Clone)]
pub struct BrownOut {
    lines: BrownOutLines,
    step: u8,
    side: Side,
}

/// When the ladder is climbed and when it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrownOutLines {
    /// The ladder is climbed while a new interactive request would wait longer than this …
    pub climb_wait: Duration,
    /// … or while so much of the queue is taken.
    pub climb_percent: u8,
    /// It is left while a new interactive request would wait no longer than this and …
    pub settle_wait: Duration,
    /// … no more than this of the queue is taken.
    pub settle_percent: u8,
    pub climb_after: Duration,
    pub settle_after: Duration,
}

/// How busy the local models are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// What a new interactive request would wait for its turn.
    pub expected_wait: Duration,
    /// How much of the queue is taken.
    pub queue_percent: u8,
}

/// From one step to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepChange {
    pub from: u8,
    pub to: u8,
}

/// On which side of the lines the load is, and since when or since the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Above(Instant),
    Between,
    Below(Instant),
}

/// The highest step.
pub const HIGHEST_STEP: u8 = 4;

impl Default for BrownOutLines {
    fn default() -> Self {
        BrownOutLines {
            climb_wait: Duration::from_secs(15),
            climb_percent: 50,
            settle_wait: Duration::from_secs(5),
            settle_percent: 20,
            climb_after: Duration::from_secs(3),
            settle_after: Duration::from_secs(15),
        }
    }
}

impl BrownOut {
    pub fn new(lines: BrownOutLines) -> Self {
        BrownOut { lines, step: 0, side: Side::Between }
    }

    /// 0 for none.
    pub fn step(&self) -> u8 {
        self.step
    }

    /// Takes a new look at the load into account.
    pub fn observe(&mut self, load: Load, now: Instant) -> Option<StepChange> {
        self.side = match (self.side, self.lines.is_above(load), self.lines.is_below(load)) {
            (Side::Above(since), true, _) => Side::Above(since),
            (_, true, _) => Side::Above(now),
            (Side::Below(since), _, true) => Side::Below(since),
            (_, _, true) => Side::Below(now),
            _ => Side::Between,
        };
        let lasted = |since: Instant, long: Duration| now.saturating_duration_since(since) >= long;
        let to = match self.side {
            Side::Above(since) if lasted(since, self.lines.climb_after) => self.step + 1,
            Side::Below(since) if lasted(since, self.lines.settle_after) => self.step.saturating_sub(1),
            _ => self.step,
        };
        self.go_to(to.min(HIGHEST_STEP), now)
    }

    fn go_to(&mut self, to: u8, now: Instant) -> Option<StepChange> {
        let from = std::mem::replace(&mut self.step, to);
        if from == to {
            return None;
        }
        // The next step takes its full time again.
        self.side = if to > from { Side::Above(now) } else { Side::Below(now) };
        Some(StepChange { from, to })
    }
}

impl BrownOutLines {
    fn is_above(&self, load: Load) -> bool {
        load.expected_wait > self.climb_wait || load.queue_percent >= self.climb_percent
    }

    fn is_below(&self, load: Load) -> bool {
        load.expected_wait <= self.settle_wait && load.queue_percent <= self.settle_percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static [(Load, u64)], &'static [u8]);

    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary beginning; the machine itself reads no clock"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    const BUSY: Load = Load { expected_wait: Duration::from_secs(20), queue_percent: 0 };
    const CROWDED: Load = Load { expected_wait: Duration::ZERO, queue_percent: 50 };
    const MIDDLING: Load = Load { expected_wait: Duration::from_secs(10), queue_percent: 0 };
    const HALF_EMPTY: Load = Load { expected_wait: Duration::ZERO, queue_percent: 30 };
    const CALM: Load = Load { expected_wait: Duration::from_secs(5), queue_percent: 20 };

    /// The step after each load has lasted for its seconds, looked at twice a second.
    fn steps(loads: &[(Load, u64)]) -> Vec<u8> {
        let (start, mut ladder, mut half_seconds) = (start(), BrownOut::new(BrownOutLines::default()), 0);
        let last_of = |(load, seconds): &(Load, u64)| {
            for _ in 0..seconds * 2 {
                half_seconds += 1;
                let before = ladder.step();
                let change = ladder.observe(*load, start + Duration::from_millis(500 * half_seconds));
                assert_eq!(change.is_some(), before != ladder.step());
                assert!(before.abs_diff(ladder.step()) <= 1, "one step at a time");
            }
            ladder.step()
        };
        loads.iter().map(last_of).collect()
    }

    #[test]
    fn the_ladder_is_climbed_and_left_by_its_lines() {
        let table: [Row; 10] = [
            (&[(BUSY, 3), (BUSY, 1), (BUSY, 3), (BUSY, 3), (BUSY, 3)], &[0, 1, 2, 3, 4]),
            (&[(BUSY, 60)], &[4]),
            (&[(CROWDED, 4)], &[1]),
            (&[(BUSY, 4), (MIDDLING, 600)], &[1, 1]),
            (&[(BUSY, 4), (HALF_EMPTY, 600)], &[1, 1]),
            (&[(BUSY, 4), (CALM, 14), (CALM, 2)], &[1, 1, 0]),
            (&[(BUSY, 7), (CALM, 16), (CALM, 15), (CALM, 600)], &[2, 1, 0, 0]),
            (&[(BUSY, 2), (CALM, 1), (BUSY, 2), (CALM, 1), (BUSY, 2)], &[0; 5]),
            (&[(BUSY, 4), (CALM, 10), (MIDDLING, 1), (CALM, 10), (CALM, 6)], &[1, 1, 1, 1, 0]),
            (&[(MIDDLING, 600)], &[0]),
        ];
        for (loads, expected) in table {
            assert_eq!(steps(loads), expected, "{loads:?}");
        }
    }

    #[test]
    fn a_clock_that_jumps_back_changes_nothing() {
        let now = start() + Duration::from_secs(100);
        let mut ladder = BrownOut::new(BrownOutLines::default());
        assert_eq!(ladder.observe(BUSY, now), None);
        assert_eq!(ladder.observe(BUSY, now - Duration::from_secs(50)), None);
        assert_eq!(ladder.observe(BUSY, now + Duration::from_secs(3)), Some(StepChange { from: 0, to: 1 }));
    }
}
