//! The tar archive inside a backup: regular files under relative names, and nothing else.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use store::durable::{make_folder, sync_name};
use tar::{Archive, Builder, EntryType, Header};

use super::plan::{Plan, Source};
use super::{BackupError, at, open};
use crate::sealing::Key;

/// Writes all that the plan names.
pub(super) fn pack<W: Write>(out: W, plan: &Plan) -> io::Result<W> {
    let mut archive = Builder::new(out);
    for (name, source) in plan {
        match source {
            Source::Text(text) => {
                archive.append_data(&mut header(text.len() as u64), name, text.as_bytes())?;
            }
            Source::File(path) => {
                let file = std::fs::File::open(path)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
                let size = file.metadata()?.len();
                archive.append_data(&mut header(size), name, io::Read::take(file, size))?;
            }
        }
    }
    archive.into_inner()
}

fn header(size_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size_bytes);
    header.set_mode(0o600);
    header
}

/// Opens a backup and puts its files into an empty folder, for their owner alone.
pub(crate) fn unpack(file: &Path, key: &Key, folder: &Path) -> Result<(), BackupError> {
    let mut archive = Archive::new(open(file, key)?);
    let unpack = move || -> io::Result<()> {
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.into_owned();
            let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
            if !is_inside || entry.header().entry_type() != EntryType::Regular {
                return Err(io::Error::other(format!("{}: no backup holds this", name.display())));
            }
            let path = folder.join(&name);
            make_folder(path.parent().unwrap_or(folder))?;
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            io::copy(&mut entry, &mut out)?;
            out.sync_all()?;
            sync_name(&path)?;
        }
        // The end of the archive is not the end of the seal: what follows must be proven too.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
    };
    unpack().map_err(at(file))
}
