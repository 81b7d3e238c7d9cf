//! Conversations of the portal. Every call names the account, and finds nothing of another's.

use rusqlite::{OptionalExtension, Row, params};

use super::Work;
use crate::secret::{hex, random_bytes};
use crate::{StoreError, now_ms};

/// Has no `Debug`, because a title is a person's text.
#[derive(Clone)]
pub struct Conversation {
    /// 32 hexadecimal digits.
    pub id: String,
    pub title: String,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// When the last message came, unix milliseconds.
    pub active_ms: i64,
}

/// Has no `Debug`, because it is a person's text.
#[derive(Clone)]
pub struct Message {
    pub id: i64,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub content: NewMessage,
}

/// Has no `Debug`, because it is a person's text.
#[derive(Clone, Default)]
pub struct NewMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    pub text: String,
    /// False when the answer was cut off: it is never shown as a finished one.
    pub complete: bool,
    pub served_by: Option<String>,
    pub route: Option<String>,
    pub reason: Option<String>,
    /// Characters that came before a local model took over.
    pub seam: Option<u64>,
}

impl Work {
    pub async fn create_conversation(&self, account: i64, title: &str) -> Result<Conversation, StoreError> {
        let now = now_ms();
        let id = hex(&random_bytes::<16>());
        let conversation = Conversation { id, title: title.to_owned(), created_ms: now, active_ms: now };
        let row = conversation.clone();
        let created = self.write(move |work| {
            work.execute(
                "INSERT INTO conversations (id, account, title, created_ms, active_ms) VALUES (?1, ?2, ?3, ?4, ?4)",
                params![row.id, account, row.title, row.created_ms],
            )
        });
        created.await.map(|_| conversation)
    }

    /// The account's newest `count` conversations, the last active first.
    pub fn conversations(&self, account: i64, count: u32) -> Result<Vec<Conversation>, StoreError> {
        self.read(|work| {
            let mut query = work.prepare_cached(
                "SELECT id, title, created_ms, active_ms FROM conversations
                 WHERE account = ?1 ORDER BY active_ms DESC LIMIT ?2",
            )?;
            query.query_map([account, i64::from(count)], conversation)?.collect()
        })
    }

    pub fn conversation(&self, account: i64, id: &str) -> Result<Option<Conversation>, StoreError> {
        self.read(|work| {
            work.prepare_cached(
                "SELECT id, title, created_ms, active_ms FROM conversations WHERE account = ?1 AND id = ?2",
            )?
            .query_row(params![account, id], conversation)
            .optional()
        })
    }

    /// The messages in their order; none when the conversation is not the account's.
    pub fn messages(&self, account: i64, conversation: &str) -> Result<Vec<Message>, StoreError> {
        self.read(|work| {
            let mut query = work.prepare_cached(
                "SELECT m.id, m.at_ms, m.role, m.text, m.complete, m.served_by, m.route, m.reason, m.seam
                 FROM messages m JOIN conversations c ON c.id = m.conversation
                 WHERE c.account = ?1 AND c.id = ?2 ORDER BY m.id",
            )?;
            query.query_map(params![account, conversation], message)?.collect()
        })
    }

    /// Adds a message at the end; `None` when the conversation is not the account's.
    pub async fn add_message(
        &self,
        account: i64,
        conversation: &str,
        content: NewMessage,
    ) -> Result<Option<Message>, StoreError> {
        let conversation = conversation.to_owned();
        let added = self.write(move |work| {
            let at_ms = now_ms();
            let own = work.execute(
                "UPDATE conversations SET active_ms = ?3 WHERE account = ?1 AND id = ?2",
                params![account, conversation, at_ms],
            )?;
            if own == 0 {
                return Ok(None);
            }
            let NewMessage { role, text, complete, served_by, route, reason, seam } = &content;
            work.execute(
                "INSERT INTO messages (conversation, role, text, complete, served_by, route, reason, seam, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![conversation, role, text, complete, served_by, route, reason, seam, at_ms],
            )?;
            Ok(Some(Message { id: work.last_insert_rowid(), at_ms, content: content.clone() }))
        });
        added.await
    }

    /// Removes the conversation and its messages; false when it is not the account's.
    pub async fn delete_conversation(&self, account: i64, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let deleted = self.write(move |work| {
            work.execute("DELETE FROM conversations WHERE account = ?1 AND id = ?2", params![account, id])
        });
        deleted.await.map(|rows| rows > 0)
    }
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation { id: row.get(0)?, title: row.get(1)?, created_ms: row.get(2)?, active_ms: row.get(3)? })
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let content = NewMessage {
        role: row.get(2)?,
        text: row.get(3)?,
        complete: row.get(4)?,
        served_by: row.get(5)?,
        route: row.get(6)?,
        reason: row.get(7)?,
        seam: row.get(8)?,
    };
    Ok(Message { id: row.get(0)?, at_ms: row.get(1)?, content })
}
