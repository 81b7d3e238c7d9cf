//! A backup in a box's own process: what it holds, who can open it, and what is refused.

use tempfile::TempDir;

use super::*;
use crate::recovery::RecoveryCode;

struct Site {
    dir: TempDir,
    config: Config,
    store: Store,
}

fn site() -> Site {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("keys")).unwrap();
    std::fs::write(dir.path().join("keys/cloud"), "sk-very-secret\n").unwrap();
    std::fs::write(dir.path().join("keys/directory"), "words of the box\n").unwrap();
    let text = "[site]\nname = \"Harbor\"\ndata_dir = \"data\"\n[listen]\nhttp = \"127.0.0.1:8080\"\n\
                [[upstream]]\nname = \"cloud\"\ndialect = \"openai\"\nbase_url = \"https://cloud.example/v1\"\n\
                api_key_file = \"keys/cloud\"\n[backup]\nfolder = \"backups\"\n\
                [directory]\nurl = \"ldaps://dc1.example\"\nbind_name = \"cn=genset\"\n\
                bind_password_file = \"keys/directory\"\nbase = \"dc=example\"\ndefault_role = \"staff\"\n";
    let file = dir.path().join("box.toml");
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    let store = Store::open(&config.data_dir).unwrap();
    Site { dir, config, store }
}

impl Site {
    async fn with_sheet(&self) -> RecoveryCode {
        let code = RecoveryCode::random().unwrap();
        keys::save(&keys::of_backups(&self.config.data_dir), &code.key()).unwrap();
        note_sheet(&self.store, &Sheet { made_ms: Some(1), proven_ms: None }).await.unwrap();
        code
    }

    async fn back_up(&self) -> Result<Made, BackupError> {
        make(&self.store, &self.config, &self.config.backup.as_ref().unwrap().folder, "kim").await
    }
}

#[tokio::test]
async fn a_backup_holds_the_whole_box_and_opens_with_the_code_alone() {
    let site = site();
    let code = site.with_sheet().await;
    site.store.core.set_setting("language", "ko").await.unwrap();
    let made = site.back_up().await.unwrap();
    let sealed = std::fs::read(&made.file).unwrap();
    for secret in ["sk-very-secret", "words of the box", "SQLite format 3", "language"] {
        assert!(
            !sealed.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "{secret} is in the clear"
        );
    }
    let to = site.dir.path().join("restored");
    let other = RecoveryCode::random().unwrap().key();
    assert!(matches!(unpack(&made.file, &other, &to), Err(BackupError::Unopened { .. })));
    let typed = RecoveryCode::parse(&code.printed()).unwrap();
    unpack(&made.file, &typed.key(), &to).unwrap();
    let config = Config::load(&to.join("genset.toml")).unwrap();
    assert!(config.problems.is_empty(), "{:?}", config.problems);
    assert_eq!(config.data_dir, to.join("data"));
    assert_eq!(config.backup.as_ref().unwrap().folder, site.config.backup.as_ref().unwrap().folder);
    let key = std::fs::read_to_string(to.join("files/upstream-1-api_key_file")).unwrap();
    assert_eq!(key.trim(), "sk-very-secret");
    assert!(config.directory.unwrap().bind_password.is_some());
    let store = Store::open(&config.data_dir).unwrap();
    assert_eq!(store.core.setting("language").unwrap().as_deref(), Some("ko"));
    assert!(keys::load(&keys::of_backups(&config.data_dir)).unwrap().is_some(), "it goes on making backups");
}

#[tokio::test]
async fn a_good_backup_is_told_and_so_is_a_failed_one_and_nothing_stays_in_the_clear() {
    let site = site();
    assert!(matches!(site.back_up().await, Err(BackupError::NoSheet)));
    assert!(condition(&site.store).failed_ms.is_some() && condition(&site.store).is_overdue(0));
    site.with_sheet().await;
    site.back_up().await.unwrap();
    let told = condition(&site.store);
    assert!(
        told.verified_ms.is_some() && told.failed_ms.is_none() && told.has_sheet && !told.sheet_is_proven
    );
    assert!(!told.is_overdue(told.verified_ms.unwrap() + BackupCondition::OVERDUE_MS));
    assert!(told.is_overdue(told.verified_ms.unwrap() + BackupCondition::OVERDUE_MS + 1));
    let folder = site.config.backup.as_ref().unwrap().folder.clone();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "a file is in the way").unwrap();
    assert!(site.back_up().await.is_err());
    let after = condition(&site.store);
    assert!(after.failed_ms.is_some() && after.verified_ms == told.verified_ms);
    let left = std::fs::read_dir(&site.config.data_dir).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().contains("scratch")));
}

#[tokio::test]
async fn rows_that_the_log_could_not_take_yet_are_in_the_backup_and_in_the_restored_log() {
    let site = site();
    let code = site.with_sheet().await;
    site.store.audit.keep_spool(&site.config.data_dir).unwrap();
    let audit = rusqlite::Connection::open(site.config.data_dir.join("audit.db")).unwrap();
    let refuse = "CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'broken'); END";
    audit.execute_batch(refuse).unwrap();
    let row =
        store::RequestRow { request_id: "patient".into(), lane: "clinical".into(), ..Default::default() };
    assert_eq!(site.store.audit.request(row).await.unwrap(), 0, "it waits in the spool");
    let made = site.back_up().await.unwrap();
    let to = site.dir.path().join("restored");
    unpack(&made.file, &code.key(), &to).unwrap();
    let log = to.join("data/audit.db");
    rusqlite::Connection::open(&log).unwrap().execute_batch("DROP TRIGGER broken").unwrap();
    let restored = Store::open(&to.join("data")).unwrap();
    restored.audit.keep_spool(&to.join("data")).unwrap();
    restored.audit.prove_writable().await.unwrap();
    let rows = restored.audit.recent(9).unwrap();
    let asked = rows
        .iter()
        .filter(|row| matches!(&row.record, store::Record::Request(row) if row.request_id == "patient"));
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn a_backup_that_lost_its_end_or_a_bit_opens_nowhere() {
    let site = site();
    let code = site.with_sheet().await;
    let made = site.back_up().await.unwrap();
    let good = std::fs::read(&made.file).unwrap();
    let bad = site.dir.path().join("bad.backup");
    for (number, bytes) in
        [&good[..good.len() - 1], &good[..good.len() / 2], &[&good[..100], b"x", &good[101..]].concat()]
            .into_iter()
            .enumerate()
    {
        std::fs::write(&bad, bytes).unwrap();
        let to = site.dir.path().join(format!("to-{number}"));
        assert!(unpack(&bad, &code.key(), &to).is_err(), "{number}");
    }
}

#[test]
fn the_newest_backups_are_kept_and_other_files_left_alone() {
    let dir = TempDir::new().unwrap();
    let names = [
        "genset-2026-11-18-023000.backup",
        "genset-2026-11-19-023000.backup",
        "genset-2026-11-20-023000.backup",
    ];
    for name in names.iter().chain(&["notes.txt"]) {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    prune(dir.path(), 2).unwrap();
    let left = |name: &str| dir.path().join(name).exists();
    assert!(!left(names[0]) && left(names[1]) && left(names[2]) && left("notes.txt"));
}
