//! SIGKILL under write load: a child writes to all three files until it is killed, and another goes on.

pub(super) mod whole;

use std::io::{BufRead, BufReader, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use store::Store;
use tempfile::TempDir;

use super::life::{self, Book, write_round};
use super::power::block_on;
use crate::Dice;

/// The part that the child plays.
pub(super) const CHILD: &str = "write-until-killed";
/// A store that was killed has written again within this.
const READY_P99: Duration = Duration::from_secs(5);

/// What came of the kills.
#[derive(Debug, Default)]
pub(super) struct Kills {
    count: usize,
    book: Book,
    /// From the start of a process to its first row on disk, after a kill.
    ready: Vec<Duration>,
    lost: Vec<String>,
}

impl Kills {
    pub(super) fn told(&self) -> (String, bool) {
        let line = format!(
            "kill: {} SIGKILLs under write load, {} audit rows and {} changes of core acknowledged, {} lives with a \
             loss or an integrity error, ready again p50 {} ms, p99 {} ms",
            self.count,
            self.book.audit,
            self.book.core,
            self.lost.len(),
            percentile(&self.ready, 50).as_millis(),
            percentile(&self.ready, 99).as_millis(),
        );
        let first = self.lost.first().map(|lost| format!("\n  the first: {lost}")).unwrap_or_default();
        let good = self.lost.is_empty() && percentile(&self.ready, 99) <= READY_P99;
        (line + &first, good)
    }
}

/// The wait that so many of a hundred did not pass.
fn percentile(waits: &[Duration], percent: usize) -> Duration {
    let mut waits = waits.to_vec();
    waits.sort_unstable();
    waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// So many kills of one store, at any moment of its work; every tenth also of its opening.
pub(super) fn kills(count: usize) -> Kills {
    let dir = TempDir::new().expect("a folder");
    let mut dice = Dice::new(11);
    let mut kills = Kills { count, ..Kills::default() };
    for number in 0..count {
        let mut child = Writing::start(dir.path());
        if number % 10 == 9 {
            std::thread::sleep(Duration::from_micros(dice.between(0, 20_000) as u64));
        } else {
            kills.ready.push(child.until_it_writes(&mut kills.book));
            std::thread::sleep(Duration::from_micros(dice.between(0, 40_000) as u64));
        }
        child.kill(&mut kills.book);
        match life::audit_of(dir.path(), kills.book) {
            // The next one counts its rounds on from what is there.
            Ok(found) => kills.book = found,
            Err(lost) => kills.lost.push(format!("kill {number}: {lost}")),
        }
    }
    kills
}

/// A child that writes, and the lines in which it says what is on disk.
struct Writing {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    begun: Instant,
}

impl Writing {
    fn start(dir: &Path) -> Writing {
        let begun = Instant::now();
        let mut command = Command::new(program());
        command.arg(CHILD).arg(dir).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the torture program is built beside the tests");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Writing { child, lines, begun }
    }

    /// Waits for the first line.
    fn until_it_writes(&mut self, book: &mut Book) -> Duration {
        while let Some(Ok(line)) = self.lines.next() {
            if note(&line, book) {
                break;
            }
        }
        self.begun.elapsed()
    }

    fn kill(mut self, book: &mut Book) {
        self.child.kill().expect("the child is ours");
        for line in self.lines.map_while(Result::ok) {
            note(&line, book);
        }
        self.child.wait().expect("the child ends");
    }
}

/// Takes over what a line says; the end of the output may be cut, so a whole line ends in a full stop.
fn note(line: &str, book: &mut Book) -> bool {
    let Some(words) = line.strip_prefix("on disk ").and_then(|rest| rest.strip_suffix('.')) else {
        return false;
    };
    let numbers: Vec<u64> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [audit, core, keys] = numbers[..] else { return false };
    *book = Book { audit: book.audit.max(audit), core: book.core.max(core), keys: book.keys.max(keys) };
    true
}

/// The child: writes rounds on and on, and says after each what is on disk.
pub(super) fn write_until_killed(dir: &Path) -> (String, bool) {
    let ended = block_on(async {
        let store = Store::open(dir).map_err(|error| error.to_string())?;
        let mut book = life::audit_of(dir, Book::default())?;
        loop {
            let round = book.core + 1;
            write_round(&store, round, &mut book).await.map_err(|error| error.to_string())?;
            writeln!(stdout(), "on disk {} {} {}.", book.audit, book.core, book.keys)
                .map_err(|error| error.to_string())?;
        }
    });
    let ended: Result<(), String> = ended;
    (format!("the child ended by itself: {ended:?}"), false)
}

/// This program itself, or `torture` beside the tests.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("torture"));
    beside.into_iter().find(|path| path.is_file()).expect("cargo build --workspace --all-targets builds it")
}
