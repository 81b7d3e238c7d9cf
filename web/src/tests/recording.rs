//! What the portal does while nothing can be recorded.

use http::StatusCode;

use super::harness::Box;

#[tokio::test]
async fn nothing_can_be_changed_that_could_not_be_recorded_and_the_status_page_turns_red() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    assert!(!owner.get("/status").await.has("#alarms"));
    // To whoever writes, a store that is closed is a disk that takes nothing more.
    the_box.store.close().await;
    for path in ["/orders", "/orders/1/lift", "/drills", "/second-look"] {
        let refused = owner.submit(path, "kind=force-local&reason=cable works&minutes=30").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(refused.body.contains("Nothing may be changed now"), "{path}");
    }
    assert!(the_box.store.core.orders(5).unwrap().is_empty());
    let status = owner.get("/status").await;
    assert_eq!(status.status, StatusCode::OK, "what can be read can be read");
    assert!(status.text("#alarms").contains("The audit log cannot be written"), "{}", status.body);
}
