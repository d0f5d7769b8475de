//! Counts by key, for as many keys as there is room; the one that was not asked for longest makes room for the next.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::mail::Moment;
use crate::policy::limits::{Limit, Window};

/// Keys that are counted at the same time, some 7 MiB of them: beyond, who was quiet longest starts anew.
const MAX_KEYS: u64 = 20_000;

/// What can be counted by.
pub trait Key: Hash + Eq + Clone + Debug + Send + Sync + 'static {}
impl<T: Hash + Eq + Clone + Debug + Send + Sync + 'static> Key for T {}

/// A window for each key.
#[derive(Debug)]
pub struct Table<K: Key> {
    windows: Cache<K, Arc<Mutex<Window>>>,
    period: Duration,
}

impl<K: Key> Table<K> {
    /// For one of the limits.
    #[must_use]
    pub fn of(limit: Limit) -> Self {
        Self::within(limit.period())
    }

    /// For counts within `period`.
    #[must_use]
    pub fn within(period: Duration) -> Self {
        // With its oldest first out, the newest key always counts, however many others press in.
        let cache = Cache::builder().max_capacity(MAX_KEYS).eviction_policy(EvictionPolicy::lru());
        Self { windows: cache.time_to_idle(period).build(), period }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self, key: &K, now: Moment) -> u64 {
        let window = self.windows.get(key);
        window.map_or(0, |window| window.lock().unwrap_or_else(PoisonError::into_inner).count(now, self.period))
    }

    /// One less, of those counted last.
    pub fn take_back(&self, key: &K) {
        if let Some(window) = self.windows.get(key) {
            window.lock().unwrap_or_else(PoisonError::into_inner).take_back();
        }
    }

    /// One more.
    pub fn add(&self, key: K, now: Moment) {
        let window = self.windows.get_with(key, Arc::default);
        window.lock().unwrap_or_else(PoisonError::into_inner).add(now, self.period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_key_apart_and_no_more_keys_than_it_has_room_for() {
        let (table, now) = (Table::of(Limit::Messages), Moment::from_millis(1_795_373_784_120));
        table.add(0, now);
        table.add(0, now);
        assert_eq!((table.count(&0, now), table.count(&1, now)), (2, 0));
        table.take_back(&0);
        table.take_back(&1);
        assert_eq!((table.count(&0, now), table.count(&1, now)), (1, 0));
        for key in 1..MAX_KEYS + 5_000 {
            table.add(key, now);
        }
        table.windows.run_pending_tasks();
        assert_eq!(table.windows.entry_count(), MAX_KEYS);
        assert_eq!(table.count(&(MAX_KEYS + 4_999), now), 1, "who came last counts");
        assert_eq!(table.count(&0, now), 0, "who was quiet longest made room");
    }
}
