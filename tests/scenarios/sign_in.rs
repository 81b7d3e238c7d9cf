//! Signing in to the real box: guesses, sessions, and one's own account.

use std::time::Duration;

use tests::torture::guesses::{Plan, attack};
use tests::{FakeCloud, TestAppliance};

/// The long form is `tests/torture guesses`.
#[tokio::test]
async fn the_owner_signs_in_on_a_known_device_while_strangers_guess_and_spray() {
    let plan = Plan { guesses: 400, sources: 40, lasts: Duration::from_secs(4), sprayed: 100 };
    let found = attack(&plan).await;
    assert!(found.is_fine(), "{found:?}");
    assert!(found.looked_at_a_minute > 0 && found.sprayed_looked_at > 0, "the attack arrived: {found:?}");
    // Ten and thirty that were looked at, and one line for each limit that was met.
    assert!(found.audit_rows <= 100, "guessing does not flood the log: {found:?}");
}

#[tokio::test]
async fn a_session_ended_from_another_device_is_over_there_at_once() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let (desk, phone) = (appliance.portal().await, appliance.portal_again().await);
    assert_eq!(phone.page("/").await.status, 200);
    let password = ("password", tests::portal::PASSWORD);
    let ended = desk.submit("/account/sessions/end-others", &[password]).await;
    assert_eq!((ended.status.as_u16(), ended.header("location").as_str()), (303, "/account?done=ended"));
    assert_eq!(phone.page("/").await.header("location"), "/sign-in");
    assert_eq!(desk.page("/account").await.status, 200);
}

#[tokio::test]
async fn a_limit_of_sessions_that_makes_no_sense_is_refused_with_its_range() {
    let (code, said) = TestAppliance::builder().extra("\n[sign_in]\nidle_minutes = 0\n").refused().await;
    assert_eq!(code, 2);
    assert!(said.contains("[sign_in]: idle_minutes = 0 must be 1 to 1440"), "{said}");
}

/// An authenticator app that was given the secret of a page by hand.
pub(crate) fn code_of(page: &str, steps: i64) -> String {
    let shown =
        page.split("id=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a secret");
    let secret = totp_rs::Secret::try_from_base32(shown.replace(' ', "")).expect("base 32");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let app = totp_rs::Builder::new().with_secret(secret).build().expect("a secret of 160 bits");
    app.generate(now.saturating_add_signed(steps * 30)).to_string()
}

#[tokio::test]
async fn a_required_second_factor_is_set_up_first_asked_for_at_the_door_and_reset_at_the_box() {
    let cloud = FakeCloud::start();
    let strict = "\n[sign_in]\nsecond_factor = \"owners-and-admins\"\n";
    let appliance = TestAppliance::builder().cloud(&cloud).https().extra(strict).start().await;
    // No step of this needs anything outside.
    cloud.refuse();
    let owner = appliance.portal().await;
    assert_eq!(owner.page("/").await.header("location"), "/account/second-factor");
    let password = ("password", tests::portal::PASSWORD);
    let begun = owner.submit("/account/second-factor", &[password]).await.text();
    let confirmed = owner.submit("/account/second-factor/confirm", &[("code", &code_of(&begun, -1))]).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    assert_eq!(owner.page("/").await.status, 200);

    let name = ("name", tests::portal::NAME);
    let half = appliance.visitor().post_form("/sign-in", &[name, password]).await;
    assert_eq!(half.header("location"), "/sign-in/code");
    let ticket = half.header("set-cookie");
    let at_the_door = appliance.visitor().with_header("cookie", ticket.split(';').next().unwrap());
    let code = code_of(&begun, 0);
    assert_eq!(at_the_door.post_form("/sign-in/code", &[("code", "123456")]).await.status, 422);
    assert_eq!(at_the_door.post_form("/sign-in/code", &[("code", &code)]).await.header("location"), "/");
    assert!(!appliance.log().contains(&code), "no code in the log");

    let reset = appliance.cli(&["user", "reset-second-factor", "kim"]);
    assert_eq!(reset.status.code(), Some(0), "{}", String::from_utf8_lossy(&reset.stderr));
    assert_eq!(owner.page("/").await.header("location"), "/sign-in", "the old sessions are over");
    let again = appliance.portal_again().await;
    assert_eq!(again.page("/").await.header("location"), "/account/second-factor");
    let unknown = appliance.cli(&["user", "reset-second-factor", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    appliance.cli(&["audit", "verify"]);
}
