//! What the box did is on disk, complete, and nobody can quietly change it.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The bodies of all rows of one kind.
pub(crate) fn rows(appliance: &TestAppliance, kind: &str) -> Vec<Value> {
    let file = appliance.data_dir().join("audit.db");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = database.prepare("SELECT body FROM entries WHERE kind = ?1 ORDER BY seq").unwrap();
    let bodies = query.query_map([kind], |row| row.get::<_, String>(0)).unwrap();
    bodies.map(|body| serde_json::from_str(&body.unwrap()).unwrap()).collect()
}

/// A box that has answered from both sides of a loss, broken a stream, lost its worker, and stopped.
async fn a_box_with_a_past() -> TestAppliance {
    let cloud = FakeCloud::start();
    let known = known_answer(false);
    cloud.say(&known.answer);
    let mut appliance = TestAppliance::with_cloud(&cloud).await;
    let (client, chat) = (appliance.client(), Chat::new("assistant", &known.question));
    client.ask(&chat).await;
    cloud.cut_streams(3);
    assert!(client.stream_whole(&chat).await.is_whole());
    cloud.refuse();
    client.ask(&chat).await;
    appliance.kill_worker();
    client.stream_whole(&chat).await;
    appliance.until_state("offline").await;
    cloud.restore();
    appliance.until_state("connected").await;
    appliance.stop().await;
    appliance
}

#[tokio::test]
async fn the_log_holds_a_row_and_an_outcome_for_each_request_and_no_text() {
    let appliance = a_box_with_a_past().await;
    let verified = appliance.cli(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));

    let (asked, ended) = (rows(&appliance, "request"), rows(&appliance, "outcome"));
    let ids = |rows: &[Value]| rows.iter().map(|row| row["request_id"].clone()).collect::<Vec<_>>();
    assert_eq!(asked.len(), 4);
    assert_eq!(ids(&asked), ids(&ended), "each request has exactly one outcome");
    let routes: Vec<_> = ended.iter().map(|row| row["route"].clone()).collect();
    assert_eq!(routes, ["cloud", "local", "local", "local"]);
    assert!(ended[1]["seam"].as_u64().unwrap() > 0, "the seam is written down: {}", ended[1]);
    assert!(asked.iter().all(|row| row["who"].as_str().unwrap().contains("test-client")));
    let events = serde_json::to_string(&rows(&appliance, "event")).unwrap();
    for told in ["offline", "recovering", "connected"] {
        assert!(events.contains(told), "{told} is missing: {events}");
    }

    let file = std::fs::read(appliance.data_dir().join("audit.db")).unwrap();
    let known = known_answer(false);
    for secret in [known.question.as_str(), known.answer.as_str(), appliance.key()] {
        let bytes = secret.as_bytes();
        assert!(!file.windows(bytes.len()).any(|window| window == bytes), "the audit log holds: {secret}");
    }
}

#[tokio::test]
async fn the_chain_can_be_checked_while_the_box_runs() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    appliance.client().ask(&Chat::new("assistant", "Please leave a row")).await;
    let verified = appliance.cli(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}

#[tokio::test]
async fn a_changed_row_and_a_missing_row_are_found_and_named() {
    let appliance = a_box_with_a_past().await;
    let file = appliance.data_dir().join("audit.db");
    let original = std::fs::read(&file).unwrap();
    let row = first_row_after(&file, 2, "request");
    for (tampering, found_at) in [
        ("UPDATE entries SET body = replace(body, 'test-client', 'somebody') WHERE seq = ?1", row),
        ("UPDATE entries SET at_ms = at_ms + 1 WHERE seq = ?1", row),
        ("UPDATE entries SET kind = 'event' WHERE seq = ?1", row),
        ("DELETE FROM entries WHERE seq = ?1", row + 1),
    ] {
        tamper(&file, tampering, row);
        let verified = appliance.cli(&["audit", "verify"]);
        assert_eq!(verified.status.code(), Some(1), "{tampering}: {}", said(&verified));
        assert!(said(&verified).contains(&format!("row {found_at}")), "{tampering}: {}", said(&verified));
        std::fs::write(&file, &original).unwrap();
    }
    assert_eq!(appliance.cli(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn an_export_is_checked_by_a_program_that_knows_nothing_of_the_box() {
    let appliance = a_box_with_a_past().await;
    let printed = |args: &[&str]| {
        let output = appliance.cli(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let key = printed(&["audit", "key"]);
    let code = printed(&["audit", "anchor"]);
    let export = printed(&["audit", "export"]);
    let (key, code) = (key.trim(), code.trim());
    let away = tempfile::TempDir::new().unwrap();
    let verify = |name: &str, export: &str, more: &[&str]| {
        let file = away.path().join(name);
        std::fs::write(&file, export).unwrap();
        let mut command = std::process::Command::new(tests::genset_binary().with_file_name("genset-verify"));
        command.current_dir(away.path()).env_clear().arg(&file).args(more).output().unwrap()
    };
    let whole = verify("whole", &export, &["--key", key, "--code", code]);
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
    assert!(
        said(&whole).contains("the chain is whole") && !said(&whole).contains("not proven"),
        "{}",
        said(&whole)
    );

    let row = first_row_after(&appliance.data_dir().join("audit.db"), 2, "request");
    let edited = verify("edited", &export.replacen("test-client", "somebody", 1), &[]);
    assert_eq!(edited.status.code(), Some(1), "{}", said(&edited));
    let first = export.lines().find(|line| line.contains("test-client")).unwrap();
    let first: Value = serde_json::from_str(first).unwrap();
    assert!(said(&edited).contains(&format!("row {}:", first["seq"])), "{}", said(&edited));
    let without: Vec<_> =
        export.lines().filter(|line| !line.starts_with(&format!("{{\"seq\":{row},"))).collect();
    let deleted = verify("deleted", &without.join("\n"), &[]);
    assert!(said(&deleted).contains(&format!("row {}:", row + 1)), "{}", said(&deleted));

    for (more, code) in [
        (vec!["--key", "somebody's"], 2),
        (vec!["--code", "AAAAA"], 2),
        (vec!["--anchor", "whole"], 0),
        (vec!["--anchor", "nowhere"], 2),
        (vec!["--key", "0000000000000000000000000000000000000000000000000000000000000000"], 1),
    ] {
        let checked = verify("again", &export, &more);
        assert_eq!(checked.status.code(), Some(code), "{more:?}: {}", said(&checked));
    }
    assert_eq!(verify("letter", "Dear Sir", &[]).status.code(), Some(2));
}

#[tokio::test]
async fn the_code_on_paper_shows_that_the_log_was_cut() {
    let appliance = a_box_with_a_past().await;
    let code = String::from_utf8(appliance.cli(&["audit", "anchor"]).stdout).unwrap();
    let verify = || appliance.cli(&["audit", "verify", "--code", code.trim()]);
    assert_eq!(verify().status.code(), Some(0));
    let file = appliance.data_dir().join("audit.db");
    let database = Connection::open(&file).unwrap();
    let tables = ["DROP TRIGGER entries_are_not_deleted", "DROP TRIGGER checkpoints_are_not_deleted"];
    database.execute_batch(&tables.join(";")).unwrap();
    let last: i64 = database.query_row("SELECT max(seq) FROM entries", [], |row| row.get(0)).unwrap();
    database.execute_batch("DELETE FROM checkpoints").unwrap();
    database.execute("DELETE FROM entries WHERE seq = ?1", [last]).unwrap();
    database.close().unwrap();
    assert_eq!(appliance.cli(&["audit", "verify"]).status.code(), Some(0), "a shorter log is a whole one");
    let found = verify();
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    assert!(said(&found).contains(&format!("row {last}:")), "{}", said(&found));
}

/// The number of the first row of a kind after `seq`.
fn first_row_after(file: &Path, seq: i64, kind: &str) -> i64 {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let query = "SELECT min(seq) FROM entries WHERE seq > ?1 AND kind = ?2";
    database.query_row(query, (seq, kind), |row| row.get(0)).unwrap()
}

/// Changes the log as somebody would who owns the machine.
fn tamper(file: &Path, statement: &str, row: i64) {
    let database = Connection::open(file).unwrap();
    database
        .execute_batch("DROP TRIGGER entries_are_not_changed; DROP TRIGGER entries_are_not_deleted;")
        .unwrap();
    assert_eq!(database.execute(statement, [row]).unwrap(), 1, "{statement}");
    database.close().unwrap();
}

#[tokio::test]
async fn the_row_of_a_request_is_on_disk_when_its_answer_ends() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    for number in 1..=5 {
        let streamed =
            appliance.client().stream_whole(&Chat::new("assistant", "Please be written down")).await;
        assert!(streamed.is_whole());
        assert_eq!(rows(&appliance, "request").len(), number, "the row was there when the last byte came");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(rows(&appliance, "outcome").len(), number, "and the outcome's soon after");
    }
}

/// Holds the log against every writer until dropped, as a disk does that takes no more.
fn hold(appliance: &TestAppliance) -> Connection {
    let database = Connection::open(appliance.data_dir().join("audit.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    database
}

#[tokio::test]
async fn the_end_of_an_answer_waits_for_its_row_and_not_one_byte_leaves_before() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let held = hold(&appliance);
    let mut stream = appliance.client().stream(&Chat::new("assistant", "Please be written down")).await;
    assert!(stream.until(2).await, "the text flows while the row waits");
    let ending = stream.finish();
    tokio::pin!(ending);
    let early = tokio::time::timeout(Duration::from_millis(1500), &mut ending).await;
    assert!(early.is_err(), "the answer ended before its row was on disk");
    assert!(rows(&appliance, "request").is_empty());
    drop(held);
    assert!(ending.await.is_whole());
    assert_eq!(rows(&appliance, "request").len(), 1);
}

#[tokio::test]
async fn the_row_of_the_outcome_follows_each_answer() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    for number in 1..=15 {
        let chat = Chat::new("assistant", "Please be written down");
        assert!(appliance.client().stream_whole(&chat).await.is_whole());
        let ended = std::time::Instant::now();
        while rows(&appliance, "outcome").len() < number {
            // 10 ms are promised, and measured by `tests/torture audit`.
            assert!(ended.elapsed() < Duration::from_secs(30), "the outcome is never written");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn without_a_log_only_the_clinical_lane_goes_on_and_nothing_is_lost() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let ward = appliance.client_of("ward-3", &["--lane", "clinical"]);
    let chat = Chat::new("assistant", "Who helps the patient?");
    let held = hold(&appliance);
    let refused = appliance.client().ask(&chat).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.error_code(), "audit_unavailable");
    let asked = cloud.chats().len();
    assert_eq!(appliance.client().ask(&chat).await.status, 503);
    assert_eq!(
        cloud.chats().len(),
        asked,
        "the log is known to be in trouble, so the cloud is not asked for nothing"
    );
    assert_eq!(ward.ask(&chat).await.status, 200, "the clinical lane goes on");
    for (query, status) in [
        ("", 200),
        ("?lane=clinical", 200),
        ("?lane=interactive", 503),
        ("?lane=administration", 503),
        ("?lane=x", 400),
    ] {
        let ready = appliance.anonymous().get(&format!("/readyz{query}")).await;
        assert_eq!(ready.status, status, "{query}: {}", ready.text());
    }
    let lanes = appliance.anonymous().get("/readyz?verbose").await.json()["lanes"].clone();
    assert_eq!(lanes, serde_json::json!({"clinical": true, "interactive": false, "batch": false}));
    let change = appliance.cli(&["key", "create", "ward-4"]);
    assert_eq!(change.status.code(), Some(1), "{}", said(&change));
    assert!(said(&change).contains("nothing was changed"), "{}", said(&change));
    assert!(appliance.client().get("/metrics").await.text().contains("genset_audit_spooled_rows"));
    drop(held);
    let started = std::time::Instant::now();
    while !events(&appliance).contains("audit-spool-chained") {
        assert!(started.elapsed() < Duration::from_secs(60), "what waited is never chained in");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(appliance.client().ask(&chat).await.status, 200);
    while appliance.anonymous().get("/readyz?lane=interactive").await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "the other lanes never get ready again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let asked = rows(&appliance, "request");
    let clinical: Vec<_> = asked.iter().filter(|row| row["lane"] == "clinical").collect();
    assert_eq!(clinical.len(), 1, "{asked:?}");
    let ended = rows(&appliance, "outcome");
    assert!(
        ended.iter().any(|row| row["request_id"] == clinical[0]["request_id"] && row["outcome"] == "success")
    );
    assert_eq!(appliance.cli(&["audit", "verify"]).status.code(), Some(0));
    assert_eq!(appliance.cli(&["key", "create", "ward-4"]).status.code(), Some(0));
}

fn events(appliance: &TestAppliance) -> String {
    serde_json::to_string(&rows(appliance, "event")).unwrap()
}

#[tokio::test]
async fn a_client_that_leaves_is_written_down_as_well() {
    let cloud = FakeCloud::start();
    cloud.pace(Duration::from_millis(50));
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let mut stream = appliance.client().stream(&Chat::new("assistant", "Please talk to nobody")).await;
    assert!(stream.until(3).await);
    drop(stream);
    let started = std::time::Instant::now();
    while rows(&appliance, "outcome").is_empty() {
        assert!(started.elapsed() < Duration::from_secs(30), "the outcome is never written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rows(&appliance, "outcome")[0]["outcome"], "cancelled");
}

#[tokio::test]
async fn even_the_loudest_log_holds_no_text_and_no_key() {
    let cloud = FakeCloud::start();
    let known = known_answer(false);
    cloud.say(&known.answer);
    let loud = TestAppliance::builder().cloud(&cloud).environment("GENSET_LOG", "trace");
    let mut appliance = loud.start().await;
    let (client, chat) = (appliance.client(), Chat::new("assistant", &known.question));
    client.ask(&chat).await;
    client.stream_whole(&chat).await;
    cloud.cut_streams(2);
    client.stream_whole(&chat).await;
    client.ask(&Chat::new("local-only", &known.question)).await;
    client.post("/v1/chat/completions", format!("{{ {} no JSON", known.question)).await;
    appliance.stop().await;
    let log = appliance.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "it was loud");
    for secret in [known.question.as_str(), known.answer.as_str(), appliance.key(), tests::fake_cloud::KEY] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "the log holds a secret");
    }
}

#[tokio::test]
async fn trouble_with_an_anchor_is_told_on_the_status_page_to_monitors_and_in_the_metrics() {
    let cloud = FakeCloud::start();
    let medium = tempfile::tempdir().unwrap();
    // A folder in the place of the file: the medium is there and cannot be written.
    let file = medium.path().join("anchors");
    std::fs::create_dir(&file).unwrap();
    let extra = format!("\n[audit]\nanchor_file = {file:?}\n");
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(&extra).start().await;
    let portal = appliance.portal().await;
    let trouble = async || {
        appliance.anonymous().get("/readyz?verbose").await.json()["store"]["anchors"][0]["trouble"].clone()
    };
    let until = async |wanted: serde_json::Value| {
        let begun = std::time::Instant::now();
        while trouble().await != wanted {
            assert!(begun.elapsed() < Duration::from_secs(60), "{} is not {wanted}", trouble().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    until("failing".into()).await;
    for (language, words) in [("en", "checkpoints cannot be written down in"), ("ko", "체크포인트를")] {
        let page = portal.page_in("/status", language).await.text();
        assert!(page.contains("id=\"alarms\"") && page.contains(words), "{page}");
    }
    let metrics = appliance.anonymous().get("/metrics").await.text();
    assert!(metrics.contains("genset_audit_anchor_current{anchor=\"file\"} 0"), "{metrics}");
    std::fs::remove_dir(&file).unwrap();
    until(serde_json::Value::Null).await;
    let metrics = appliance.anonymous().get("/metrics").await.text();
    assert!(metrics.contains("genset_audit_anchor_current{anchor=\"file\"} 1"), "{metrics}");
}
