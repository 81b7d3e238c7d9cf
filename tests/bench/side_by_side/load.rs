//! The loads: streams side by side, a long prompt beside an answer, a shared prefix, a killed worker.

use std::fmt;
use std::iter;
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use tests::Dice;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{self, Answer, Ask, Sampling, ms};
use crate::server::Server;
use crate::table::{median, quantile};

/// Words that are one token each in most vocabularies.
const WORDS: [&str; 32] = [
    "time", "people", "water", "room", "night", "hand", "house", "light", "doctor", "table", "paper", "city",
    "road", "river", "door", "book", "child", "letter", "power", "music", "ground", "morning", "winter",
    "number", "window", "father", "garden", "market", "office", "story", "plant", "school",
];

/// What the template adds to a prompt, about.
const OF_TEMPLATE: u32 = 12;

#[derive(Clone, Copy)]
pub(crate) enum Arrival {
    AtOnce,
    /// Spread over the time that the prompts need, the same for both servers.
    AtRandom,
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arrival::AtOnce => "at once",
            Arrival::AtRandom => "at random",
        })
    }
}

/// Streams side by side, each with a prompt of its own.
pub(crate) struct Load {
    pub(crate) streams: usize,
    pub(crate) arrival: Arrival,
    pub(crate) sampling: Sampling,
    pub(crate) prompt: u32,
    pub(crate) answer: u32,
}

/// The answers of one run.
pub(crate) struct Run(Vec<Answer>);

/// One measurement of the pauses of a running answer.
pub(crate) struct Pause {
    pub(crate) alone_ms: f64,
    /// The longest while the prompt came in, and those that half and all but one in a hundred were shorter than.
    pub(crate) beside_ms: f64,
    pub(crate) usual_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) first_token_ms: f64,
}

/// A prompt of about so many tokens, another one for each number.
pub(crate) fn prompt(number: u64, tokens: u32) -> String {
    let mut dice = Dice::new(number);
    let words: Vec<&str> = (OF_TEMPLATE..tokens).map(|_| *dice.pick(&WORDS)).collect();
    words.join(" ")
}

impl Load {
    /// No two numbers give the same prompts.
    pub(crate) async fn run(&self, server: &Server, number: u64) -> Run {
        let begun = Instant::now();
        let mut dice = Dice::new(number ^ 0x5eed);
        let answers = (0..self.streams as u64).map(|stream| {
            let spread_ms = match self.arrival {
                Arrival::AtOnce => 0,
                Arrival::AtRandom => dice.between(0, 200 * self.streams) as u64,
            };
            let ask = Ask::new(prompt(1 + number * 1000 + stream, self.prompt), self.answer, self.sampling);
            async move {
                sleep_until(begun + Duration::from_millis(spread_ms)).await;
                client::ask(server, &ask).await
            }
        });
        Run(join_all(answers).await)
    }
}

impl Run {
    /// From the first request to the end of the last answer.
    pub(crate) fn tokens_per_second(&self) -> f64 {
        let tokens: u32 = self.0.iter().map(|answer| answer.tokens).sum();
        let begun = self.0.iter().map(|answer| answer.asked).min().expect("an answer");
        let ended = self.0.iter().map(|answer| answer.ended).max().expect("an answer");
        f64::from(tokens) / (ended - begun).as_secs_f64()
    }

    pub(crate) fn first_token_ms(&self) -> f64 {
        median(self.0.iter().map(Answer::first_token_ms))
    }

    pub(crate) fn longest_pause_ms(&self) -> f64 {
        let pauses = self.0.iter().map(|answer| answer.longest_pause_ms(answer.asked, answer.ended));
        pauses.fold(0.0, f64::max)
    }
}

/// Pieces of an answer that are written alone. A machine that is held up for a moment now and then does so here too.
const ALONE: usize = 200;

/// An answer runs; after its first pieces a prompt of `tokens` comes in.
pub(crate) async fn pause(server: &Server, round: u64, tokens: u32) -> Pause {
    let (pieces, mut counted) = watch::channel(0);
    let running = Ask::new(prompt(7_000_000 + round, 100), ALONE as u32 + 1500, Sampling::Likeliest);
    let running = client::watch(server, &running, |number| {
        pieces.send_replace(number);
    });
    let coming = async {
        counted.wait_for(|number| *number >= ALONE).await.expect("an answer runs");
        let long = Ask::new(prompt(8_000_000 + round, tokens), 1, Sampling::Likeliest);
        client::ask(server, &long).await
    };
    tokio::pin!(running);
    // Once the long prompt is read, the first answer may end as it likes: what came until then is known.
    let (answer, long) = tokio::join!(running, coming);
    let answer = answer.expect("a whole answer");
    let read = long.asked + Duration::from_secs_f64(long.first_token_ms() / 1000.0);
    Pause {
        alone_ms: answer.longest_pause_within_ms(answer.asked, long.asked),
        beside_ms: answer.longest_pause_ms(long.asked, read),
        usual_ms: median(answer.pauses_ms(long.asked, read)),
        p99_ms: quantile(answer.pauses_ms(long.asked, read), 0.99),
        first_token_ms: long.first_token_ms(),
    }
}

/// Sixteen requests that begin alike, twice, with other ends.
pub(crate) async fn shared_prefix(
    server: &Server,
    round: u64,
    prefix: u32,
    own: u32,
    answer: u32,
) -> [Run; 2] {
    let shared = prompt(9_000_000 + round, prefix);
    let times = [0, 1].map(|time| {
        let shared = shared.clone();
        async move {
            let answers = (0..16).map(|stream| {
                let own = prompt(10_000_000 + round * 1000 + time * 100 + stream, own);
                let ask = Ask::new(format!("{shared}\n{own}"), answer, Sampling::Likeliest);
                async move { client::ask(server, &ask).await }
            });
            Run(join_all(answers).await)
        }
    });
    let [first, again] = times;
    [first.await, again.await]
}

/// Kills the worker amid answers; gives the time to the next piece of each, in milliseconds.
pub(crate) async fn kill(server: &Server, round: u64, streams: u64, after: Duration) -> Vec<f64> {
    let answers = (0..streams).map(|stream| {
        let ask = Ask::new(prompt(11_000_000 + round * 100 + stream, 60), 600, Sampling::Likeliest);
        async move { client::ask(server, &ask).await }
    });
    let killing = async {
        sleep(after).await;
        let worker = Pid::from_raw(server.model_process() as i32).expect("a worker");
        kill_process(worker, Signal::KILL).expect("it runs");
        Instant::now()
    };
    let (answers, killed) = tokio::join!(join_all(answers), killing);
    answers.iter().filter_map(|answer| Some(ms(killed, goes_on(answer, killed)?))).collect()
}

/// The first piece after the longest pause since a moment: what was on its way then still comes.
fn goes_on(answer: &Answer, since: Instant) -> Option<Instant> {
    let after: Vec<Instant> = answer.pieces.iter().copied().filter(|at| *at > since).collect();
    let before = iter::once(&since).chain(&after);
    before.zip(&after).max_by_key(|(before, at)| **at - **before).map(|(_, at)| *at)
}
