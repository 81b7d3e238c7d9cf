//! Signing in at an identity provider, with its cookies, its lies and its absence.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::TestAppliance;
use tests::fake_idp::{Algorithm, Browser, FakeIdp, Mood};

use super::audit::rows;

const RULES: &str = "\
check_interval_ms = 100
default_role = \"staff\"
[oidc.roles]
\"box-admins\" = \"admin\"
[oidc.departments]
\"ward-7\" = \"Ward 7\"
";

/// A box with an owner, the provider's button on its page for signing in, and nobody at the button.
async fn box_with(idp: &FakeIdp, lines: &str) -> TestAppliance {
    let appliance = TestAppliance::builder().identity_provider(idp, lines).start().await;
    appliance.portal().await;
    until_button(&appliance, true).await;
    appliance
}

fn browser(appliance: &TestAppliance) -> Browser {
    Browser::new(appliance.visitor())
}

/// Waits until the page for signing in has the button, or has it no more.
async fn until_button(appliance: &TestAppliance, wanted: bool) {
    let started = Instant::now();
    loop {
        let page = appliance.visitor().get("/sign-in").await.text();
        let (has, says) = (page.contains("id=\"provider\""), page.contains("id=\"provider-away\""));
        assert!(has != says, "either the button or why it is not there: {page}");
        if has == wanted {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the button stays: {has}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Another key, and the box knows it: the second call after the change begins when the answer to the first is kept.
async fn rotate_key(idp: &FakeIdp, algorithm: Algorithm) {
    idp.rotate_key(algorithm);
    let (calls, started) = (idp.key_calls(), Instant::now());
    while idp.key_calls() < calls + 2 {
        assert!(started.elapsed() < Duration::from_secs(30), "the box does not ask for the keys");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Why sign-ins were refused, the oldest first.
fn reasons(appliance: &TestAppliance) -> Vec<String> {
    let refused = rows(appliance, "event").into_iter().filter(|row| row["what"] == "sign-in-refused");
    refused.map(|row| row["detail"]["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_first_sign_in_makes_the_account_and_each_later_one_follows_the_provider() {
    let idp = FakeIdp::start();
    let appliance = box_with(&idp, RULES).await;
    let mut lee = browser(&appliance);
    let arrived = lee.sign_in(&idp).await;
    assert_eq!((arrived.status.as_u16(), arrived.header("location").as_str()), (303, "/status"));
    assert!(!lee.has_cookie("departure"), "the ticket is spent");
    let account = lee.get("/account").await.text();
    assert!(account.contains("lee") && account.contains("staff"), "{account}");
    assert!(
        account.contains("id=\"no-password\"") && !account.contains("id=\"change-password\""),
        "{account}"
    );
    assert!(!account.contains("href=\"/people\""), "staff look after nobody");

    for algorithm in [Algorithm::Rs256, Algorithm::EdDsa, Algorithm::Es256] {
        rotate_key(&idp, algorithm).await;
        idp.person(json!({"sub": "0001", "preferred_username": "lee.min", "groups": ["box-admins"]}));
        let mut again = browser(&appliance);
        assert_eq!(again.sign_in(&idp).await.header("location"), "/status", "{algorithm:?}");
        assert_eq!(again.get("/people").await.status, 200, "the role is another one now");
    }
    let people = lee.get("/people").await.text();
    assert!(people.contains("lee") && !people.contains("lee.min"), "the account keeps its name");

    idp.person(json!({"sub": "0002", "email": "min@harbor.example", "email_verified": true}));
    assert_eq!(browser(&appliance).sign_in(&idp).await.header("location"), "/status");

    let followed = rows(&appliance, "event").into_iter().filter(|row| row["who"] == "identity provider");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told: Vec<_> =
        followed.map(|row| format!("{} {}", word(&row["what"]), word(&row["detail"]["name"]))).collect();
    let expected = [
        "person-added lee",
        "department-added Ward 7",
        "department-joined ",
        "role-changed lee",
        "department-left ",
        "person-added min@harbor.example",
    ];
    assert_eq!(told, expected);
    let log = appliance.log();
    assert!(idp.tokens().iter().all(|token| !log.contains(token)), "no token in the log");
    assert!(!log.contains(tests::fake_idp::CLIENT_SECRET));
}

#[tokio::test]
async fn no_lie_of_a_token_signs_anybody_in_and_each_is_told_by_its_reason() {
    let idp = FakeIdp::start();
    let appliance = box_with(&idp, RULES).await;
    let table = [
        (Mood::WrongNonce, "token-nonce"),
        (Mood::WrongAudience, "token-audience"),
        (Mood::WrongIssuer, "token-issuer"),
        (Mood::Expired, "token-expired"),
        (Mood::FromTheFuture, "token-from-the-future"),
        (Mood::Unsigned, "token-algorithm"),
        (Mood::SharedSecret, "token-algorithm"),
        (Mood::UnknownKey, "token-key"),
        (Mood::Forged, "token-signature"),
    ];
    for (mood, reason) in table {
        idp.mood(mood);
        let mut visitor = browser(&appliance);
        let refused = visitor.sign_in(&idp).await;
        assert_eq!(refused.status, 403, "{mood:?}");
        let page = refused.text();
        assert!(page.contains(reason) && page.contains("id=\"sign-in\""), "{mood:?}: {page}");
        assert!(!visitor.has_cookie("genset"), "{mood:?}: no cookie is left");
        assert_eq!(visitor.get("/account").await.header("location"), "/sign-in?back=/account", "{mood:?}");
    }
    let told: Vec<_> = table.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons(&appliance), told);
    let text = format!("{}{:?}", appliance.log(), rows(&appliance, "event"));
    for token in idp.tokens() {
        let parts = token.split('.').filter(|part| part.len() > 40);
        assert!(parts.into_iter().all(|part| !text.contains(part)), "no part of a token is written down");
    }
    idp.mood(Mood::Well);
    assert_eq!(browser(&appliance).sign_in(&idp).await.status, 303);
}

#[tokio::test]
async fn a_sign_in_ends_once_in_the_browser_that_began_it_and_leads_nowhere_else() {
    let idp = FakeIdp::start();
    let appliance = box_with(&idp, RULES).await;
    let (mut victim, mut attacker) = (browser(&appliance), browser(&appliance));

    // A code of the attacker's own, given to somebody else's browser.
    let address = attacker.depart("/").await;
    let back = attacker.at_the_provider(&idp, &address).await;
    assert_eq!(victim.get(&back).await.status, 422, "a browser that began nothing");
    victim.depart("/").await;
    assert_eq!(victim.get(&back).await.status, 422, "a browser that began another one");
    assert_eq!(attacker.get(&back).await.status, 303, "its own");

    let mut before = browser(&appliance);
    let address = before.depart("/").await;
    let back = before.at_the_provider(&idp, &address).await;
    let mut copy = before.clone();
    assert_eq!(before.get(&back).await.status, 303);
    assert_eq!(copy.get(&back).await.status, 422, "with the same cookie and code once more");
    let mut odd = browser(&appliance);
    assert_eq!(odd.get("/sign-in/provider/return?state=a&state=b").await.status, 422);

    idp.mood(Mood::Denies);
    let mut unwilling = browser(&appliance);
    let denied = unwilling.sign_in(&idp).await;
    assert_eq!(denied.status, 403);
    assert!(!denied.text().contains("<b>no</b>"), "what the provider says is not shown");
    idp.mood(Mood::Well);
    assert_eq!(reasons(&appliance), ["state", "state", "state", "state", "declined"]);

    for (back, expected) in [("//evil.example", "/"), ("https://evil.example", "/"), ("/outages", "/outages")]
    {
        let mut visitor = browser(&appliance);
        let address = visitor.depart(back).await;
        assert!(address.starts_with("http://127."), "{address}");
        let path = visitor.at_the_provider(&idp, &address).await;
        assert_eq!(visitor.get(&path).await.header("location"), expected, "{back}");
    }
}

#[tokio::test]
async fn a_local_account_is_never_taken_over_and_whoever_leaves_the_groups_is_out() {
    let idp = FakeIdp::start();
    let rules = "check_interval_ms = 3600000\n[oidc.roles]\n\"staff\" = \"staff\"\n";
    let appliance = box_with(&idp, rules).await;
    idp.person(json!({"sub": "0666", "preferred_username": "KIM", "groups": ["staff"]}));
    let mut false_kim = browser(&appliance);
    let refused = false_kim.sign_in(&idp).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("not taken over"), "{}", refused.text());
    assert_eq!(appliance.portal_again().await.page("/people").await.status, 200, "the owner is who it was");

    // The box knows the old key alone, and asks for the new one when a token names it.
    assert_eq!(idp.key_calls(), 1);
    idp.rotate_key(Algorithm::Rs256);
    idp.person(json!({"sub": "0001", "preferred_username": "lee", "groups": ["staff"]}));
    let mut lee = browser(&appliance);
    assert_eq!(lee.sign_in(&idp).await.status, 303);
    assert_eq!(lee.get("/").await.status, 200);
    assert_eq!(idp.key_calls(), 2);
    idp.person(json!({"sub": "0001", "preferred_username": "lee", "groups": ["alumni"]}));
    assert_eq!(browser(&appliance).sign_in(&idp).await.status, 403);
    assert_eq!(lee.get("/").await.header("location"), "/sign-in", "the session of before is over");
    idp.person(json!({"sub": "0003", "email": "park@harbor.example", "email_verified": false}));
    assert_eq!(browser(&appliance).sign_in(&idp).await.status, 403);
    assert_eq!(reasons(&appliance), ["name-taken", "no-group", "name"]);
}

#[tokio::test]
async fn without_the_provider_the_button_is_gone_and_an_account_of_the_box_lets_in() {
    let mut idp = FakeIdp::start();
    let appliance = box_with(&idp, RULES).await;
    let mut half_way = browser(&appliance);
    let address = half_way.depart("/").await;
    let back = half_way.at_the_provider(&idp, &address).await;

    // The click finds it out by itself, whatever is known so far.
    idp.refuse();
    let led_back = browser(&appliance).get("/sign-in/provider").await;
    assert_eq!(led_back.status, 503);
    let page = led_back.text();
    assert!(page.contains("Harbor ID does not answer") && page.contains("id=\"sign-in\""), "{page}");
    assert_eq!(half_way.get(&back).await.status, 503, "between the two");
    until_button(&appliance, false).await;
    let korean = appliance.visitor().with_header("accept-language", "ko").get("/sign-in").await.text();
    assert!(korean.contains("Harbor ID 로그인 서버가 응답하지 않습니다"), "{korean}");
    assert_eq!(appliance.portal_again().await.page("/").await.status, 200);

    idp.restore();
    until_button(&appliance, true).await;
    idp.mood(Mood::SilentAtTheToken);
    assert_eq!(browser(&appliance).sign_in(&idp).await.status, 503);
    idp.mood(Mood::Silent);
    assert_eq!(browser(&appliance).get("/sign-in/provider").await.status, 503);
    until_button(&appliance, false).await;
    assert_eq!(appliance.portal_again().await.page("/").await.status, 200);
    idp.mood(Mood::Well);
    until_button(&appliance, true).await;
    assert_eq!(browser(&appliance).sign_in(&idp).await.status, 303);
    assert_eq!(reasons(&appliance), ["provider-away", "provider-away"]);
}

#[tokio::test]
async fn over_tls_with_a_sealed_secret_everybody_needs_the_second_factor_of_the_box() {
    let idp = FakeIdp::with_tls();
    let rules = format!("{RULES}[sign_in]\nsecond_factor = \"everybody\"\n");
    let mut appliance = box_with(&idp, &rules).await;
    let sealed = appliance.cli(&["seal"]);
    assert_eq!(sealed.status.code(), Some(0), "{}", String::from_utf8_lossy(&sealed.stderr));
    let file = appliance.config_file().with_file_name("keys").join("oidc");
    let text = std::fs::read_to_string(file).expect("it is there");
    assert!(!text.contains(tests::fake_idp::CLIENT_SECRET), "{text}");
    appliance.stop().await;
    appliance.start_again().await;
    until_button(&appliance, true).await;

    let mut lee = browser(&appliance);
    assert_eq!(lee.sign_in(&idp).await.header("location"), "/status");
    assert_eq!(lee.get("/status").await.header("location"), "/account/second-factor");
    let begun = lee.submit("/account/second-factor", &[]).await.text();
    let code = super::sign_in::code_of(&begun, 0);
    assert_eq!(lee.submit("/account/second-factor/confirm", &[("code", &code)]).await.status, 200);
    assert_eq!(lee.get("/status").await.status, 200);
    let mut again = browser(&appliance);
    assert_eq!(again.sign_in(&idp).await.header("location"), "/sign-in/code?back=%2Fstatus");
    assert_eq!(again.get("/account").await.header("location"), "/sign-in?back=/account");
    assert_eq!(again.get("/sign-in/code?back=%2Fstatus").await.status, 200);
}
