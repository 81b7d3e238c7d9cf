//! What somebody does to the log: in the database itself, or in the export, with or without the box's own key.

use ring::signature::Ed25519KeyPair;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use verifier::{Checkpoint, GENESIS, Hash, Hex, Link, PublicKey, Signing};

use super::logs::{Log, path};
use crate::Dice;

/// Each is made at a random place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    EditRow,
    DeleteRows,
    InsertRow,
    SwapRows,
    TruncateRows,
    ReplaceLog,
    /// A row is changed, and all hashes and signatures are made anew with the box's own key.
    ReSign,
    EditExport,
    DeleteLines,
    InsertLine,
    SwapLines,
    TruncateExport,
    ReplaceExport,
    /// The export of a log that was made anew with somebody else's key.
    ReSignExport,
}

pub(super) enum Changed {
    Noticed,
    Missed(String),
}

impl Change {
    pub(super) const ALL: [Change; 14] = [
        Change::EditRow,
        Change::EditExport,
        Change::DeleteRows,
        Change::DeleteLines,
        Change::InsertRow,
        Change::InsertLine,
        Change::SwapRows,
        Change::SwapLines,
        Change::TruncateRows,
        Change::TruncateExport,
        Change::ReplaceLog,
        Change::ReplaceExport,
        Change::ReSign,
        Change::ReSignExport,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Change::EditRow => "edit, in the file",
            Change::DeleteRows => "delete, in the file",
            Change::InsertRow => "insert, in the file",
            Change::SwapRows => "swap, in the file",
            Change::TruncateRows => "truncate, in the file",
            Change::ReplaceLog => "replace the file",
            Change::ReSign => "re-sign with the box's key",
            Change::EditExport => "edit, in the export",
            Change::DeleteLines => "delete, in the export",
            Change::InsertLine => "insert, in the export",
            Change::SwapLines => "swap, in the export",
            Change::TruncateExport => "truncate the export",
            Change::ReplaceExport => "replace the export",
            Change::ReSignExport => "re-sign with another key",
        }
    }

    pub(super) async fn make(self, log: &Log, other: &Log, dice: &mut Dice) -> Changed {
        match self {
            Change::EditExport
            | Change::DeleteLines
            | Change::InsertLine
            | Change::SwapLines
            | Change::TruncateExport
            | Change::ReplaceExport
            | Change::ReSignExport => self.in_the_export(log, other, dice).await,
            _ => self.in_the_file(log, other, dice).await,
        }
    }

    async fn in_the_file(self, log: &Log, other: &Log, dice: &mut Dice) -> Changed {
        let (folder, mut database) = log.copy();
        let before = content(&database);
        let what = match self {
            Change::EditRow => edit_row(&database, log.rows, dice),
            Change::DeleteRows => delete_rows(&database, log.rows, dice),
            Change::InsertRow => insert_row(&database, log.rows, dice),
            Change::SwapRows => swap_rows(&database, log.rows, dice),
            Change::TruncateRows => truncate_rows(&database, log.rows, dice),
            Change::ReSign => re_sign(&mut database, &folder, log.rows, dice),
            _ => "by the log of another box".to_owned(),
        };
        // Closed, it has no write-ahead log left that could be taken for the other file's.
        drop(database);
        if self == Change::ReplaceLog {
            std::fs::copy(path(&other.folder), path(&folder)).unwrap();
        }
        let after = content(&Connection::open(path(&folder)).unwrap());
        assert_ne!(before, after, "{what}: nothing was changed");
        let export = super::export(folder.path()).await;
        let (code, words) = super::verify(&export, &log.key, &log.anchors);
        let trust = verifier::Trust {
            keys: vec![log.key.parse().unwrap()],
            anchors: verifier::anchors(&log.anchors.join("\n")).unwrap(),
        };
        // The box's own check must not say otherwise than the program that knows nothing of the box.
        let own = store::verify_file_against(&path(&folder), trust);
        match (code, own) {
            (1, Err(_)) => Changed::Noticed,
            (code, own) => Changed::Missed(format!("{what}: {code} {words} {own:?}")),
        }
    }

    async fn in_the_export(self, log: &Log, other: &Log, dice: &mut Dice) -> Changed {
        let clean = super::export(log.folder.path()).await;
        let (text, what) = match self {
            Change::EditExport => edit_text(&clean, dice),
            Change::TruncateExport => truncate_text(&clean, dice),
            Change::ReplaceExport if dice.one_in(2) => (older(log, dice).await, "an older export".to_owned()),
            Change::ReplaceExport => {
                (super::export(other.folder.path()).await, "another box's export".to_owned())
            }
            Change::ReSignExport => {
                let (folder, mut database) = log.copy();
                std::fs::copy(other.folder.path().join("audit.key"), folder.path().join("audit.key"))
                    .unwrap();
                let what = re_sign(&mut database, &folder, log.rows, dice);
                drop(database);
                (super::export(folder.path()).await, what)
            }
            _ => change_lines(self, &clean, dice),
        };
        assert_ne!(text, clean, "{what}: nothing was changed");
        match super::verify(&text, &log.key, &log.anchors) {
            // A cut or changed first line makes it no export at all, which is as good as found.
            (1 | 2, _) => Changed::Noticed,
            (code, words) => Changed::Missed(format!("{what}: {code} {words}")),
        }
    }
}

type Row = (i64, i64, String, String, Vec<u8>);

/// All that the file says.
fn content(database: &Connection) -> (Vec<Row>, Vec<Vec<u8>>) {
    let mut rows = database.prepare("SELECT seq, at_ms, kind, body, hash FROM entries ORDER BY seq").unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let mut signed = database.prepare("SELECT signature FROM checkpoints ORDER BY number").unwrap();
    let rows = rows.query_map([], row).unwrap().map(Result::unwrap).collect();
    (rows, signed.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect())
}

fn edit_row(database: &Connection, rows: usize, dice: &mut Dice) -> String {
    let seq = dice.between(1, rows);
    let what = *dice.pick(&[
        "at_ms = at_ms + 1",
        "kind = CASE kind WHEN 'event' THEN 'request' ELSE 'event' END",
        "body = body || ' '",
        "body = replace(body, '0', '1') || '0'",
        "body = '{}'",
        "body = upper(body) || char(10)",
        "hash = randomblob(32)",
    ]);
    database.execute(&format!("UPDATE entries SET {what} WHERE seq = ?1"), [seq]).unwrap();
    format!("row {seq} of {rows}: {what}")
}

fn delete_rows(database: &Connection, rows: usize, dice: &mut Dice) -> String {
    let first = dice.between(1, rows - 1);
    let last = (first + dice.between(0, 5)).min(rows - 1);
    database.execute("DELETE FROM entries WHERE seq BETWEEN ?1 AND ?2", [first, last]).unwrap();
    // Whoever is careful closes the gap.
    let closes = dice.one_in(2);
    if closes {
        let gap = last - first + 1;
        renumber(database, last, -(gap as i64));
    }
    format!("rows {first} to {last} of {rows}, closed: {closes}")
}

fn insert_row(database: &Connection, rows: usize, dice: &mut Dice) -> String {
    let (after, copied) = (dice.between(0, rows), dice.between(1, rows));
    database
        .execute_batch("CREATE TEMP TABLE copied AS SELECT * FROM entries WHERE 0")
        .and_then(|()| {
            database.execute("INSERT INTO copied SELECT * FROM entries WHERE seq = ?1", [copied]).map(drop)
        })
        .unwrap();
    renumber(database, after, 1);
    let insert = "INSERT INTO entries SELECT ?1, at_ms, kind, body, hash FROM copied";
    database.execute(insert, [after + 1]).unwrap();
    format!("a copy of row {copied} after row {after} of {rows}")
}

fn swap_rows(database: &Connection, rows: usize, dice: &mut Dice) -> String {
    let one = dice.between(1, rows - 1);
    let other = dice.between(one + 1, rows);
    for (from, to) in [(one as i64, -1), (other as i64, one as i64), (-1, other as i64)] {
        database.execute("UPDATE entries SET seq = ?2 WHERE seq = ?1", [from, to]).unwrap();
    }
    format!("rows {one} and {other} of {rows}")
}

/// With or without the checkpoints of the rows that are gone.
fn truncate_rows(database: &Connection, rows: usize, dice: &mut Dice) -> String {
    let last = rows - dice.between(1, 200.min(rows));
    database.execute("DELETE FROM entries WHERE seq > ?1", [last]).unwrap();
    let careful = !dice.one_in(3);
    if careful {
        database.execute("DELETE FROM checkpoints WHERE rows > ?1", [last]).unwrap();
    }
    format!("after row {last} of {rows}, checkpoints too: {careful}")
}

/// Moves the rows after `after` by so many places.
fn renumber(database: &Connection, after: usize, by: i64) {
    database.execute("UPDATE entries SET seq = -(seq + ?2) WHERE seq > ?1", params![after, by]).unwrap();
    database.execute("UPDATE entries SET seq = -seq WHERE seq < 0", []).unwrap();
}

struct Stolen(Ed25519KeyPair);

impl Signing for Stolen {
    fn public(&self) -> PublicKey {
        Hex(ring::signature::KeyPair::public_key(&self.0).as_ref().try_into().unwrap())
    }

    fn sign(&self, statement: &[u8]) -> Hex<64> {
        Hex(self.0.sign(statement).as_ref().try_into().unwrap())
    }
}

/// Changes a row, and makes every hash and every signature anew with the key that lies in the folder.
fn re_sign(database: &mut Connection, folder: &TempDir, rows: usize, dice: &mut Dice) -> String {
    let key = std::fs::read(folder.path().join("audit.key")).unwrap();
    let key = Stolen(Ed25519KeyPair::from_pkcs8(&key).unwrap());
    let seq = dice.between(1, rows);
    let changed = database.transaction().unwrap();
    changed.execute("UPDATE entries SET at_ms = at_ms + 1 WHERE seq = ?1", [seq]).unwrap();
    let (log, _) = content(&changed);
    let mut heads: Vec<Hash> = vec![GENESIS];
    for (seq, at_ms, kind, body, _) in &log {
        let head = Link { seq: *seq, at_ms: *at_ms, kind, body }.hash(heads.last().unwrap());
        changed.execute("UPDATE entries SET hash = ?2 WHERE seq = ?1", params![seq, head]).unwrap();
        heads.push(head);
    }
    let signed: Vec<(u64, u64, i64)> = {
        let mut query = changed.prepare("SELECT number, rows, at_ms FROM checkpoints").unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        query.query_map([], row).unwrap().map(Result::unwrap).collect()
    };
    for (number, rows, at_ms) in signed {
        let one = Checkpoint::sign(number, rows, heads[rows as usize], at_ms, &key);
        let sql = "UPDATE checkpoints SET head = ?2, key = ?3, signature = ?4 WHERE number = ?1";
        changed.execute(sql, params![number, one.head.0, one.key.0, one.signature.0]).unwrap();
    }
    changed.commit().unwrap();
    format!("row {seq} of {rows}, and all hashes and signatures")
}

fn edit_text(clean: &str, dice: &mut Dice) -> (String, String) {
    let mut text = clean.to_owned();
    let at = loop {
        let at = dice.between(0, text.len() - 1);
        if text.as_bytes()[at].is_ascii() {
            break at;
        }
    };
    let old = char::from(text.as_bytes()[at]);
    let new = loop {
        let new = char::from(u8::try_from(dice.between(32, 126)).unwrap());
        if new != old {
            break new;
        }
    };
    text.replace_range(at..=at, &new.to_string());
    (text, format!("byte {at}: {old:?} to {new:?}"))
}

fn truncate_text(clean: &str, dice: &mut Dice) -> (String, String) {
    let length = (0..)
        .map(|_| dice.between(0, clean.len() - 1))
        .find(|length| clean.is_char_boundary(*length))
        .unwrap();
    (clean[..length].to_owned(), format!("{length} of {} bytes are left", clean.len()))
}

fn change_lines(change: Change, clean: &str, dice: &mut Dice) -> (String, String) {
    let mut lines: Vec<&str> = clean.lines().collect();
    let one = dice.between(1, lines.len() - 2);
    let other = dice.between(one + 1, lines.len() - 1);
    match change {
        Change::DeleteLines => drop(lines.drain(one..other.min(one + 5))),
        Change::InsertLine => lines.insert(other, lines[one]),
        _ => lines.swap(one, other),
    }
    (lines.join("\n") + "\n", format!("lines {one} and {other}"))
}

/// The export of the same box when the log was shorter, as somebody may have kept it.
async fn older(log: &Log, dice: &mut Dice) -> String {
    let (folder, database) = log.copy();
    truncate_rows(&database, log.rows, dice);
    drop(database);
    super::export(folder.path()).await
}
