//! Power cuts of the whole box: its first start, a night's backup, a restore, a new sheet, sealing, an upgrade, and the
//! hours without a log. Each is lived through once on the breakable disk, and cut at any of its changes.

use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::block_on;
use crate::torture::whole::journal::{Change, Entry, read};
use crate::torture::whole::remains::Disk;
use crate::torture::whole::{Orders, Site};
use crate::{Chat, Dice};

/// Something that a box has said is done.
#[derive(Debug, Clone)]
enum Promise {
    /// So many requests were answered, and stand in the log.
    Asked(usize),
    /// This key opens the API.
    Key(String),
    /// The newest code for the first owner.
    SetupCode,
    /// So many backups are there, and the code opens them.
    Backups(usize, String),
    /// The code of the newest sheet.
    Sheet(String),
    Sealed,
    /// Another folder holds the whole box.
    Restored,
}

/// A life on the breakable disk: all that changed, and what was promised when.
struct Life {
    name: &'static str,
    /// The folder before it.
    before: Site,
    /// What must hold at any time.
    since_ever: Vec<Promise>,
    root: std::path::PathBuf,
    entries: Vec<Entry>,
    promises: Vec<(u64, Promise)>,
}

/// While it lasts: where the journal is, and what was promised so far.
struct Witness {
    folder: TempDir,
    promises: Vec<(u64, Promise)>,
}

impl Witness {
    fn new() -> Witness {
        Witness { folder: TempDir::new().expect("a folder"), promises: Vec::new() }
    }

    fn journal(&self) -> std::path::PathBuf {
        self.folder.path().join("journal")
    }

    fn orders(&self) -> Orders {
        Orders::journal(&self.journal())
    }

    /// All that the promise needs was written down before this.
    fn promised(&mut self, promise: Promise) {
        let at = std::fs::metadata(self.journal()).map_or(0, |facts| facts.len());
        self.promises.push((at, promise));
    }

    fn life(self, name: &'static str, before: Site, since_ever: Vec<Promise>, site: &Site) -> Life {
        let entries = read(&self.journal());
        let (root, promises) = (site.path().to_owned(), self.promises);
        Life { name, before, since_ever, root, entries, promises }
    }
}

/// What came of the cuts of whole boxes.
#[derive(Debug, Default)]
pub(super) struct WholeCuts {
    pub(super) by_life: Vec<(&'static str, usize)>,
    pub(super) kept: usize,
    pub(super) lost: Vec<String>,
}

/// So many cuts, spread over the lives; on a disk that keeps its word, or on one that only says that it has synced.
pub(super) fn cuts(count: usize, seed: u64, lies: bool) -> WholeCuts {
    let mut dice = Dice::new(seed);
    let lives: [fn() -> Life; 5] = [first_start, night, restore, sheet_and_seal, upgrade];
    let mut cuts = WholeCuts::default();
    for (number, life) in lives.into_iter().enumerate() {
        let share = (count + lives.len() - 1 - number) / lives.len();
        if share == 0 {
            continue;
        }
        let life = life();
        for _ in 0..share {
            let at = dice.between(1, life.entries.len());
            match life.cut(at, &mut dice, lies) {
                Ok(kept) => cuts.kept += kept,
                Err(lost) => cuts.lost.push(format!("{}, change {at}: {lost}", life.name)),
            }
        }
        cuts.by_life.push((life.name, share));
    }
    cuts
}

impl Life {
    /// The power goes after so many changes, and the box starts again; how many promises were kept.
    fn cut(&self, at: usize, dice: &mut Dice, lies: bool) -> Result<usize, String> {
        let mut disk = Disk::of(self.before.path()).moved_to(&self.root);
        let counts = |entry: &&Entry| !lies || !matches!(entry.change, Change::Sync(_));
        self.entries[..at].iter().filter(counts).for_each(|entry| disk.take(entry));
        let site = self.before.of_remains(&disk.lose_power(dice));
        let until = self.entries[at - 1].end;
        let newest = self.promises.iter().filter(|(end, _)| *end <= until).map(|(_, promise)| promise);
        let promises: Vec<&Promise> = self.since_ever.iter().chain(newest).collect();
        block_on(starts_again(&site, &promises))?;
        promises.iter().try_for_each(|promise| kept(&site, promise))?;
        Ok(promises.len())
    }
}

/// The box gets ready without repair, and what it answers to is as promised.
async fn starts_again(site: &Site, promises: &[&Promise]) -> Result<(), String> {
    let mut box_ = site.serve(&Orders::default());
    if !box_.answers("/readyz").await? {
        return Err(format!("the box does not start: {}", box_.log()));
    }
    for promise in promises {
        if let Promise::Key(key) = promise {
            let models = site.client().with_key(key).try_get("/v1/models").await;
            let models = models.map_err(|error| format!("the box breaks off: {error}"))?;
            if models.status != 200 {
                return Err(format!("a key that was made is unknown: {}", models.text()));
            }
        }
    }
    if box_.end().is_panic() {
        return Err("a panic".to_owned());
    }
    Ok(())
}

fn kept(site: &Site, promise: &Promise) -> Result<(), String> {
    site.check(&["audit", "verify"], "")?;
    match promise {
        Promise::Key(_) => Ok(()),
        Promise::Asked(count) => {
            let found = site.ask("audit.db", "SELECT count(*) FROM entries WHERE kind = 'request'")?;
            let found: usize = found.parse().unwrap_or(0);
            if found >= *count {
                Ok(())
            } else {
                Err(format!("{count} requests were answered, {found} are in the log"))
            }
        }
        Promise::SetupCode => match site.ask("core.db", "SELECT count(*) FROM setup_code")?.as_str() {
            "1" => Ok(()),
            _ => Err("the setup code is lost".to_owned()),
        },
        Promise::Backups(count, code) => {
            let backups = site.backups();
            if backups.len() < *count {
                return Err(format!("{count} backups were made, {} are there", backups.len()));
            }
            backups.iter().try_for_each(|backup| opens(site, backup, code))
        }
        Promise::Sheet(code) => site.check(&["recovery-sheet", "--prove"], code),
        Promise::Sealed => {
            let text = std::fs::read_to_string(site.path().join("cloud.key")).unwrap_or_default();
            if !text.starts_with("genset-sealed-1") {
                return Err(format!("the key of the cloud account is not sealed: {text}"));
            }
            site.check(&["check"], "")
        }
        Promise::Restored => {
            let config = site.path().join("blank/genset.toml");
            if config.is_file() { opens_restored(site) } else { Err("the restored box is gone".to_owned()) }
        }
    }
}

/// What looks like a backup is one.
fn opens(site: &Site, backup: &Path, code: &str) -> Result<(), String> {
    let to = TempDir::new().expect("a folder");
    let to = to.path().join("blank");
    site.check(&["restore", text(backup), "--to", text(&to)], code)
}

fn opens_restored(site: &Site) -> Result<(), String> {
    let blank = site.path().join("blank");
    let store =
        store::Store::open(&blank.join("data")).map_err(|error| format!("the restored box: {error}"))?;
    block_on(store.close());
    store::verify_file(&blank.join("data/audit.db")).map(drop).map_err(|error| error.to_string())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// From nothing to a box that answers; then hours without a log, in which the clinical lane goes on.
fn first_start() -> Life {
    let before = Site::new();
    let site = before.copy();
    let mut witness = Witness::new();
    let orders = witness.orders();
    block_on(async {
        let mut box_ = site.serve(&orders);
        assert_eq!(box_.answers("/readyz").await, Ok(true), "{}", box_.log());
        assert_eq!(site.run(&["setup-code"], "", &orders).code, Some(0));
        witness.promised(Promise::SetupCode);
        let made = site.run(&["key", "create", "ward", "--lane", "clinical"], "", &orders);
        let key = made.printed.trim().to_owned();
        witness.promised(Promise::Key(key.clone()));
        let ward = site.client().with_key(&key);
        for asked in 1..=4 {
            assert_eq!(ward.ask(&Chat::new("local-only", "Who are you?")).await.status, 200);
            witness.promised(Promise::Asked(asked));
        }
        // Another process holds the log: what the clinical lane asks goes to the spool.
        let log = Connection::open(site.data().join("audit.db")).expect("it is there");
        log.execute_batch("BEGIN IMMEDIATE").expect("nobody else holds it");
        for asked in 5..=6 {
            let reply = ward.ask(&Chat::new("local-only", "Who are you?")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            witness.promised(Promise::Asked(asked));
        }
        drop(box_);
    });
    witness.life("the first start and hours without a log", before, Vec::new(), &site)
}

/// A box with a sheet and one backup of long ago.
fn with_backup() -> (Site, String) {
    let site = Site::new();
    site.must(&["key", "create", "ward"], "");
    let code = code_on(&site.must(&["recovery-sheet"], ""));
    site.must(&["backup"], "");
    let backup = site.backups().pop().expect("it was made");
    std::fs::rename(backup, site.path().join("backups/genset-2020-01-01-023000.backup")).expect("ours");
    (site, code)
}

/// The code on a printed sheet: seven groups of four.
pub(in crate::torture) fn code_on(sheet: &str) -> String {
    let is_code = |line: &&str| line.len() == 34 && line.split('-').all(|group| group.len() == 4);
    sheet.lines().map(str::trim).find(is_code).expect("a code stands on the sheet").to_owned()
}

/// A backup is made while the box is asked, beside an older one.
fn night() -> Life {
    let (before, code) = with_backup();
    let site = before.copy();
    let mut witness = Witness::new();
    let orders = witness.orders();
    let mut box_ = site.serve(&orders);
    assert_eq!(block_on(box_.answers("/readyz")), Ok(true), "{}", box_.log());
    let key = site.run(&["key", "create", "night"], "", &orders).printed.trim().to_owned();
    witness.promised(Promise::Key(key.clone()));
    std::thread::scope(|threads| {
        let backup = threads.spawn(|| site.run(&["backup"], "", &orders));
        let client = site.client().with_key(&key);
        for asked in 1.. {
            let reply = block_on(client.ask(&Chat::new("local-only", "Who are you?")));
            assert_eq!(reply.status, 200, "{}", reply.text());
            witness.promised(Promise::Asked(asked));
            if backup.is_finished() {
                break;
            }
        }
        let made = backup.join().expect("it ends");
        assert_eq!(made.code, Some(0), "{}", made.said);
        witness.promised(Promise::Backups(2, code.clone()));
    });
    drop(box_);
    witness.life("a night's backup", before, vec![Promise::Backups(1, code)], &site)
}

fn restore() -> Life {
    let (before, code) = with_backup();
    let site = before.copy();
    let mut witness = Witness::new();
    let (backup, to) = (site.backups().pop().expect("it is there"), site.path().join("blank"));
    let ended = site.run(&["restore", text(&backup), "--to", text(&to)], &code, &witness.orders());
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    witness.promised(Promise::Restored);
    witness.life("a restore", before, vec![Promise::Backups(1, code)], &site)
}

/// A new sheet takes the place of one, and the key of the cloud account is sealed.
fn sheet_and_seal() -> Life {
    let before = Site::new();
    before.must(&["recovery-sheet"], "");
    let site = before.copy();
    let mut witness = Witness::new();
    let sealed = site.run(&["seal"], "", &witness.orders());
    assert_eq!(sealed.code, Some(0), "{}", sealed.said);
    witness.promised(Promise::Sealed);
    let sheet = site.run(&["recovery-sheet", "--new"], "", &witness.orders());
    assert_eq!(sheet.code, Some(0), "{}", sheet.said);
    witness.promised(Promise::Sheet(code_on(&sheet.printed)));
    witness.life("a new sheet and sealing", before, Vec::new(), &site)
}

/// Files of the first version, which the first command brings up to date.
fn upgrade() -> Life {
    let before = Site::new();
    std::fs::create_dir(before.data()).expect("it is new");
    super::first_version(&before.data());
    let site = before.copy();
    let mut witness = Witness::new();
    let made = site.run(&["key", "create", "ward"], "", &witness.orders());
    assert_eq!(made.code, Some(0), "{}", made.said);
    witness.promised(Promise::Key(made.printed.trim().to_owned()));
    witness.life("an upgrade", before, Vec::new(), &site)
}
