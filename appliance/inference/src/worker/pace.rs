//! How much of the waiting prompts a step may read, so that running answers do not falter.
//!
//! A step that also reads prompts takes longer than one that only writes. A long prompt comes in over many steps, so each
//! may take only [`LONGEST`] times as long: more would be seen as a pause, and less would keep those who wait from their
//! first word. A short prompt is over in a step or two: such a step may take [`BLINK_S`], which nobody sees, and what
//! is read in one piece costs the machine less. What a step takes is measured once at the start, and followed from then
//! on.

use std::time::Duration;

use super::measured::Measured;

/// How many times as long as without prompts a step may take.
const LONGEST: f64 = 2.1;

/// What a step may take longer for short prompts, in seconds.
const BLINK_S: f64 = 0.4;

/// No step is made to take longer, in seconds: the keeper looks for a sign of work, and an order to stop is heard between
/// two steps.
const LONGEST_STEP_S: f64 = 2.0;

/// So many tokens of prompts are read in any case.
const LEAST: usize = 3;

/// Rows that llama.cpp's matrix code for the CPU computes together where the weights have a form for it; those that are
/// left over it computes one by one, each as slowly as a whole block.
pub(super) const BLOCK: usize = 4;

/// What reads more of a long prompt is taken to last so many times as long, until a step has shown what it does.
const LEAP: f64 = 1.18;

/// So much more is read of it in the next step, of what was, or of a block.
const TRIED: f64 = 0.125;

/// How much of what was seen of a step that read more is forgotten with each step: the machine may have more room by now.
const FORGOTTEN: f64 = 0.002;

/// How much a new measurement counts.
const NEWEST_COUNTS: f64 = 0.2;

/// Whom a prompt that is read holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Disturbs {
    /// Nobody who was there before it.
    Nobody,
    /// Running answers, for a moment.
    Briefly,
    /// Running answers, for many steps.
    Long,
}

/// The times of steps, in seconds.
pub(super) struct Pace {
    /// What a step took at the start that wrote a token for each of so many answers, by rising number.
    writing: Vec<(usize, f64)>,
    /// How many times as long such a step takes now, with what the context holds and what else the machine does.
    slower: f64,
    /// What one more token of a prompt adds.
    token: f64,
    /// The tokens of long prompts that fit into a step beside running answers, as steps have shown.
    long: f64,
    /// The tokens of the last step that was short enough, and the share that such steps have of what they may take.
    fitted: (f64, f64),
    /// How many times as long a step is taken to last that reads more: it is only tried where it should fit.
    leap: f64,
    /// Rows that are computed together: 1 where none are.
    block: usize,
}

impl Pace {
    pub(super) fn new(measured: &Measured) -> Pace {
        let Measured { writing, reading, block } = measured;
        let seconds = |(rows, took): &(u32, Duration)| (*rows as usize, took.as_secs_f64());
        let writing: Vec<(usize, f64)> = writing.iter().map(seconds).collect();
        let (tokens, took) = seconds(reading);
        let token = (took / tokens.max(1) as f64).max(f64::MIN_POSITIVE);
        let long = (LONGEST - 1.0) * writing[0].1 / token;
        Pace { writing, slower: 1.0, token, long, fitted: (0.0, 1.0), leap: LEAP, block: *block as usize }
    }

    /// The tokens of prompts that a step may read that writes for so many answers, for the sake of one such prompt.
    pub(super) fn room(&self, answers: usize, disturbs: Disturbs, most: usize) -> usize {
        let within = |spare: f64| spare / self.token.max(f64::MIN_POSITIVE);
        let tokens = match disturbs {
            Disturbs::Nobody => within(LONGEST_STEP_S),
            Disturbs::Briefly => within(BLINK_S).max(self.long),
            Disturbs::Long => self.long,
        };
        let tokens = (tokens.round() as usize).clamp(LEAST, most.max(LEAST));
        let (least, rows) = (answers + LEAST, answers + tokens);
        let whole_blocks = rows - rows % self.block;
        let rows = if whole_blocks < least { whole_blocks + self.block } else { whole_blocks };
        (rows - answers).min(most)
    }

    /// Rows that make a step of so many rows cheaper, whatever they are: a block that is begun is better whole. One row
    /// alone costs no more than a block.
    pub(super) fn missing(&self, rows: usize) -> usize {
        match rows % self.block {
            0 | 1 => 0,
            begun => self.block - begun,
        }
    }

    /// What reading so many tokens takes.
    pub(super) fn reading(&self, tokens: usize) -> f64 {
        tokens as f64 * self.token
    }

    /// Tells what a step took that wrote for so many answers and read so many tokens of prompts, all of them of long ones
    /// if it says so.
    pub(super) fn took(&mut self, took: Duration, answers: usize, read: usize, only_long: bool) {
        let took = took.as_secs_f64();
        if read == 0 {
            let at_start = self.at_start(answers);
            follow(&mut self.slower, took / at_start);
        } else {
            // A step that mostly wrote says little of what reading takes.
            let reading = (took - self.writing(answers)).max(0.1 * took);
            self.token += NEWEST_COUNTS * (reading / took) * (reading / read as f64 - self.token);
        }
        if !only_long {
            self.leap = LEAP;
        } else if answers > 0 {
            self.long_took(took / (LONGEST * self.writing(answers)), read as f64);
        }
    }

    /// What a few tokens more or less add follows no line: the room is found by trying. A step that took `share` of what
    /// it may take makes it smaller at once, or larger in small steps.
    fn long_took(&mut self, share: f64, read: f64) {
        let (block, (fitted, its_share)) = (self.block as f64, self.fitted);
        if share > 1.0 {
            // One that read no more than others that fitted was held up by something else.
            if read > fitted {
                self.leap = (share / its_share).max(LEAP);
            }
            self.long = (read - block).max(read * 0.75).min(self.long).max(LEAST as f64);
            return;
        }
        // A single quick step says nothing of the next.
        let usual =
            if (read - fitted).abs() < 0.5 { its_share + NEWEST_COUNTS * (share - its_share) } else { share };
        self.fitted = (read, usual);
        self.leap += FORGOTTEN * (LEAP - self.leap);
        if usual * self.leap < 1.0 && read + block > self.long {
            self.long += TRIED * self.long.max(block);
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
    use super::Disturbs::{Briefly, Long, Nobody};
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pace() -> Pace {
        measured(vec![(1, ms(10)), (16, ms(40))], (100, ms(100)), 1)
    }

    fn measured(writing: Vec<(u32, Duration)>, reading: (u32, Duration), block: u32) -> Pace {
        Pace::new(&Measured { writing, reading, block })
    }

    #[test]
    fn a_step_has_room_for_a_long_prompt_by_what_it_takes_without() {
        let pace = pace();
        assert_eq!(pace.room(0, Nobody, 512), 512, "nobody is kept waiting");
        assert_eq!(pace.room(1, Long, 512), 11);
        assert_eq!(pace.room(1, Long, 10), 10);
    }

    #[test]
    fn a_short_prompt_may_take_a_moment_and_one_that_was_there_first_a_whole_step() {
        assert_eq!([Nobody, Briefly, Long].map(|disturbs| pace().room(1, disturbs, 4096)), [2000, 400, 11]);
        let slow = measured(vec![(1, ms(400))], (10, ms(100)), 1);
        assert_eq!([Nobody, Briefly, Long].map(|disturbs| slow.room(1, disturbs, 512)), [200, 44, 44]);
    }

    #[test]
    fn something_is_read_however_slow_it_is() {
        let pace = measured(vec![(1, ms(1))], (1, ms(500)), 1);
        assert_eq!((pace.room(1, Long, 512), pace.room(1, Long, 3)), (LEAST, 3));
        assert_eq!(pace.room(0, Nobody, 512), 4, "two seconds");
        assert_eq!(measured(vec![(1, ms(50))], (10, ms(200)), 1).room(0, Nobody, 512), 100);
    }

    /// Takes steps beside so many answers, each of which lasts as long as `step` says, until the room is what it will be.
    fn settled(mut pace: Pace, answers: usize, step: impl Fn(usize) -> u64) -> (usize, u64) {
        let steps: Vec<(usize, u64)> = (0..300)
            .map(|_| {
                let read = pace.room(answers, Long, 512);
                pace.took(ms(step(read)), answers, read, true);
                (read, step(read))
            })
            .collect();
        let last = &steps[200..];
        (
            last.iter().map(|(read, _)| read).sum::<usize>() / last.len(),
            last.iter().map(|last| last.1).max().unwrap(),
        )
    }

    #[test]
    fn the_room_for_a_long_prompt_follows_what_steps_take() {
        let (read, longest) = settled(pace(), 1, |read| 10 + read as u64);
        assert!((8..=13).contains(&read) && longest <= 24, "{read} tokens, {longest} ms");
        let (read, longest) = settled(pace(), 16, |read| 40 + read as u64);
        assert!((32..=50).contains(&read) && longest <= 96, "{read} tokens, {longest} ms");
        let (read, _) = settled(pace(), 1, |read| 10 + 100 * read as u64);
        assert_eq!(read, LEAST, "a prompt that is read slowly is still read");
    }

    #[test]
    fn blocks_that_follow_no_line_do_not_hold_the_room_down() {
        let blocks = || measured(vec![(1, ms(32))], (1, ms(11)), BLOCK as u32);
        let (read, longest) = settled(blocks(), 1, |read| 20 + 20 * (read as u64 + 1).div_ceil(4));
        assert!((7..=11).contains(&read) && longest <= 80, "{read} tokens, {longest} ms");
    }

    #[test]
    fn one_stop_of_the_machine_is_no_measure() {
        let mut held_up = pace();
        held_up.took(Duration::from_secs(30), 1, 0, false);
        assert_eq!(held_up.room(1, Long, 512), 11);
    }

    #[test]
    fn a_step_is_made_of_whole_blocks_where_the_engine_computes_them() {
        let pace = |token| measured(vec![(1, ms(40))], (1, ms(token)), BLOCK as u32);
        let rooms = |token| [1, 2, 3, 4, 5].map(|answers| pace(token).room(answers, Long, 512));
        assert_eq!(rooms(4), [11, 10, 9, 8, 11], "eleven tokens, or some less");
        assert_eq!(rooms(60), [3, 6, 5, 4, 3], "three tokens, or some more");
        assert_eq!(pace(60).room(2, Long, 3), 3, "no more than there is");
        assert_eq!([1, 2, 3, 4, 5, 15, 16].map(|rows| pace(4).missing(rows)), [0, 2, 1, 0, 0, 1, 0]);
        assert_eq!(super::tests::pace().missing(15), 0);
    }
}
