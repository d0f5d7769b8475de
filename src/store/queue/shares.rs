//! How many octets of the queue each domain takes; in memory, so that asking costs nothing.
//!
//! A message counts once for a domain, however many deliveries it has there: with the first of them. What belongs to no
//! domain (mail to the host's own postmaster) has a share of its own, or nothing would bound it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::SqliteConnection;

use crate::policy::ids::DomainId;
use crate::store::Result;
use crate::store::columns::unsigned;

pub(in crate::store) const SUMS: &str = "select domain_id, sum(charged) from deliveries group by domain_id";

/// The shares; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares(Arc<Mutex<HashMap<Option<DomainId>, i64>>>);

impl Shares {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self> {
        let sums: Vec<(Option<i64>, i64)> = sqlx::query_as(SUMS).fetch_all(connection).await?;
        let sums = sums.into_iter().map(|(domain, octets)| (domain.map(DomainId), octets)).collect();
        Ok(Self(Arc::new(Mutex::new(sums))))
    }

    pub(super) fn of(&self, domain: Option<DomainId>) -> u64 {
        unsigned(self.lock().get(&domain).copied().unwrap_or(0))
    }

    /// Adds (or, negative, takes off) octets of a committed change.
    pub(super) fn add(&self, domain: Option<DomainId>, octets: i64) {
        if octets != 0 {
            *self.lock().entry(domain).or_default() += octets;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<DomainId>, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
