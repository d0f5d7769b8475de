//! Rules as RCPT reads them: domains and patterns in a snapshot, exact aliases through a bounded cache over SQL.
//!
//! A change made through [`super::rules`] counts at once: the snapshot is read anew and the cache emptied of what it
//! touched before the change is announced. A million aliases cost no memory until they are asked for.

mod aliases;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use sqlx::SqlitePool;

use self::aliases::Aliases;
use self::snapshot::Snapshot;
use super::Result;
use super::activity::Activity;
use crate::mail::{Domain, Mailbox};
use crate::policy::facts::{Candidates, Usage};
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::routing::lookup_keys;
use crate::policy::rule::{HostedDomain, Rule, SenderLists};

#[cfg(test)]
pub(super) use self::snapshot::statements;

/// Exact aliases (found or known to be missing) that the cache holds at most.
pub const MAX_CACHED_ALIASES: u64 = 50_000;
/// A destination that refused its mailbox is not tried again for new mail so long.
pub const FAILING_FOR: Duration = Duration::from_secs(600);
/// Refusing destinations that are remembered at most.
const MAX_FAILING: u64 = 10_000;

pub(super) const IS_VERIFIED: &str = "select exists (select 1 from destinations where account_id = ?1 \
    and key in (?2, ?3) and verified_at is not null)";

/// The directory; cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    snapshot: ArcSwap<Snapshot>,
    aliases: Aliases,
    failing: Cache<String, ()>,
    activity: Activity,
    rules: SqlitePool,
    /// One reading of the snapshot at a time, so that an older one never replaces a newer.
    reading: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({} domains)", self.0.snapshot.load().len())
    }
}

/// The readers of both files.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pub(super) rules: SqlitePool,
    pub(super) log: SqlitePool,
}

/// What a change of rules touches.
#[derive(Debug, Clone)]
pub(super) enum Touched {
    /// One exact alias, by its key.
    Address(DomainId, String),
    /// Domains, patterns, destinations, or many aliases.
    All,
}

impl Directory {
    /// Reads domains and patterns; exact aliases are read when they are asked for.
    pub(super) async fn open(rules: SqlitePool, activity: Activity) -> Result<Self> {
        let snapshot = ArcSwap::from_pointee(Snapshot::read(&rules).await?);
        let failing = Cache::builder().max_capacity(MAX_FAILING).time_to_live(FAILING_FOR).build();
        let reading = tokio::sync::Mutex::new(());
        let aliases = Aliases::new(rules.clone());
        Ok(Self(Arc::new(Inner { snapshot, aliases, failing, activity, rules, reading })))
    }

    /// The hosted domain of this name.
    #[must_use]
    pub fn domain(&self, name: &Domain) -> Option<Arc<HostedDomain>> {
        self.0.snapshot.load().get(name).map(|hosted| Arc::clone(&hosted.domain))
    }

    /// The rules that may match; `None` when the domain is not hosted.
    pub async fn candidates(&self, recipient: &Mailbox) -> Result<Option<Candidates>> {
        let Some(hosted) = recipient.domain().and_then(|name| self.0.snapshot.load().get(name).cloned()) else {
            return Ok(None);
        };
        let keys = lookup_keys(recipient, hosted.domain.subaddressing);
        let addresses = self.0.aliases.find(hosted.domain.id, keys).await?;
        Ok(Some(Candidates {
            domain: hosted.domain,
            addresses,
            patterns: hosted.patterns,
            catch_all: hosted.catch_all,
        }))
    }

    /// How much mail a rule has had (kept in memory between writes; asked only for rules that count).
    pub async fn usage(&self, rule: &Rule) -> Result<Usage> {
        self.0.activity.usage(rule.id).await
    }

    /// Whether this address is a verified destination of the account, or lies in a domain that it trusts.
    pub async fn is_verified(&self, account: AccountId, address: &Mailbox) -> Result<bool> {
        let ask = sqlx::query_scalar(IS_VERIFIED).bind(account.0).bind(address.key());
        let found: i64 = ask.bind(format!("@{}", address.host())).fetch_one(&self.0.rules).await?;
        Ok(found != 0)
    }

    /// The instance's blocks.
    #[must_use]
    pub fn instance_senders(&self) -> Arc<SenderLists> {
        Arc::clone(self.0.snapshot.load().instance_senders())
    }

    /// A remembered verdict: this destination refused its mailbox in the last 10 min.
    pub fn remember_failing(&self, destination: &Mailbox) {
        self.0.failing.insert(destination.key(), ());
    }

    /// Whether it did.
    #[must_use]
    pub fn is_failing(&self, destination: &Mailbox) -> bool {
        self.0.failing.contains_key(&destination.key())
    }

    /// Makes a committed change count.
    pub(super) async fn refresh(&self, touched: Touched) -> Result<()> {
        match touched {
            Touched::Address(domain, key) => self.0.aliases.forget(domain, key),
            Touched::All => {
                let _alone = self.0.reading.lock().await;
                self.0.snapshot.store(Arc::new(Snapshot::read(&self.0.rules).await?));
                self.0.aliases.forget_all();
            }
        }
        Ok(())
    }
}
