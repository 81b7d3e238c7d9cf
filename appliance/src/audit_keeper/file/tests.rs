//! A medium that comes and goes, is pulled in the middle of a line, and knows more than the log.

use store::{EventRow, Store};
use tempfile::TempDir;

use super::*;

async fn signed(store: &Store, times: u64) {
    for _ in 0..times {
        drop(store.audit.event(EventRow { what: "sign-in".into(), ..EventRow::default() }));
        store.audit.checkpoint().await.unwrap();
    }
}

fn numbers(path: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap();
    let one = |anchor: &Anchor| match anchor {
        Anchor::Checkpoint(one) => one.number,
        Anchor::Code(_) => panic!("no code stands in a file"),
    };
    anchors(&text).unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn a_medium_that_is_back_gets_what_it_has_missed() {
    let (data, media) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = Store::open(data.path()).unwrap();
    let path = media.path().join("stick/anchors");
    signed(&store, 3).await;
    assert_eq!(catch_up(&path, &store.audit).unwrap(), State::Away);
    assert!(!path.parent().unwrap().exists(), "no folder is made where a medium belongs");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    for expected in [3, 5, 5] {
        assert_eq!(catch_up(&path, &store.audit).unwrap(), State::Current);
        assert_eq!(numbers(&path), (1..=expected).collect::<Vec<_>>());
        if expected == 3 {
            signed(&store, 2).await;
        }
    }
}

#[tokio::test]
async fn a_line_that_was_cut_off_is_written_again_on_a_line_of_its_own() {
    let (data, media) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = Store::open(data.path()).unwrap();
    let path = media.path().join("anchors");
    signed(&store, 2).await;
    catch_up(&path, &store.audit).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    for cut in [1, 40, 300] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(catch_up(&path, &store.audit).unwrap(), State::Current);
        assert_eq!(numbers(&path), [1, 2], "{cut} bytes cut off");
    }
}

#[tokio::test]
async fn a_file_that_knows_more_than_the_log_gives_it_away() {
    let (data, media) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = Store::open(data.path()).unwrap();
    let path = media.path().join("anchors");
    signed(&store, 2).await;
    store.close().await;
    let saved = TempDir::new().unwrap();
    for name in ["audit.db", "audit.key"] {
        std::fs::copy(data.path().join(name), saved.path().join(name)).unwrap();
    }
    let store = Store::open(data.path()).unwrap();
    signed(&store, 2).await;
    catch_up(&path, &store.audit).unwrap();
    let older = Store::open(saved.path()).unwrap();
    assert_eq!(catch_up(&path, &older.audit).unwrap(), State::KnowsMore { file: 4, log: 2 });
    assert_eq!(numbers(&path), [1, 2, 3, 4], "what it knows is kept");
}
