//! Places and waits, in paused time.

use tokio::time::advance;

use super::*;

fn queue(sequences: u32, queue_limit: u32) -> Arc<Queue> {
    let mut spec = ModelSpec::new("m", "m.gguf", "genset");
    (spec.sequences, spec.queue_limit) = (sequences, queue_limit);
    Queue::new(&spec)
}

/// Each of another caller.
fn join(queue: &Arc<Queue>, lane: Lane, count: usize) -> Vec<Ticket> {
    (0..count).map(|_| joined(queue, lane, &anybody(queue))).collect()
}

fn joined(queue: &Arc<Queue>, lane: Lane, caller: &CallerId) -> Ticket {
    queue.join(lane, caller).unwrap_or_else(|_| panic!("there is room"))
}

fn anybody(queue: &Queue) -> CallerId {
    CallerId::of(&format!("caller {}", queue.lock().arrivals))
}

fn place(queue: &Queue, ticket: &Ticket) -> u32 {
    queue.place(ticket.key, ticket.lane).map_or(0, |wait| wait.position)
}

#[tokio::test(start_paused = true)]
async fn who_waits_knows_the_place_by_lane_and_by_age() {
    let queue = queue(4, 64);
    let batch = join(&queue, Lane::Batch, 2);
    let interactive = join(&queue, Lane::Interactive, 2);
    let clinical = join(&queue, Lane::Clinical, 2);
    let places = |tickets: &[Ticket]| tickets.iter().map(|t| place(&queue, t)).collect::<Vec<_>>();
    assert_eq!(places(&clinical), [1, 2]);
    assert_eq!(places(&interactive), [3, 4]);
    assert_eq!(places(&batch), [5, 6]);
    advance(Lane::Batch.handicap() - Lane::Interactive.handicap() + Duration::from_millis(1)).await;
    let late = join(&queue, Lane::Interactive, 1);
    assert_eq!((places(&batch), places(&late)), (vec![5, 6], vec![7]), "batch work has waited long enough");
}

#[tokio::test(start_paused = true)]
async fn the_wait_follows_from_what_answers_take_and_how_many_are_before() {
    let queue = queue(8, 64);
    let mut running = join(&queue, Lane::Interactive, 6);
    assert_eq!(queue.occupancy().next[1].position, 7);
    running.iter_mut().for_each(Ticket::start);
    let waiting = join(&queue, Lane::Interactive, 5);
    advance(Duration::from_secs(12)).await;
    running.pop().expect("six run").finish();
    let wait = queue.occupancy().next;
    assert_eq!(
        wait[1],
        Place { position: 6, expected: Duration::from_secs(10) },
        "5 run, 5 wait, 6 fit: 5/6 of 12 s"
    );
    assert_eq!(wait[0], Place { position: 1, expected: Duration::ZERO }, "the reserve is free");
    drop(waiting);
    assert_eq!(queue.occupancy().next[1], Place { position: 1, expected: Duration::ZERO });
}

#[tokio::test(start_paused = true)]
async fn what_fits_side_by_side_is_learnt_from_those_who_wait_for_a_place_and_not_from_newcomers() {
    let queue = queue(4, 64);
    let run = |count| {
        let mut running = join(&queue, Lane::Interactive, count);
        running.iter_mut().for_each(Ticket::start);
        running
    };
    let end = |running: Vec<Ticket>| running.into_iter().for_each(Ticket::finish);

    let running = run(1);
    advance(Duration::from_secs(12)).await;
    let newcomer = join(&queue, Lane::Interactive, 1);
    end(running);
    drop(newcomer);
    let lone = run(1);
    assert_eq!(queue.occupancy().next[2].expected, Duration::ZERO, "the newcomer would have been taken up");
    end(lone);

    let running = run(2);
    let waiting = join(&queue, Lane::Interactive, 1);
    advance(Duration::from_secs(12)).await;
    end(running);
    drop(waiting);
    assert_eq!(queue.occupancy().next[2].expected, Duration::ZERO);
    let one = run(1);
    assert_eq!(queue.occupancy().next[2].expected, Duration::ZERO, "two fit: both ended in one step");
    let two = run(1);
    assert!(!queue.occupancy().next[2].expected.is_zero(), "and a third did not");
    drop((one, two));
}

#[tokio::test(start_paused = true)]
async fn what_the_clinical_lane_takes_beyond_its_reserve_is_no_longer_there_for_the_others() {
    let queue = queue(2, 64);
    let run = |lane| {
        let mut running = join(&queue, lane, 1).pop().expect("one joined");
        running.start();
        running
    };
    let (clinical, common) = (run(Lane::Clinical), run(Lane::Interactive));
    let waiting = join(&queue, Lane::Batch, 1);
    assert!(!queue.occupancy().next[2].expected.is_zero(), "both sequences are taken");
    advance(Duration::from_secs(12)).await;
    common.finish();
    drop((clinical, waiting));
    let alone = run(Lane::Interactive);
    assert_eq!(queue.occupancy().next[2].expected, Duration::ZERO, "one of the two that fit is free");
    drop(alone);
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_filled_the_context_alone_does_not_make_a_free_place_a_taken_one() {
    let queue = queue(4, 64);
    let mut last = Duration::ZERO;
    for abreast in [1, 3, 3, 3, 3] {
        let mut running = join(&queue, Lane::Interactive, abreast);
        running.iter_mut().for_each(Ticket::start);
        let waiting = join(&queue, Lane::Interactive, 1);
        advance(Duration::from_secs(12)).await;
        running.pop().expect("some run").finish();
        drop(waiting);
        last = queue.occupancy().next[1].expected;
    }
    assert_eq!(last, Duration::ZERO, "2.6 fit on average, two run");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_still_has_places_for_the_clinical_lane() {
    let queue = queue(4, 4);
    let common = join(&queue, Lane::Interactive, 6);
    assert!(queue.join(Lane::Batch, &anybody(&queue)).is_err());
    let refused = queue.join(Lane::Interactive, &anybody(&queue)).err().unwrap();
    assert_eq!(refused.position, 7);
    let clinical = join(&queue, Lane::Clinical, 2);
    assert!(queue.join(Lane::Clinical, &anybody(&queue)).is_err(), "eight are as many as it holds");
    drop((common, clinical));
    assert_eq!(queue.occupancy().waiting, [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_is_forgotten_whether_it_ran_or_waited() {
    let queue = queue(4, 4);
    let mut tickets = join(&queue, Lane::Clinical, 3);
    tickets[0].start();
    tickets[0].start();
    let occupancy = queue.occupancy();
    assert_eq!((occupancy.running, occupancy.waiting), (1, [2, 0, 0]));
    assert_eq!(place(&queue, &tickets[0]), 0, "it runs");
    tickets.clear();
    let occupancy = queue.occupancy();
    assert_eq!((occupancy.running, occupancy.waiting), (0, [0; 3]));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_with_many_jobs_waits_for_those_who_come_with_few() {
    let queue = queue(4, 256);
    let (many, few) = (CallerId::of("many"), CallerId::of("few"));
    let crowd: Vec<_> = (0..40).map(|_| joined(&queue, Lane::Interactive, &many)).collect();
    advance(Duration::from_millis(10)).await;
    let one = joined(&queue, Lane::Interactive, &few);
    assert_eq!(place(&queue, &one), 2, "only the one that came alone was before it");
    let another = joined(&queue, Lane::Interactive, &few);
    assert_eq!(place(&queue, &another), 4, "they take turns");
    assert_eq!(place(&queue, &crowd[39]), 42);
    let clinical = joined(&queue, Lane::Clinical, &few);
    assert_eq!(place(&queue, &clinical), 1, "its turn in one lane says nothing of another");
    assert!((0..=30).contains(&(-crowd[39].waited_ms() / 1000)), "{}", crowd[39].waited_ms());
    let batch = join(&queue, Lane::Batch, 1);
    assert_eq!(place(&queue, &batch[0]), 44, "however many there are, they go before batch work");
}

#[tokio::test(start_paused = true)]
async fn one_caller_never_has_the_whole_queue() {
    let queue = queue(4, 4);
    let greedy = CallerId::of("greedy");
    // Three run at once, and of three places it may have two.
    let own: Vec<_> = (0..5).map(|_| joined(&queue, Lane::Interactive, &greedy)).collect();
    let refused = queue.join(Lane::Interactive, &greedy).err().unwrap();
    assert_eq!(refused.position, 6);
    let other = join(&queue, Lane::Interactive, 1);
    assert!(queue.join(Lane::Interactive, &anybody(&queue)).is_err(), "six are as many as the lane has");
    drop(own);
    joined(&queue, Lane::Interactive, &greedy);
    drop(other);
    assert!(queue.lock().callers.is_empty(), "who has nothing here is forgotten");
}
