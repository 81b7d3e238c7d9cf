//! Who may do what, at the real box: over its listeners, and from its command line.

use std::process::Output;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tests::torture::swaps;
use tests::{Chat, FakeCloud, TestAppliance};

const RESTRICTED: &str = "\n[[alias]]\nname = \"oncology\"\ncloud = [\"cloud/large\"]\nstandby = [\"pilot-light\"]\nrestricted = true\n";

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The events of the log, as `WHAT by WHO`.
fn events(appliance: &TestAppliance) -> Vec<String> {
    let file = appliance.data_dir().join("audit.db");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = database.prepare("SELECT body FROM entries WHERE kind = 'event' ORDER BY seq").unwrap();
    let bodies = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let event = |body: String| serde_json::from_str::<Value>(&body).unwrap();
    let events = bodies.map(|body| event(body.unwrap()));
    events.map(|e| format!("{} by {}", e["what"].as_str().unwrap(), e["who"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_key_uses_a_restricted_alias_while_it_is_granted_and_not_a_request_longer() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).extra(RESTRICTED).start().await;
    let client = appliance.client();
    let chat = Chat::new("oncology", "Are you for the oncologists?");
    let ask = || client.ask(&chat);
    let why = || said(&appliance.cli(&["why", "key test-client", "oncology"]));

    let refused = ask().await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "alias_not_allowed");
    assert_eq!(cloud.chats().len(), 0, "nothing left the building");
    assert!(!client.get("/v1/models").await.text().contains("oncology"));
    assert_eq!(why(), "no: this alias is restricted, and no grant opens it to them");

    said(&appliance.cli(&["department", "add", "Oncology"]));
    said(&appliance.cli(&["department", "join", "oncology", "key test-client"]));
    let grant = said(&appliance.cli(&["grant", "give", "department Oncology", "use", "alias oncology"]));
    assert_eq!(ask().await.status, 200);
    assert!(client.get("/v1/models").await.text().contains("oncology"));
    assert!(why().starts_with(&format!("yes: grant {grant} ")), "{}", why());

    said(&appliance.cli(&["grant", "end", &grant]));
    assert_eq!(ask().await.status, 403);
    let open = client.ask(&Chat::new("assistant", "Are you for everybody?")).await;
    assert_eq!(open.status, 200, "an alias that is not marked is open, as it always was");
}

#[tokio::test]
async fn somebody_who_is_added_breaks_the_glass_and_an_owner_reviews_it() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(RESTRICTED).start().await;
    let owner = appliance.portal().await;
    let lee = appliance.person("lee", &["--role", "staff"]).await;
    let page = lee.ask("oncology", "May I ask the oncologists?").await.text();
    assert!(page.contains("You may not use this assistant."), "{page}");
    assert_eq!(cloud.chats().len(), 0);
    for path in ["/people", "/rights", "/orders", "/second-look", "/break-glass/review"] {
        assert_eq!(lee.page(path).await.status, 403, "{path}");
    }
    let emergency = [("what", "alias oncology"), ("reason", "a child, nobody on call")];
    assert_eq!(lee.submit("/break-glass", &emergency).await.status, 303);
    assert!(!lee.ask("oncology", "And now?").await.text().contains("You may not use this assistant."));
    assert_eq!(cloud.chats().len(), 1);

    let told = appliance.status().await["announcements"].to_string();
    assert!(told.contains("glass-broken") && !told.contains("lee"), "told, and nobody's name: {told}");
    let queue = owner.page("/break-glass/review").await.text();
    assert!(queue.contains("lee") && queue.contains("a child, nobody on call"));
    let listed = said(&appliance.cli(&["grant", "list"]));
    assert!(
        listed.contains("person lee\tuse\talias oncology") && listed.contains("broken glass"),
        "{listed}"
    );
    let number = listed.split('\t').next().unwrap();
    let finding = [("grant", number), ("finding", "it was right")];
    assert_eq!(owner.submit("/break-glass/review", &finding).await.status, 303);
    assert!(!owner.page("/").await.text().contains("id=\"to-review\""));
    let log = events(&appliance);
    for expected in [
        "first-password-chosen by lee",
        "alias-refused by lee",
        "glass-broken by lee",
        "glass-reviewed by kim",
    ] {
        assert!(log.iter().any(|event| event == expected), "{expected} is missing: {log:?}");
    }
}

#[tokio::test]
async fn the_command_line_refuses_what_cannot_be_and_says_how_to_mend_it() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(RESTRICTED).start().await;
    appliance.portal().await;
    let wrong: [(&[&str], &str); 8] = [
        (&["user", "add", "lee", "--role", "boss"], "the roles are owner, admin"),
        (&["user", "add", "lee", "--role", "service"], "is for keys"),
        (&["user", "add", "KIM"], "already"),
        (&["user", "remove", "kim"], "the last two owners stay"),
        (&["user", "role", "kim", "staff"], "the last two owners stay"),
        (&["grant", "give", "person kim", "use", "alias oncolgy"], "oncology"),
        (&["grant", "give", "lee", "use", "alias oncology"], "write \"person NAME\""),
        (&["why", "person lee", "oncology"], "genset user list"),
    ];
    for (arguments, mend) in wrong {
        let output = appliance.cli(arguments);
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
        assert!(output.stdout.is_empty() && line.lines().count() == 1, "{arguments:?}: {line}");
        assert!(line.contains(mend), "{arguments:?}: {line}");
    }
    assert_eq!(said(&appliance.cli(&["why", "person kim", "oncology"])), "yes: the role owner includes it");
}

/// The long form is `tests/torture swaps`.
#[tokio::test]
async fn a_swapped_number_shows_and_changes_nothing() {
    let found = swaps::swap(400, 7).await;
    assert!(found.is_fine(), "{found:?}");
}
