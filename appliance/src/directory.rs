//! The building's directory (LDAP, Active Directory): looks people up, tries their passwords, reads their groups.
//!
//! ```text
//!   find:   connect - encrypt - bind as the box - search the name - (search its groups) - leave
//!   prove:  connect - encrypt - bind as the entry, with the password that was typed - leave
//! ```
//!
//! Connecting and asking have a deadline each; a directory that misses one, or answers what none would, is out of reach
//! until [`DirectoryKeeper`] has seen it again.

mod ber;
mod entry;
mod filter;
mod keeper;
mod message;
mod place;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use store::{
    Asking, Directory, DirectoryEntry, DirectoryState, DirectoryTrouble as Trouble, Found, OutOfReach, Proof,
    Secret,
};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub(crate) use entry::Groups;
pub(crate) use filter::Filter;
pub(crate) use keeper::DirectoryKeeper;
pub(crate) use place::Place;

use message::{Outcome, RawEntry, Search};
use wire::Connection;

/// Questions at once. More wait, and those that wait too long are told that it is out of reach.
const QUESTIONS_AT_ONCE: usize = 32;
/// A name that is longer is nobody's.
const MAX_NAME_BYTES: usize = 256;
/// Groups of one person that are read where the entry does not name them itself.
const MAX_GROUPS: u32 = 1_000;
/// Active Directory's rule for groups within groups.
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

// Codes of RFC 4511, appendix A.1, that mean more than yes or no.
const OK: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const CONFIDENTIALITY_REQUIRED: u32 = 13;
const CONSTRAINT_VIOLATION: u32 = 19;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_ACCESS: u32 = 50;
const UNWILLING: u32 = 53;
/// Operations error, time limit, administrative limit, busy, unavailable, other.
const NOT_NOW: [u32; 6] = [1, 3, 11, 51, 52, 80];

/// Where the directory is, how it is asked, and what its answers mean here.
#[derive(Debug, Clone)]
pub(crate) struct DirectorySettings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    /// The box's own account.
    pub(crate) bind_name: String,
    /// None: its file is unusable.
    pub(crate) bind_password: Option<Secret>,
    pub(crate) base: String,
    pub(crate) user_filter: Filter,
    pub(crate) nested_groups: bool,
    pub(crate) groups: Groups,
    pub(crate) cached_for: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) operation_timeout: Duration,
}

#[derive(Clone)]
pub(crate) enum Encryption {
    /// From the first byte.
    Tls(TlsConnector),
    /// Begun by a request, before anything else is said.
    StartTls(TlsConnector),
    /// For a directory on this machine alone.
    None,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encryption::Tls(_) => "Tls",
            Encryption::StartTls(_) => "StartTls",
            Encryption::None => "None",
        })
    }
}

impl DirectorySettings {
    /// Each department that some group leads to.
    pub(crate) fn departments(&self) -> Vec<String> {
        let mut departments: Vec<_> = self.groups.departments.iter().map(|(_, name)| name.clone()).collect();
        departments.sort_unstable();
        departments.dedup();
        departments
    }
}

/// Asks the directory. A clone is cheap and means the same one.
#[derive(Clone)]
pub(crate) struct DirectoryClient(Arc<Parts>);

struct Parts {
    settings: DirectorySettings,
    state: Mutex<DirectoryState>,
    /// It was lost, or is back.
    flipped: Notify,
    places: Semaphore,
}

impl DirectoryClient {
    pub(crate) fn new(settings: DirectorySettings) -> DirectoryClient {
        let (state, flipped) = (Mutex::default(), Notify::new());
        DirectoryClient(Arc::new(Parts {
            settings,
            state,
            flipped,
            places: Semaphore::new(QUESTIONS_AT_ONCE),
        }))
    }

    /// Looks whether it can be asked.
    pub(crate) async fn look(&self) -> Result<(), OutOfReach> {
        let base = Filter::Present("objectClass".to_owned());
        let look = async {
            let mut connection = self.open_as_itself().await?;
            let search = Search {
                base: &self.0.settings.base,
                whole_tree: false,
                max_entries: 1,
                max_seconds: self.max_seconds(),
                filter: &base,
                name: "",
                attributes: &["1.1"],
            };
            let answer = self.in_time(connection.search(&search)).await?;
            searched(&answer.1)?;
            self.leave(connection).await;
            Ok(())
        };
        self.noting(look).await
    }

    async fn look_for(&self, name: &str) -> Result<Found, Trouble> {
        let settings = &self.0.settings;
        let mut connection = self.open_as_itself().await?;
        let asked = self.in_time(async {
            let search = self.search(&settings.user_filter, name, 2, &entry::ATTRIBUTES);
            let (mut entries, outcome) = connection.search(&search).await?;
            if outcome.code != SIZE_LIMIT_EXCEEDED {
                searched(&outcome)?;
            }
            let Some(raw) = entries.pop() else { return Ok(Found::Nobody) };
            if !entries.is_empty() || outcome.code == SIZE_LIMIT_EXCEEDED {
                tracing::warn!(
                    "two entries of the directory have one name: make user_filter or base narrower"
                );
                return Ok(Found::Several);
            }
            if raw.place.is_empty() {
                return Err(Trouble::Garbled);
            }
            let member_of = self.groups_of(&mut connection, &raw).await?;
            let read = entry::read(&raw, &settings.groups, &member_of);
            Ok(read.map_or(Found::Nobody, Found::Entry))
        });
        let found = asked.await?;
        self.leave(connection).await;
        Ok(found)
    }

    /// The groups that the entry names; where it names none, those that name the entry.
    async fn groups_of(&self, connection: &mut Connection, raw: &RawEntry) -> Result<Vec<Place>, Trouble> {
        let named: Vec<Place> = raw.texts(entry::MEMBER_OF).filter_map(Place::parse).collect();
        let filter = if self.0.settings.nested_groups {
            Filter::by_rule("member", IN_CHAIN, &raw.place)
        } else if named.is_empty() {
            let by_place = ["member", "uniqueMember"].map(|attribute| Filter::equal(attribute, &raw.place));
            let by_name = raw.texts("uid").map(|uid| Filter::equal("memberUid", uid));
            Filter::Any(by_place.into_iter().chain(by_name).collect())
        } else {
            return Ok(named);
        };
        let (groups, outcome) = connection.search(&self.search(&filter, "", MAX_GROUPS, &["1.1"])).await?;
        if outcome.code != SIZE_LIMIT_EXCEEDED {
            searched(&outcome)?;
        }
        Ok(named.into_iter().chain(groups.iter().filter_map(|group| Place::parse(&group.place))).collect())
    }

    async fn try_password(
        &self,
        entry: Option<&DirectoryEntry>,
        password: &Secret,
    ) -> Result<Proof, Trouble> {
        let mut connection = self.open().await?;
        let outcome = match entry {
            Some(entry) => self.in_time(connection.bind(&entry.place, password)).await?,
            None => {
                let nobody = format!("cn=genset asks for nobody,{}", self.0.settings.base);
                self.in_time(connection.bind(&nobody, &"nobody's".into())).await?
            }
        };
        self.leave(connection).await;
        proof(&outcome)
    }

    fn search<'a>(
        &'a self,
        filter: &'a Filter,
        name: &'a str,
        max_entries: u32,
        attributes: &'a [&'a str],
    ) -> Search<'a> {
        let (base, max_seconds) = (&self.0.settings.base, self.max_seconds());
        Search { base, whole_tree: true, max_entries, max_seconds, filter, name, attributes }
    }

    /// How long the directory itself may look for something.
    fn max_seconds(&self) -> u32 {
        self.0.settings.operation_timeout.as_secs().clamp(1, 60) as u32
    }

    async fn open(&self) -> Result<Connection, Trouble> {
        let opening = Connection::open(&self.0.settings);
        timeout(self.0.settings.connect_timeout, opening).await.unwrap_or(Err(Trouble::Silent))
    }

    async fn open_as_itself(&self) -> Result<Connection, Trouble> {
        let settings = &self.0.settings;
        let password = settings.bind_password.as_ref().ok_or(Trouble::NoPassword)?;
        let mut connection = self.open().await?;
        let bound = self.in_time(connection.bind(&settings.bind_name, password)).await?;
        match bound.code {
            OK => Ok(connection),
            CONFIDENTIALITY_REQUIRED => Err(Trouble::Tls),
            code if NOT_NOW.contains(&code) => Err(Trouble::Busy),
            _ => Err(Trouble::OwnAccount),
        }
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        timeout(self.0.settings.operation_timeout, asking).await.unwrap_or(Err(Trouble::Silent))
    }

    /// The answer is there already, so a farewell that hangs changes nothing.
    async fn leave(&self, connection: Connection) {
        let _ = timeout(Duration::from_millis(100), connection.close()).await;
    }

    /// Asks when there is a place, and notes how the directory was.
    async fn noting<T>(&self, asking: impl Future<Output = Result<T, Trouble>>) -> Result<T, OutOfReach> {
        let place = timeout(self.0.settings.operation_timeout, self.0.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(OutOfReach) };
        let asked = asking.await;
        let trouble = asked.as_ref().err().copied();
        let mut state = self.noted();
        let was = state.reachable;
        let last_seen_ms =
            if trouble.is_none() { Some(Timestamp::now().as_millisecond()) } else { state.last_seen_ms };
        *state = DirectoryState { reachable: Some(trouble.is_none()), last_seen_ms, trouble };
        drop(state);
        if was != Some(trouble.is_none()) {
            self.0.flipped.notify_one();
        }
        asked.map_err(|_| OutOfReach)
    }

    /// The lock guards one plain value, which is never half changed.
    fn noted(&self) -> MutexGuard<'_, DirectoryState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for DirectoryClient {
    fn find<'a>(&'a self, name: &'a str) -> Asking<'a, Found> {
        Box::pin(async move {
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Ok(Found::Nobody);
            }
            self.noting(self.look_for(name)).await
        })
    }

    fn prove<'a>(&'a self, entry: Option<&'a DirectoryEntry>, password: &'a Secret) -> Asking<'a, Proof> {
        Box::pin(self.noting(self.try_password(entry, password)))
    }

    fn state(&self) -> DirectoryState {
        *self.noted()
    }
}

/// Whether a search went well.
fn searched(outcome: &Outcome) -> Result<(), Trouble> {
    match outcome.code {
        OK => Ok(()),
        NO_SUCH_OBJECT => Err(Trouble::NoBase),
        INSUFFICIENT_ACCESS => Err(Trouble::OwnAccount),
        _ => Err(Trouble::Busy),
    }
}

/// What the directory's word on a password means. Active Directory puts the reason into the text of its refusal.
fn proof(outcome: &Outcome) -> Result<Proof, Trouble> {
    let data = outcome.said.split("data ").nth(1).and_then(|rest| rest.split(',').next());
    match (outcome.code, data.unwrap_or_default()) {
        (OK, _) => Ok(Proof::Right),
        (INVALID_CREDENTIALS, "533" | "701") => Ok(Proof::Disabled),
        (INVALID_CREDENTIALS, "532" | "773") => Ok(Proof::Expired),
        (INVALID_CREDENTIALS, "775") | (CONSTRAINT_VIOLATION, _) => Ok(Proof::Locked),
        (UNWILLING, _) if outcome.said.contains("inactivated") => Ok(Proof::Disabled),
        (UNWILLING, _) => Ok(Proof::Locked),
        (CONFIDENTIALITY_REQUIRED, _) => Err(Trouble::Tls),
        (code, _) if NOT_NOW.contains(&code) => Err(Trouble::Busy),
        _ => Ok(Proof::Wrong),
    }
}

#[cfg(test)]
mod tests;
