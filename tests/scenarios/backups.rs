//! The sheet, the backup and the blank box: a building that lost its machine has all of it again.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

fn run(arguments: &[&str], typed: &str) -> Output {
    let mut command = Command::new(tests::genset_binary());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The code on a printed sheet: seven groups of four.
fn code_on(sheet: &str) -> String {
    let is_code = |line: &&str| line.len() == 34 && line.split('-').all(|group| group.len() == 4);
    sheet.lines().map(str::trim).find(is_code).expect("a code stands on the sheet").to_owned()
}

#[tokio::test]
async fn a_box_that_is_lost_is_whole_again_on_a_blank_machine_by_one_command() {
    let cloud = FakeCloud::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("backups");
    let extra = format!("\n[backup]\nfolder = {folder:?}\n");
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().extra(&extra).start().await;
    let portal = appliance.portal().await;
    let config = appliance.config_file().display().to_string();

    let early = appliance.cli(&["backup"]);
    assert_eq!(early.status.code(), Some(2), "{}", told(&early));
    assert!(told(&early).contains("genset recovery-sheet"), "{}", told(&early));
    let sheet = appliance.cli(&["recovery-sheet"]);
    assert_eq!(sheet.status.code(), Some(0), "{}", told(&sheet));
    let code = code_on(&String::from_utf8(sheet.stdout).unwrap());
    let mistyped = run(&["recovery-sheet", "--prove", "--config", &config], &code[1..]);
    assert_eq!(mistyped.status.code(), Some(2), "{}", told(&mistyped));
    let proven = run(&["recovery-sheet", "--prove", "--config", &config], &code.to_lowercase());
    assert_eq!(proven.status.code(), Some(0), "{}", told(&proven));
    assert_eq!(
        appliance.cli(&["recovery-sheet"]).status.code(),
        Some(2),
        "a proven sheet is not replaced unasked"
    );

    let backup = appliance.cli(&["backup"]);
    assert_eq!(backup.status.code(), Some(0), "{}", told(&backup));
    let file = String::from_utf8(backup.stdout).unwrap().trim().to_owned();
    assert!(Path::new(&file).starts_with(&folder), "{file}");
    let page = portal.page_in("/status", "en").await.text();
    assert!(page.contains("id=\"backups\""), "{page}");

    // The machine is gone: nothing is left but the backup, the sheet, and the address of the building.
    let key = appliance.key().to_owned();
    appliance.kill().await;
    let blank = elsewhere.path().join("blank");
    let wrong = code.replace(&code[..4], if code.starts_with("0000") { "1111" } else { "0000" });
    let refused = run(&["restore", &file, "--to", blank.to_str().unwrap()], &wrong);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(!blank.exists());
    let restored = run(&["restore", &file, "--to", blank.to_str().unwrap()], &code);
    assert_eq!(restored.status.code(), Some(0), "{}", told(&restored));
    let again = run(&["restore", &file, "--to", blank.to_str().unwrap()], &code);
    assert_eq!(again.status.code(), Some(2), "nothing is restored over anything: {}", told(&again));

    let new_config = String::from_utf8(restored.stdout).unwrap().trim().to_owned();
    assert_eq!(Path::new(&new_config), blank.join("genset.toml"));
    appliance.move_to(&blank).await;
    let client = appliance.anonymous().with_key(&key);
    let known = known_answer(false);
    let reply = client.ask(&Chat::new("local-only", &known.question)).await;
    assert_eq!(reply.said(), known.answer, "{}", reply.text());
    let reply = client.ask(&Chat::new("assistant", "who answers?")).await;
    assert_eq!(reply.status, 200, "the key of the cloud came along: {}", reply.text());
    let verify = run(&["audit", "verify", "--config", &new_config], "");
    assert_eq!(verify.status.code(), Some(0), "{}", told(&verify));
    appliance.portal_again().await;
    appliance.stop().await;
}

#[tokio::test]
async fn the_box_makes_its_backup_by_itself_once_there_is_a_sheet() {
    let cloud = FakeCloud::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("backups");
    let extra = format!("\n[backup]\nfolder = {folder:?}\n");
    let mut appliance = TestAppliance::builder().cloud(&cloud).extra(&extra).start().await;
    let backup = appliance.status().await["store"]["backup"].clone();
    assert_eq!(backup["has_sheet"], false, "{backup}");
    assert_eq!(appliance.cli(&["recovery-sheet"]).status.code(), Some(0));
    appliance.stop().await;
    appliance.start_again().await;
    let begun = std::time::Instant::now();
    while appliance.status().await["store"]["backup"]["verified_ms"].is_null() {
        assert!(begun.elapsed().as_secs() < 60, "no backup was made: {}", appliance.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let metrics = appliance.anonymous().get("/metrics").await.text();
    assert!(metrics.contains("genset_backup_last_verified_timestamp_seconds"), "{metrics}");
}

#[tokio::test]
async fn a_sealed_key_serves_as_the_plain_one_did_and_moves_with_the_backup_alone() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder().cloud(&cloud).start().await;
    assert!(appliance.log().contains("this key is not sealed"), "{}", appliance.log());
    let check = appliance.cli(&["check"]);
    assert_eq!(check.status.code(), Some(0), "a plain key works: {}", told(&check));
    assert!(told(&check).contains("genset seal"), "{}", told(&check));
    let sealed = appliance.cli(&["seal"]);
    assert_eq!(sealed.status.code(), Some(0), "{}", told(&sealed));
    let file = appliance.config_file().with_file_name("keys").join("cloud");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("genset-sealed-1 ") && !text.contains(tests::fake_cloud::KEY), "{text}");
    assert!(told(&appliance.cli(&["seal"])).contains("sealed already"));
    let away = file.with_extension("away");
    std::fs::rename(&file, &away).unwrap();
    let unread = appliance.cli(&["seal"]);
    assert_ne!(unread.status.code(), Some(0), "nobody knows whether it is sealed: {}", told(&unread));
    assert!(told(&unread).contains("cannot be read"), "{}", told(&unread));
    std::fs::rename(&away, &file).unwrap();
    appliance.stop().await;
    appliance.start_again().await;
    let reply = appliance.client().ask(&Chat::new("assistant", "who answers?")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("x-genset-route").as_str()),
        (200, "cloud"),
        "{}",
        reply.text()
    );
    assert!(!appliance.log().contains(tests::fake_cloud::KEY));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", appliance.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    std::fs::remove_file(appliance.data_dir().join("keys/box.key")).unwrap();
    let check = appliance.cli(&["check"]);
    assert_eq!(check.status.code(), Some(2), "{}", told(&check));
    assert!(told(&check).contains("box.key") && told(&check).contains("restore it"), "{}", told(&check));
}
