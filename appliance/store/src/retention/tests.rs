//! Whose number wins, what a sweep deletes, what it leaves behind in the files, and that the log knows it first.

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::core::Member;
use crate::{Account, NewMessage, Record, Role};

const ROOT: Subject<'_> = Subject::Console("root");
const TEXT: &str = "a question that nobody else may ever read";

struct Box {
    dir: TempDir,
    store: Store,
}

impl Box {
    async fn open(site_days: Option<u32>) -> Box {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap().with_keep_days(site_days);
        let it = Box { dir, store };
        it.person("owner", &[]).await;
        it
    }

    async fn department(&self, name: &str, days: Option<u32>) -> i64 {
        let id = self.store.add_department(&ROOT, name).await.unwrap().id;
        self.store.set_keep_days(&ROOT, id, days).await.unwrap();
        id
    }

    async fn person(&self, name: &str, departments: &[i64]) -> Account {
        let role = if name == "owner" { Role::Owner } else { Role::Staff };
        let account = self.store.add_person(&ROOT, name, role, None).await.unwrap().0;
        for department in departments {
            self.store.join(&ROOT, *department, Member::Person(account.id)).await.unwrap();
        }
        account
    }

    /// A conversation whose last message came so many days ago.
    async fn conversation(&self, account: i64, days_ago: i64) -> String {
        let id = self.store.work.create_conversation(account, "a title of a person's own").await.unwrap().id;
        let content = NewMessage { role: "user".into(), text: TEXT.repeat(50), ..NewMessage::default() };
        self.store.work.add_message(account, &id, content).await.unwrap().unwrap();
        let work = Connection::open(self.dir.path().join("work.db")).unwrap();
        work.busy_timeout(Duration::from_secs(5)).unwrap();
        let active_ms = now_ms() - days_ago * DAY_MS;
        work.execute("UPDATE conversations SET active_ms = ?1 WHERE id = ?2", (active_ms, &id)).unwrap();
        id
    }

    fn is_there(&self, account: i64, id: &str) -> bool {
        self.store.work.conversation(account, id).unwrap().is_some()
    }

    fn sweeps(&self) -> Vec<Value> {
        let rows = self.store.audit.recent(200).unwrap().into_iter();
        rows.filter_map(|entry| match entry.record {
            Record::Event(event) if event.what == "conversations-ended" => Some(event.detail),
            _ => None,
        })
        .collect()
    }

    /// Whether a text stands anywhere in the files of the folder.
    fn holds(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        files
            .map(|path| std::fs::read(path).unwrap())
            .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

#[tokio::test]
async fn the_shortest_of_a_persons_departments_wins_and_a_department_stands_before_the_site() {
    let it = Box::open(Some(90)).await;
    let (oncology, archive) =
        (it.department("oncology", Some(30)).await, it.department("archive", Some(365)).await);
    let reception = it.department("reception", None).await;
    for (name, departments, days, by) in [
        ("nobodys", &[][..], 90, None),
        ("archivist", &[archive], 365, Some("archive")),
        ("receptionist", &[reception], 90, None),
        ("both", &[archive, oncology], 30, Some("oncology")),
        ("one without a number", &[archive, reception], 90, None),
        ("all", &[reception, archive, oncology], 30, Some("oncology")),
    ] {
        let account = it.person(name, departments).await;
        let kept = it.store.kept(account.id).unwrap().unwrap();
        assert_eq!((kept.days, kept.department.as_deref()), (Some(days), by), "{name}");
    }
    let it = Box::open(None).await;
    let (oncology, reception) =
        (it.department("oncology", Some(30)).await, it.department("reception", None).await);
    let both = it.person("both", &[oncology, reception]).await;
    let alone = it.person("alone", &[reception]).await;
    assert_eq!(it.store.kept(both.id).unwrap().unwrap().days, Some(30));
    assert_eq!(it.store.kept(alone.id).unwrap().unwrap(), Kept { days: None, department: None });
    assert_eq!(it.store.kept(1).unwrap(), None);
}

#[tokio::test]
async fn a_sweep_deletes_what_is_over_and_nothing_of_it_is_left_in_any_file() {
    let it = Box::open(None).await;
    let oncology = it.department("oncology", Some(30)).await;
    let (kim, lee) = (it.person("kim", &[oncology]).await, it.person("lee", &[]).await);
    let over = it.conversation(kim.id, 31).await;
    assert!(it.holds(TEXT), "the test looks in the right place");
    let swept = it.store.sweep().await.unwrap().unwrap();
    assert_eq!(swept.conversations, 1);
    assert!(!it.is_there(kim.id, &over));
    assert!(!it.holds(TEXT) && !it.holds("a title of a person's own"));

    let (fresh, kept) = (it.conversation(kim.id, 29).await, it.conversation(lee.id, 4000).await);
    assert_eq!(it.store.sweep().await.unwrap().unwrap().conversations, 0);
    assert!(it.is_there(kim.id, &fresh) && it.is_there(lee.id, &kept), "no number holds for lee");
}

#[tokio::test]
async fn one_row_of_the_log_tells_of_a_sweep_by_department_and_says_no_text() {
    let it = Box::open(Some(90)).await;
    let oncology = it.department("oncology", Some(30)).await;
    let (kim, lee) = (it.person("kim", &[oncology]).await, it.person("lee", &[]).await);
    let gone = it.person("gone", &[]).await;
    for _ in 0..120 {
        it.conversation(kim.id, 40).await;
    }
    it.conversation(lee.id, 91).await;
    it.conversation(gone.id, 0).await;
    it.store.core.remove_account("gone").await.unwrap();
    it.store.sweep().await.unwrap().unwrap();
    let row = serde_json::json!({"conversations": 122, "of_nobody": 1, "departments": [
        {"department": null, "days": 90, "conversations": 1},
        {"department": "oncology", "days": 30, "conversations": 120},
    ]});
    assert_eq!(it.sweeps(), [row]);
    assert!(it.store.work.authors().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_is_deleted_while_the_log_cannot_know_it() {
    let it = Box::open(Some(30)).await;
    it.store.audit.keep_spool(it.dir.path()).unwrap();
    let kim = it.person("kim", &[]).await;
    let over = it.conversation(kim.id, 31).await;
    let audit = Connection::open(it.dir.path().join("audit.db")).unwrap();
    let refuse = "CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'broken'); END";
    audit.execute_batch(refuse).unwrap();
    assert!(it.store.sweep().await.is_err());
    assert!(it.is_there(kim.id, &over));
    assert_eq!(it.store.audit.spool().rows, 0, "it does not wait in the spool either");
    audit.execute_batch("DROP TRIGGER broken").unwrap();
    it.store.sweep().await.unwrap();
    assert!(!it.is_there(kim.id, &over));
}

#[tokio::test]
async fn a_message_that_comes_in_the_last_moment_keeps_its_conversation() {
    let it = Box::open(Some(30)).await;
    let kim = it.person("kim", &[]).await;
    let (revived, over) = (it.conversation(kim.id, 31).await, it.conversation(kim.id, 31).await);
    let due = it.store.due().unwrap();
    it.store
        .work
        .add_message(kim.id, &revived, NewMessage { role: "user".into(), ..Default::default() })
        .await
        .unwrap();
    for (account, before_ms) in due.ends {
        it.store.work.disown_older(account, before_ms).await.unwrap();
    }
    assert_eq!(it.store.work.delete_disowned().await.unwrap(), 1);
    assert!(it.is_there(kim.id, &revived) && !it.is_there(kim.id, &over));
}

#[tokio::test]
async fn what_a_crash_has_left_half_deleted_ends_with_the_next_sweep() {
    let it = Box::open(None).await;
    let kim = it.person("kim", &[]).await;
    it.conversation(kim.id, 1).await;
    it.store.work.disown_older(kim.id, i64::MAX).await.unwrap();
    assert!(it.holds(TEXT) && it.store.work.conversations(kim.id, 9).unwrap().is_empty());
    it.store.sweep().await.unwrap();
    assert!(!it.holds(TEXT));
}

#[tokio::test]
async fn a_person_who_is_removed_takes_their_conversations_along() {
    let it = Box::open(None).await;
    let kim = it.person("kim", &[]).await;
    it.conversation(kim.id, 0).await;
    it.store.remove_person(&ROOT, kim.id).await.unwrap();
    assert!(it.store.work.authors().unwrap().is_empty());
}

#[tokio::test]
async fn a_box_without_any_account_deletes_nothing() {
    let dir = TempDir::new().unwrap();
    let it = Box { store: Store::open(dir.path()).unwrap().with_keep_days(Some(1)), dir };
    let left = it.conversation(7, 4000).await;
    assert_eq!(it.store.sweep().await.unwrap(), None);
    assert!(it.is_there(7, &left), "its core may come back from a backup");
}

#[tokio::test]
async fn a_number_is_set_by_those_who_manage_every_department_and_the_log_has_it_first() {
    let it = Box::open(None).await;
    let oncology = it.department("oncology", Some(30)).await;
    for days in [0, 3651] {
        let refused = it.store.set_keep_days(&ROOT, oncology, Some(days)).await;
        assert!(matches!(refused, Err(ChangeError::BadDays)), "{days}");
    }
    let manager = it.person("manager", &[oncology]).await;
    it.store.change_role(&ROOT, manager.id, Role::DepartmentManager).await.unwrap();
    let manager = it.store.core.account(manager.id).unwrap().unwrap();
    let holdings = it.store.core.holdings_of_person(&manager).unwrap();
    let by = Subject::Person(&manager, &holdings);
    assert!(matches!(it.store.set_keep_days(&by, oncology, None).await, Err(ChangeError::Denied(_))));
    it.store.set_keep_days(&ROOT, oncology, None).await.unwrap();
    let newest = it.store.audit.recent(1).unwrap().remove(0);
    let Record::Event(event) = newest.record else { panic!("an event") };
    assert_eq!(event.what, "retention-changed");
    assert_eq!(event.detail, serde_json::json!({"department": "oncology", "was": 30, "days": null}));

    let audit = Connection::open(it.dir.path().join("audit.db")).unwrap();
    let refuse = "CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'broken'); END";
    audit.execute_batch(refuse).unwrap();
    assert!(it.store.set_keep_days(&ROOT, oncology, Some(1)).await.is_err());
    assert_eq!(it.store.core.department(oncology).unwrap().unwrap().keep_days, None);
}

#[tokio::test]
async fn copies_of_an_older_version_go_with_what_they_hold() {
    let it = Box::open(Some(7)).await;
    let aged = |name: &str, days: u64| {
        let path = it.dir.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
        path
    };
    let gone = [aged("work.v3.db", 8), aged("core.v4.db", 31)];
    let kept =
        [aged("work.v4.db", 6), aged("core.v5.db", 8), aged("audit.v2.db", 400), aged("work.vx.db", 400)];
    it.store.sweep().await.unwrap();
    assert!(gone.iter().all(|path| !path.exists()), "{gone:?}");
    assert!(kept.iter().all(|path| path.exists()), "{kept:?}");
}
