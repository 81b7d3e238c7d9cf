//! The devices that a person has signed in on before: each has tries of its own, and opens nothing by itself.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Core;
use crate::secret::digest;
use crate::{Secret, StoreError, now_ms};

const LIFE_MS: i64 = 180 * 24 * 3_600_000;
/// Devices kept for each account, the newest.
const KEPT: u32 = 20;

/// Where a request comes from, as far as the portal can tell.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub address: Option<std::net::IpAddr>,
    /// A few words such as "Firefox, Windows"; empty where the caller said nothing known.
    pub device: String,
    /// The token that an earlier sign-in left on this device.
    pub device_token: Option<Secret>,
    /// The token of a session that the caller is in; it ends where a new one begins.
    pub session_token: Option<Secret>,
}

impl Core {
    /// The hash of the caller's device, if this account was signed in on it before.
    pub(super) fn known_device(&self, account: i64, caller: &Caller) -> Result<Option<[u8; 32]>, StoreError> {
        let Some(token) = &caller.device_token else { return Ok(None) };
        let hash = digest(token.expose());
        self.read(|core| Ok(is_known(core, account, hash)?.then_some(hash)))
    }
}

fn is_known(core: &Connection, account: i64, hash: [u8; 32]) -> rusqlite::Result<bool> {
    let seen_ms: Option<i64> = core
        .prepare_cached("SELECT seen_ms FROM known_devices WHERE token_hash = ?1 AND account = ?2")?
        .query_row(params![hash, account], |row| row.get(0))
        .optional()?;
    Ok(seen_ms.is_some_and(|seen_ms| now_ms() - seen_ms < LIFE_MS))
}

pub(super) fn remember(core: &Transaction<'_>, account: i64, hash: [u8; 32]) -> rusqlite::Result<()> {
    core.execute(
        "INSERT INTO known_devices (token_hash, account, seen_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (token_hash) DO UPDATE SET seen_ms = excluded.seen_ms",
        params![hash, account, now_ms()],
    )?;
    core.execute(
        "DELETE FROM known_devices WHERE account = ?1 AND token_hash NOT IN
         (SELECT token_hash FROM known_devices WHERE account = ?1 ORDER BY seen_ms DESC LIMIT ?2)",
        params![account, KEPT],
    )?;
    Ok(())
}

/// Forgets the account's devices; `but` is kept.
pub(super) fn forget(core: &Transaction<'_>, account: i64, but: Option<[u8; 32]>) -> rusqlite::Result<usize> {
    core.execute(
        "DELETE FROM known_devices WHERE account = ?1 AND token_hash IS NOT ?2",
        params![account, but],
    )
}
