//! How much mail an alias has had, for rules that count: read from the database when asked, kept until the next message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use sqlx::SqlitePool;

use crate::mail::Moment;
use crate::policy::facts::Usage;
use crate::policy::ids::AliasId;
use crate::store::Result;
use crate::store::columns::Columns;

/// Aliases whose usage is kept at most.
const MAX_ALIASES: u64 = 10_000;
/// The rolling day slides on, so that what is kept grows stale.
const KEPT_FOR: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

pub(in crate::store) const LOAD: &str = "select \
    coalesce((select messages from alias_counts where alias_id = ?1), 0), \
    coalesce((select sum(h.messages) from json_each(?2) as s join alias_hours as h \
        on h.start = s.value and h.alias_id = ?1), 0), \
    (select last_mail_at from alias_counts where alias_id = ?1)";

/// What was asked lately; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct UsageCache(Cache<AliasId, Usage>, Arc<AtomicU64>);

impl UsageCache {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_ALIASES).time_to_live(KEPT_FOR).build(), Arc::default())
    }

    /// Forgets an alias that got mail.
    pub(super) fn forget(&self, alias: AliasId) {
        self.0.invalidate(&alias);
    }

    /// The usage of an alias, if it was asked lately.
    pub(super) fn get(&self, alias: AliasId) -> Option<Usage> {
        self.0.get(&alias)
    }

    /// How often the database was asked.
    pub(super) fn asked(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    /// It, and nothing is remembered of the question: what is shown to people must not make a later question cheaper, by which
    /// a sender could tell what is known.
    pub(super) async fn look(&self, alias: AliasId, now: Moment, log: &SqlitePool) -> Result<Usage> {
        if let Some(usage) = self.get(alias) { Ok(usage) } else { load(alias, now, log).await }
    }

    /// Reads it.
    pub(super) async fn load(&self, alias: AliasId, now: Moment, log: &SqlitePool) -> Result<Usage> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let usage = load(alias, now, log).await?;
        self.0.insert(alias, usage);
        Ok(usage)
    }
}

async fn load(alias: AliasId, now: Moment, log: &SqlitePool) -> Result<Usage> {
    let hours = crate::store::columns::json(&super::tally::hours_between(now.before(DAY), now));
    let row = sqlx::query(LOAD).bind(alias.0).bind(hours).fetch_one(log).await?;
    let mut columns = Columns::of(&row);
    Ok(Usage {
        messages: columns.count()?,
        last_day: columns.count()?,
        last_mail_at: columns.maybe_moment()?,
        pledged: 0,
    })
}
