//! `core.db`: who may use the box, and how it is set.

mod accounts;
mod attempts;
mod broken_glass;
mod departments;
mod devices;
mod directory;
mod grants;
mod half_signed_in;
mod identities;
mod keys;
mod orders;
mod own_password;
mod people;
mod retention;
mod rules;
mod second_factor;
mod sessions;
mod settings;
mod setup;
mod sign_in;
mod vouching;

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction};

pub use accounts::{Account, AccountError};
pub use broken_glass::{BROKEN_GLASS_LASTS_MS, BrokenGlass, Review};
pub use departments::{Department, Member, MemberRecord};
pub use devices::Caller;
pub use directory::{
    Asking, DIRECTORY, Directory, DirectoryCondition, DirectoryEntry, DirectoryRules, DirectoryState,
    DirectoryTrouble, Found, OutOfReach, Proof, ReviewError,
};
pub use keys::{ApiKey, KeyError, KeyLane, KeyRecord, KeyShare};
pub use orders::{NewOrder, ORDER_LASTS, OrderError, OrderKind, OrderRecord};
pub use own_password::OwnPasswordError;
pub use people::FirstPasswordError;
pub use retention::Kept;
pub use rules::{SecondFactorRule, SessionLimits, SessionRules, SignInRules};
pub use second_factor::{SecondFactor, SecondFactorError, SecondStep};
pub use sessions::SessionRecord;
pub use setup::SetupError;
pub use sign_in::{Entered, Refusal, Session, SignInError};
pub use vouching::VouchedBy;

use crate::file::StoreFile;
use crate::password::Hashing;
use crate::readers::Readers;
use crate::sealing::Sealing;
use crate::writer::{Receipt, Writer};
use crate::{BadPassword, Secret, StoreError, password};
use attempts::Attempts;
use directory::Reception;
use half_signed_in::HalfSignedIn;

/// Between two notes of when a key or a session was last used; each note is a commit.
const NOTE_USE_EVERY_MS: i64 = 60_000;

/// Each hash takes 46 MiB and a core for its time; more at once would starve the answers.
const HASHES_AT_ONCE: usize = 2;

const MINUTE: Duration = Duration::from_secs(60);

/// The handle on `core.db`. Reads are plain calls of some microseconds; writes and password checks are async.
#[derive(Clone)]
pub struct Core {
    parts: Arc<Parts>,
    rules: SignInRules,
    site_name: Arc<str>,
    /// None where no directory is configured.
    reception: Option<Arc<Reception>>,
}

struct Parts {
    writer: Writer,
    readers: Readers,
    hashing: Hashing,
    /// For persons on devices that their account knows: they never queue behind strangers.
    hashing_of_known: Hashing,
    sign_ins: Attempts,
    setups: Attempts,
    own_passwords: Attempts,
    second_steps: Attempts,
    arrivals: Attempts,
    half_signed_in: HalfSignedIn,
    sealing: Sealing,
}

impl Core {
    pub(crate) fn new(writer: Writer, readers: Readers, sealing: Sealing) -> Core {
        let parts = Parts {
            writer,
            readers,
            hashing: Hashing::new(HASHES_AT_ONCE),
            hashing_of_known: Hashing::new(1),
            sign_ins: Attempts::within(MINUTE),
            setups: Attempts::within(MINUTE),
            own_passwords: Attempts::within(MINUTE),
            // Whoever gets here has the password, and a code has six digits alone: 240 guesses a day hit it once in
            // four years.
            second_steps: Attempts::within(60 * MINUTE),
            arrivals: Attempts::within(MINUTE),
            half_signed_in: HalfSignedIn::default(),
            sealing,
        };
        Core {
            parts: Arc::new(parts),
            rules: SignInRules::default(),
            site_name: Arc::default(),
            reception: None,
        }
    }

    pub(crate) fn with_rules(self, rules: SignInRules) -> Core {
        Core { rules, ..self }
    }

    pub(crate) fn with_site_name(self, name: &str) -> Core {
        Core { site_name: name.into(), ..self }
    }

    /// A new password of this person is no name that is known here, and none that is guessed first.
    fn check_new_password(&self, password: &Secret, person: &str) -> Result<(), BadPassword> {
        password::check_new(password, &[person, &self.site_name])
    }

    pub(crate) fn close_readers(&self) {
        self.parts.readers.close();
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.parts.readers.read(read)
    }

    fn write<T, F>(&self, change: F) -> Receipt<T>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.parts.writer.write(StoreFile::Core, change)
    }
}

#[cfg(test)]
mod tests;
