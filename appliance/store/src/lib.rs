//! The box's memory: accounts and keys, the audit log, and the portal's conversations, in three SQLite files.
//!
//! | file | holds | when an answer means "on disk" |
//! | --- | --- | --- |
//! | `core.db` | accounts, sessions, API keys, departments, grants, settings, orders, the setup code | WAL, synchronous FULL: yes |
//! | `audit.db` | append only, hash-chained: who asked, what served it, what happened | WAL, synchronous FULL: yes |
//! | `work.db` | conversations and outages | WAL, synchronous NORMAL: safe from a crash of the box; a power cut may take the last seconds |
//!
//! One thread writes each of them and commits what has queued up together (`writer.rs`). Readers have their own
//! connections and never wait for it. A second process (the command line) may open the same folder at any
//! time: what it writes is seen by the next read here.
//!
//! Architecture invariant: nothing here prints, logs or formats a secret or a person's text.

mod access;
mod audit;
mod backup;
mod condition;
mod core;
pub mod durable;
mod file;
mod integrity;
mod marks;
mod names;
mod open_error;
mod orders;
mod password;
mod readers;
mod recorded;
mod retention;
mod rights;
mod sealing;
mod secret;
mod store_error;
mod work;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use access::{
    Allowed, Denied, EVERY, Grant, Grantee, Holdings, Need, NewGrant, Object, ObjectKind, Right, Role,
    Subject, Verb, authorize,
};
pub use audit::{
    Audit, EVENT_WORDS, Entry, EventRow, ExportError, OutcomeRow, Record, RequestRow, SigningKey, SpoolState,
    VerifyError, verify_file, verify_file_against,
};
pub use backup::{CopyError, check_copy, file_names, spooled};
pub use condition::{
    AnchorCondition, AnchorTrouble, BackupCondition, Condition, FileCondition, LOW_ROOM_BYTES, Trouble,
    WAL_ALARM_BYTES,
};
pub use core::{
    Account, AccountError, ApiKey, Asking, BROKEN_GLASS_LASTS_MS, BrokenGlass, Caller, Core, DIRECTORY,
    Department, Directory, DirectoryCondition, DirectoryEntry, DirectoryRules, DirectoryState,
    DirectoryTrouble, Entered, FirstPasswordError, Found, Kept, KeyError, KeyLane, KeyRecord, KeyShare,
    Member, MemberRecord, NewOrder, ORDER_LASTS, OrderError, OrderKind, OrderRecord, OutOfReach,
    OwnPasswordError, Proof, Refusal, Review, ReviewError, SecondFactor, SecondFactorError, SecondFactorRule,
    SecondStep, Session, SessionLimits, SessionRecord, SessionRules, SetupError, SignInError, SignInRules,
    VouchedBy,
};
pub use names::BadName;
pub use open_error::OpenError;
pub use password::BadPassword;
pub use retention::{KEEP_DAYS, Swept, SweptOfOne};
pub use rights::{ChangeError, IDENTITY_PROVIDER, Vouched, VouchedError};
pub use secret::Secret;
pub use store_error::StoreError;
pub use verifier::Verified;
pub use work::{
    Conversation, DrillRecord, Message, NewMessage, Outage, OutageCounts, OutageScope, SecondLook,
    SecondLookCounts, Work,
};
pub use writer::Receipt;
#[cfg(feature = "simulation")]
pub use writer::simulated::{Commit, Disk};

/// Who acts from the command line, in records; after the name of the machine's user, where one is known.
pub const COMMAND_LINE: &str = "command line";
use condition::Findings;
use file::{Folder, StoreFile};
use readers::Readers;
use sealing::Sealing;
use writer::{Connections, Writer};

/// Handles on the three files. A clone is cheap and means the same store.
#[derive(Clone)]
pub struct Store {
    pub core: Core,
    pub audit: Audit,
    pub work: Work,
    dir: PathBuf,
    writer: Writer,
    findings: Findings,
    keep_days: Option<u32>,
    /// This store has put up the mark of a running box.
    lives: Arc<AtomicBool>,
}

impl Store {
    /// Opens the files in `dir`, making what is missing, checks each one, and brings older ones up to date.
    ///
    /// Takes a lock on the folder while it works, so that two processes never migrate at once.
    ///
    /// # Errors
    /// One line that names the path and the mend; nothing has been changed in a file that is refused.
    pub fn open(dir: &Path) -> Result<Store, OpenError> {
        let findings = Findings::default();
        let (connections, key) = Store::connect(dir, findings.clone())?;
        let writer =
            Writer::start(connections).map_err(|source| OpenError::Thread { dir: dir.to_owned(), source })?;
        Ok(Store::with(dir, writer, findings, key))
    }

    /// Opens the same files for a simulated box, whose clock stands still while its disk works.
    #[cfg(feature = "simulation")]
    pub fn open_simulated(dir: &Path) -> Result<(Store, Disk), OpenError> {
        let findings = Findings::default();
        let (connections, key) = Store::connect(dir, findings.clone())?;
        let (writer, disk) = Writer::simulated(connections);
        Ok((Store::with(dir, writer, findings, key), disk))
    }

    fn connect(dir: &Path, findings: Findings) -> Result<(Connections, SigningKey), OpenError> {
        let folder = Folder::claim(dir)?;
        let key = SigningKey::load_or_make(dir)?;
        let mut audit = folder.open(StoreFile::Audit)?;
        Audit::note_new_key(&mut audit, &key).map_err(OpenError::file(&dir.join(StoreFile::Audit.name())))?;
        let mut core = folder.open(StoreFile::Core)?;
        Core::seal_factors(&mut core, &Sealing::of(dir));
        let work = folder.open(StoreFile::Work)?;
        folder.sync()?;
        Ok((Connections { audit, core, work, findings }, key))
    }

    fn with(dir: &Path, writer: Writer, findings: Findings, key: SigningKey) -> Store {
        let readers = |file: StoreFile| Readers::new(file, dir.join(file.name()));
        Store {
            core: Core::new(writer.clone(), readers(StoreFile::Core), Sealing::of(dir)),
            audit: Audit::new(writer.clone(), readers(StoreFile::Audit), key),
            work: Work::new(writer.clone(), readers(StoreFile::Work)),
            dir: dir.to_owned(),
            writer,
            findings,
            keep_days: None,
            lives: Arc::default(),
        }
    }

    /// The same store, with what the configuration says about signing in.
    #[must_use]
    pub fn with_sign_in_rules(mut self, rules: SignInRules) -> Store {
        self.core = self.core.with_rules(rules);
        self
    }

    /// The same store in a building of this name, which no password may be made of.
    #[must_use]
    pub fn with_site_name(mut self, name: &str) -> Store {
        self.core = self.core.with_site_name(name);
        self
    }

    /// The same store, with a directory that vouches for people who have no password of the box's own.
    #[must_use]
    pub fn with_directory(mut self, directory: Arc<dyn Directory>, rules: DirectoryRules) -> Store {
        self.core = self.core.with_directory(directory, rules, self.audit.clone());
        self
    }

    /// Writes what is queued, then closes the files. Later writes are refused with [`StoreError::Closed`].
    ///
    /// Dropping every handle does the same without waiting for it.
    pub async fn close(&self) {
        self.core.close_readers();
        self.audit.close_readers();
        self.work.close_readers();
        // A disk that hangs would hold the box here as well; the mark stays, and the next start checks all files.
        if self.writer.close().await {
            self.end_life();
        }
    }
}

/// The wall clock, unix milliseconds.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
