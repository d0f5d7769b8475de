//! What clients used of catch-alls lately.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::mail::{Mailbox, Moment};
use crate::policy::admission::Refusal;
use crate::policy::guessing::{CLOSED_FOR, Guesses};
use crate::policy::ids::DomainId;

/// Clients that are remembered, each with a catch-all: at most some 5 MiB.
const MAX_CLIENTS: u64 = 10_000;

/// By client and domain.
#[derive(Debug)]
pub(super) struct CatchAlls {
    guesses: Cache<(IpAddr, DomainId), Arc<Mutex<Guesses>>>,
    hash: RandomState,
}

impl Default for CatchAlls {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MAX_CLIENTS).eviction_policy(EvictionPolicy::lru());
        Self { guesses: cache.time_to_idle(CLOSED_FOR).build(), hash: RandomState::new() }
    }
}

impl CatchAlls {
    /// Whether the catch-all takes this recipient of this client.
    pub(super) fn judge(&self, of: (IpAddr, DomainId), recipient: &Mailbox, now: Moment) -> Result<(), Box<Refusal>> {
        let guesses = self.guesses.get_with(of, Arc::default);
        let mut guesses = guesses.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.name(self.hash.hash_one(recipient.key()), now)
    }
}
