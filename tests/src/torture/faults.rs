//! Every call that a disk can fail, on every way to write: for each N, the Nth call fails, alone or for good.

mod programs;

use std::path::Path;

use store::Store;
use tempfile::TempDir;

use super::life::{self, Book};
use super::paths::{self, WritePath};
use super::platter::{self, Fault};
use super::whole::copy_folder;
use super::{disk, power::block_on};

/// No path makes so many calls; one that seems to is a fault of the torture.
const MOST_CALLS: u64 = 500;

/// What came of the failures.
#[derive(Debug, Default)]
pub(super) struct Faults {
    paths: usize,
    programs: usize,
    runs: u64,
    failed_calls: u64,
    refused: u64,
    wrong: Vec<String>,
}

impl Faults {
    pub(super) fn told(&self) -> (String, bool) {
        let line = format!(
            "faults: {} write paths of the store and its opening, {} programs, {} runs with a failing call ({} calls \
             failed), {} changes refused, {} half applied, unknown to the log, acknowledged and not there, panicked, or \
             not to be repaired",
            self.paths,
            self.programs,
            self.runs,
            self.failed_calls,
            self.refused,
            self.wrong.len()
        );
        let wrong: Vec<String> = self.wrong.iter().take(8).map(|wrong| format!("\n  {wrong}")).collect();
        (line + &wrong.concat(), self.wrong.is_empty() && self.failed_calls > 0)
    }
}

/// All kinds of failure, every N until nothing fails any more, on every path of the store or on each `step`th.
pub(super) fn of_the_store(step: usize) -> Faults {
    disk::install();
    let paths: Vec<_> = paths::all().step_by(step).collect();
    let mut faults = Faults { paths: paths.len(), ..Faults::default() };
    for path in paths {
        let template = block_on(Template::of(path));
        for (fault, stays) in kinds() {
            faults.try_each(&format!("{}, {fault:?}", path.name), 1, |n| {
                block_on(fail(path, &template, (fault, n, stays)))
            });
        }
    }
    for (fault, stays) in kinds() {
        faults.try_each(&format!("the opening, {fault:?}"), 1, |n| block_on(fail_opening((fault, n, stays))));
    }
    faults
}

/// The same on whole programs: each `step`th of them, and of its calls every `calls`th.
pub(super) fn of_programs(step: usize, calls: u64) -> Faults {
    let mut faults = Faults::default();
    programs::try_all(&mut faults, calls, step);
    faults
}

fn kinds() -> impl Iterator<Item = (Fault, bool)> {
    Fault::ALL.into_iter().flat_map(|fault| [(fault, false), (fault, true)])
}

/// How a run went.
struct Run {
    failed_calls: u64,
    refused: bool,
}

type Setting = (Fault, u64, bool);

impl Faults {
    #[allow(clippy::print_stderr, reason = "the long form takes its time, and says where it is")]
    fn try_each(&mut self, name: &str, step: u64, mut run: impl FnMut(u64) -> Result<Run, String>) {
        eprintln!("{name}: after {} runs", self.runs);
        for n in (0..MOST_CALLS).map(|n| n * step) {
            match run(n) {
                Ok(Run { failed_calls: 0, .. }) => return,
                Ok(run) => {
                    self.failed_calls += run.failed_calls;
                    self.refused += u64::from(run.refused);
                }
                Err(wrong) => {
                    let wrong = format!("{name}, call {n}: {wrong}");
                    eprintln!("  WRONG: {wrong}");
                    self.wrong.push(wrong);
                }
            }
            self.runs += 1;
        }
        self.wrong.push(format!("{name}: it never ended"));
    }
}

/// A folder in which a path has still to be walked.
struct Template {
    dir: TempDir,
    /// What came of the preparations, for the run.
    kept: String,
    before: String,
    after: String,
}

impl Template {
    /// Prepares it, and walks the path once without a failure in a copy.
    async fn of(path: &WritePath) -> Template {
        let dir = TempDir::new().expect("a folder");
        platter::renew();
        let store = Store::open(dir.path()).expect("a good disk");
        let kept = (path.before)(&store).await.unwrap_or_else(|error| panic!("{}: {error}", path.name));
        store.close().await;
        let walked = copy(dir.path());
        let before = state(path, dir.path()).expect("readable");
        let store = Store::open(walked.path()).expect("a good disk");
        (path.run)(&store, &kept).await.unwrap_or_else(|error| panic!("{}: {error}", path.name));
        store.close().await;
        let after = state(path, walked.path()).expect("readable");
        assert_ne!(before, after, "{}: the path changes something", path.name);
        is_known_to_the_log(path, walked.path()).expect("the log knows of it");
        Template { dir, kept, before, after }
    }
}

/// The Nth call of this kind fails while the path is walked.
async fn fail(path: &WritePath, template: &Template, (fault, passes, stays): Setting) -> Result<Run, String> {
    let dir = copy(template.dir.path());
    platter::renew();
    let store = Store::open(dir.path()).map_err(|error| format!("does not open: {error}"))?;
    platter::arm(fault, passes, stays);
    let result = (path.run)(&store, &template.kept).await;
    let failed_calls = platter::disarm();
    if !path.name.contains("the stop") {
        store.core.set_setting("later", "yes").await.map_err(|error| format!("stays broken: {error}"))?;
    }
    store.close().await;
    let found = reopened(path, dir.path()).await?;
    let refused = result.is_err();
    let (before, after) = (&template.before, &template.after);
    let stands = if path.varies { found != *before } else { found == *after };
    match result {
        Ok(()) if !stands => {
            return Err(format!("acknowledged, and the files say {found} in place of {after}"));
        }
        // The failure came after the commit was on disk, or before any of it was.
        Err(error) if !stands && found != *before => {
            return Err(format!("half applied: {found}, between {before} and {after} ({error})"));
        }
        _ if stands => is_known_to_the_log(path, dir.path())?,
        _ => {}
    }
    Ok(Run { failed_calls, refused })
}

fn is_known_to_the_log(path: &WritePath, dir: &Path) -> Result<(), String> {
    let Some(event) = path.event else { return Ok(()) };
    let question = format!("SELECT count(*) FROM entries WHERE json_extract(body, '$.what') = '{event}'");
    match life::ask::<i64>(&life::open(&dir.join("audit.db"))?, &question)? {
        0 => Err(format!("it stands, and the log has no {event}")),
        _ => Ok(()),
    }
}

/// The Nth call fails while a store is made; the next opening needs no repair.
async fn fail_opening((fault, passes, stays): Setting) -> Result<Run, String> {
    let dir = TempDir::new().map_err(|error| error.to_string())?;
    platter::renew();
    platter::arm(fault, passes, stays);
    let opened = Store::open(dir.path());
    let failed_calls = platter::disarm();
    let refused = opened.is_err();
    if let Ok(store) = opened {
        store.close().await;
    }
    let store = Store::open(dir.path()).map_err(|error| format!("does not open later: {error}"))?;
    store.close().await;
    life::audit_of(dir.path(), Book::default())?;
    Ok(Run { failed_calls, refused })
}

async fn reopened(path: &WritePath, dir: &Path) -> Result<String, String> {
    let store = Store::open(dir).map_err(|error| format!("does not open later: {error}"))?;
    store.close().await;
    life::audit_of(dir, Book::default())?;
    state(path, dir)
}

fn state(path: &WritePath, dir: &Path) -> Result<String, String> {
    let (file, question) = path.state;
    life::ask(&life::open(&dir.join(file))?, &format!("SELECT CAST(({question}) AS TEXT)"))
}

fn copy(template: &Path) -> TempDir {
    let dir = TempDir::new().expect("a folder");
    copy_folder(template, dir.path());
    dir
}
