//! Authenticators, recovery codes, and the second step at the door.

use tempfile::TempDir;

use super::*;
use crate::core::tests::whole;
use crate::{Caller, Entered, Role, Session, SignInError, SignInRules, Store};

const PASSWORD: &str = "four plain words here";

struct Owner {
    dir: TempDir,
    core: Core,
    session: Session,
}

async fn owner() -> Owner {
    let dir = TempDir::new().unwrap();
    let core = Store::open(dir.path()).unwrap().core;
    core.create_account("kim", PASSWORD.into(), Role::Owner).await.unwrap();
    let session = whole(core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    Owner { dir, core, session }
}

impl Owner {
    fn id(&self) -> i64 {
        self.session.account.id
    }

    /// The code that the person's authenticator shows so many steps from now.
    fn code(&self, steps: i64) -> String {
        let secret: Vec<u8> = self
            .core
            .read(|core| core.query_row("SELECT secret FROM second_factors", [], |row| row.get(0)))
            .unwrap();
        let secret = opened(&self.core.parts.sealing, self.id(), secret).unwrap();
        authenticator(secret.to_vec()).generate((now_ms() / 1000 + steps * 30) as u64).to_string()
    }

    /// Sets the second factor up, by the code of the step before this one.
    async fn protected(&self) -> Vec<Secret> {
        self.core.begin_second_factor(self.id()).await.unwrap();
        let (code, token) = (self.code(-1), self.session.token.expose());
        self.core.confirm_second_factor(self.id(), &code, token).await.unwrap()
    }

    async fn ticket(&self) -> Secret {
        match self.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await.unwrap() {
            Entered::SecondStep(ticket) => ticket,
            Entered::Session(_) => panic!("the password alone lets in"),
        }
    }

    async fn second_step(&self, code: &str) -> Result<(Session, SecondStep), SignInError> {
        self.core.second_step(self.ticket().await.expose(), code, &Caller::default()).await
    }
}

#[test]
fn codes_are_those_of_rfc_6238() {
    let authenticator = authenticator(b"12345678901234567890".to_vec());
    for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
        assert_eq!(authenticator.generate(seconds).to_string(), code);
    }
}

#[tokio::test]
async fn a_second_factor_counts_only_once_a_code_has_proven_it() {
    let owner = owner().await;
    let first = owner.core.begin_second_factor(owner.id()).await.unwrap();
    let shown = owner.core.begin_second_factor(owner.id()).await.unwrap();
    assert_ne!(first.expose(), shown.expose());
    assert_eq!(shown.expose().len(), 32, "160 bits in base 32");
    assert_eq!(owner.core.pending_second_factor(owner.id()).unwrap().unwrap().expose(), shown.expose());
    assert_eq!(owner.core.second_factor(owner.id()).unwrap(), None);
    whole(owner.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);

    let token = owner.session.token.expose();
    let wrong = owner.core.confirm_second_factor(owner.id(), "12345", token).await;
    assert!(matches!(wrong, Err(SecondFactorError::WrongCode)));
    let code = owner.code(0);
    let codes = owner.core.confirm_second_factor(owner.id(), &code, token).await.unwrap();
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| plain(code.expose()).len() == 24), "120 bits each");
    assert_eq!(owner.core.second_factor(owner.id()).unwrap().unwrap().codes_left, 10);
    assert!(owner.core.pending_second_factor(owner.id()).unwrap().is_none(), "it is not shown again");
    let again = owner.core.begin_second_factor(owner.id()).await;
    assert!(matches!(again, Err(SecondFactorError::AlreadyThere)));
}

#[tokio::test]
async fn setting_it_up_ends_the_sessions_that_were_begun_without_it() {
    let owner = owner().await;
    let elsewhere = whole(owner.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    owner.protected().await;
    assert_eq!(owner.core.session(elsewhere.token.expose()).unwrap(), None);
    assert!(owner.core.session(owner.session.token.expose()).unwrap().is_some());
}

#[tokio::test]
async fn a_code_lets_in_once_and_so_does_no_earlier_one_after_it() {
    let owner = owner().await;
    owner.protected().await;
    let (before, now, next) = (owner.code(-1), owner.code(0), owner.code(1));
    assert!(matches!(owner.second_step(&before).await, Err(SignInError::WrongCode { .. })), "it set it up");
    let spaced = format!("{} {}", &next[..3], &next[3..]);
    let (session, step) = owner.second_step(&spaced).await.unwrap();
    assert_eq!(step, SecondStep::Code);
    assert!(owner.core.session(session.token.expose()).unwrap().is_some());
    for used in [next, now] {
        assert!(matches!(owner.second_step(&used).await, Err(SignInError::WrongCode { .. })));
    }
}

#[tokio::test]
async fn each_recovery_code_lets_in_once_and_new_ones_void_the_old() {
    let owner = owner().await;
    let codes = owner.protected().await;
    let typed = codes[3].expose().to_lowercase().replace('-', " ");
    assert_eq!(owner.second_step(&typed).await.unwrap().1, SecondStep::RecoveryCode);
    assert!(matches!(owner.second_step(&typed).await, Err(SignInError::WrongCode { .. })));
    assert_eq!(owner.core.second_factor(owner.id()).unwrap().unwrap().codes_left, 9);
    let wrong = owner.core.renew_recovery_codes(owner.id(), "no code").await;
    assert!(matches!(wrong, Err(SecondFactorError::WrongCode)));
    let renewed = owner.core.renew_recovery_codes(owner.id(), codes[5].expose()).await.unwrap();
    assert!(matches!(owner.second_step(codes[4].expose()).await, Err(SignInError::WrongCode { .. })));
    assert!(owner.second_step(renewed[0].expose()).await.is_ok());
}

#[tokio::test]
async fn two_requests_with_the_same_code_make_one_session() {
    let owner = owner().await;
    owner.protected().await;
    let (one, two, code) = (owner.ticket().await, owner.ticket().await, owner.code(0));
    let nobody = Caller::default();
    let step = |ticket: &Secret| {
        let ticket = ticket.clone();
        let (core, code, nobody) = (&owner.core, &code, &nobody);
        async move { core.second_step(ticket.expose(), code, nobody).await.is_ok() }
    };
    let (first, second) = tokio::join!(step(&one), step(&two));
    assert!(first != second);
}

#[tokio::test(start_paused = true)]
async fn codes_are_guessed_ten_times_an_hour_at_most_and_a_ticket_is_good_for_five_minutes() {
    let owner = owner().await;
    owner.protected().await;
    let from = |last| Caller { address: Some([10, 0, 0, last].into()), ..Caller::default() };
    let mut looked_at = 0;
    for last in 0..100 {
        let ticket = owner.ticket().await;
        let refused = owner.core.second_step(ticket.expose(), "000000", &from(last)).await;
        looked_at += usize::from(matches!(refused, Err(SignInError::WrongCode { .. })));
    }
    // One of a million codes is the right one, and then it lets in.
    assert_eq!(looked_at, 10);
    let ticket = owner.ticket().await;
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    let late = owner.core.second_step(ticket.expose(), &owner.code(0), &Caller::default()).await;
    assert!(matches!(late, Err(SignInError::TooLate)));
    assert!(!owner.core.awaits_second_step(ticket.expose()));
}

#[tokio::test]
async fn it_is_removed_against_a_code_and_not_at_all_where_the_rules_ask_for_it() {
    let owner = owner().await;
    owner.protected().await;
    let account = owner.session.account.clone();
    let strict = SignInRules { second_factor: SecondFactorRule::OwnersAndAdmins, ..SignInRules::default() };
    let strict = owner.core.clone().with_rules(strict);
    let code = owner.code(0);
    let refused = strict.remove_second_factor(&account, &code).await;
    assert!(matches!(refused, Err(SecondFactorError::Required)));
    assert!(!strict.lacks_second_factor(&account).unwrap());
    let wrong = owner.core.remove_second_factor(&account, "no code").await;
    assert!(matches!(wrong, Err(SecondFactorError::WrongCode)));
    owner.core.remove_second_factor(&account, &code).await.unwrap();
    assert!(strict.lacks_second_factor(&account).unwrap());
    whole(owner.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
}

#[tokio::test]
async fn whoever_has_lost_it_all_is_let_in_by_a_reset_at_the_box() {
    let owner = owner().await;
    let codes = owner.protected().await;
    assert!(owner.core.reset_second_factor(" KIM ").await.unwrap());
    assert_eq!(owner.core.session(owner.session.token.expose()).unwrap(), None);
    whole(owner.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    assert!(!owner.core.reset_second_factor("kim").await.unwrap(), "nothing is left to reset");
    assert!(matches!(owner.core.reset_second_factor("lee").await, Err(AccountError::Unknown)));
    assert!(owner.core.take_second_step(owner.id(), codes[0].expose()).await.is_err());
}

#[tokio::test]
async fn no_recovery_code_stands_in_the_file() {
    let owner = owner().await;
    let codes = owner.protected().await;
    owner.core.set_setting("after", "the codes").await.unwrap();
    let bytes = ["core.db", "core.db-wal"].map(|name| std::fs::read(owner.dir.path().join(name)).unwrap());
    let whole = bytes.concat();
    for code in codes {
        let plain = plain(code.expose());
        assert!(!whole.windows(plain.len()).any(|window| window == plain.as_bytes()));
    }
}

#[tokio::test]
async fn a_secret_lies_sealed_and_one_of_an_earlier_version_is_sealed_at_the_next_start() {
    let owner = owner().await;
    owner.protected().await;
    let stored = || -> Vec<u8> {
        owner
            .core
            .read(|core| core.query_row("SELECT secret FROM second_factors", [], |row| row.get(0)))
            .unwrap()
    };
    let plain = opened(&owner.core.parts.sealing, owner.id(), stored()).unwrap().to_vec();
    assert_eq!((stored().len(), plain.len()), (48, SECRET));
    let set = plain.clone();
    owner
        .core
        .write(move |core| core.execute("UPDATE second_factors SET secret = ?1", [&set]))
        .await
        .unwrap();
    assert_eq!(stored(), plain);
    let again = Store::open(owner.dir.path()).unwrap();
    assert_eq!(stored().len(), 48);
    let files = ["core.db", "core.db-wal"].map(|name| std::fs::read(owner.dir.path().join(name)).unwrap());
    assert!(
        !files.iter().any(|file| file.windows(SECRET).any(|window| window == plain)),
        "nothing is left of it"
    );
    again.core.take_second_step(owner.id(), &owner.code(0)).await.unwrap();
}

#[tokio::test]
async fn without_the_boxs_key_a_recovery_code_lets_in_and_no_other_key_takes_its_place() {
    let owner = owner().await;
    let codes = owner.protected().await;
    let (code, key) = (owner.code(0), owner.dir.path().join("keys/box.key"));
    std::fs::remove_file(&key).unwrap();
    assert!(owner.core.take_second_step(owner.id(), &code).await.is_err());
    let other = owner.core.begin_second_factor(owner.id()).await;
    assert!(matches!(other, Err(SecondFactorError::Store(StoreError::Sealing(_)))));
    assert!(!key.exists());
    owner.core.take_second_step(owner.id(), codes[0].expose()).await.unwrap();
}
