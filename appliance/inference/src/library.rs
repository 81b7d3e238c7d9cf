//! The models on the box's own disk: each file under its SHA-256, and names that point to files.
//!
//! `models/sha256-….gguf` holds a file that nobody may write to; `models/NAME.gguf` is a symbolic link to it, so that a
//! configuration names a model as it names any other file in that folder. The hash is the file's own name: whatever
//! loads it knows without a list what it must be.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use sha2::{Digest, Sha256};

use crate::digest::{self, hexadecimal};
use crate::gguf::{self, Gguf, GgufError};
use crate::plan::Size;

/// What an import leaves free on the disk, for the databases.
const LEFT_FREE_BYTES: u64 = 1 << 30;

const PIECE_BYTES: usize = 4 << 20;

/// A folder of models.
#[derive(Debug, Clone)]
pub struct Library {
    folder: PathBuf,
}

/// A name of the library, and what it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub sha256: String,
    pub file: PathBuf,
}

/// A model that was copied in, and has no name yet.
#[derive(Debug)]
pub struct Imported {
    pub sha256: String,
    pub size_bytes: u64,
    pub gguf: Gguf,
    unfinished: Unfinished,
}

#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("{0}: {1}")]
    Disk(PathBuf, io::Error),
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error(
        "{0:?} is no name for a model: use 1 to 64 letters, digits, \"-\", \"_\" and \".\", beginning neither with \".\" \
         nor with \"sha256-\" (`--name NAME` gives another one)"
    )]
    Name(String),
    #[error("there is a file {0} already, which is not the library's: take another name, or move it away")]
    Taken(PathBuf),
    #[error("another import is running: wait for it")]
    Busy,
    #[error(
        "{folder} has {free} free, and the model takes {size} besides the {left} that stay free: make room"
    )]
    Full { folder: PathBuf, free: Size, size: Size, left: Size },
    #[error("there is no model \"{0}\" in the library: `genset model list` shows what there is")]
    Unknown(String),
}

impl Library {
    pub fn new(folder: impl Into<PathBuf>) -> Library {
        Library { folder: folder.into() }
    }

    /// What the library holds, by name. A file that no name points to any more is called as it is on the disk.
    ///
    /// # Errors
    /// The folder can't be read; one that is not there is empty.
    pub fn entries(&self) -> Result<Vec<Entry>, LibraryError> {
        let names = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(|error| self.disk(error))?,
        };
        let (mut entries, mut files) = (Vec::new(), Vec::new());
        for name in names {
            let path = name.map_err(|error| self.disk(error))?.path();
            entries.extend(entry(&path));
            files.extend(by_own_name(&path));
        }
        files.retain(|file| entries.iter().all(|entry: &Entry| entry.file != file.file));
        entries.append(&mut files);
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// # Errors
    /// There is no such name.
    pub fn entry(&self, name: &str) -> Result<Entry, LibraryError> {
        let found = if is_name(name) {
            entry(&self.link(name))
        } else {
            self.entries()?.into_iter().find(|entry| entry.name == name)
        };
        found.ok_or_else(|| LibraryError::Unknown(name.to_owned()))
    }

    /// Copies a model in, and hashes it on the way: the source is read once. Nothing of it can be seen or used until
    /// [`keep`](Library::keep); what a crash leaves is removed by the next import.
    ///
    /// # Errors
    /// The file is no whole model, the name is not to be had, or the disk has no room or fails.
    pub fn import(
        &self,
        source: &Path,
        name: &str,
        mut progress: impl FnMut(f32),
    ) -> Result<Imported, LibraryError> {
        if !is_name(name) {
            return Err(LibraryError::Name(name.to_owned()));
        }
        if fs::symlink_metadata(self.link(name)).is_ok() && entry(&self.link(name)).is_none() {
            return Err(LibraryError::Taken(self.link(name)));
        }
        let unreadable = |error| LibraryError::Disk(source.to_owned(), error);
        let mut from = gguf::open(source)?;
        let gguf = gguf::inspect_file(&from, source)?;
        fs::create_dir_all(&self.folder).map_err(|error| self.disk(error))?;
        self.has_room(gguf.size_bytes)?;
        let mut unfinished = Unfinished::begin(&self.folder)?;
        io::Seek::rewind(&mut from).map_err(unreadable)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE_BYTES];
        let mut done = 0;
        // A source that grows while it is read is not followed for ever.
        let mut from = from.take(gguf.size_bytes);
        loop {
            let read = from.read(&mut piece).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            hash.update(&piece[..read]);
            unfinished.file.write_all(&piece[..read]).map_err(|error| self.disk(error))?;
            done += read as u64;
            progress((done as f64 / gguf.size_bytes.max(1) as f64) as f32);
        }
        unfinished.finish().map_err(|error| self.disk(error))?;
        // What lies on this disk now is what counts: the source may have changed since it was looked at.
        let gguf = gguf::inspect(&unfinished.path)?;
        Ok(Imported { sha256: hexadecimal(&hash.finalize()), size_bytes: done, gguf, unfinished })
    }

    /// Puts an imported model in its place, and points the name to it.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, imported: Imported, name: &str) -> Result<Entry, LibraryError> {
        let Imported { sha256, unfinished, .. } = imported;
        let file = self.folder.join(format!("sha256-{sha256}.gguf"));
        let kept = || -> io::Result<()> {
            // One of the same content may be damaged by now; this one has just been read.
            fs::rename(&unfinished.path, &file)?;
            let link = self.folder.join(format!(".name-{}", std::process::id()));
            let _ = fs::remove_file(&link);
            symlink(file.file_name().unwrap_or_default(), &link)?;
            fs::rename(&link, self.link(name))?;
            self.settle()
        };
        kept().map_err(|error| self.disk(error))?;
        Ok(Entry { name: name.to_owned(), sha256, file })
    }

    /// Removes a name, and its file where no other name points to it.
    ///
    /// # Errors
    /// There is no such name, or the disk fails.
    pub fn remove(&self, name: &str) -> Result<Entry, LibraryError> {
        let entry = self.entry(name)?;
        let has_others = self.has_other_names(&entry)?;
        let removed = || -> io::Result<()> {
            // A file without a name is called by itself.
            if self.link(name) != entry.file {
                fs::remove_file(self.link(name))?;
            }
            if !has_others {
                fs::remove_file(&entry.file)?;
            }
            self.settle()
        };
        removed().map_err(|error| self.disk(error))?;
        Ok(entry)
    }

    /// Whether the file of this entry can be had by another name too.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn has_other_names(&self, entry: &Entry) -> Result<bool, LibraryError> {
        Ok(self.entries()?.into_iter().any(|other| other.name != entry.name && other.file == entry.file))
    }

    fn link(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.gguf"))
    }

    fn has_room(&self, size_bytes: u64) -> Result<(), LibraryError> {
        let disk = statvfs(&self.folder).map_err(|error| self.disk(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if size_bytes.saturating_add(LEFT_FREE_BYTES) <= free {
            return Ok(());
        }
        let folder = self.folder.clone();
        Err(LibraryError::Full {
            folder,
            free: Size(free),
            size: Size(size_bytes),
            left: Size(LEFT_FREE_BYTES),
        })
    }

    /// A renamed or removed name is on disk when its folder is.
    fn settle(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn disk(&self, error: io::Error) -> LibraryError {
        LibraryError::Disk(self.folder.clone(), error)
    }
}

/// The SHA-256 that a file must have by its own name, wherever a link to it lies.
pub fn by_name(file: &Path) -> Option<String> {
    let file = fs::canonicalize(file).ok()?;
    let hash = file.file_name()?.to_str()?.strip_prefix("sha256-")?.strip_suffix(".gguf")?;
    is_sha256(hash).then(|| hash.to_owned())
}

/// 64 hexadecimal digits, in lower case.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Hashes a file; `progress` gets the share that is done.
///
/// # Errors
/// The disk's, or it is no file.
pub fn sha256_of(file: &Path, mut progress: impl FnMut(f32)) -> Result<String, LibraryError> {
    let hashed = digest::sha256(&gguf::open(file)?, |share| {
        progress(share);
        true
    });
    hashed.map_err(|error| LibraryError::Disk(file.to_owned(), error))
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('.')
        && !name.starts_with("sha256-")
}

/// A link of the library: to a file beside it that is called by its hash.
fn entry(link: &Path) -> Option<Entry> {
    let name = link.file_name()?.to_str()?.strip_suffix(".gguf").filter(|name| is_name(name))?;
    let target = fs::read_link(link).ok()?;
    let sha256 =
        target.to_str()?.strip_prefix("sha256-")?.strip_suffix(".gguf").filter(|hash| is_sha256(hash))?;
    Some(Entry { name: name.to_owned(), sha256: sha256.to_owned(), file: link.parent()?.join(&target) })
}

/// A file of the library, called by its hash.
fn by_own_name(file: &Path) -> Option<Entry> {
    let name = file.file_name()?.to_str()?.strip_suffix(".gguf")?;
    let sha256 = name.strip_prefix("sha256-").filter(|hash| is_sha256(hash))?;
    let is_file = fs::symlink_metadata(file).is_ok_and(|found| found.is_file());
    is_file.then(|| Entry { name: name.to_owned(), sha256: sha256.to_owned(), file: file.to_owned() })
}

/// A file that is being written: gone when dropped, and when another import finds it.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
    file: File,
    /// Held while the import lasts.
    _lock: File,
}

impl Unfinished {
    fn begin(folder: &Path) -> Result<Unfinished, LibraryError> {
        let path = folder.join(".import.part");
        let made = || -> io::Result<Option<Unfinished>> {
            let lock = File::create(folder.join(".import.lock"))?;
            if lock.try_lock().is_err() {
                return Ok(None);
            }
            let _ = fs::remove_file(&path);
            let file = File::create_new(&path)?;
            Ok(Some(Unfinished { path: path.clone(), file, _lock: lock }))
        };
        made().map_err(|error| LibraryError::Disk(folder.to_owned(), error))?.ok_or(LibraryError::Busy)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.set_permissions(fs::Permissions::from_mode(0o444))?;
        self.file.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
