//! No answer holds what another request said: programs and people hold a code each, in conversations that are the same but
//! for the code, and ask for it of a model that can only say what stands in its cache.

mod crowd;
mod echo;
mod found;
mod gguf;
mod judge;
mod talk;

/// What one box is put through.
#[derive(Debug, Clone)]
struct Plan {
    requests: usize,
    /// Requests that are out at the same time.
    at_once: usize,
    sequences: usize,
    /// The cells of the context: fewer than the sequences could use.
    cells: usize,
    /// All workers are killed after each so many answers.
    kill_every: Option<usize>,
    /// The test lies: every so manieth request sends the conversation of another user.
    lie_every: Option<usize>,
    seed: u64,
}

/// The boxes of the long form: sequences, cells, requests that are out at once, and one part in so many of all requests.
/// The first one shows that the model is right by itself; the others have few cells and very few.
const BOXES: [(usize, usize, usize, usize); 5] =
    [(1, 2048, 1, 10), (8, 1536, 40, 4), (8, 3072, 40, 4), (16, 2048, 40, 4), (16, 5120, 40, 4)];

/// The long form: so many requests, shared among four boxes, one after another.
#[allow(clippy::print_stdout, reason = "the figures are the product of this program")]
pub(super) async fn run(count: usize) -> bool {
    let mut all_good = true;
    for (seed, (sequences, cells, at_once, part)) in (1..).zip(BOXES) {
        let requests = count / part;
        let kill_every = (at_once > 1).then_some((requests / 6).max(200));
        let plan = Plan { requests, at_once, sequences, cells, kill_every, lie_every: None, seed };
        let (line, good) = crowd::run(&plan).await.told();
        println!("{line}");
        all_good &= good;
    }
    println!("{}", if all_good { "as promised" } else { "NOT as promised" });
    all_good
}

/// The short form for so many sequences.
#[cfg(test)]
pub(super) async fn short(sequences: usize) -> (String, bool) {
    crowd::run(&small(sequences)).await.told()
}

/// Requests that send another user's conversation, and how many of their answers were found to be another user's.
#[cfg(test)]
pub(super) async fn lies() -> (usize, usize) {
    let plan = Plan { requests: 100, lie_every: Some(10), kill_every: None, ..small(8) };
    (plan.requests / 10, crowd::run(&plan).await.of_another_user)
}

#[cfg(test)]
fn small(sequences: usize) -> Plan {
    let cells = 256 * sequences;
    Plan { requests: 250, at_once: 40, sequences, cells, kill_every: Some(110), lie_every: None, seed: 9 }
}
