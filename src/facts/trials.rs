//! Messages that the gateway itself brings to its own door, while they are on their way through it: they are known by their
//! octets, in which there is an id that nobody else knows. Nothing vouches for them, and nothing has to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

type Digest = [u8; 32];

/// What is on its way; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Trials(Arc<Mutex<HashSet<Digest>>>);

/// A message is on its way until this is dropped.
#[derive(Debug)]
pub struct OnItsWay {
    trials: Trials,
    digest: Digest,
}

impl Trials {
    /// A message sets out.
    #[must_use]
    pub fn begin(&self, octets: &[u8]) -> OnItsWay {
        let digest = Sha256::digest(octets).into();
        self.with(|all| all.insert(digest));
        OnItsWay { trials: self.clone(), digest }
    }

    /// Whether a message with this SHA-256 is one.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.with(|all| all.contains(digest))
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashSet<Digest>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.trials.with(|all| all.remove(&self.digest));
    }
}
