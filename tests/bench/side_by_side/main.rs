//! The benchmark of the engine: the box, llama-server and llama-batched-bench in turn, on one model, as ratios.
//!
//! The box is a release build asked over its API, so that the door, the rights and the audit are part of its figures.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark spawns its load and prints")]

mod client;
mod limit;
mod load;
mod options;
mod server;
mod table;

use std::time::Duration;

use client::{Ask, Sampling};
use limit::Cells;
use load::{Arrival, Load};
use options::Options;
use server::Server;
use table::{median, ratio};

/// Tokens of an ordinary prompt, the template included, and of its answer.
const PROMPT: u32 = 110;
const ANSWER: u32 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let options = Options::parse(std::env::args().skip(1));
    println!(
        "model {}, {} threads, {} rounds; each figure is the median of the rounds",
        options.model.display(),
        options.threads,
        options.rounds
    );
    let boxed = Server::start_box(&options).await;
    let peer = Server::start_peer(&options).await;
    for server in [&boxed, &peer] {
        client::ask(server, &Ask::new(load::prompt(0, PROMPT), ANSWER, Sampling::Likeliest)).await;
    }
    let at_rest = [boxed.resident_mib(), peer.resident_mib()];
    if options.wants("streams") {
        streams(&options, &boxed, &peer).await;
    }
    if options.wants("pause") {
        pauses(&options, &boxed, &peer).await;
    }
    if options.wants("prefix") {
        shared_prefix(&options, &boxed, &peer).await;
    }
    let at_end = [boxed.resident_mib(), peer.resident_mib()];
    println!("\nresident memory, MiB | worker | llama-server | ratio (1.05 or less)");
    for (when, [ours, theirs]) in [("loaded, one answer", at_rest), ("at the end", at_end)] {
        println!("{when} | {ours:.0} | {theirs:.0} | {:.2}", ours / theirs);
    }
    drop(peer);
    if options.wants("kill") {
        kill(&boxed).await;
    }
}

/// Tokens a second and the first token's delay, for each count of streams, at once and at random.
async fn streams(options: &Options, boxed: &Server, peer: &Server) {
    println!(
        "\nstreams | arrival | sampling | box tok/s | llama-server tok/s | ratio | batched-bench tok/s | ratio | unified | ratio"
    );
    println!(
        "        | first token p50: box ms | llama-server ms | ratio | longest pause: box ms | llama-server ms"
    );
    let mut number = 0;
    for &streams in &options.streams {
        let limits = [Cells::Apart, Cells::Unified]
            .map(|cells| limit::tokens_per_second(options, cells, streams, PROMPT, ANSWER));
        for (arrival, sampling) in [
            (Arrival::AtOnce, Sampling::Likeliest),
            (Arrival::AtOnce, Sampling::Drawn),
            (Arrival::AtRandom, Sampling::Likeliest),
        ] {
            let load = Load { streams, arrival, sampling, prompt: PROMPT, answer: ANSWER };
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for round in 0..options.rounds {
                number += 1;
                // Who goes first changes, so that neither always finds the warmer machine.
                if round % 2 == 0 {
                    ours.push(load.run(boxed, number).await);
                    theirs.push(load.run(peer, number).await);
                } else {
                    theirs.push(load.run(peer, number).await);
                    ours.push(load.run(boxed, number).await);
                }
            }
            let rate = [&ours, &theirs].map(|runs| median(runs.iter().map(load::Run::tokens_per_second)));
            let first = [&ours, &theirs].map(|runs| median(runs.iter().map(load::Run::first_token_ms)));
            let pause = [&ours, &theirs].map(|runs| median(runs.iter().map(load::Run::longest_pause_ms)));
            let against_limits = match arrival {
                Arrival::AtOnce => {
                    limits.map(|limit| format!("{limit:.1} | {}", ratio(rate[0], limit))).join(" | ")
                }
                Arrival::AtRandom => "- | - | - | -".into(),
            };
            println!(
                "{streams} | {arrival} | {sampling} | {:.1} | {:.1} | {} | {against_limits}",
                rate[0],
                rate[1],
                ratio(rate[0], rate[1])
            );
            println!(
                "        | {:.0} | {:.0} | {} | {:.0} | {:.0}",
                first[0],
                first[1],
                ratio(first[0], first[1]),
                pause[0],
                pause[1]
            );
        }
    }
}

/// The longest pause of a running answer, alone and while a long prompt comes in.
async fn pauses(options: &Options, boxed: &Server, peer: &Server) {
    let tokens = options.long_prompt;
    println!(
        "\nlongest pause of a running answer | alone ms | while {tokens} tokens come in, ms: p50 | p99 | longest | times (3 or less) | the long prompt's first token, ms"
    );
    for server in [boxed, peer] {
        let mut pauses = Vec::new();
        for round in 0..options.rounds {
            pauses.push(load::pause(server, round, tokens).await);
        }
        let of = |figure: fn(&load::Pause) -> f64| median(pauses.iter().map(figure));
        let (alone, beside) = (of(|pause| pause.alone_ms), of(|pause| pause.beside_ms));
        println!(
            "{} | {alone:.0} | {:.0} | {:.0} | {beside:.0} | {:.1} | {:.0}",
            server.name,
            of(|pause| pause.usual_ms),
            of(|pause| pause.p99_ms),
            beside / alone,
            of(|pause| pause.first_token_ms)
        );
    }
}

/// Sixteen requests that begin alike, of one caller.
async fn shared_prefix(options: &Options, boxed: &Server, peer: &Server) {
    println!(
        "\n16 requests with a shared prefix of 1,500 tokens | first time tok/s | again tok/s | first token p50, again, ms"
    );
    let mut rates = Vec::new();
    for server in [boxed, peer] {
        let (mut cold, mut warm, mut first) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..options.rounds {
            let runs = load::shared_prefix(server, round, 1500, PROMPT, ANSWER).await;
            cold.push(runs[0].tokens_per_second());
            warm.push(runs[1].tokens_per_second());
            first.push(runs[1].first_token_ms());
        }
        let (cold, warm) = (median(cold), median(warm));
        println!("{} | {cold:.1} | {warm:.1} | {:.0}", server.name, median(first));
        rates.push([cold, warm]);
    }
    println!("ratio | {} | {}", ratio(rates[0][0], rates[1][0]), ratio(rates[0][1], rates[1][1]));
}

/// From the worker's SIGKILL to the next token of each of its answers.
async fn kill(boxed: &Server) {
    let mut delays = Vec::new();
    for round in 0..3 {
        delays.extend(load::kill(boxed, round, 4, Duration::from_millis(1500)).await);
    }
    let worst = delays.iter().copied().fold(0.0, f64::max);
    let (answers, middle) = (delays.len(), median(delays));
    println!(
        "\nSIGKILL of the worker amid 4 answers: next token after p50 {middle:.0} ms, worst {worst:.0} ms (2000 or less), {answers} answers"
    );
}
