//! The end of conversations: first nobody's, so that they are gone for everybody at once, then deleted bit by bit.
//!
//! A long conversation is many pages, each of which is overwritten with zeros (`secure_delete`). One thread writes all
//! files, so each step is small, and answers get their turn between two of them.

use rusqlite::params;

use super::Work;
use crate::StoreError;

/// Stands in the place of an account; no account has this number.
const NOBODY: i64 = 0;
/// Rows that one step touches.
const STEP: usize = 100;

impl Work {
    /// The accounts that have conversations, those that are gone among them.
    pub(crate) fn authors(&self) -> Result<Vec<i64>, StoreError> {
        self.read(|work| {
            work.prepare("SELECT DISTINCT account FROM conversations")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// The account's conversations whose last message came before this moment, unix milliseconds.
    pub(crate) fn count_older(&self, account: i64, before_ms: i64) -> Result<u64, StoreError> {
        self.read(|work| {
            work.prepare_cached("SELECT count(*) FROM conversations WHERE account = ?1 AND active_ms < ?2")?
                .query_row([account, before_ms], |row| row.get(0))
        })
    }

    /// Makes conversations nobody's, and gives their number. One that got a message meanwhile stays.
    pub(crate) async fn disown_older(&self, account: i64, before_ms: i64) -> Result<u64, StoreError> {
        let mut disowned = 0;
        loop {
            let step = self.write(move |work| {
                work.execute(
                    "UPDATE conversations SET account = ?4 WHERE id IN
                     (SELECT id FROM conversations WHERE account = ?1 AND active_ms < ?2 LIMIT ?3)",
                    params![account, before_ms, STEP, NOBODY],
                )
            });
            let step = step.await?;
            disowned += step as u64;
            if step < STEP || account == NOBODY {
                return Ok(disowned);
            }
        }
    }

    /// Deletes all that is nobody's, and gives the number of conversations. What a crash leaves over is deleted by the
    /// next call.
    pub(crate) async fn delete_disowned(&self) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let step = self.write(|work| {
                let messages = work.execute(
                    "DELETE FROM messages WHERE id IN (SELECT m.id FROM conversations c
                     JOIN messages m ON m.conversation = c.id WHERE c.account = ?1 LIMIT ?2)",
                    params![NOBODY, STEP],
                )?;
                if messages == STEP {
                    return Ok((0, true));
                }
                let conversations = work.execute(
                    "DELETE FROM conversations WHERE id IN
                     (SELECT id FROM conversations WHERE account = ?1 LIMIT ?2)",
                    params![NOBODY, STEP],
                )?;
                Ok((conversations as u64, conversations == STEP))
            });
            let (conversations, is_more) = step.await?;
            deleted += conversations;
            if !is_more {
                return Ok(deleted);
            }
        }
    }

    /// Deletes all conversations of an account, and gives their number. Goes with removing the account.
    pub(crate) async fn delete_conversations(&self, account: i64) -> Result<u64, StoreError> {
        self.disown_older(account, i64::MAX).await?;
        self.delete_disowned().await
    }
}
