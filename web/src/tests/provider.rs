//! The pages around an identity provider, by a stand-in that answers as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, FutureExt, ready};
use http::StatusCode;
use store::{Caller, Record, Role, Secret, Vouched};

use super::harness::Box;
use crate::{Arrival, Departure, IdentityProvider, Portal, PortalOptions, ProviderError, Returned};

/// Its code says what comes of a sign-in.
struct Provider {
    answers: AtomicBool,
}

impl IdentityProvider for Provider {
    fn label(&self) -> Option<&str> {
        Some("<b>Harbor ID")
    }

    fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    fn depart(&self, _: &Caller, back: &str) -> BoxFuture<'_, Result<Departure, ProviderError>> {
        let departure = Departure { address: "https://id.example/authorize".into(), ticket: back.into() };
        let is_there = self.answers();
        ready(is_there.then_some(departure).ok_or(ProviderError::Away)).boxed()
    }

    fn arrive(&self, ticket: Secret, returned: Returned) -> BoxFuture<'_, Result<Arrival, ProviderError>> {
        let outcome = match returned.code.as_ref().map_or("", Secret::expose) {
            "away" => Err(ProviderError::Away),
            "declined" => Err(ProviderError::Declined),
            _ if ticket.expose().is_empty() => Err(ProviderError::Stale),
            "stale" => Err(ProviderError::Stale),
            "forged" => Err(ProviderError::Untrusted("token-signature")),
            name => Ok(Arrival {
                who: Vouched {
                    issuer: "https://id.example".into(),
                    subject: name.into(),
                    name: if name == "nameless" { String::new() } else { name.into() },
                    role: (name != "stranger").then_some(Role::Staff),
                    departments: Vec::new(),
                },
                back: ticket.expose().to_owned(),
            }),
        };
        ready(outcome).boxed()
    }
}

/// A box that somebody owns, with a provider that answers or does not.
async fn box_with(answers: bool) -> (Box, Arc<Provider>) {
    let mut the_box = Box::fresh();
    the_box.owner().await;
    let provider = Arc::new(Provider { answers: answers.into() });
    let options = PortalOptions {
        site_name: "Harbor Hospital".into(),
        identity_provider: Some(provider.clone() as Arc<dyn IdentityProvider>),
    };
    the_box.portal = Portal::new(the_box.portal.gateway().clone(), the_box.store.clone(), options);
    the_box.router = the_box.portal.router();
    (the_box, provider)
}

#[tokio::test]
async fn the_button_is_there_while_the_provider_answers_and_else_the_page_says_what_works() {
    let (the_box, provider) = box_with(true).await;
    let mut visitor = the_box.browser();
    let page = visitor.get("/sign-in?back=/c/0a?x=1").await;
    assert_eq!(page.attribute("#provider", "href"), "/sign-in/provider?back=%2Fc%2F0a%3Fx%3D1");
    assert_eq!(page.text("#provider"), "Sign in with <b>Harbor ID");
    assert!(page.has("#sign-in") && !page.has("#provider-away"));
    let led = visitor.get("/sign-in/provider?back=//evil.example").await;
    assert_eq!(led.header("location"), "https://id.example/authorize");
    let cookie = led.header("set-cookie");
    assert!(cookie.starts_with("__Host-genset-departure=/;"), "a path of this portal alone: {cookie}");
    assert!(cookie.contains("HttpOnly; SameSite=Lax; Secure; Max-Age=300"), "{cookie}");

    provider.answers.store(false, Ordering::Relaxed);
    for (language, words) in [("en", "does not answer"), ("ko", "응답하지 않습니다")] {
        visitor.post("/language", &format!("language={language}&back=/sign-in")).await;
        let page = visitor.get("/sign-in").await;
        assert!(page.text("#provider-away").contains(words), "{}", page.body);
        assert!(page.has("#sign-in") && !page.has("#provider"));
        let led_back = visitor.get("/sign-in/provider?back=/outages").await;
        assert_eq!(led_back.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(led_back.text("[role=alert]").contains(words) && !led_back.has("#provider-away"));
        assert_eq!(led_back.attribute("#sign-in input[name=back]", "value"), "/outages");
    }
}

#[tokio::test]
async fn whoever_comes_back_is_let_in_or_told_why_not_in_both_languages() {
    let (the_box, _) = box_with(true).await;
    let table = [
        ("away", 503, "provider-away", "does not answer", "응답하지"),
        ("declined", 403, "declined", "cancelled or refused", "취소되었거나"),
        ("stale", 422, "state", "Begin once more", "다시 시작"),
        ("forged", 403, "token-signature", "“token-signature”", "“token-signature”"),
        ("stranger", 403, "no-group", "none of your groups", "그룹에 속해"),
        ("kim", 403, "name-taken", "not taken over", "넘겨받을 수 없"),
        ("nameless", 403, "name", "gives no name", "이름을 알려"),
    ];
    for (code, status, reason, english, korean) in table {
        for (language, words) in [("en", english), ("ko", korean)] {
            let mut visitor = the_box.browser();
            visitor.post("/language", &format!("language={language}&back=/")).await;
            visitor.get("/sign-in/provider").await;
            let page = visitor.get(&format!("/sign-in/provider/return?code={code}")).await;
            assert_eq!(page.status.as_u16(), status, "{code}");
            assert!(page.text("[role=alert]").contains(words), "{code}: {}", page.text("[role=alert]"));
            assert!(page.has("#sign-in") && page.has("#provider"), "what works still is there");
            assert!(page.header("set-cookie").contains("departure=; "), "{}", page.header("set-cookie"));
        }
        let newest = the_box.store.audit.recent(1).unwrap().remove(0).record;
        let Record::Event(event) = newest else { panic!("a refusal is an event") };
        assert_eq!((event.who.as_str(), event.what.as_str()), ("nobody", "sign-in-refused"));
        assert_eq!(event.detail["reason"], reason);
    }
    let mut lee = the_box.browser();
    lee.get("/sign-in/provider?back=/outages").await;
    let page = lee.get("/sign-in/provider/return?code=lee").await;
    assert_eq!(page.header("location"), "/outages");
    assert!(lee.get("/account").await.has("#no-password"));
    let mut kim = the_box.browser();
    kim.post("/sign-in", &format!("name=kim&password={}", super::harness::PASSWORD)).await;
    let id = the_box.store.core.account_named("lee").unwrap().unwrap().id;
    assert!(kim.get(&format!("/people/{id}")).await.text("#vouched-by").contains("https://id.example"));
    let told = kim.get("/status").await.text("#events");
    assert!(
        told.contains("refused: an account of the box has that name") && !told.contains("name-taken"),
        "{told}"
    );
}

#[tokio::test]
async fn nonsense_that_comes_back_again_and_again_is_refused_before_it_is_looked_at() {
    let (the_box, _) = box_with(true).await;
    let mut visitor = the_box.browser();
    let mut statuses = Vec::new();
    for _ in 0..32 {
        statuses.push(visitor.get("/sign-in/provider/return?code=x&state=y").await.status.as_u16());
    }
    assert_eq!((statuses[29], statuses[30], statuses[31]), (422, 429, 429));
    let events = the_box.store.audit.recent(100).unwrap();
    let guessing = events
        .iter()
        .filter(|entry| matches!(&entry.record, Record::Event(event) if event.what == "sign-in-guessing"));
    assert_eq!(guessing.count(), 1);
}
