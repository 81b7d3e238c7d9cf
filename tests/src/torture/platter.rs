//! What lies on the disk and what is still on its way there; when a call fails, and what a power cut leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use crate::Dice;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A call that SQLite makes.
#[derive(Clone, Copy)]
pub(super) enum Call<'a> {
    Open(&'a Path),
    Write(&'a Path, usize, &'a [u8]),
    Truncate(&'a Path, usize),
    Sync(&'a Path),
    /// With the folder synced afterwards, or without.
    Delete(&'a Path, bool),
}

pub(super) enum Verdict {
    Passes,
    Fails(c_int),
}

/// How calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Eio,
    Enospc,
    Emfile,
    Fsync,
}

impl Fault {
    pub(super) const ALL: [Fault; 4] = [Fault::Eio, Fault::Enospc, Fault::Emfile, Fault::Fsync];

    fn meets(self, call: &Call<'_>) -> bool {
        match self {
            Fault::Eio => matches!(call, Call::Write(..) | Call::Truncate(..) | Call::Delete(..)),
            Fault::Enospc => matches!(call, Call::Write(..)),
            Fault::Emfile => matches!(call, Call::Open(_)),
            Fault::Fsync => matches!(call, Call::Sync(_)),
        }
    }

    fn code(self, call: &Call<'_>) -> c_int {
        match (self, call) {
            (Fault::Enospc, _) => ffi::SQLITE_FULL,
            (Fault::Emfile, _) => ffi::SQLITE_CANTOPEN,
            (Fault::Fsync, _) => ffi::SQLITE_IOERR_FSYNC,
            (Fault::Eio, Call::Truncate(..)) => ffi::SQLITE_IOERR_TRUNCATE,
            (Fault::Eio, Call::Delete(..)) => ffi::SQLITE_IOERR_DELETE,
            (Fault::Eio, _) => ffi::SQLITE_IOERR_WRITE,
        }
    }
}

#[derive(Default)]
struct Platter {
    files: BTreeMap<PathBuf, Surface>,
    /// Calls that change something, since the disk was made new.
    changes: u64,
    /// The change that the power cut meets, and what decides which sectors get through.
    cut: Option<(u64, Dice)>,
    image: Option<Image>,
    fault: Option<Armed>,
    /// Says that it has synced, and has not: proves that the checks would notice.
    lies: bool,
}

/// One file.
#[derive(Default)]
struct Surface {
    /// None while neither the file nor its name has been synced.
    synced: Option<Vec<u8>>,
    pending: Vec<Change>,
    /// Its name is gone, but perhaps not from the disk.
    deleted: bool,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

struct Armed {
    fault: Fault,
    /// Calls of its kind that still pass.
    passes: u64,
    /// All that follow fail too.
    stays: bool,
    met: u64,
}

/// What is left after a power cut.
pub(super) struct Image {
    left: BTreeMap<PathBuf, Vec<u8>>,
    /// All files that SQLite has opened; one that is not left had no name on the disk.
    known: BTreeSet<PathBuf>,
}

static PLATTER: LazyLock<Mutex<Platter>> = LazyLock::new(Mutex::default);

fn platter() -> MutexGuard<'static, Platter> {
    PLATTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new disk: nothing is on its way, nothing fails.
pub(super) fn renew() {
    *platter() = Platter::default();
}

/// What lies in a folder already counts as synced.
pub(super) fn take_as_synced(folder: &Path) {
    for file in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let bytes = std::fs::read(file.path()).expect("readable");
        platter().files.insert(file.path(), Surface { synced: Some(bytes), ..Surface::default() });
    }
}

/// A disk that says it has synced, and has not.
pub(super) fn set_lies(lies: bool) {
    platter().lies = lies;
}

/// The folder was synced by the program itself: names are there for good, or gone for good.
pub(super) fn folder_synced() {
    let mut platter = platter();
    if platter.image.is_none() && !platter.lies {
        platter.files.retain(|_, surface| !surface.deleted);
        for surface in platter.files.values_mut() {
            surface.synced.get_or_insert_default();
        }
    }
}

pub(super) fn changes() -> u64 {
    platter().changes
}

/// The power goes at the change with this number, counted from 1.
pub(super) fn cut_at(change: u64, dice: Dice) {
    platter().cut = Some((change, dice));
}

/// What the power cut left; none when it never came.
pub(super) fn image() -> Option<Image> {
    platter().image.take()
}

/// The call after `passes` others of its kind fails, and with `stays` all that follow.
pub(super) fn arm(fault: Fault, passes: u64, stays: bool) {
    platter().fault = Some(Armed { fault, passes, stays, met: 0 });
}

/// Nothing fails any more. How many calls have failed.
pub(super) fn disarm() -> u64 {
    platter().fault.take().map_or(0, |armed| armed.met)
}

pub(super) fn call(call: Call<'_>) -> Verdict {
    let mut platter = platter();
    if platter.image.is_some() {
        return Verdict::Fails(ffi::SQLITE_IOERR);
    }
    if let Some(armed) = &mut platter.fault
        && armed.fault.meets(&call)
    {
        if armed.passes == 0 && (armed.stays || armed.met == 0) {
            armed.met += 1;
            return Verdict::Fails(armed.fault.code(&call));
        }
        armed.passes = armed.passes.saturating_sub(1);
    }
    platter.take(&call)
}

impl Platter {
    fn take(&mut self, call: &Call<'_>) -> Verdict {
        if !matches!(call, Call::Open(_)) {
            self.changes += 1;
        }
        let cut = match &self.cut {
            Some((at, dice)) if self.changes == *at && !matches!(call, Call::Open(_)) => Some(dice.clone()),
            _ => None,
        };
        match call {
            Call::Open(path) => {
                self.files.entry(path.to_path_buf()).or_default().deleted = false;
            }
            Call::Write(path, at, bytes) => self.pend(path, Change::Write(*at, bytes.to_vec())),
            Call::Truncate(path, size) => self.pend(path, Change::Truncate(*size)),
            Call::Sync(path) if cut.is_none() && !self.lies => self.surface(path).sync(),
            Call::Delete(path, true) if cut.is_none() => {
                self.files.remove(*path);
            }
            Call::Delete(path, _) => self.surface(path).deleted = true,
            Call::Sync(_) => {}
        }
        if let Some(dice) = cut {
            self.image = Some(self.lose_power(dice));
            return Verdict::Fails(ffi::SQLITE_IOERR);
        }
        Verdict::Passes
    }

    fn surface(&mut self, path: &Path) -> &mut Surface {
        self.files.entry(path.to_path_buf()).or_default()
    }

    fn pend(&mut self, path: &Path, change: Change) {
        self.surface(path).pending.push(change);
    }

    fn lose_power(&self, mut dice: Dice) -> Image {
        // Nothing gets through, most of it, all of it, or any half.
        let lost_of_16 = *dice.pick(&[0, 1, 8, 8, 15, 16]);
        let in_order = dice.one_in(3);
        let left = self.files.iter().filter_map(|(path, surface)| {
            Some((path.clone(), surface.left(lost_of_16, in_order, &mut dice)?))
        });
        Image { left: left.collect(), known: self.files.keys().cloned().collect() }
    }
}

impl Surface {
    fn sync(&mut self) {
        let mut bytes = self.synced.take().unwrap_or_default();
        for change in self.pending.drain(..) {
            change.apply(&mut bytes);
        }
        self.synced = Some(bytes);
    }

    /// None when no name of it is on the disk.
    fn left(&self, lost_of_16: usize, in_order: bool, dice: &mut Dice) -> Option<Vec<u8>> {
        if self.deleted && dice.one_in(2) {
            return None;
        }
        if self.synced.is_none() && dice.one_in(2) {
            return None;
        }
        let mut bytes = self.synced.clone().unwrap_or_default();
        let until = if in_order { dice.between(0, self.pending.len()) } else { self.pending.len() };
        for change in &self.pending[..until] {
            let lost = if in_order { 0 } else { lost_of_16 };
            change.apply_in_part(&mut bytes, lost, dice);
        }
        Some(bytes)
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
            Change::Truncate(size) => bytes.resize(*size, 0),
        }
    }

    /// Sector by sector: each is lost so many times of 16. The size may get through without them, and zeros stand in.
    fn apply_in_part(&self, bytes: &mut Vec<u8>, lost_of_16: usize, dice: &mut Dice) {
        match self {
            Change::Write(at, data) => {
                if dice.between(1, 16) > lost_of_16 {
                    bytes.resize(bytes.len().max(at + data.len()), 0);
                }
                let mut from = 0;
                while from < data.len() {
                    let to = (from + SECTOR - (at + from) % SECTOR).min(data.len());
                    if dice.between(1, 16) > lost_of_16 {
                        Change::Write(at + from, data[from..to].to_vec()).apply(bytes);
                    }
                    from = to;
                }
            }
            Change::Truncate(_) if dice.between(1, 16) <= lost_of_16 => {}
            Change::Truncate(_) => self.apply(bytes),
        }
    }
}

/// Puts what is left after a power cut into another folder, under the same names. Files that SQLite never opened
/// under their name, such as a snapshot that was renamed once it was synced, are taken as they are.
pub(super) fn restore(image: &Image, from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).expect("the folder is there").flatten() {
        let name = file.file_name();
        let is_memory = name.to_string_lossy().ends_with("-shm");
        if !is_memory && !image.known.contains(&file.path()) {
            std::fs::copy(file.path(), to.join(name)).expect("writable");
        }
    }
    for (path, bytes) in &image.left {
        if let Ok(name) = path.strip_prefix(from) {
            std::fs::write(to.join(name), bytes).expect("writable");
        }
    }
}
