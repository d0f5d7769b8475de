//! The domains of destinations that take no mail, in memory: each delivery asks whether what it found is known. Nearly always
//! there are none, and then asking costs no more than a look.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use sqlx::SqlitePool;

use crate::mail::Domain;
use crate::store::Result;
use crate::store::rules::no_mail::ALL;

#[derive(Debug)]
pub(super) struct NoMail(ArcSwap<HashSet<String>>);

impl NoMail {
    /// As they are stored.
    pub(super) async fn read(rules: &SqlitePool) -> Result<Self> {
        Ok(Self(ArcSwap::from_pointee(all(rules).await?)))
    }

    /// As they are stored now.
    pub(super) async fn read_again(&self, rules: &SqlitePool) -> Result<()> {
        self.0.store(all(rules).await?.into());
        Ok(())
    }

    pub(super) fn knows(&self, domain: &Domain) -> bool {
        self.0.load().contains(domain.as_str())
    }
}

async fn all(rules: &SqlitePool) -> Result<HashSet<String>> {
    Ok(sqlx::query_scalar(ALL).fetch_all(rules).await?.into_iter().collect())
}
