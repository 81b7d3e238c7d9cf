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
    let ended = desk.submit("/account/sessions/end-others", &[]).await;
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
