//! People of the building's directory on the pages: what they are told at the door, and what others see of them.

use std::sync::Arc;
use std::sync::Mutex;

use http::StatusCode;
use store::{
    Asking, Directory, DirectoryCondition, DirectoryEntry, DirectoryState, DirectoryTrouble, Found,
    OutOfReach, Proof, Role, Secret,
};

use super::harness::{Box, Browser, Page};
use crate::language::Language;
use crate::moment::Clock;
use crate::pages::status::directory::state;
use crate::text::Text;

const RIGHT: &str = "short one";

/// Knows lee, of the staff; `is_down` and what it says to the right password are for the test to choose.
struct Fake(Mutex<World>);

struct World {
    is_down: bool,
    role: Option<Role>,
    proof: Proof,
}

impl Fake {
    fn new() -> Arc<Fake> {
        Arc::new(Fake(Mutex::new(World { is_down: false, role: Some(Role::Staff), proof: Proof::Right })))
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl Directory for Fake {
    fn find<'a>(&'a self, name: &'a str) -> Asking<'a, Found> {
        let world = self.0.lock().unwrap();
        let entry = DirectoryEntry {
            id: "1".into(),
            place: "uid=lee,dc=house".into(),
            name: "lee".into(),
            role: world.role,
            departments: vec!["Ward 3".into()],
            is_disabled: false,
            is_locked: false,
        };
        let found = if name == "lee" { Found::Entry(entry) } else { Found::Nobody };
        let answer = if world.is_down { Err(OutOfReach) } else { Ok(found) };
        std::boxed::Box::pin(async move { answer })
    }

    fn prove<'a>(&'a self, entry: Option<&'a DirectoryEntry>, password: &'a Secret) -> Asking<'a, Proof> {
        let fits = entry.is_some() && password.expose() == RIGHT;
        let proof = if fits { self.0.lock().unwrap().proof } else { Proof::Wrong };
        std::boxed::Box::pin(async move { Ok(proof) })
    }

    fn state(&self) -> DirectoryState {
        let is_down = self.0.lock().unwrap().is_down;
        let trouble = is_down.then_some(DirectoryTrouble::Silent);
        DirectoryState { reachable: Some(!is_down), last_seen_ms: Some(1_700_000_000_000), trouble }
    }
}

async fn knock(browser: &mut Browser, password: &str) -> Page {
    browser.post("/sign-in", &format!("name=lee&password={password}")).await
}

/// What lee reads at the door, who is not let in.
async fn told(the_box: &Box, language: &'static str, password: &str) -> String {
    let mut browser = the_box.browser();
    browser.headers = vec![("accept-language", language)];
    let page = knock(&mut browser, password).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.text(".notice--bad")
}

#[tokio::test]
async fn only_a_right_password_is_told_what_else_is_wrong() {
    let directory = Fake::new();
    let the_box = Box::with_directory(directory.clone());
    the_box.owner().await;
    assert!(told(&the_box, "en", "wrong").await.starts_with("The name or the password is not right"));
    directory.change(|world| world.proof = Proof::Expired);
    assert!(told(&the_box, "en", RIGHT).await.starts_with("Your password has run out."));
    assert!(told(&the_box, "ko", RIGHT).await.starts_with("비밀번호가 만료되었습니다."));
}

#[tokio::test]
async fn whoever_is_in_no_group_or_comes_while_the_directory_is_gone_reads_so() {
    let directory = Fake::new();
    let the_box = Box::with_directory(directory.clone());
    the_box.owner().await;
    directory.change(|world| world.role = None);
    assert!(told(&the_box, "en", RIGHT).await.contains("you are in no group"));
    directory.change(|world| world.is_down = true);
    assert!(told(&the_box, "en", RIGHT).await.contains("The building’s directory cannot be reached now"));
    assert!(told(&the_box, "ko", RIGHT).await.contains("지금 건물의 디렉터리에 연결할 수 없습니다"));
}

#[tokio::test]
async fn a_session_on_the_directorys_last_word_says_so_on_every_page_in_both_languages() {
    let directory = Fake::new();
    let the_box = Box::with_directory(directory.clone());
    let mut owner = the_box.owner().await;
    let mut lee = the_box.browser();
    assert_eq!(knock(&mut lee, RIGHT).await.status, StatusCode::SEE_OTHER);
    assert!(!lee.get("/").await.has("#by-cache"));
    directory.change(|world| world.is_down = true);
    assert_eq!(knock(&mut lee, RIGHT).await.status, StatusCode::SEE_OTHER);
    for (language, words) in
        [("en", "You were let in with the password"), ("ko", "마지막으로 확인한 비밀번호")]
    {
        lee.headers = vec![("accept-language", language)];
        for path in ["/", "/status", "/account"] {
            assert!(lee.get(path).await.text("#by-cache").contains(words), "{path}");
        }
    }
    assert!(!owner.get("/").await.has("#by-cache"));
    assert!(!lee.get("/status").await.has("#directory"), "how the directory is, is for those in charge");
    let status = owner.get("/status").await.text("#directory");
    assert!(status.contains("out of reach: it does not answer in time"), "{status}");
    assert!(status.contains("1 person can sign in"), "{status}");
}

#[tokio::test]
async fn a_person_of_the_directory_is_known_as_one_and_has_no_password_here() {
    let directory = Fake::new();
    let the_box = Box::with_directory(directory.clone());
    let mut owner = the_box.owner().await;
    let mut lee = the_box.browser();
    knock(&mut lee, RIGHT).await;
    let people = owner.get("/people").await;
    let id = the_box.store.core.account_named("lee").unwrap().unwrap().id;
    assert!(people.text(&format!("tr[data-person='{id}']")).contains("from the directory"));
    assert!(people.text("#people").contains("of this box"));
    assert!(owner.get(&format!("/people/{id}")).await.has("#of-directory"));
    let code = owner.submit(&format!("/people/{id}/code"), "").await;
    assert!(code.text(".notice--bad").contains("is changed there"), "{}", code.text(".notice--bad"));

    let account = lee.get("/account").await;
    assert!(account.has("#password-elsewhere") && !account.has("#change-password"));
    assert!(owner.get("/account").await.has("#change-password"));
    let form = format!("old={RIGHT}&password=four plain words here&again=four plain words here");
    let changed = lee.submit("/account/password", &form).await;
    assert_eq!(changed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(changed.text(".notice--bad").starts_with("Your password is that of the building’s directory"));
}

#[tokio::test]
async fn where_there_is_no_directory_no_page_speaks_of_one() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    for path in ["/people", "/status", "/account", "/sign-in"] {
        assert!(!owner.get(path).await.body.contains("directory"), "{path}");
    }
}

#[test]
fn every_trouble_of_the_directory_is_told_with_its_mend_in_both_languages() {
    let troubles = [
        DirectoryTrouble::NoPassword,
        DirectoryTrouble::NoConnection,
        DirectoryTrouble::Silent,
        DirectoryTrouble::Tls,
        DirectoryTrouble::OwnAccount,
        DirectoryTrouble::NoBase,
        DirectoryTrouble::Garbled,
        DirectoryTrouble::Busy,
    ];
    for language in Language::ALL {
        let text = &Text::of(language).directory;
        let of = |condition: &DirectoryCondition| state(condition, text, &Clock::utc());
        let unasked = DirectoryCondition::default();
        assert_eq!(of(&unasked).0, "waiting");
        let there = DirectoryCondition { reachable: Some(true), cached_people: 3, ..unasked.clone() };
        assert!(of(&there).0 == "good" && of(&there).1.contains('3'));
        let mut told = std::collections::HashSet::new();
        for trouble in troubles {
            let lost =
                DirectoryCondition { reachable: Some(false), trouble: Some(trouble), ..unasked.clone() };
            let (lamp, words) = of(&lost);
            assert_eq!(lamp, "bad");
            assert!(words.contains((text.status.trouble)(trouble)), "{words}");
            told.insert(words);
        }
        assert_eq!(told.len(), troubles.len(), "each has words of its own");
    }
}
