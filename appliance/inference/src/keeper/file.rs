//! Whether a model's file is still what was loaded: a worker maps it, so what is written into it is computed with at once.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};
use tokio::task::spawn_blocking;

use super::Life;
use crate::{digest, gguf};

/// A file as it was when its worker was started. It is held open: whatever its path leads to by now, this is what the worker has.
///
/// Length and time of writing are looked at each time. A time can be set back, but the time of the last change of any kind
/// can't. That one moves with a new name or new rights as well, so that the content decides: the file is read once more.
pub(super) struct Print {
    file: File,
    was: State,
    /// When anything of it was last changed, as far as its content is known to be the same.
    changed: Time,
    reading: Option<Reading>,
}

/// In seconds and nanoseconds.
type Time = (i64, i64);

/// Its length, and when it was last written.
type State = (u64, Time);

/// The file is being read once more; dropping this ends it.
struct Reading {
    /// When it was last changed before.
    changed: Time,
    sha256: Receiver<io::Result<String>>,
}

impl Print {
    /// `None` of one that can't be read, which its worker will tell.
    pub(super) fn of(file: &Path) -> Option<Print> {
        let file = gguf::open(file).ok()?;
        let found = file.metadata().ok()?;
        Some(Print { was: state(&found), changed: changed(&found), file, reading: None })
    }

    /// Somebody has written into it. Another file that was put in its place does nothing to the worker of this one.
    ///
    /// `sha256` is what was loaded, once that is known.
    pub(super) fn is_overwritten(&mut self, sha256: Option<&str>) -> bool {
        let Ok(now) = self.file.metadata() else { return false };
        if state(&now) != self.was {
            return true;
        }
        let Some(sha256) = sha256 else { return false };
        if let Some(mut reading) = self.reading.take() {
            match reading.sha256.try_recv() {
                Ok(Ok(found)) if found != sha256 => return true,
                // What the disk does not give any more, its worker will miss too.
                Ok(_) | Err(TryRecvError::Closed) => self.changed = reading.changed,
                Err(TryRecvError::Empty) => self.reading = Some(reading),
            }
        }
        if self.reading.is_none() && changed(&now) != self.changed {
            self.reading = self.file.try_clone().ok().map(|file| Reading::begin(file, changed(&now)));
        }
        false
    }
}

impl Reading {
    fn begin(file: File, changed: Time) -> Reading {
        let (tell, sha256) = oneshot::channel();
        spawn_blocking(move || {
            let found = digest::sha256(&file, |_| !tell.is_closed());
            let _ = tell.send(found);
        });
        Reading { changed, sha256 }
    }
}

impl Life {
    /// Somebody has written into the file that the worker has.
    pub(super) fn is_overwritten(&mut self) -> bool {
        let sha256 = self.facts.as_ref().map(|facts| facts.sha256.as_str());
        self.print.as_mut().is_some_and(|print| print.is_overwritten(sha256))
    }
}

fn state(found: &Metadata) -> State {
    (found.len(), (found.mtime(), found.mtime_nsec()))
}

fn changed(found: &Metadata) -> Time {
    (found.ctime(), found.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use std::fs::{FileTimes, Permissions};
    use std::os::unix::fs::{FileExt, PermissionsExt};
    use std::time::Duration;

    use super::*;

    const WEIGHTS: &str = "weights";

    #[test]
    fn what_is_written_into_a_file_is_seen_and_another_file_in_its_place_is_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["model.gguf", "other.gguf"].map(|name| folder.path().join(name));
        std::fs::write(&file, WEIGHTS).unwrap();
        let mut print = Print::of(&file).unwrap();
        assert!(!print.is_overwritten(None));
        std::fs::write(&other, "others").unwrap();
        let aside = folder.path().join("aside.gguf");
        std::fs::rename(&file, &aside).unwrap();
        std::fs::rename(&other, &file).unwrap();
        assert!(!print.is_overwritten(None), "the worker has the old one");
        std::fs::write(&aside, "longer weights").unwrap();
        assert!(print.is_overwritten(None), "wherever it lies by now");
        assert!(!Print::of(&file).unwrap().is_overwritten(None));
        assert!(Print::of(&other).is_none());
    }

    /// Looks until the file was read once more, or was found to be another one.
    async fn is_found_overwritten(print: &mut Print) -> bool {
        let sha256 = digest::of_bytes(WEIGHTS.as_bytes());
        loop {
            if print.is_overwritten(Some(&sha256)) {
                return true;
            }
            if print.reading.is_none() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn new_rights_and_names_leave_a_file_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.gguf");
        std::fs::write(&file, WEIGHTS).unwrap();
        let mut print = Print::of(&file).unwrap();
        for (number, rights) in (0..).zip([0o400, 0o600, 0o440]) {
            std::fs::set_permissions(&file, Permissions::from_mode(rights)).unwrap();
            std::fs::hard_link(&file, folder.path().join(format!("{number}.gguf"))).unwrap();
            assert!(!print.is_overwritten(None), "what was loaded is not known yet");
            assert!(print.reading.is_none());
            assert!(!is_found_overwritten(&mut print).await);
            assert!(!print.is_overwritten(Some("another")) && print.reading.is_none(), "it was read once");
        }
    }

    #[tokio::test]
    async fn a_file_whose_time_was_set_back_is_found_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, WEIGHTS).unwrap();
        let mut print = Print::of(&path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let was = FileTimes::new().set_modified(file.metadata().unwrap().modified().unwrap());
        // A file's times move with the kernel's ticks.
        while changed(&file.metadata().unwrap()) == print.changed {
            file.write_at(b"W", 0).unwrap();
            file.set_times(was).unwrap();
        }
        assert_eq!(state(&file.metadata().unwrap()), print.was);
        assert!(is_found_overwritten(&mut print).await);
    }
}
