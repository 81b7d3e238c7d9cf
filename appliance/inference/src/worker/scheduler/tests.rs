//! Who goes first, and what nobody may take.

use Lane::{Batch, Clinical, Interactive};

use super::*;
use crate::job::Sampling;
use crate::worker::manner::Manner;
use crate::worker::parser::Parser;
use crate::worker::speech::{Rules, Speech};
use crate::worker::text::Stops;
use crate::worker::vocabulary::Vocabulary;

const NO_MANNER: Manner = Manner { family: None, thinking: None, text_arguments: false };

const START: Duration = Duration::from_secs(1000);

pub(in crate::worker) fn job(id: u64, lane: Lane, cells: u32) -> Prepared {
    Prepared {
        id,
        came: tokio::time::Instant::now(),
        lane,
        scope: None,
        waited_ms: 0,
        tokens: vec![1],
        prompt_tokens: 1,
        prefix_tokens: 0,
        rest: Vec::new(),
        generated: Vec::new(),
        budget: 1,
        cells,
        reserved: cells,
        sampling: Sampling::default(),
        seed: 0,
        speech: Speech::new(
            Parser::new(&NO_MANNER, false, false),
            Stops::new(Vec::new(), ""),
            Rules::new(),
            None,
        ),
        guide: None,
    }
}

fn scheduler(cells: u32, sequences: u32, reserved: u32) -> Scheduler {
    Scheduler::new(Room::new(cells, sequences, reserved))
}

fn admitted(scheduler: &mut Scheduler) -> Vec<u64> {
    std::iter::from_fn(|| scheduler.admit()).map(|(_, job)| job.id()).collect()
}

#[test]
fn the_clinical_lane_goes_first_and_within_a_lane_the_oldest() {
    let mut scheduler = scheduler(100, 8, 2);
    for (id, lane) in [(1, Batch), (2, Interactive), (3, Clinical), (4, Interactive)] {
        scheduler.add(job(id, lane, 10), START);
    }
    assert_eq!(admitted(&mut scheduler), [3, 2, 4, 1]);
}

#[test]
fn no_job_runs_without_cells_or_a_sequence() {
    let mut scheduler = scheduler(100, 2, 0);
    for id in 1..=4 {
        scheduler.add(job(id, Interactive, 40), START);
    }
    assert_eq!(admitted(&mut scheduler), [1, 2]);
    scheduler.release(Interactive, 40);
    assert_eq!(admitted(&mut scheduler), [3]);
}

#[test]
fn a_long_job_is_not_overtaken_by_short_ones() {
    let mut scheduler = scheduler(100, 8, 0);
    scheduler.add(job(1, Interactive, 60), START);
    scheduler.add(job(2, Interactive, 90), START);
    scheduler.add(job(3, Interactive, 10), START);
    assert_eq!(admitted(&mut scheduler), [1]);
    scheduler.release(Interactive, 60);
    assert_eq!(admitted(&mut scheduler), [2, 3]);
}

#[test]
fn a_long_job_that_has_waited_for_long_is_passed_by_the_clinical_lane_into_the_reserve_alone() {
    let mut scheduler = scheduler(100, 10, 1);
    scheduler.add(job(1, Interactive, 60), START);
    scheduler.add(job(2, Interactive, 80), START);
    assert_eq!(admitted(&mut scheduler), [1]);
    let due = START + Interactive.handicap();
    scheduler.add(job(3, Clinical, 20), due + Duration::from_millis(PASSED_MS as u64));
    let way = scheduler.make_way(&[]).expect("there is room");
    assert_eq!((scheduler.take(way.first).unwrap().id(), way.pausing), (3, vec![]));
    scheduler.add(job(4, Clinical, 20), due + Duration::from_millis(PASSED_MS as u64 + 1));
    assert_eq!(scheduler.make_way(&[]), None, "the room is kept for the one that waits");
    scheduler.release(Clinical, 20);
    scheduler.add(job(5, Clinical, 10), due + Duration::from_secs(3600));
    assert_eq!(
        admitted(&mut scheduler),
        [0; 0],
        "the first of the clinical ones does not fit into the reserve"
    );
    scheduler.cancel(4);
    assert_eq!(admitted(&mut scheduler), [5], "which is its own");
}

#[test]
fn the_others_never_take_the_reserve_and_the_clinical_lane_goes_past_them_into_it() {
    let mut scheduler = scheduler(80, 8, 2);
    for id in 1..=8 {
        scheduler.add(job(id, if id % 2 == 0 { Interactive } else { Batch }, 10), START);
    }
    assert_eq!(admitted(&mut scheduler), [2, 4, 6, 8, 1, 3], "six of eight sequences, 60 of 80 cells");
    for id in 11..=13 {
        scheduler.add(job(id, Clinical, 10), START + Duration::from_secs(3600));
    }
    assert_eq!(admitted(&mut scheduler), [11, 12], "although the others have waited for an hour");
    scheduler.release(Clinical, 10);
    assert_eq!(admitted(&mut scheduler), [13]);
    scheduler.release(Batch, 10);
    assert_eq!(admitted(&mut scheduler), [5], "what batch work gives back goes to batch work");
}

#[test]
fn a_clinical_job_uses_the_common_room_when_it_is_its_turn() {
    let mut scheduler = scheduler(80, 8, 2);
    for id in 1..=9 {
        scheduler.add(job(id, Clinical, 10), START);
    }
    assert_eq!(admitted(&mut scheduler).len(), 8);
}

#[test]
fn a_clinical_job_that_does_not_fit_is_not_overtaken() {
    let mut scheduler = scheduler(80, 8, 2);
    scheduler.add(job(1, Interactive, 50), START);
    assert_eq!(admitted(&mut scheduler), [1]);
    scheduler.add(job(2, Clinical, 40), START);
    scheduler.add(job(3, Interactive, 10), START);
    assert_eq!(admitted(&mut scheduler), [0; 0]);
    scheduler.release(Interactive, 50);
    assert_eq!(admitted(&mut scheduler), [2, 3]);
}

#[test]
fn whoever_has_waited_for_the_handicap_of_its_lane_goes_first() {
    let tick = Duration::from_millis(1);
    for lane in [Interactive, Batch] {
        let mut early = scheduler(10, 1, 0);
        early.add(job(1, lane, 10), START);
        early.add(job(2, Clinical, 10), START + lane.handicap() - tick);
        assert_eq!(admitted(&mut early), [2], "{lane:?}");
        let mut late = scheduler(10, 1, 0);
        late.add(job(1, lane, 10), START);
        late.add(job(2, Clinical, 10), START + lane.handicap() + tick);
        assert_eq!(admitted(&mut late), [1], "{lane:?}");
    }
}

#[test]
fn nobody_waits_for_ever_however_many_of_a_higher_lane_come() {
    let mut scheduler = scheduler(10, 1, 0);
    scheduler.add(job(0, Batch, 10), START);
    let mut served_at = None;
    for second in 0..600 {
        let now = START + Duration::from_secs(second);
        scheduler.add(job(second + 1, Clinical, 10), now);
        scheduler.add(job(second + 1, Interactive, 10), now);
        let (_, served) = scheduler.admit().expect("there is room for one");
        served_at = served_at.or((served.id() == 0).then_some(second));
        scheduler.release(served.lane(), served.cells());
    }
    // Of two that come each second one is served, so the queue itself grows; the handicap is what is added to it.
    assert!(served_at.is_some_and(|second| second <= 2 * Batch.handicap().as_secs() + 2), "{served_at:?}");
}

#[test]
fn what_was_waited_under_an_earlier_worker_counts_and_begun_answers_go_on_first() {
    let mut scheduler = scheduler(30, 3, 0);
    scheduler.add(job(1, Interactive, 10), START);
    scheduler.add(Prepared { waited_ms: 5000, ..job(2, Interactive, 10) }, START);
    scheduler.add(Prepared { generated: vec![1], ..job(3, Batch, 10) }, START);
    assert_eq!(admitted(&mut scheduler), [3, 2, 1]);
}

/// Admits all that fit; gives what they hold.
fn running(scheduler: &mut Scheduler) -> Vec<Held> {
    let held = |(key, job): (Key, Waiting)| Held {
        id: job.id(),
        key,
        lane: job.lane(),
        cells: job.cells(),
        pauses: 0,
    };
    std::iter::from_fn(|| scheduler.admit()).map(held).collect()
}

fn sequence(id: u64, lane: Lane, cells: u32, key: Key) -> Sequence {
    Sequence::new(job(id, lane, cells), key, Vocabulary::new(std::iter::empty()).into())
}

/// A job whose prompt is one token, and which may have so many more.
fn long(id: u64, lane: Lane, budget: u32) -> Prepared {
    Prepared { budget, ..job(id, lane, 1 + budget) }
}

#[test]
fn an_answer_is_reserved_twice_what_is_usual_and_more_when_it_needs_it() {
    let mut scheduler = scheduler(1000, 8, 0);
    let ahead = 2 * USUAL as u32;
    for id in 1..=4 {
        scheduler.add(long(id, Interactive, 900), START);
    }
    let held = running(&mut scheduler);
    assert_eq!(
        held.iter().map(|held| held.cells).collect::<Vec<_>>(),
        [1 + ahead; 3],
        "three fit, and no one whole"
    );
    (0..100).for_each(|_| scheduler.ended(10));
    scheduler.release(Interactive, 1 + ahead);
    assert_eq!(running(&mut scheduler)[0].cells, 1 + ahead, "it had come before");
    scheduler.add(long(5, Interactive, 900), START);
    assert_eq!(running(&mut scheduler)[0].cells, 1 + LEAST_AHEAD, "short answers are usual now");

    // One that came without cells for its first token gets them, and some ahead, as long as there are any.
    let grown = |scheduler: &mut Scheduler| {
        let mut growing = sequence(1, Interactive, 901, held[0].key);
        growing.cells = 0;
        assert!(growing.lacks_cells());
        let before = scheduler.free_cells();
        let is_grown = scheduler.extend(&mut growing);
        assert_eq!(growing.cells, before - scheduler.free_cells(), "what it has is taken");
        is_grown.then_some(growing.cells)
    };
    let free = scheduler.free_cells();
    let times = free / (1 + LEAST_AHEAD);
    (0..times).for_each(|_| assert_eq!(grown(&mut scheduler), Some(1 + LEAST_AHEAD)));
    assert_eq!(grown(&mut scheduler), None);
}

#[test]
fn the_lowest_and_latest_gives_way_to_one_that_needs_more_be_it_itself() {
    let mut scheduler = scheduler(100, 8, 0);
    for (id, lane) in [(1, Interactive), (2, Batch), (3, Batch), (4, Clinical)] {
        scheduler.add(job(id, lane, 25), START);
    }
    let mut held = running(&mut scheduler);
    let way = |growing: u64, held: &[Held]| {
        let growing = held.iter().find(|held| held.id == growing).unwrap();
        Scheduler::gives_way_to(growing, held)
    };
    assert_eq!([1, 2, 3, 4].map(|growing| way(growing, &held)), [Some(3); 4]);
    held.iter_mut().filter(|held| held.lane == Batch).for_each(|held| held.pauses = MOST_PAUSES);
    assert_eq!(
        [1, 4].map(|growing| way(growing, &held)),
        [Some(1); 2],
        "the clinical lane never for another"
    );
    let mut tired = sequence(2, Batch, 90, held[2].key);
    (0..MOST_PAUSES).for_each(|_| tired.stand_up());
    scheduler.release(Batch, 25);
    scheduler.taken(Batch).cells += tired.cells;
    scheduler.taken(Batch).sequences += 1;
    scheduler.pause(held[2].key, tired, START);
    let waiting = scheduler.waiting.values().next().expect("it waits");
    assert_eq!(waiting.job.cells(), 90, "it goes on with all that it can need");
}

#[test]
fn the_lowest_and_latest_pause_where_an_urgent_one_has_no_room() {
    let mut scheduler = scheduler(100, 8, 0);
    for (id, lane) in [(1, Batch), (2, Batch), (3, Interactive), (4, Interactive)] {
        scheduler.add(job(id, lane, 25), START);
    }
    let held = running(&mut scheduler);
    scheduler.add(job(5, Clinical, 20), START);
    let way = scheduler.make_way(&held).expect("two of the lowest lane run");
    assert_eq!(way.pausing, [2], "the later of the two, and nobody more than is needed");
    scheduler.pause(held[3].key, sequence(2, Batch, 25, held[3].key), START);
    assert_eq!(scheduler.take(way.first).map(|job| job.id()), Some(5));
    assert_eq!(admitted(&mut scheduler), [0; 0], "five cells are free");
    scheduler.release(Clinical, 20);
    assert_eq!(admitted(&mut scheduler), [2], "it goes on where it was");
}

#[test]
fn one_that_paused_after_long_work_does_not_bar_the_way_of_the_clinical_lane() {
    let mut scheduler = scheduler(100, 8, 0);
    for (id, lane) in [(1, Batch), (2, Batch), (3, Batch), (4, Batch)] {
        scheduler.add(job(id, lane, 25), START);
    }
    let mut held = running(&mut scheduler);
    let later = START + Duration::from_secs(400);
    for (clinical, pausing) in [(5, 4), (6, 3)] {
        scheduler.add(job(clinical, Clinical, 25), later);
        let way = scheduler.make_way(&held).expect("batch work runs");
        assert_eq!(way.pausing, [pausing]);
        let paused = held.remove(held.iter().position(|held| held.id == pausing).unwrap());
        scheduler.pause(paused.key, sequence(pausing, Batch, 25, paused.key), later);
        assert_eq!(scheduler.take(way.first).map(|job| job.id()), Some(clinical));
    }
    let much_later = later + Batch.handicap() + Duration::from_millis(PASSED_MS as u64 + 1);
    scheduler.add(job(7, Clinical, 25), much_later);
    assert_eq!(scheduler.make_way(&held), None, "it has been passed for long enough");
}

#[test]
fn nobody_pauses_for_an_equal_or_in_vain_or_for_ever() {
    let mut scheduler = scheduler(100, 8, 0);
    scheduler.add(job(1, Clinical, 60), START);
    scheduler.add(job(2, Batch, 40), START);
    let held = running(&mut scheduler);
    scheduler.add(job(3, Batch, 10), START);
    assert_eq!(scheduler.make_way(&held), None, "an equal");
    scheduler.add(job(4, Interactive, 50), START);
    assert_eq!(scheduler.make_way(&held), None, "all that batch work holds is too little");
    scheduler.add(job(5, Clinical, 40), START);
    assert!(scheduler.make_way(&held).is_some_and(|way| way.pausing == [2]));
    let tired: Vec<Held> = held.into_iter().map(|held| Held { pauses: MOST_PAUSES, ..held }).collect();
    assert_eq!(scheduler.make_way(&tired), None, "it has paused often enough");
}

#[test]
fn the_clinical_lane_takes_what_is_free_whoever_waits_before_it_for_more() {
    let mut scheduler = scheduler(100, 2, 0);
    scheduler.add(job(1, Interactive, 40), START);
    let held = running(&mut scheduler);
    scheduler.add(job(2, Interactive, 80), START);
    scheduler.add(job(3, Clinical, 10), START + Lane::Interactive.handicap());
    assert_eq!(admitted(&mut scheduler), [0; 0], "the first waits for its room");
    let way = scheduler.make_way(&held).expect("60 cells are free");
    assert_eq!(way.pausing, [0; 0]);
    assert_eq!(scheduler.take(way.first).map(|job| job.id()), Some(3));
    assert_eq!(scheduler.make_way(&held), None, "an equal");
}

#[test]
fn the_reserve_stays_the_clinical_lanes_however_many_pause() {
    let mut scheduler = scheduler(80, 8, 2);
    for id in 1..=6 {
        scheduler.add(job(id, Batch, 10), START);
    }
    let held = running(&mut scheduler);
    assert_eq!(held.len(), 6);
    scheduler.add(job(7, Interactive, 60), START);
    let way = scheduler.make_way(&held).expect("all the common room is batch work's");
    assert_eq!(way.pausing.len(), 6, "20 cells are free, and none of them for it");
}

#[test]
fn a_paused_answer_can_be_cancelled() {
    let mut scheduler = scheduler(100, 8, 0);
    scheduler.add(job(1, Batch, 50), START);
    let held = running(&mut scheduler);
    scheduler.pause(held[0].key, sequence(1, Batch, 50, held[0].key), START);
    assert!(scheduler.cancel(1));
    assert_eq!((admitted(&mut scheduler), scheduler.free_cells()), (Vec::new(), 100));
}

#[test]
fn a_cancelled_job_never_runs() {
    let mut scheduler = scheduler(100, 8, 0);
    scheduler.add(job(1, Interactive, 10), START);
    assert!(scheduler.cancel(1));
    assert!(!scheduler.cancel(1));
    assert!(scheduler.is_empty());
}

#[test]
fn the_largest_job_fits_beside_the_reserve() {
    for (cells, sequences, reserved) in [(8192, 16, 4), (256, 1, 0), (1000, 3, 2), (u32::MAX, 256, 64)] {
        let room = Room::new(cells, sequences, reserved);
        assert!(Space::NONE.with(room.largest_job()).fits(room.common()), "{room:?}");
        assert!(room.largest_job() > 0);
    }
}
