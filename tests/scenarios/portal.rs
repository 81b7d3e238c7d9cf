//! The portal over the real box, without scripts; `tests/browser` shows it in a real browser.

use tests::test_appliance::{known_answer, nonce};
use tests::{FakeCloud, TestAppliance};

#[tokio::test]
async fn staff_keep_working_in_the_same_page_when_the_cloud_goes_and_it_says_so() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let owner = appliance.portal().await;
    let nonce = nonce();
    let page = owner.ask("assistant", &format!("Please repeat {nonce}")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains(&format!("large model says to {nonce}")), "the page shows the answer");
    assert!(page.text().contains("data-route=\"cloud\""));
    assert_eq!(owner.band().await, "connected");

    cloud.refuse();
    let known = known_answer(true);
    let page = owner.ask("assistant", &known.question).await.text();
    assert!(page.contains(&known.answer), "the page shows the local answer");
    assert!(page.contains("data-route=\"local\""));
    appliance.until_state("offline").await;
    assert_eq!(owner.band().await, "offline");

    cloud.restore();
    appliance.until_state("connected").await;
    assert_eq!(owner.band().await, "connected");
    let again = appliance.portal_again().await;
    assert_eq!(again.page("/status").await.status, 200);
}

#[tokio::test]
async fn a_setup_code_works_once() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    appliance.portal().await;
    assert_eq!(appliance.visitor().get("/setup").await.status, 404);
    let printed = appliance.cli(&["setup-code"]);
    assert_eq!(printed.status.code(), Some(0));
    assert!(printed.stdout.is_empty() && !printed.stderr.is_empty(), "an owner is there: nothing but a note");
}

#[tokio::test]
async fn pages_ask_for_nothing_from_outside() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    let owner = appliance.portal().await;
    for path in ["/", "/status"] {
        let page = owner.page(path).await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") || policy.contains("default-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let text = page.text();
        for attribute in ["src=\"", "href=\"", "action=\"", "hx-get=\"", "hx-post=\""] {
            let targets = text.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap());
            for target in targets {
                assert!(target.starts_with('/') || target.starts_with('#'), "{path}: {attribute}{target}");
            }
        }
    }
}
