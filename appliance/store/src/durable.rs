//! Files and folders that a power cut does not take: each name is synced with the folder that has it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder and what is missing above it, for its owner alone; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent(path);
    make_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync_folder(parent)
}

/// Writes a file in one step: it is on disk when this returns, whole, and one that was there before stays until then.
///
/// # Errors
/// When it cannot be written. What could not be synced may be there all the same.
pub fn write_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = parent(path);
    make_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = folder.join(format!(".{name}.{}.partial", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&partial)?;
        file.write_all(content)?;
        // A simulated box loses no power, and a thousand of them would wear the disk out.
        if !cfg!(feature = "simulation") {
            file.sync_all()?;
        }
        std::fs::rename(&partial, path)?;
        sync_folder(folder)
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&partial)))
}

/// Makes the names in a folder as durable as what they name.
///
/// # Errors
/// When the disk fails.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(feature = "simulation") {
        return Ok(());
    }
    match File::open(path) {
        // Names may be made in a folder that may not be read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        folder => folder?.sync_all(),
    }
}

/// Makes the name of a new file as durable as its content.
///
/// # Errors
/// When the disk fails.
pub fn sync_name(path: &Path) -> io::Result<()> {
    sync_folder(parent(path))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
