//! Whether a model's file is still what was loaded: a worker maps it, so what is written into it is computed with at once.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::gguf;

/// A file as it was when its worker was started. It is held open: whatever its path leads to by now, this is what the worker has.
pub(super) struct Print {
    file: File,
    was: State,
}

/// Its length, and when it was last written, in seconds and nanoseconds.
type State = (u64, i64, i64);

impl Print {
    /// `None` of one that can't be read, which its worker will tell.
    pub(super) fn of(file: &Path) -> Option<Print> {
        let file = gguf::open(file).ok()?;
        let was = state(&file.metadata().ok()?);
        Some(Print { file, was })
    }

    /// Somebody has written into it. Another file that was put in its place does nothing to the worker of this one.
    pub(super) fn is_overwritten(&self) -> bool {
        self.file.metadata().is_ok_and(|now| state(&now) != self.was)
    }
}

fn state(found: &Metadata) -> State {
    (found.len(), found.mtime(), found.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_a_file_is_seen_and_another_file_in_its_place_is_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["model.gguf", "other.gguf"].map(|name| folder.path().join(name));
        std::fs::write(&file, "weights").unwrap();
        let print = Print::of(&file).unwrap();
        assert!(!print.is_overwritten());
        std::fs::write(&other, "others").unwrap();
        let aside = folder.path().join("aside.gguf");
        std::fs::rename(&file, &aside).unwrap();
        std::fs::rename(&other, &file).unwrap();
        assert!(!print.is_overwritten(), "the worker has the old one");
        std::fs::write(&aside, "longer weights").unwrap();
        assert!(print.is_overwritten(), "wherever it lies by now");
        assert!(!Print::of(&file).unwrap().is_overwritten());
        assert!(Print::of(&other).is_none());
    }
}
