//! How much of the waiting prompts a step may read, so that running answers do not falter.
//!
//! A step that also reads prompts takes longer than one that only writes. It may take [`LONGEST`] times as long: more
//! would be seen as a pause, and less would keep those who wait from their first word. What a step takes is measured
//! once at the start, and followed from then on.

use std::time::Duration;

/// How many times as long as without prompts a step may take.
const LONGEST: f64 = 2.5;

/// No step is made to take longer, in seconds: the keeper looks for a sign of work, and an order to stop is heard between
/// two steps.
const LONGEST_STEP_S: f64 = 1.0;

/// So many tokens of prompts are read in any case.
const LEAST: usize = 8;

/// How much a new measurement counts.
const NEWEST_COUNTS: f64 = 0.2;

/// The times of steps, in seconds.
pub(super) struct Pace {
    /// What a step took at the start that wrote a token for each of so many answers, by rising number.
    writing: Vec<(usize, f64)>,
    /// How many times as long such a step takes now, with what the context holds and what else the machine does.
    slower: f64,
    /// What one more token of a prompt adds.
    token: f64,
}

impl Pace {
    /// From steps that wrote for so many answers, at least one of them, and one that read so many tokens of a prompt.
    pub(super) fn new(mut writing: Vec<(usize, Duration)>, reading: (usize, Duration)) -> Pace {
        writing.sort_by_key(|(answers, _)| *answers);
        let writing = writing.into_iter().map(|(answers, took)| (answers, took.as_secs_f64())).collect();
        let token = reading.1.as_secs_f64() / reading.0.max(1) as f64;
        Pace { writing, slower: 1.0, token }
    }

    /// The tokens of prompts that a step may read that writes for so many answers.
    pub(super) fn room(&self, answers: usize, most: usize) -> usize {
        let spare = if answers == 0 { LONGEST_STEP_S } else { (LONGEST - 1.0) * self.writing(answers) };
        ((spare / self.token.max(f64::MIN_POSITIVE)).round() as usize).clamp(LEAST.min(most), most)
    }

    /// What reading so many tokens takes.
    pub(super) fn reading(&self, tokens: usize) -> f64 {
        tokens as f64 * self.token
    }

    /// Tells what a step took that wrote for so many answers and read so many tokens of prompts.
    pub(super) fn took(&mut self, took: Duration, answers: usize, read: usize) {
        let took = took.as_secs_f64();
        if read == 0 {
            let at_start = self.at_start(answers);
            follow(&mut self.slower, took / at_start);
        } else {
            // A step that read little says little of what reading takes.
            let counts = (read as f64 / 64.0).min(1.0);
            let token = (took - self.writing(answers)).max(0.1 * took) / read as f64;
            self.token += NEWEST_COUNTS * counts * (token - self.token);
        }
    }

    fn writing(&self, answers: usize) -> f64 {
        if answers == 0 { 0.0 } else { self.slower * self.at_start(answers) }
    }

    /// Between two measured numbers of answers on the line between them; beyond, as the nearest.
    fn at_start(&self, answers: usize) -> f64 {
        let above = self.writing.partition_point(|(measured, _)| *measured < answers);
        let (low, high) =
            (self.writing[above.saturating_sub(1)], self.writing[above.min(self.writing.len() - 1)]);
        if high.0 <= low.0 {
            return high.1;
        }
        let share = (answers - low.0) as f64 / (high.0 - low.0) as f64;
        low.1 + share * (high.1 - low.1)
    }
}

/// One measurement that is far off, such as a machine that was stopped for a while, moves the value only a little.
fn follow(value: &mut f64, measured: f64) {
    let within = measured.clamp(*value / 2.0, *value * 2.0);
    *value += NEWEST_COUNTS * (within - *value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pace() -> Pace {
        Pace::new(vec![(16, ms(40)), (1, ms(10))], (100, ms(100)))
    }

    #[test]
    fn a_step_has_room_for_prompts_by_what_it_takes_without() {
        let pace = pace();
        assert_eq!(pace.room(0, 512), 512, "nobody is kept waiting");
        assert_eq!([1, 16, 40].map(|answers| pace.room(answers, 512)), [15, 60, 60]);
        assert_eq!(pace.room(8, 512), 36, "between the two that were measured");
        assert_eq!(pace.room(16, 20), 20);
    }

    #[test]
    fn something_is_read_however_slow_it_is() {
        let pace = Pace::new(vec![(1, ms(1))], (1, ms(500)));
        assert_eq!((pace.room(1, 512), pace.room(1, 3)), (LEAST, 3));
        assert_eq!(pace.room(0, 512), LEAST);
        assert_eq!(Pace::new(vec![(1, ms(50))], (10, ms(200))).room(0, 512), 50, "a second");
    }

    #[test]
    fn the_room_follows_what_steps_take() {
        let mut slower = pace();
        (0..50).for_each(|_| slower.took(ms(20), 1, 0));
        assert_eq!((slower.room(1, 512), slower.room(16, 512)), (30, 120));
        let mut dearer = pace();
        (0..50).for_each(|_| dearer.took(ms(10 + 128), 1, 64));
        assert_eq!(dearer.room(1, 512), LEAST);
        let mut held_up = pace();
        held_up.took(Duration::from_secs(30), 1, 0);
        assert!(held_up.room(1, 512) < 20, "one stop of the machine is no measure");
    }
}
