//! Passwords: which will do, and their work. Argon2id with OWASP's parameters (19 MiB, two passes, one lane) on a thread
//! of its own, no more than two at a time; an account that is not there costs the same work as one that is.
//!
//! The memory of that work is kept for the next one, wiped. Taken anew each time, it would come from another arena of the
//! allocator with each thread, and stay there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
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

/// The salt of somebody's hash when there is nobody: the work against it is what it is against any other.
const NOBODYS_SALT: &[u8; Salt::RECOMMENDED_LENGTH] = b"nobody's account";

/// The work with passwords, bounded; cheap to clone.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Memory that nobody works in: no more pieces than have been worked in at once.
    memory: Arc<Mutex<Vec<Memory>>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), memory: Arc::default() }
    }
}

impl Passwords {
    /// The PHC string of a password.
    pub(super) async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.work(move |memory| memory.hash(&password)).await?
    }

    /// Whether `password` is the one of `hash`; without a hash it is not, after the same work.
    pub(super) async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool> {
        let password = password.to_owned();
        self.work(move |memory| match hash {
            Some(hash) => memory.verify(&password, &hash).unwrap_or(false),
            None => {
                let _nobody = memory.fill(&password, (NOBODYS_SALT, Argon2::default()));
                false
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T> {
        let (turn, pool) = (self.turn().await?, Arc::clone(&self.memory));
        let done = tokio::task::spawn_blocking(move || {
            let pool = || pool.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = pool().pop().unwrap_or_default();
            let done = work(&mut memory);
            memory.wipe();
            pool().push(memory);
            drop(turn);
            done
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a password could not be worked on");
            AdminError::Unwell
        })
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        match tokio::time::timeout(WAIT, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(AdminError::TooMany("Many people sign in at this moment. Try again in a minute.".to_owned())),
        }
    }
}

/// What one password is worked on in.
#[derive(Default)]
struct Memory(Vec<Block>);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} KiB)", self.0.len())
    }
}

impl Memory {
    fn hash(&mut self, password: &str) -> Result<String> {
        let salt = Salt::generate();
        let hash = self.fill(password, (&salt, Argon2::default())).and_then(|output| {
            let params = ParamsString::try_from(&Params::default())?;
            let (algorithm, version) = (Algorithm::default().ident(), Some(Version::default().into()));
            Ok(PasswordHash { algorithm, version, params, salt: Some(salt), hash: Some(output) }.to_string())
        });
        hash.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            AdminError::Unwell
        })
    }

    /// None where the hash is not one.
    fn verify(&mut self, password: &str, hash: &str) -> Option<bool> {
        let hash = PasswordHash::new(hash).ok()?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let argon = Argon2::new(algorithm, version, Params::try_from(&hash).ok()?);
        let output = self.fill(password, (hash.salt.as_ref()?, argon)).ok()?;
        // It compares in constant time.
        Some(output == hash.hash?)
    }

    fn fill(
        &mut self,
        password: &str,
        (salt, argon): (&[u8], Argon2<'_>),
    ) -> std::result::Result<Output, argon2::password_hash::Error> {
        let needed = argon.params().block_count();
        if self.0.len() < needed {
            self.0.resize(needed, Block::new());
        }
        let mut room = [0; Output::MAX_LENGTH];
        let length = argon.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = room.get_mut(..length).ok_or(argon2::password_hash::Error::OutputSize)?;
        argon.hash_password_into_with_memory(password.as_bytes(), salt, output, self.0.as_mut_slice())?;
        Ok(Output::new(output)?)
    }

    /// Leaves nothing of a password behind.
    fn wipe(&mut self) {
        self.0.fill(Block::new());
    }
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

    #[tokio::test]
    async fn memory_is_used_again_and_holds_nothing() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery").await.unwrap();
        for hash in [Some(hash), None, Some("$argon2id$".to_owned())] {
            passwords.verify("correct horse battery", hash).await.unwrap();
        }
        let memory = passwords.memory.lock().unwrap();
        assert_eq!(memory.iter().map(|piece| piece.0.len()).collect::<Vec<_>>(), [19_456]);
        assert!(memory[0].0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }

    #[tokio::test]
    async fn nobody_costs_what_somebody_does() {
        let passwords = Passwords::default();
        passwords.verify("correct horse battery", None).await.unwrap();
        let memory = passwords.memory.lock().unwrap();
        assert_eq!(memory.iter().map(|piece| piece.0.len()).collect::<Vec<_>>(), [19_456], "the memory of a hash");
    }

    /// Hashes of before this memory was kept.
    #[tokio::test]
    async fn what_others_hashed_verifies() {
        use argon2::password_hash::PasswordHasher as _;
        let hash: PasswordHash = Argon2::default().hash_password(b"correct horse battery").unwrap();
        let small = Argon2::new(Algorithm::Argon2i, Version::V0x10, Params::new(64, 3, 2, Some(16)).unwrap());
        let small: PasswordHash = small.hash_password(b"correct horse battery").unwrap();
        let passwords = Passwords::default();
        for hash in [hash, small] {
            assert!(passwords.verify("correct horse battery", Some(hash.to_string())).await.unwrap(), "{hash}");
            assert!(!passwords.verify("correct horse batterz", Some(hash.to_string())).await.unwrap(), "{hash}");
        }
    }
}
