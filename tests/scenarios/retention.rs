//! Conversations that are over: deleted at the start of the box, for good, with one row of the log.

use std::path::Path;

use tests::{FakeCloud, TestAppliance};

const SECRET: &str = "what the patient in bed seven told me in confidence";

/// Whether a text stands in any file under a folder.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Lets all conversations lie for so many days.
fn age(appliance: &TestAppliance, days: i64) {
    let work = rusqlite::Connection::open(appliance.data_dir().join("work.db")).unwrap();
    work.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    work.execute("UPDATE conversations SET active_ms = active_ms - ?1", [days * 86_400_000]).unwrap();
}

/// What the box says when it has swept.
async fn until_swept(appliance: &TestAppliance, count: usize) {
    let begun = std::time::Instant::now();
    while !appliance.log().contains(&format!("{count} conversations whose time is over are deleted")) {
        assert!(begun.elapsed().as_secs() < 60, "{}", appliance.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_conversation_that_is_over_is_gone_from_every_file_after_the_next_start() {
    let cloud = FakeCloud::start();
    let mut appliance = TestAppliance::builder()
        .cloud(&cloud)
        .https()
        .extra("\n[retention]\nconversation_days = 365\n")
        .start()
        .await;
    let owner = appliance.portal().await;
    let lee = appliance.person("lee", &[]).await;
    let told = |arguments: &[&str]| {
        let output = appliance.cli(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    told(&["department", "add", "oncology"]);
    told(&["department", "join", "oncology", "person lee"]);
    told(&["department", "keep", "oncology", "30"]);
    assert_eq!(told(&["department", "list"]), "oncology\tperson lee\t30 days\n");
    let wrong = appliance.cli(&["department", "keep", "oncology", "4000"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));

    lee.ask("assistant", SECRET).await;
    owner.ask("assistant", "the owner's own question").await;
    assert!(holds(&appliance.data_dir(), SECRET), "the test looks in the right place");
    age(&appliance, 31);
    appliance.stop().await;
    appliance.start_again().await;
    until_swept(&appliance, 1).await;
    assert!(!holds(&appliance.data_dir(), SECRET));
    assert!(holds(&appliance.data_dir(), "the owner's own question"), "the site keeps it for a year");
    let verify = appliance.cli(&["audit", "verify"]);
    assert_eq!(verify.status.code(), Some(0), "{}", String::from_utf8_lossy(&verify.stderr));
    let page = appliance.portal_again().await.page_in("/status", "en").await.text();
    assert!(page.contains("1 conversation"), "{page}");
}
