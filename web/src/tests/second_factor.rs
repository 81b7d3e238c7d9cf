//! The second factor on the pages: set up by scanning, asked for at the door, taken away.

use http::StatusCode;
use store::{Record, SecondFactorRule, SignInRules, Store};
use totp_rs::{Builder, Secret};

use super::harness::{Box, Browser, PASSWORD, Page};
use crate::qr::tests::scanned;

/// An app on a phone: it knows what it has scanned, and the time.
struct Phone {
    secret: String,
}

impl Phone {
    /// Scans the QR code of the page.
    fn scanning(page: &Page) -> Phone {
        let size = page.attribute("svg.qr rect", "width").parse().unwrap();
        let uri = scanned(size, &page.attribute("svg.qr path", "d"));
        assert!(uri.starts_with("otpauth://totp/Harbor%20Hospital:kim?secret="), "{uri}");
        assert!(uri.ends_with("&issuer=Harbor%20Hospital"), "{uri}");
        let secret = uri.split(['=', '&']).nth(1).unwrap().to_owned();
        assert_eq!(page.text("#secret").replace(' ', ""), secret, "the text is the same");
        Phone { secret }
    }

    /// The code so many steps of half a minute from now.
    fn code(&self, steps: i64) -> String {
        let secret = Secret::try_from_base32(&self.secret).unwrap();
        let seconds = jiff::Timestamp::now().as_second() + steps * 30;
        Builder::new().with_secret(secret).build().unwrap().generate(seconds as u64).to_string()
    }
}

/// Sets the second factor up, and gives the phone and the recovery codes.
async fn set_up(person: &mut Browser) -> (Phone, Vec<String>) {
    let page = person.submit("/account/second-factor", &format!("password={PASSWORD}")).await;
    let phone = Phone::scanning(&page);
    let wrong = person.submit("/account/second-factor/confirm", "code=12").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(Phone::scanning(&wrong).secret, phone.secret, "a wrong code leaves the secret as it is");
    let page = person.submit("/account/second-factor/confirm", &format!("code={}", phone.code(-1))).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let codes: Vec<_> = page.text("#codes").split(' ').map(str::to_owned).collect();
    assert_eq!(codes.len(), 10);
    (phone, codes)
}

/// Gives the right password and comes to the page of the second step.
async fn at_the_second_step(the_box: &Box, back: &str) -> Browser {
    let mut browser = the_box.browser();
    let page = browser.post("/sign-in", &format!("name=kim&password={PASSWORD}&back={back}")).await;
    assert!(page.header("location").starts_with("/sign-in/code"), "{}", page.body);
    assert_eq!(browser.get("/").await.header("location"), "/sign-in", "the password alone opens nothing");
    browser
}

fn log(store: &Store) -> String {
    let entries = store.audit.recent(100).unwrap();
    let events = entries.iter().filter(|entry| matches!(entry.record, Record::Event(_)));
    events.map(|entry| format!("{entry:?}\n")).collect()
}

#[tokio::test]
async fn a_person_scans_confirms_and_from_then_on_signs_in_with_a_code() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    assert_eq!(
        owner.get("/account/second-factor").await.text("#state"),
        "It is not set up: your password alone lets in."
    );
    let (phone, codes) = set_up(&mut owner).await;
    assert!(owner.get("/account").await.text("#second-factor").contains("Recovery codes left: 10."));
    assert!(!owner.get("/account/second-factor").await.has("svg.qr"), "the secret is not shown again");

    let mut browser = at_the_second_step(&the_box, "/status?x=1").await;
    assert_eq!(browser.get("/sign-in/code").await.text("h1"), "One more step");
    let wrong = browser.post("/sign-in/code", "code=000 000").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let form = format!("code={}&back=/status", phone.code(0));
    let right = browser.post("/sign-in/code", &form).await;
    assert_eq!((right.status, right.header("location")), (StatusCode::SEE_OTHER, "/status"));
    assert_eq!(browser.get("/status").await.status, StatusCode::OK);

    let replayed = at_the_second_step(&the_box, "/").await.post("/sign-in/code", &form).await;
    assert_eq!(replayed.status, StatusCode::UNPROCESSABLE_ENTITY, "a code works once");
    let by_recovery = format!("code={}", codes[0]);
    let saved = at_the_second_step(&the_box, "/").await.post("/sign-in/code", &by_recovery).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER);

    let log = log(&the_box.store);
    for word in ["second-factor-set-up", "second-step-refused", "\"recovery-code\"", "\"code\""] {
        assert!(log.contains(word), "{word} is missing in {log}");
    }
    for secret in [phone.secret.as_str(), &codes[0], &codes[9], PASSWORD] {
        assert!(!log.contains(secret), "{log}");
    }
    let shown = owner.get("/status").await;
    assert!(shown.body.contains("kim set up a second factor."));
}

#[tokio::test]
async fn setting_up_renewing_and_removing_ask_for_the_password() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let refused = owner.submit("/account/second-factor", "password=not the right words").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!refused.has("svg.qr"));
    let (phone, codes) = set_up(&mut owner).await;
    let again = owner.submit("/account/second-factor", &format!("password={PASSWORD}")).await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let refused =
        owner.submit("/account/second-factor/codes", &format!("password=x&code={}", codes[0])).await;
    assert!(!refused.has("#codes"));
    let refused = owner.submit("/account/second-factor/codes", &format!("password={PASSWORD}&code=1")).await;
    assert!(!refused.has("#codes") && refused.has(".notice--bad"), "the password alone is not enough");
    let both = format!("password={PASSWORD}&code={}", codes[1]);
    let renewed = owner.submit("/account/second-factor/codes", &both).await;
    assert!(!renewed.text("#codes").contains(&codes[0]));

    let remove = |code: &str| format!("password={PASSWORD}&code={code}");
    let without = owner.submit("/account/second-factor/remove", &remove(&codes[0])).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY, "a void code");
    let removed = owner.submit("/account/second-factor/remove", &remove(&phone.code(0))).await;
    assert_eq!(removed.header("location"), "/account?done=second-factor-removed");
    let alone = the_box.browser().post("/sign-in", &format!("name=kim&password={PASSWORD}")).await;
    assert_eq!(alone.header("location"), "/");
}

#[tokio::test]
async fn whoever_must_have_one_can_do_nothing_before_it_is_set_up() {
    let rules = SignInRules { second_factor: SecondFactorRule::OwnersAndAdmins, ..SignInRules::default() };
    let the_box = Box::fresh_with(rules);
    let mut owner = the_box.owner().await;
    for path in ["/", "/status", "/orders", "/outages"] {
        assert_eq!(owner.get(path).await.header("location"), "/account/second-factor", "{path}");
    }
    let token = owner.get("/account").await.attribute("input[name=csrf]", "value");
    let given = owner.post("/orders", &format!("csrf={token}&kind=force-local&reason=test&minutes=30")).await;
    assert_eq!(given.header("location"), "/account/second-factor");
    assert!(owner.get("/account/second-factor").await.has("#required"));
    let (phone, _) = set_up(&mut owner).await;
    assert_eq!(owner.get("/status").await.status, StatusCode::OK);
    assert!(!owner.get("/account/second-factor").await.has("#remove"));
    let form = format!("password={PASSWORD}&code={}", phone.code(0));
    assert_eq!(owner.submit("/account/second-factor/remove", &form).await.status, StatusCode::FORBIDDEN);
    assert_eq!(the_box.staff("lee").await.get("/").await.status, StatusCode::OK, "staff may go without");
}

#[tokio::test]
async fn a_second_step_that_was_not_begun_or_came_too_late_leads_back_to_the_sign_in() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let (phone, _) = set_up(&mut owner).await;
    let mut stranger = the_box.browser();
    let form = format!("code={}", phone.code(0));
    let bare = [stranger.get("/sign-in/code").await, stranger.post("/sign-in/code", &form).await];
    stranger.cookies = vec![("__Host-genset-step".into(), "0".repeat(64))];
    for page in bare.into_iter().chain([stranger.post("/sign-in/code", &form).await]) {
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.has("#sign-in") && page.text(".notice--bad").contains("five minutes"), "{}", page.body);
    }
}

#[tokio::test]
async fn the_pages_say_the_same_in_korean() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    owner.headers = vec![("accept-language", "ko")];
    assert_eq!(owner.get("/account/second-factor").await.text("h1"), "2단계 인증");
    let pending = owner.submit("/account/second-factor", &format!("password={PASSWORD}")).await;
    assert!(pending.body.contains("인증 앱으로 이 QR 코드를 스캔"));
    assert_eq!(pending.attribute("svg.qr", "aria-label"), "인증 앱에 등록할 비밀 키가 담긴 QR 코드");
}
