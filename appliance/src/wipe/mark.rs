//! The mark of a wiped box: the one file that stays in its folder.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use verifier::{Hex, Wiping};

use crate::keys::write_private;

pub(super) const NAME: &str = "box.wiped";

/// What is needed to go on, and to tell whoever starts the box later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(super) site: String,
    pub(super) host: String,
    pub(crate) who: String,
    pub(crate) reason: String,
    pub(super) began_ms: i64,
    /// None: it was begun, and is not finished.
    pub(crate) ended_ms: Option<i64>,
    /// Where the log was carried to.
    pub(super) log: PathBuf,
    pub(super) rows: u64,
    pub(super) head: Hex<32>,
    pub(super) backups: bool,
    pub(super) models: bool,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Mark {
    /// The mark in a data folder, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load(data_dir: &Path) -> io::Result<Option<Mark>> {
        match std::fs::read(data_dir.join(NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => serde_json::from_slice(&text?).map(Some).map_err(io::Error::other),
        }
    }

    pub(super) fn save(&self, data_dir: &Path) -> io::Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        write_private(&data_dir.join(NAME), text.as_bytes())
    }

    pub(super) fn wiping(&self, ended_ms: i64, left: Vec<String>) -> Wiping {
        Wiping {
            genset_wipe_certificate: 1,
            site: self.site.clone(),
            host: self.host.clone(),
            who: self.who.clone(),
            reason: self.reason.clone(),
            began_ms: self.began_ms,
            ended_ms,
            files: self.files,
            bytes: self.bytes,
            left,
            log: self.log.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            rows: self.rows,
            head: self.head,
        }
    }

    /// One line for whoever comes later.
    pub(crate) fn told(&self) -> String {
        let moment =
            |ms| jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "-".to_owned(), |at| at.to_string());
        let Mark { who, reason, log, .. } = self;
        let began = moment(self.began_ms);
        let log = log.display();
        match self.ended_ms {
            Some(_) => format!(
                "this box was wiped on {began} by {who} ({reason}); its log is {log}, with the certificate beside it"
            ),
            None => format!(
                "{who} began to wipe this box on {began} ({reason}), and it is not finished; run `genset wipe` again"
            ),
        }
    }
}

/// Why nothing works with this data folder any more; none where it was not wiped.
pub(crate) fn refusal(data_dir: &Path) -> Option<String> {
    let told = match Mark::load(data_dir) {
        Ok(None) => return None,
        Ok(Some(mark)) => mark.told(),
        Err(error) => format!("this box was wiped, and the mark of it cannot be read ({error})"),
    };
    let file = data_dir.join(NAME);
    Some(format!(
        "{}: {told}. To begin anew give another [site] data_dir, or remove {} once the wipe is finished",
        data_dir.display(),
        file.display()
    ))
}
