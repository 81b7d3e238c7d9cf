//! Places and waits, in paused time.

use tokio::time::advance;

use super::*;

fn queue(sequences: u32, queue_limit: u32) -> Arc<Queue> {
    let mut spec = ModelSpec::new("m", "m.gguf", "genset");
    (spec.sequences, spec.queue_limit) = (sequences, queue_limit);
    Queue::new(&spec)
}

fn join(queue: &Arc<Queue>, lane: Lane, count: usize) -> Vec<Ticket> {
    (0..count).map(|_| queue.join(lane).unwrap_or_else(|_| panic!("there is room"))).collect()
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
async fn a_full_queue_still_has_places_for_the_clinical_lane() {
    let queue = queue(4, 4);
    let common = join(&queue, Lane::Interactive, 6);
    assert!(queue.join(Lane::Batch).is_err());
    let refused = queue.join(Lane::Interactive).err().unwrap();
    assert_eq!(refused.position, 7);
    let clinical = join(&queue, Lane::Clinical, 2);
    assert!(queue.join(Lane::Clinical).is_err(), "eight are as many as it holds");
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
