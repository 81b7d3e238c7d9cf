//! Writing to all three files at once, with a book of what was acknowledged, and the check against that book.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use store::{EventRow, KeyLane, Store, StoreError};

/// What a store has said is on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Book {
    /// The number of the newest audit row.
    pub(super) audit: u64,
    /// The newest value of a setting in core.
    pub(super) core: u64,
    /// The keys that were made.
    pub(super) keys: u64,
}

/// Writes one round to all three files at once, and notes what was acknowledged.
pub(super) async fn write_round(store: &Store, round: u64, book: &mut Book) -> Result<(), StoreError> {
    let rows: Vec<_> = (0..3)
        .map(|_| store.audit.event(EventRow { what: "sign-in".to_owned(), ..EventRow::default() }))
        .collect();
    let value = round.to_string();
    let set = store.core.set_setting("round", &value);
    let begun = store.work.create_conversation(7, "a conversation under load");
    let (set, begun) = futures_util::future::join(set, begun).await;
    for row in rows {
        book.audit = book.audit.max(row.await?);
    }
    set?;
    book.core = book.core.max(round);
    begun?;
    if round.is_multiple_of(8) {
        let name = format!("key-{round}");
        if store.core.create_key(&name, KeyLane::default()).await.is_ok() {
            book.keys += 1;
        }
    }
    Ok(())
}

/// Everything of the book is in the files, and every file is whole: what is missing otherwise.
pub(super) fn audit_of(dir: &Path, book: Book) -> Result<Book, String> {
    for name in ["audit.db", "core.db", "work.db"] {
        let file = open(&dir.join(name))?;
        let finding = ask::<String>(&file, "PRAGMA integrity_check(1)")?;
        if finding != "ok" {
            return Err(format!("{name}: integrity error: {finding}"));
        }
    }
    let chain = store::verify_file(&dir.join("audit.db")).map_err(|error| format!("audit.db: {error}"))?;
    let core = open(&dir.join("core.db"))?;
    let round = "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM settings WHERE name = 'round'";
    let found = Book {
        audit: chain.rows,
        core: ask::<i64>(&core, round)?.unsigned_abs(),
        keys: ask::<i64>(&core, "SELECT count(*) FROM api_keys")?.unsigned_abs(),
    };
    if found.audit < book.audit || found.core < book.core || found.keys < book.keys {
        return Err(format!("acknowledged rows are lost: {book:?} was told, {found:?} is there"));
    }
    Ok(found)
}

pub(super) fn open(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|error| format!("{}: {error}", path.display()))
}

pub(super) fn ask<T: rusqlite::types::FromSql>(file: &Connection, question: &str) -> Result<T, String> {
    file.query_row(question, [], |row| row.get(0)).map_err(|error| error.to_string())
}
