//! The page of orders: giving, refusing, lifting, and what everybody reads of an order.

use http::StatusCode;

use super::harness::Box;

#[tokio::test]
async fn an_owner_gives_and_lifts_an_order_and_staff_read_who_and_why_while_strangers_do_not() {
    let mut the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let mut staff = the_box.staff("lee").await;
    let mut stranger = the_box.browser();
    let cancel = tokio_util::sync::CancellationToken::new();
    let monitor = the_box.monitor.take().expect("the monitor runs once").run(cancel.clone());
    let gateway = the_box.portal.gateway().clone();
    let visits = async {
        let given = owner.submit("/orders", "kind=force-local&reason=cable works&minutes=30").await;
        assert_eq!(
            (given.status, given.header("location")),
            (StatusCode::SEE_OTHER, "/orders"),
            "{}",
            given.body
        );
        let mut site = gateway.site();
        site.wait_for(|site| !site.orders.is_empty()).await.unwrap();
        assert!(owner.get("/orders").await.text("#standing").contains("cable works"));
        assert!(staff.get("/status").await.text(".band-orders").contains("ordered by kim until"));
        assert!(!stranger.get("/sign-in").await.body.contains("cable works"));
        assert!(!stranger.get("/band?seen=x").await.body.contains("kim"));

        let second = owner.submit("/orders", "kind=force-cloud&reason=other works&minutes=30").await;
        assert_eq!(second.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(second.text("[role=alert]").contains("Nothing goes to the cloud"));
        assert_eq!(second.attribute("#reason", "value"), "other works", "what was written is not lost");

        let lifted = owner.submit("/orders/1/lift", "").await;
        assert_eq!(lifted.status, StatusCode::SEE_OTHER);
        site.wait_for(|site| site.orders.is_empty()).await.unwrap();
        assert!(owner.get("/orders").await.text("#ended").contains("lifted by kim"));
        cancel.cancel();
    };
    futures_util::future::join(monitor, visits).await;
}

#[tokio::test]
async fn a_form_that_orders_nonsense_is_refused_in_words() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    for form in [
        "kind=force-local&reason=ab&minutes=30",
        "kind=force-local&reason=cable&minutes=0",
        "kind=force-local&reason=cable&minutes=99999999999999",
        "kind=isolate moon&reason=cable&minutes=30",
        "kind=unload moon&reason=cable&minutes=30",
        "kind=explode&reason=cable&minutes=30",
    ] {
        let page = owner.submit("/orders", form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(page.has("[role=alert]"), "{form}");
    }
    assert_eq!(owner.submit("/orders", "kind=force-local").await.status, StatusCode::BAD_REQUEST);
    assert!(the_box.store.core.orders(5).unwrap().is_empty());
}
