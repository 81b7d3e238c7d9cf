//! Signing in through the building's directory: a real OpenLDAP server, there, gone, silent and back.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tests::{FakeCloud, Slapd, TestAppliance};

/// The box looks every 5 s whether a lost directory is back.
const PATIENCE: Duration = Duration::from_secs(60);

const LEE: &str = "lee's short words";
const PARK: &str = "park's words";
const CHOI: &str = "choi's words";

/// What the groups give.
fn groups() -> String {
    format!(
        "[directory.roles]\n{:?} = \"operator\"\n{:?} = \"staff\"\n[directory.departments]\n{:?} = \"Ward 3\"\n",
        Slapd::group("operators"),
        Slapd::group("nurses"),
        Slapd::group("ward-3"),
    )
}

/// lee gives orders in ward 3, park is a nurse, choi is in no group; kim has the name of the box's own owner.
async fn directory() -> Slapd {
    Slapd::start(&[
        ("lee", LEE, &["operators", "ward-3"]),
        ("park", PARK, &["nurses"]),
        ("choi", CHOI, &[]),
        ("kim", "kim's other words", &["operators"]),
    ])
    .await
}

/// The rows of the log that tell of a person, as `WHAT by WHO DETAIL`.
fn log(appliance: &TestAppliance) -> Vec<String> {
    let file = appliance.data_dir().join("audit.db");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = database.prepare("SELECT body FROM entries WHERE kind = 'event' ORDER BY seq").unwrap();
    let bodies = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let rows = bodies.map(|body| serde_json::from_str::<Value>(&body.unwrap()).unwrap());
    rows.map(|row| {
        let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        format!("{} by {} {}", word("what"), word("who"), row["detail"])
    })
    .collect()
}

fn told(appliance: &TestAppliance, words: &[&str]) -> bool {
    log(appliance).iter().any(|row| words.iter().all(|word| row.contains(word)))
}

/// Waits until the box says so of the directory; its dashboards show how things were a moment ago.
async fn until(appliance: &TestAppliance, wanted: impl Fn(&Value) -> bool) {
    let started = Instant::now();
    loop {
        let known = appliance.status().await["store"]["directory"].clone();
        if wanted(&known) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "the box says of the directory: {known}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn people_of_the_directory_get_in_with_what_their_groups_give_and_nobody_else_does() {
    let (cloud, slapd) = (FakeCloud::start(), directory().await);
    let section = slapd.section(&groups());
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(&section).start().await;
    let owner = appliance.portal().await;
    // The cloud is of no use to anybody who signs in.
    cloud.refuse();

    let lee = appliance.enter("lee", LEE).await;
    assert_eq!(lee.page("/orders").await.status, 200, "an operator");
    let account = lee.page("/account").await.text();
    assert!(account.contains("Your password is that of the building’s directory"), "{account}");
    assert!(!account.contains("id=\"change-password\"") && !account.contains("id=\"by-cache\""));
    let listed = appliance.cli(&["user", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("lee\toperator\tactive") && listed.contains("\tWard 3\tdirectory"), "{listed}");
    assert!(owner.page("/people").await.text().contains("from the directory"));
    assert!(told(&appliance, &["person-added by directory", "\"role\":\"operator\"", "Ward 3"]));
    assert!(told(&appliance, &["sign-in by lee", "\"by\":\"directory\""]));

    let wrong = "The name or the password is not right";
    for (name, password) in [
        ("lee", "not lee's words"),
        ("lee", ""),
        ("*", LEE),
        ("*)(uid=*", LEE),
        ("lee)(objectClass=*", LEE),
        ("lee))(|(uid=*", LEE),
        ("uid=lee,ou=people,dc=house", LEE),
        ("nobody", LEE),
    ] {
        let refused = appliance.knock(name, password).await;
        assert_eq!(refused.status, 422, "{name}");
        let page = refused.text();
        assert!(page.contains(wrong) && !page.contains("directory cannot be reached"), "{name}: {page}");
    }
    let no_group = appliance.knock("choi", CHOI).await.text();
    assert!(no_group.contains("you are in no group that may use this box"), "{no_group}");
    assert!(
        appliance.knock("choi", "wrong").await.text().contains(wrong),
        "told to the right password alone"
    );
    let twin = appliance.knock("kim", "kim's other words").await;
    assert_eq!(twin.status, 422, "the account of the box wins");
    assert!(told(&appliance, &["sign-in-refused", "\"account\":\"kim\"", "\"why\":\"local-account\""]));
    let log = format!("{}{}", log(&appliance).join("\n"), appliance.log());
    for secret in [LEE, CHOI, "kim's other words", "words of the box", "(uid="] {
        assert!(!log.contains(secret), "{secret} is in a log: {log}");
    }
    assert!(appliance.cli(&["audit", "verify"]).status.success());
}

#[tokio::test]
async fn with_the_directory_gone_its_last_word_lets_in_says_so_and_counts_for_a_time() {
    let (cloud, mut slapd) = (FakeCloud::start(), directory().await);
    let section = slapd.section(&groups());
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().extra(&section).start().await;
    let owner = appliance.portal().await;
    let park = appliance.enter("park", PARK).await;
    appliance.enter("lee", LEE).await;
    // An administrator of the directory locks park for good.
    slapd.set("park", "pwdAccountLockedTime", "000001010000Z");
    assert_eq!(appliance.knock("park", PARK).await.status, 422);
    assert_eq!(park.page("/").await.header("location"), "/sign-in", "the session is over, too");
    assert!(told(&appliance, &["directory-access-ended by directory", "park", "disabled"]));

    slapd.stop();
    let lee = appliance.enter("lee", LEE).await;
    let (english, korean) = ("could not be reached when you signed in", "디렉터리에 연결할 수 없었습니다");
    assert!(lee.page_in("/", "en").await.text().contains(english));
    assert!(lee.page_in("/status", "ko").await.text().contains(korean));
    assert_eq!(lee.page("/orders").await.status, 200, "with the role as it was");
    assert!(told(&appliance, &["sign-in by lee", "\"by\":\"cache\""]));
    let out_of_reach = "directory cannot be reached now";
    for (name, password) in [("lee", "not lee's words"), ("park", PARK), ("choi", CHOI), ("kim", "wrong")] {
        let refused = appliance.knock(name, password).await;
        assert_eq!(refused.status, 422, "{name}");
        assert!(refused.text().contains(out_of_reach), "the same for everybody: {name}");
    }
    let again = appliance.portal_again().await;
    assert_eq!(again.page("/").await.status, 200, "the owner of the box needs no directory");
    until(&appliance, |known| known["reachable"] == false && known["trouble"] == "no-connection").await;
    until(&appliance, |known| known["cached_people"] == 1 && known["cached_sign_ins"] == 1).await;
    assert!(owner.page("/status").await.text().contains("The building’s directory is out of reach"));

    appliance.stop().await;
    let core = Connection::open(appliance.data_dir().join("core.db")).unwrap();
    core.execute_batch("UPDATE directory_people SET verified_ms = verified_ms - 14 * 86400000").unwrap();
    drop(core);
    appliance.start_again().await;
    let refused = appliance.knock("lee", LEE).await;
    assert!(refused.status == 422 && refused.text().contains(out_of_reach), "too old");

    slapd.start_again().await;
    until(&appliance, |known| known["reachable"] == true).await;
    let lee = appliance.enter("lee", LEE).await;
    assert!(!lee.page("/").await.text().contains("id=\"by-cache\""));
    assert!(told(&appliance, &["directory-lost by box", "no-connection"]));
    assert!(told(&appliance, &["directory-back by box"]));
    let metrics = appliance.client().get("/metrics").await.text();
    assert!(metrics.contains("genset_directory_reachable 1"), "{metrics}");
}

#[tokio::test]
async fn a_change_in_the_directory_is_followed_and_an_old_password_is_forgotten() {
    let (cloud, mut slapd) = (FakeCloud::start(), directory().await);
    let section = slapd.section_with_start_tls(&groups());
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(&section).start().await;
    appliance.portal().await;
    appliance.enter("lee", LEE).await;
    let (lee, new) = (Slapd::person("lee"), "lee's new words");
    slapd.change(&format!(
        "dn: {operators}\nchangetype: modify\nadd: member\nmember: {park}\n-\ndelete: member\nmember: {lee}\n\n\
         dn: {nurses}\nchangetype: modify\nadd: member\nmember: {lee}\n",
        operators = Slapd::group("operators"),
        nurses = Slapd::group("nurses"),
        park = Slapd::person("park"),
    ));
    slapd.set("lee", "userPassword", new);
    assert_eq!(appliance.knock("lee", LEE).await.status, 422);
    assert!(told(&appliance, &["directory-verifier-dropped by directory", "lee", "password-changed"]));
    let session = appliance.enter("lee", new).await;
    assert_eq!(session.page("/orders").await.status, 403, "a nurse now");
    assert!(told(&appliance, &["role-changed by directory", "\"was\":\"operator\"", "\"role\":\"staff\""]));

    // Guesses lock the account in the directory. That takes nothing from lee on the day it is gone.
    for _ in 0..2 {
        assert_eq!(appliance.knock("lee", "a guess").await.status, 422);
    }
    assert_eq!(appliance.knock("lee", new).await.status, 422, "locked");
    slapd.stop();
    appliance.enter("lee", new).await;
    assert_eq!(appliance.knock("lee", LEE).await.status, 422);
}

#[tokio::test]
async fn a_silent_directory_or_one_that_is_not_trusted_keeps_nobody_waiting_for_long() {
    let (cloud, slapd) = (FakeCloud::start(), directory().await);
    let section = slapd.section(&groups());
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(&section).start().await;
    appliance.portal().await;
    appliance.enter("lee", LEE).await;
    slapd.freeze();
    appliance.enter("lee", LEE).await;
    until(&appliance, |known| known["trouble"] == "silent").await;
    slapd.thaw();
    until(&appliance, |known| known["reachable"] == true).await;
    drop(appliance);

    let foreign = Slapd::start(&[]).await;
    let own = format!("{:?}", slapd.ca_file());
    let section = section.replace(&own, &format!("{:?}", foreign.ca_file()));
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(&section).start().await;
    let owner = appliance.portal().await;
    let refused = appliance.knock("lee", LEE).await;
    assert!(refused.text().contains("directory cannot be reached now"), "no password goes to a stranger");
    until(&appliance, |known| known["trouble"] == "tls").await;
    assert!(owner.page("/status").await.text().contains("Check ca_file"));
}

#[tokio::test]
async fn the_password_of_the_box_in_the_directory_is_sealed_like_the_keys_of_clouds() {
    let (cloud, slapd) = (FakeCloud::start(), directory().await);
    let section = slapd.section(&groups());
    let mut appliance = TestAppliance::builder().cloud(&cloud).https().extra(&section).start().await;
    appliance.portal().await;
    let sealed = appliance.cli(&["seal"]);
    assert!(sealed.status.success(), "{}", String::from_utf8_lossy(&sealed.stderr));
    let kept = std::fs::read_to_string(slapd.password_file()).unwrap();
    assert!(kept.starts_with("genset-sealed-1 ") && !kept.contains("words"), "{kept}");
    appliance.stop().await;
    appliance.start_again().await;
    appliance.enter("lee", LEE).await;
}
