//! What the files look like from outside, and what is refused at their opening.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::{KeyLane, Store};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> T {
    connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

fn refusal(dir: &Path) -> String {
    Store::open(dir).err().expect("the store does not open").to_string()
}

#[tokio::test]
async fn the_folder_and_every_file_in_it_belong_to_the_owner_alone() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("data");
    let store = Store::open(&dir).unwrap();
    store.core.set_setting("a", "b").await.unwrap();
    assert_eq!(mode(&dir), 0o700);
    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("core.db-wal")), "{files:?}");
    files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{}", file.display()));
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let dir = TempDir::new().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let core = dir.path().join("core.db");
    std::fs::set_permissions(&core, Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(mode(&core), 0o600);
}

#[test]
fn connections_have_the_settings_that_keep_data_safe() {
    let dir = TempDir::new().unwrap();
    let folder = Folder::claim(dir.path()).unwrap();
    for (file, synchronous) in [(StoreFile::Audit, 2), (StoreFile::Core, 2), (StoreFile::Work, 1)] {
        let connection = folder.open(file).unwrap();
        assert_eq!(pragma::<String>(&connection, "journal_mode"), "wal");
        assert_eq!(pragma::<i64>(&connection, "synchronous"), synchronous, "{file:?}");
        assert_eq!(pragma::<i64>(&connection, "busy_timeout"), 3000);
        assert!(pragma::<bool>(&connection, "foreign_keys"));
        assert!(pragma::<bool>(&connection, "cell_size_check"));
        assert!(!pragma::<bool>(&connection, "trusted_schema"));
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let core = dir.path().join("core.db");
    let content = b"a letter, and no database at all. ".repeat(200);
    std::fs::write(&core, &content).unwrap();
    let line = refusal(dir.path());
    assert!(line.starts_with(&format!("{}: is damaged", core.display())), "{line}");
    assert!(line.contains("restore it from a backup") && !line.contains('\n'), "{line}");
    assert_eq!(std::fs::read(&core).unwrap(), content);
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.core.create_key("ward", KeyLane::default()).await.unwrap();
    store.close().await;
    let core = dir.path().join("core.db");
    let mut bytes = std::fs::read(&core).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0xa5);
    std::fs::write(&core, bytes).unwrap();
    assert!(refusal(dir.path()).contains("core.db: is damaged"));
}

#[test]
fn a_file_of_a_newer_genset_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let connection = Connection::open(dir.path().join("work.db")).unwrap();
    connection.pragma_update(None, "user_version", 9).unwrap();
    drop(connection);
    let known = StoreFile::Work.migrations().len();
    let expected = format!("work.db: was written by a newer genset (version 9, this one knows {known})");
    assert!(refusal(dir.path()).contains(&expected));
}

#[test]
fn a_folder_that_is_a_file_is_refused_in_one_line() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, "x").unwrap();
    assert!(refusal(&path).starts_with(&format!("{}: this folder cannot be used", path.display())));
}

#[test]
fn a_folder_that_all_users_share_is_not_taken_from_them() {
    let dir = TempDir::new().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(refusal(dir.path()).contains("set another site.data_dir"));
    assert_eq!(mode(dir.path()), 0o777);
}

#[test]
fn an_upgrade_keeps_a_snapshot_of_the_file_as_it_was() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.db");
    let mut connection = Connection::open(&path).unwrap();
    let steps = ["CREATE TABLE one (x)", "CREATE TABLE two (x)", "CREATE TABLE three (x)"];
    migrate(&mut connection, &path, &steps[..1]).unwrap();
    std::fs::write(dir.path().join("a.v1.partial"), "cut off by a crash").unwrap();
    migrate(&mut connection, &path, &steps).unwrap();
    assert_eq!(pragma::<i64>(&connection, "user_version"), 3);
    let kept = dir.path().join("a.v1.db");
    assert_eq!(mode(&kept), 0o600);
    let snapshot = Connection::open(kept).unwrap();
    assert_eq!(pragma::<i64>(&snapshot, "user_version"), 1);
    assert!(snapshot.prepare("SELECT x FROM one").is_ok() && snapshot.prepare("SELECT x FROM two").is_err());
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.db");
    let mut connection = Connection::open(&path).unwrap();
    let steps = ["CREATE TABLE one (x)", "CREATE TABLE two (x); INSERT INTO nowhere VALUES (1)"];
    assert!(matches!(migrate(&mut connection, &path, &steps), Err(OpenError::Migration { from: 1, .. })));
    assert_eq!(pragma::<i64>(&connection, "user_version"), 1);
    assert!(connection.prepare("SELECT x FROM two").is_err());
}

/// Something in the tables that each file has had from its first version on.
fn first_rows(file: StoreFile) -> &'static str {
    match file {
        StoreFile::Audit => {
            "INSERT INTO entries (seq, at_ms, kind, body, hash) VALUES (1, 1, 'event', '{}', zeroblob(32))"
        }
        StoreFile::Core => {
            "INSERT INTO accounts VALUES (7, 'kim', 'owner', '-', 1);
             INSERT INTO sessions VALUES (zeroblob(32), 7, 1, 1);
             INSERT INTO api_keys (name, secret_hash, created_ms) VALUES ('ward', zeroblob(32), 1);
             INSERT INTO settings VALUES ('language', 'ko')"
        }
        StoreFile::Work => {
            "INSERT INTO conversations VALUES ('c', 7, 'a title', 1, 1);
             INSERT INTO messages (conversation, role, text, complete, at_ms) VALUES ('c', 'user', 'a text', 1, 1);
             INSERT INTO outages (start_ms, end_ms, verdict) VALUES (1, 2, 'link-down')"
        }
    }
}

const FIRST_TABLES: [(StoreFile, &[&str]); 3] = [
    (StoreFile::Audit, &["entries"]),
    (StoreFile::Core, &["accounts", "sessions", "api_keys", "settings"]),
    (StoreFile::Work, &["conversations", "messages", "outages"]),
];

fn count(connection: &Connection, table: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn schema(connection: &Connection) -> Vec<(String, String)> {
    let mut query = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .unwrap();
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_file_of_every_earlier_version_keeps_its_rows_and_gets_the_newest_schema() {
    for (file, tables) in FIRST_TABLES {
        let newest = TempDir::new().unwrap();
        let fresh = schema(&Folder::claim(newest.path()).unwrap().open(file).unwrap());
        for version in 1..file.migrations().len() {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join(file.name());
            let mut old = Connection::open(&path).unwrap();
            migrate(&mut old, &path, &file.migrations()[..1]).unwrap();
            old.execute_batch(first_rows(file)).unwrap();
            migrate(&mut old, &path, &file.migrations()[..version]).unwrap();
            drop(old);
            let opened = Folder::claim(dir.path()).unwrap().open(file).unwrap();
            assert_eq!(schema(&opened), fresh, "{file:?} from version {version}");
            let snapshot = Connection::open(path.with_extension(format!("v{version}.db"))).unwrap();
            assert_eq!(pragma::<usize>(&snapshot, "user_version"), version, "{file:?}");
            for table in tables {
                assert_eq!(count(&opened, table), 1, "{file:?} from version {version}: {table}");
                assert_eq!(count(&snapshot, table), 1, "{file:?} from version {version}: {table}");
            }
            assert_eq!(pragma::<String>(&opened, "integrity_check"), "ok");
        }
    }
}
