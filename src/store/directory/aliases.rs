//! Exact aliases by a bounded cache over their look-up.
//!
//! What is missing is remembered too, so that probing for addresses costs no database. A reading that overlapped a
//! change is used once and not kept: the change raised the generation meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use super::MAX_CACHED_ALIASES;
use super::lookup::{Key, Lookup};
use crate::policy::ids::DomainId;
use crate::policy::rule::Rule;
use crate::store::Result;

/// Lists and targets that weigh as much as one more entry.
const ITEMS_PER_WEIGHT: usize = 8;

pub(super) struct Aliases {
    cache: Cache<Key, Option<Arc<Rule>>>,
    generation: AtomicU64,
    asked: AtomicU64,
    lookup: Lookup,
}

impl Aliases {
    pub(super) fn new(lookup: Lookup) -> Self {
        let cache = Cache::builder().max_capacity(MAX_CACHED_ALIASES).weigher(|_, rule| weight(rule)).build();
        Self { cache, generation: AtomicU64::new(0), asked: AtomicU64::new(0), lookup }
    }

    /// The rule of the first of these keys that has one.
    pub(super) async fn find(&self, domain: DomainId, keys: Vec<String>) -> Result<Vec<Arc<Rule>>> {
        let mut unknown = Vec::new();
        for key in keys {
            let key = (domain, key);
            match self.cache.get(&key) {
                Some(Some(rule)) if unknown.is_empty() => return Ok(vec![rule]),
                Some(None) => {}
                // A rule that is known stands behind one that is not: both are read, so that the order stays right.
                Some(Some(_)) | None => unknown.push(key),
            }
        }
        if unknown.is_empty() { Ok(Vec::new()) } else { self.read(unknown).await }
    }

    /// How often the database was asked.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Forgets one alias.
    pub(super) fn forget(&self, domain: DomainId, key: String) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate(&(domain, key));
    }

    /// Forgets all.
    pub(super) fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate_all();
    }

    async fn read(&self, keys: Vec<Key>) -> Result<Vec<Arc<Rule>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let generation = self.generation.load(Ordering::SeqCst);
        let found = self.lookup.read(keys.clone()).await?;
        let mut first = Vec::new();
        for key in keys {
            let rule = found.iter().find(|(other, _)| *other == key).map(|(_, rule)| Arc::clone(rule));
            if first.is_empty() {
                first.extend(rule.clone());
            }
            self.keep(generation, &key, rule);
        }
        Ok(first)
    }

    fn keep(&self, generation: u64, key: &Key, rule: Option<Arc<Rule>>) {
        self.cache.insert(key.clone(), rule);
        if self.generation.load(Ordering::SeqCst) != generation {
            self.cache.invalidate(key);
        }
    }
}

fn weight(rule: &Option<Arc<Rule>>) -> u32 {
    let items = rule.as_ref().map_or(0, |r| r.targets.len() + r.senders.allow.len() + r.senders.block.len());
    u32::try_from(1 + items / ITEMS_PER_WEIGHT).unwrap_or(u32::MAX)
}
