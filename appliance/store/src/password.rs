//! What a password must be, and the slow hash that is stored of it.

mod guessable;

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::Secret;

const MIN_CHARS: usize = 12;
const MAX_BYTES: usize = 256;

/// argon2id, above the floor of OWASP ASVS 5.0 appendix C (46 MiB with one pass).
const MEMORY_KIB: u32 = 46 * 1024;
const PASSES: u32 = 2;

/// Length, and that nobody guesses it first: rules on composition make passwords worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("a password has at least {MIN_CHARS} characters; a few plain words are good")]
    TooShort,
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("this password is guessed among the first; choose one that no list and no name leads to")]
    Guessable,
}

/// What a new password must be. `names` are the person's and the site's: no secrets.
pub(crate) fn check_new(password: &Secret, names: &[&str]) -> Result<(), BadPassword> {
    check(password)?;
    if guessable::is_guessable(password.expose(), names) { Err(BadPassword::Guessable) } else { Ok(()) }
}

/// What any password has, so that nothing else is hashed.
pub(crate) fn check(password: &Secret) -> Result<(), BadPassword> {
    let text = password.expose();
    if text.len() > MAX_BYTES {
        return Err(BadPassword::TooLong);
    }
    if text.chars().count() < MIN_CHARS { Err(BadPassword::TooShort) } else { Ok(()) }
}

/// Whether it is no use to try: nobody has an empty password, and a directory takes one for nobody's, as a visit without
/// a name.
pub(crate) fn is_hopeless(password: &Secret) -> bool {
    password.expose().is_empty() || password.expose().len() > MAX_BYTES
}

/// Hashes off the runtime's threads, a few at a time.
pub(crate) struct Hashing {
    places: Arc<Semaphore>,
}

impl Hashing {
    pub(crate) fn new(at_once: usize) -> Hashing {
        Hashing { places: Arc::new(Semaphore::new(at_once)) }
    }

    pub(crate) async fn hash(&self, password: Secret) -> String {
        self.run(move || hash(&password)).await
    }

    /// False for an account that is not there, after as much work as for one that is.
    pub(crate) async fn verify(&self, password: Secret, stored: Option<String>) -> bool {
        self.run(move || match stored {
            Some(stored) => verify(&password, &stored),
            None => {
                hash(&password);
                false
            }
        })
        .await
    }

    /// The place is freed by the work itself, so a caller that goes away does not let a third hash in.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        let work = move || {
            let _place = place;
            work()
        };
        spawn_blocking(work).await.expect("a hash neither panics nor is aborted")
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("the constants are within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &Secret) -> String {
    let hash = argon2().hash_password(password.expose().as_bytes());
    hash.expect("a salt and this many bytes are always hashable").to_string()
}

fn verify(password: &Secret, stored: &str) -> bool {
    PasswordHash::new(stored)
        .is_ok_and(|stored| argon2().verify_password(password.expose().as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters_below_and_in_bytes_above() {
        assert_eq!(check(&"가나다라마바사아자차카".into()), Err(BadPassword::TooShort));
        assert_eq!(check(&"가나다라마바사아자차카타".into()), Ok(()));
        assert_eq!(check(&"x".repeat(256).into()), Ok(()));
        assert_eq!(check(&"x".repeat(257).into()), Err(BadPassword::TooLong));
        assert_eq!(check(&"🦊".repeat(64).into()), Ok(()), "64 characters of whatever script");
    }

    #[test]
    fn a_stored_hash_says_its_parameters_and_fits_its_password_only() {
        let stored = hash(&"correct horse battery".into());
        assert!(stored.starts_with("$argon2id$v=19$m=47104,t=2,p=1$"), "{stored}");
        assert!(verify(&"correct horse battery".into(), &stored));
        assert!(!verify(&"correct horse batterY".into(), &stored));
        assert!(!verify(&" correct horse battery".into(), &stored));
        let long = "x".repeat(255);
        assert!(!verify(&format!("{long}y").as_str().into(), &hash(&format!("{long}z").as_str().into())));
        assert!(!verify(&"correct horse battery".into(), "no hash at all"));
    }
}
