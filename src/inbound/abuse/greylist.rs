//! Who has come for the first time: in memory, with what is new written to the log's database now and then, so that a
//! restart asks nobody to come again who has. A crash forgets a minute of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::inbound::Tools;
use crate::mail::Moment;
use crate::policy::admission::Refusal;
use crate::policy::greylist::{self, Key, REMEMBERED_FOR, Seen, Triplet};
use crate::policy::status::TraceStep;
use crate::store::activity::MAX_TRIPLETS;

/// What is new is written so often.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Triplets that wait to be written; what is beyond is kept in memory alone.
const MAX_NOTES: usize = 10_000;
/// What is old is forgotten after so many writings, and after one of so many triplets.
const TIDY_EVERY: u32 = 60;
const TIDY_AFTER: usize = 1_000;

/// What is remembered.
#[derive(Debug)]
pub(super) struct Greylist {
    seen: Cache<Key, Seen>,
    notes: Mutex<HashMap<Key, Seen>>,
}

impl Default for Greylist {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MAX_TRIPLETS).eviction_policy(EvictionPolicy::lru());
        Self { seen: cache.time_to_idle(REMEMBERED_FOR).build(), notes: Mutex::default() }
    }
}

impl Greylist {
    /// Whether this may come now; remembers that it came.
    pub(super) fn judge(&self, triplet: &Triplet<'_>, now: Moment) -> Result<TraceStep, Box<Refusal>> {
        let key = triplet.key();
        let before = self.seen.get(&key);
        let (seen, judged) = greylist::judge(before, now);
        if before != Some(seen) {
            self.seen.insert(key, seen);
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            if notes.len() < MAX_NOTES || notes.contains_key(&key) {
                notes.insert(key, seen);
            }
        }
        judged
    }

    fn take_notes(&self) -> Vec<(Key, Seen)> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}

/// Remembers what was known before this start.
pub(in crate::inbound) async fn recall(tools: &Tools) {
    match tools.store.activity.greylist().await {
        Ok(known) => known.into_iter().for_each(|(key, seen)| tools.abuse.greylist.seen.insert(key, seen)),
        Err(error) => tracing::warn!(%error, "what greylisting remembered cannot be read; everybody begins anew"),
    }
}

/// Writes what is new until the gateway stops, and once more then.
pub(in crate::inbound) async fn keep(tools: &Tools) {
    for turn in 1_u32.. {
        let stopped = tokio::time::timeout(WRITE_EVERY, tools.stop.cancelled()).await.is_ok();
        write(tools, turn).await;
        if stopped {
            return;
        }
    }
}

async fn write(tools: &Tools, turn: u32) {
    let notes = tools.abuse.greylist.take_notes();
    let (has_notes, many) = (!notes.is_empty(), notes.len() >= TIDY_AFTER);
    let log = &tools.store.activity;
    let written = if has_notes { log.note_greylist(&notes).await } else { Ok(()) };
    let tidied =
        if many || turn.is_multiple_of(TIDY_EVERY) { log.tidy_greylist(tools.clock.cautious()).await } else { Ok(()) };
    if let Err(error) = written.and(tidied) {
        tracing::warn!(%error, "what greylisting remembers could not be written");
    }
}
