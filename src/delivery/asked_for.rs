//! The hosts for which somebody asked for a try, until the scheduler has something for them in hand.
//!
//! A site that took no mail is left alone for a while. Whoever has mended it does not wait for that: their word ends the
//! pause that had begun by then. What is asked for of many messages at once is one word, and one try while it fails.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::mail::Host;

/// Hosts that are asked for at the same time; of more, the others wait out their pause.
const MAX_ASKED: usize = 1000;

/// For each host when somebody asked last.
#[derive(Debug, Default)]
pub(super) struct AskedFor(Mutex<HashMap<Host, Instant>>);

impl AskedFor {
    pub(super) fn add(&self, host: &Host, asked: Instant) {
        let mut all = self.lock();
        if all.len() < MAX_ASKED || all.contains_key(host) {
            all.insert(host.clone(), asked);
        }
    }

    /// When somebody asked, if that is not answered yet.
    pub(super) fn take(&self, host: &Host) -> Option<Instant> {
        self.lock().remove(host)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Host, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
