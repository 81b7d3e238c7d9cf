//! Power cuts in every phase of a store's life: first creation, load, checkpoint, migration, stop; and of a whole box.

mod whole;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use store::Store;
use tempfile::TempDir;

use super::life::{self, Book, write_round};
use super::{disk, platter};
use crate::Dice;
use whole::WholeCuts;
pub(super) use whole::code_on;

const FILES: [&str; 3] = ["audit.db", "core.db", "work.db"];

/// Rounds of writes in one life.
const ROUNDS: u64 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Creation,
    Load,
    Checkpoint,
    Folding,
    Migration,
}

const PHASES: [Phase; 5] =
    [Phase::Creation, Phase::Load, Phase::Checkpoint, Phase::Folding, Phase::Migration];

/// What came of the cuts.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    by_phase: [usize; PHASES.len()],
    acknowledged: u64,
    lost: Vec<String>,
    whole: WholeCuts,
}

impl Cuts {
    pub(super) fn told(&self) -> (String, bool) {
        let phases: Vec<String> = PHASES
            .iter()
            .zip(self.by_phase)
            .map(|(phase, count)| format!("{count} in {}", format!("{phase:?}").to_lowercase()))
            .collect();
        let cuts: usize = self.by_phase.iter().sum();
        let line = format!(
            "power: {cuts} cuts ({}), {} rows acknowledged, {} lives with a loss or a file that did not open",
            phases.join(", "),
            self.acknowledged,
            self.lost.len()
        );
        let lives: Vec<String> =
            self.whole.by_life.iter().map(|(name, count)| format!("{count} in {name}")).collect();
        let boxes: usize = self.whole.by_life.iter().map(|(_, count)| count).sum();
        let whole = format!(
            "power: {boxes} cuts of a whole box ({}), {} promises kept, {} lives with one broken or a box that did \
             not start",
            lives.join(", "),
            self.whole.kept,
            self.whole.lost.len()
        );
        let lost = self.lost.iter().chain(&self.whole.lost).take(8);
        let lost: Vec<String> = lost.map(|lost| format!("\n  {lost}")).collect();
        (format!("{line}\n{whole}{}", lost.concat()), self.lost.is_empty() && self.whole.lost.is_empty())
    }
}

/// So many cuts, three of five in the phases of a store and the others in lives of whole boxes; a failure is repeated by
/// the same seed.
pub(super) fn cuts(count: usize, seed: u64) -> Cuts {
    let of_boxes = count * 2 / 5;
    let mut cuts = cut_lives(count - of_boxes, seed, false);
    cuts.whole = whole::cuts(of_boxes, seed, false);
    cuts
}

/// The same of a store on a disk that says it has synced and has not.
#[cfg(test)]
pub(super) fn cuts_of_a_liar(count: usize, seed: u64) -> Cuts {
    cut_lives(count, seed, true)
}

/// The same of whole boxes.
#[cfg(test)]
pub(super) fn cuts_of_boxes_on_a_liar(count: usize, seed: u64) -> Cuts {
    Cuts { whole: whole::cuts(count, seed, true), ..Cuts::default() }
}

fn cut_lives(count: usize, seed: u64, lies: bool) -> Cuts {
    disk::install();
    let mut dice = Dice::new(seed);
    let lengths = PHASES.map(|phase| length(phase, lies));
    let mut cuts = Cuts::default();
    for number in 0..count {
        let which = number % PHASES.len();
        let (from, to) = lengths[which];
        let at = dice.between(from as usize, to as usize) as u64;
        match cut(PHASES[which], at, Dice::new(dice.draw()), lies) {
            Ok(book) => cuts.acknowledged += book.audit + book.core + book.keys,
            Err(lost) => cuts.lost.push(format!("{:?}, change {at}: {lost}", PHASES[which])),
        }
        cuts.by_phase[which] += 1;
    }
    cuts
}

/// The first and the last change of a phase, counted in a life without a cut.
fn length(phase: Phase, lies: bool) -> (u64, u64) {
    platter::renew();
    platter::set_lies(lies);
    let dir = TempDir::new().expect("a folder");
    prepare(phase, dir.path());
    let (_, opened) = live(phase, dir.path());
    let all = platter::changes();
    match phase {
        Phase::Creation | Phase::Migration => (1, opened + 4),
        Phase::Load | Phase::Checkpoint | Phase::Folding => (opened, all),
    }
}

/// One life with a cut at a change, and another one on what is left.
fn cut(phase: Phase, at: u64, dice: Dice, lies: bool) -> Result<Book, String> {
    let (before, after) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    platter::renew();
    prepare(phase, before.path());
    platter::set_lies(lies);
    platter::cut_at(at, dice);
    let (book, _) = live(phase, before.path());
    let image = platter::image();
    platter::renew();
    match image {
        Some(image) => platter::restore(&image, before.path(), after.path()),
        // The life was shorter this time, since commits keep company by chance: all of it must be there.
        None => return next_life(before.path(), book, phase),
    }
    next_life(after.path(), book, phase)
}

/// The store opens without repair, has all that was acknowledged, and takes more.
fn next_life(dir: &Path, book: Book, phase: Phase) -> Result<Book, String> {
    block_on(async {
        let store = Store::open(dir).map_err(|error| format!("does not open: {error}"))?;
        let mut more = Book::default();
        let written = write_round(&store, ROUNDS + 1, &mut more).await;
        store.close().await;
        written.map_err(|error| format!("takes no more: {error}"))
    })?;
    let found = life::audit_of(dir, book)?;
    if phase == Phase::Migration {
        let core = life::open(&dir.join("core.db"))?;
        let kept: i64 = life::ask(&core, "SELECT count(*) FROM accounts WHERE name = 'kim'")?;
        if kept != 1 {
            return Err("the account of the older version is lost".to_owned());
        }
    }
    Ok(Book { keys: found.keys.min(book.keys), ..book })
}

/// Everything that a store does in this phase, until the power goes. Tells the change at which it stood open.
fn live(phase: Phase, dir: &Path) -> (Book, u64) {
    let mut book = Book::default();
    let opened = block_on(async {
        let Ok(store) = Store::open(dir) else { return 0 };
        // The last thing that an opening does. Without it, the journal of the first creation may come back after a
        // power cut, and takes the file back to nothing.
        platter::folder_synced();
        let opened = platter::changes();
        let beside = (phase == Phase::Folding).then(|| FoldingBeside::start(dir));
        for round in 1..=ROUNDS {
            if write_round(&store, round, &mut book).await.is_err() {
                break;
            }
            if phase == Phase::Checkpoint && round.is_multiple_of(4) {
                checkpoint(dir);
            }
        }
        drop(beside);
        store.close().await;
        opened
    });
    (book, opened)
}

/// Folds the logs back into the files and empties them, as the end of conversations does.
fn checkpoint(dir: &Path) {
    FILES.iter().for_each(|name| fold(dir, name, "PRAGMA wal_checkpoint(TRUNCATE)"));
}

fn fold(dir: &Path, name: &str, order: &str) {
    let folded = Connection::open(dir.join(name)).and_then(|file| file.query_row(order, [], |_| Ok(())));
    // The power may be gone.
    drop(folded);
}

/// Folds the logs back on and on while they are written, as the threads beside the writers do after a thousand pages.
struct FoldingBeside {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FoldingBeside {
    fn start(dir: &Path) -> FoldingBeside {
        let (dir, ends) = (dir.to_owned(), Arc::new(AtomicBool::new(false)));
        let is_over = ends.clone();
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                FILES.iter().for_each(|name| fold(&dir, name, "PRAGMA wal_checkpoint(PASSIVE)"));
                std::thread::yield_now();
            }
        });
        FoldingBeside { ends, thread: Some(thread) }
    }
}

impl Drop for FoldingBeside {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// For a migration: files of the first version, with an account in them, that lie on the disk since long ago.
fn prepare(phase: Phase, dir: &Path) {
    if phase != Phase::Migration {
        return;
    }
    first_version(dir);
    platter::renew();
    platter::take_as_synced(dir);
}

fn first_version(dir: &Path) {
    let versions = [
        ("audit.db", include_str!("../../../appliance/store/src/schema/audit.1.sql"), ""),
        (
            "core.db",
            include_str!("../../../appliance/store/src/schema/core.1.sql"),
            "INSERT INTO accounts VALUES (7, 'kim', 'owner', '-', 1);",
        ),
        ("work.db", include_str!("../../../appliance/store/src/schema/work.1.sql"), ""),
    ];
    for (name, schema, rows) in versions {
        let file = Connection::open(dir.join(name)).expect("a new file");
        file.execute_batch(&format!("PRAGMA journal_mode = WAL; {schema} {rows} PRAGMA user_version = 1;"))
            .expect("the first version");
    }
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}
