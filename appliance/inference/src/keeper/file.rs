//! Whether a model's file is still what was loaded: a worker maps it, so what is written into it is computed with at once.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file as it was when its worker was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    place: (u64, u64),
    bytes: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
}

impl Print {
    /// `None` of one that can't be read, which its worker will tell.
    pub(super) fn of(file: &Path) -> Option<Print> {
        let found = std::fs::metadata(file).ok()?;
        Some(Print {
            place: (found.dev(), found.ino()),
            bytes: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
        })
    }

    /// Somebody has written into it. Another file that was put in its place does nothing to the worker of this one.
    pub(super) fn is_overwritten(&self, file: &Path) -> bool {
        Print::of(file).is_some_and(|now| now.place == self.place && now != *self)
    }
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
        assert!(!print.is_overwritten(&file));
        std::fs::write(&other, "others").unwrap();
        std::fs::rename(&other, &file).unwrap();
        assert!(!print.is_overwritten(&file), "the worker has the old one");
        let print = Print::of(&file).unwrap();
        std::fs::write(&file, "longer weights").unwrap();
        assert!(print.is_overwritten(&file));
        assert_eq!(Print::of(&other), None);
    }
}
