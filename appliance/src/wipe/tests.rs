//! A wipe in one process: its order, what an interruption leaves, and what is not touched.

use std::fs::write;

use tempfile::TempDir;
use verifier::{Certificate, Trust, check_export};

use super::*;
use crate::sealing::Key;

const SECRET: &str = "what nobody may ever read again";

struct Site {
    dir: TempDir,
    config: Config,
}

async fn site() -> Site {
    let dir = TempDir::new().unwrap();
    let (root, data) = (dir.path(), dir.path().join("data"));
    std::fs::create_dir_all(root.join("cloud")).unwrap();
    write(root.join("cloud/key"), SECRET).unwrap();
    let text = "[site]\nname = \"Harbor\"\ndata_dir = \"data\"\n[listen]\nhttp = \"127.0.0.1:8080\"\n\
                [[upstream]]\nname = \"cloud\"\ndialect = \"openai\"\nbase_url = \"https://cloud.example/v1\"\n\
                api_key_file = \"cloud/key\"\n[backup]\nfolder = \"backups\"\n\
                [[local]]\nname = \"big\"\nfile = \"big.gguf\"\n";
    write(root.join("box.toml"), text).unwrap();
    let store = Store::open(&data).unwrap();
    store.core.create_key("ward", store::KeyLane::default()).await.unwrap();
    store.work.create_conversation(1, SECRET).await.unwrap();
    store.audit.event(EventRow { what: "sign-in".into(), ..EventRow::default() }).await.unwrap();
    store.close().await;
    crate::keys::save(&crate::keys::of_backups(&data), &Key::random().unwrap()).unwrap();
    for folder in ["data/tls", "data/models", "backups"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    write(data.join("tls/key.pem"), SECRET).unwrap();
    write(data.join("work.v3.db"), SECRET).unwrap();
    write(data.join("models/big.gguf"), "a model").unwrap();
    write(root.join("backups/genset-2026-01-01-023000.backup"), SECRET).unwrap();
    write(root.join("backups/notes.txt"), "somebody else's").unwrap();
    Site { config: Config::load(&root.join("box.toml")).unwrap(), dir }
}

impl Site {
    fn wish(&self, backups: bool, models: bool) -> Wish {
        let folder = self.dir.path().join("out");
        Wish { who: "kim".into(), reason: "sold".into(), folder, backups, models }
    }

    fn holds_secret(&self) -> bool {
        fn holds(path: &Path) -> bool {
            if path.is_dir() {
                return std::fs::read_dir(path).unwrap().any(|entry| holds(&entry.unwrap().path()));
            }
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
        }
        holds(self.dir.path())
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.config.data_dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }
}

/// Checks the certificate against the log, as `genset-verify` does.
fn certified(wiped: &Wiped) -> Wiping {
    let log = std::io::BufReader::new(File::open(&wiped.log).unwrap());
    let checked = check_export(log, Trust::default()).unwrap();
    let certificate = Certificate::read(&std::fs::read_to_string(&wiped.certificate).unwrap()).unwrap();
    certificate.fits(&checked.log, &checked.header.key).unwrap();
    certificate.wiping
}

#[tokio::test]
async fn all_that_the_box_knew_is_gone_and_the_certificate_says_so() {
    let site = site().await;
    let folder = site.dir.path().join("out");
    assert!(site.holds_secret(), "the test looks in the right place");
    let mark = begin(&site.config, site.wish(true, true)).await.unwrap();
    let wiped = finish(&site.config, mark, &folder).unwrap();
    assert_eq!(site.names(), ["box.wiped"]);
    assert!(!site.holds_secret());
    assert_eq!(std::fs::read_dir(site.dir.path().join("backups")).unwrap().count(), 1, "no file of others");
    let wiping = certified(&wiped);
    assert_eq!((wiping.who.as_str(), wiping.reason.as_str()), ("kim", "sold"));
    assert!(wiping.left.is_empty() && wiping.files >= 10 && wiping.bytes > 10_000, "{wiping:?}");
    assert!(refusal(&site.config.data_dir).unwrap().contains("was wiped on"));
}

#[tokio::test]
async fn backups_and_models_stay_unless_they_are_asked_for_and_the_certificate_names_them() {
    let site = site().await;
    let mark = begin(&site.config, site.wish(false, false)).await.unwrap();
    let wiped = finish(&site.config, mark, &site.dir.path().join("out")).unwrap();
    assert_eq!(site.names(), ["box.wiped", "models"]);
    let left = certified(&wiped).left;
    assert!(
        left.len() == 2 && left[0].contains("backups") && left[1].ends_with("models/big.gguf"),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_wipe_that_was_interrupted_anywhere_is_finished_by_the_next_one() {
    let mut step = 0;
    loop {
        let site = site().await;
        let folder = site.dir.path().join("out");
        let mark = begin(&site.config, site.wish(true, true)).await.unwrap();
        let victims = victims::of(&site.config, true, true);
        let mut failed = Vec::new();
        victims.iter().take(step).for_each(|victim| destroy::tree(victim, &mut failed));
        assert!(failed.is_empty());
        assert!(refusal(&site.config.data_dir).unwrap().contains("not finished"));
        let found = Mark::load(&site.config.data_dir).unwrap().unwrap();
        assert_eq!(found.rows, mark.rows);
        certified(&finish(&site.config, found, &folder).unwrap());
        assert_eq!(site.names(), ["box.wiped"]);
        assert!(!site.holds_secret());
        if step == victims.len() {
            return;
        }
        step += 1;
    }
}

#[tokio::test]
async fn the_key_of_the_log_may_be_gone_once_the_certificate_is_there() {
    let site = site().await;
    let folder = site.dir.path().join("out");
    let mark = begin(&site.config, site.wish(true, true)).await.unwrap();
    let wiped = finish(&site.config, mark, &folder).unwrap();
    let mut mark = Mark::load(&site.config.data_dir).unwrap().unwrap();
    mark.ended_ms = None;
    assert_eq!(finish(&site.config, mark.clone(), &folder).unwrap().certificate, wiped.certificate);
    std::fs::remove_file(&wiped.certificate).unwrap();
    assert!(matches!(finish(&site.config, mark, &folder), Err(WipeError::NoKey { .. })));
}

#[tokio::test]
async fn the_keys_go_first() {
    let site = site().await;
    let victims = victims::of(&site.config, true, true);
    assert_eq!(victims[0], site.config.data_dir.join("keys"));
    assert_eq!(victims[1], site.dir.path().join("cloud/key"));
    assert!(
        !victims.iter().any(|path| path.ends_with("audit.key") || path.ends_with("box.toml")),
        "{victims:?}"
    );
}

#[tokio::test]
async fn nothing_is_destroyed_while_the_log_cannot_be_carried_out() {
    let site = site().await;
    let folder = site.dir.path().join("out");
    write(&folder, "a file in the place of the folder").unwrap();
    assert!(begin(&site.config, site.wish(true, true)).await.is_err());
    assert!(site.holds_secret() && refusal(&site.config.data_dir).is_none());
}
