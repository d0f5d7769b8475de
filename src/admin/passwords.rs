//! Passwords: which will do, and their work. Argon2id with OWASP's parameters (19 MiB, two passes, one lane) on a thread
//! of its own, no more than two at a time; an account that is not there costs the same work as one that is.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{AdminError, Result};

/// Characters of a password at least.
pub(super) const MIN_CHARS: usize = 12;
/// Octets of one at most: more would only be work.
pub(super) const MAX_OCTETS: usize = 1024;
/// Different characters of one at least.
const MIN_DIFFERENT: usize = 5;
/// Passwords that are worked on at the same time, of 19 MiB each.
const AT_ONCE: usize = 2;
/// Who waits longer for their turn is asked to come again.
const WAIT: Duration = Duration::from_secs(10);

/// What everybody tries first among those that are long enough; compared folded, by their beginning.
const WORST: [&str; 14] = [
    "password",
    "passwort",
    "qwerty",
    "qwertz",
    "123456",
    "abcdef",
    "abc123",
    "letmein",
    "welcome",
    "iloveyou",
    "administrator",
    "changeme",
    "waypost",
    "1q2w3e4r",
];

/// Somebody's hash when there is nobody: verifying against it costs what verifying against any other does.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| hash_of("nobody has this password").ok());

/// The work with passwords, bounded; cheap to clone.
#[derive(Debug, Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Passwords {
    /// The PHC string of a password.
    pub(super) async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.work(move || hash_of(&password)).await?
    }

    /// Whether `password` is the one of `hash`; without a hash it is not, after the same work.
    pub(super) async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        let password = password.to_owned();
        self.work(move || {
            let known = hash.is_some();
            let hash = hash.or_else(|| NOBODYS.clone()).unwrap_or_default();
            Argon2::default().verify_password(password.as_bytes(), &*hash).is_ok() && known
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = self.turn().await?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a password could not be worked on");
            AdminError::Unwell
        })
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        match tokio::time::timeout(WAIT, Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(AdminError::TooMany("Many people sign in at this moment. Try again in a minute.".to_owned())),
        }
    }
}

fn hash_of(password: &str) -> Result<String> {
    let hash: std::result::Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        AdminError::Unwell
    })
}

/// Why a password will not do, if it will not.
pub(super) fn fault_of(password: &str, email: &str) -> Option<String> {
    let folded = password.to_lowercase();
    let different = folded.chars().collect::<std::collections::BTreeSet<_>>().len();
    let local = email.split('@').next().unwrap_or_default();
    if password.chars().count() < MIN_CHARS {
        return Some(format!("write at least {MIN_CHARS} characters; a few words in a row are easy to remember"));
    }
    if password.len() > MAX_OCTETS {
        return Some(format!("write at most {MAX_OCTETS} octets"));
    }
    if different < MIN_DIFFERENT {
        return Some("this is the same few characters again and again".to_owned());
    }
    if WORST.iter().any(|worst| folded.starts_with(worst)) || (local.len() >= 4 && folded.starts_with(local)) {
        return Some("this begins like what everybody tries first: begin with something else".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_not_the_worst() {
        for good in ["correct horse battery", "zwölf Boxkämpfer jagen", "k3#vQ!9xLm2_"] {
            assert_eq!(fault_of(good, "anna@my.example"), None, "{good}");
        }
        let long = "ab1 ".repeat(300);
        for bad in ["short", "elf zeichen", "aaaaaaaaaaaaaaaa", "Password12345!", "anna-is-my-name", &long] {
            assert!(fault_of(bad, "anna@my.example").is_some(), "{bad}");
        }
    }

    #[tokio::test]
    async fn hashes_say_their_parameters_and_verify() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse battery").await.unwrap(), "each has its own salt");
        assert!(passwords.verify("correct horse battery", Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse batterz", Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody has this password", None).await.unwrap(), "nobody signs in");
    }

    #[test]
    fn nobody_costs_what_somebody_does() {
        assert!(NOBODYS.as_ref().unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }
}
