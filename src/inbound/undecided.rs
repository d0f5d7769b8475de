//! Messages whose client left while a next hop had them. Who left may come again at once: a repeat waits until it is known
//! what became of the first, so that it is sent once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

type Digest = [u8; 32];

/// All of them, by the SHA-256 of their octets.
#[derive(Debug, Clone, Default)]
pub(super) struct Undecided(Arc<Mutex<HashMap<Digest, CancellationToken>>>);

/// One of them, until this is dropped.
#[derive(Debug)]
pub(super) struct Doubt {
    undecided: Undecided,
    sha256: Digest,
}

impl Undecided {
    pub(super) fn begin(&self, sha256: Digest) -> Doubt {
        self.with(|all| all.entry(sha256).or_default().clone());
        Doubt { undecided: self.clone(), sha256 }
    }

    /// Waits until nothing is in doubt about these octets; false where that takes longer.
    pub(super) async fn settled(&self, sha256: &Digest, until: Instant) -> bool {
        let Some(over) = self.with(|all| all.get(sha256).cloned()) else { return true };
        timeout_at(until, over.cancelled()).await.is_ok()
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Digest, CancellationToken>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        self.undecided.with(|all| all.remove(&self.sha256)).iter().for_each(CancellationToken::cancel);
    }
}
