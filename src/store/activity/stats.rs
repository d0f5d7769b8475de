//! What the counters say: sums by status, domain, site, verdict or alias over hours or days, for charts.
//!
//! Which scopes come first is asked before their points, so that a chart of a thousand domains reads those of a hundred.

use sqlx::sqlite::SqliteRow;

use super::Activity;
pub use super::BOUNCED;
use crate::mail::Moment;
use crate::policy::ids::{AliasId, DomainId};
use crate::store::Result;
use crate::store::columns::{Columns, json};

/// Scopes of one answer at most; what is beyond is in none.
pub const MAX_SCOPES: u32 = 100;

/// Of a kind and some scopes (null: all): sums of each status by time. Kind, span, since, until, scopes.
pub(in crate::store) const BY_STATUS: &str = "select status, start, sum(n) from counters \
    where kind = ?1 and span = ?2 and scope in (select value from json_each(?5)) and start >= ?3 and start < ?4 \
    group by status, start having sum(n) <> 0 order by start";
/// Of some scopes: sums by scope and time. The last: statuses (null: all).
pub(in crate::store) const BY_SCOPE: &str = "select scope, start, sum(n) from counters \
    where kind = ?1 and span = ?2 and scope in (select value from json_each(?5)) and start >= ?3 and start < ?4 \
    and (?6 is null or status in (select value from json_each(?6))) \
    group by scope, start having sum(n) <> 0 order by start";
/// The scopes of a kind that have the most.
pub(in crate::store) const TOP: &str = "select scope from counters indexed by counters_by_kind \
    where kind = ?1 and span = ?2 and start >= ?3 and start < ?4 \
    and (?5 is null or status in (select value from json_each(?5))) group by scope order by sum(n) desc, scope limit ?6";
/// Messages by alias and hour, of the aliases that have the most.
pub(in crate::store) const TOP_ALIASES: &str = "select alias_id from alias_hours where start >= ?1 and start < ?2 \
    group by alias_id order by sum(messages) desc, alias_id limit ?3";
pub(in crate::store) const OF_ALIASES: &str = "select alias_id, start - start % ?4, sum(messages) from alias_hours \
    where start >= ?1 and start < ?2 and alias_id in (select value from json_each(?3)) group by 1, 2 order by 2";

/// The same by day, hour by hour: its work is bounded by hours and aliases, however much mail came.
pub(in crate::store) const BY_DAY: &str = "select alias_id, start - start % 86400000, sum(messages) from alias_hours \
    where start in (select value from json_each(?1)) and alias_id in (select value from json_each(?2)) group by 1, 2";

/// Milliseconds of an hour and of a day.
const HOUR_MILLIS: i64 = 3_600_000;
const DAY_MILLIS: i64 = HOURS_OF_DAY * HOUR_MILLIS;
const HOURS_OF_DAY: i64 = 24;

/// How long one point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

impl Step {
    /// As the counters write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Hour => HOUR_MILLIS,
            Self::Day => DAY_MILLIS,
        }
    }
}

/// When, and in which steps.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// From the beginning of this step.
    pub since: Moment,
    /// Before this.
    pub until: Moment,
    /// How long a point is.
    pub step: Step,
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All of the gateway.
    Instance,
    /// Each domain.
    Domain,
    /// Each domain that mail was sent on to.
    Site,
    /// Verdicts of SPF, by domain.
    Spf,
    /// Verdicts of DKIM, by domain.
    Dkim,
    /// Verdicts of DMARC, by domain.
    Dmarc,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Domain => "domain",
            Self::Site => "site",
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
        }
    }
}

/// One point: what it is of, when it begins, how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point<K> {
    /// A status, a verdict, a scope.
    pub key: K,
    /// When it begins.
    pub at: Moment,
    /// How many.
    pub n: i64,
}

impl Activity {
    /// Sums of each status or verdict over some scopes.
    pub async fn stats_by_status(&self, kind: Kind, scopes: &[String], stretch: Stretch) -> Result<Vec<Point<String>>> {
        self.settle_counts().await?;
        let ask = sqlx::query(BY_STATUS).bind(kind.word()).bind(stretch.step.word()).bind(stretch.since.millis());
        let rows = ask.bind(stretch.until.millis()).bind(json(scopes)).fetch_all(&self.readers).await?;
        rows.iter().map(point).collect()
    }

    /// Sums of each scope, of the statuses that are asked for (none: of all).
    pub async fn stats_by_scope(
        &self,
        kind: Kind,
        (scopes, statuses): (&[String], &[&str]),
        stretch: Stretch,
    ) -> Result<Vec<Point<String>>> {
        self.settle_counts().await?;
        let ask = sqlx::query(BY_SCOPE).bind(kind.word()).bind(stretch.step.word()).bind(stretch.since.millis());
        let ask = ask.bind(stretch.until.millis()).bind(json(scopes)).bind(some(statuses));
        ask.fetch_all(&self.readers).await?.iter().map(point).collect()
    }

    /// The scopes with the most of these statuses.
    pub async fn top_scopes(&self, kind: Kind, statuses: &[&str], stretch: Stretch) -> Result<Vec<String>> {
        self.settle_counts().await?;
        let ask = sqlx::query_scalar(TOP).bind(kind.word()).bind(stretch.step.word()).bind(stretch.since.millis());
        let ask = ask.bind(stretch.until.millis()).bind(some(statuses)).bind(MAX_SCOPES);
        Ok(ask.fetch_all(&self.readers).await?)
    }

    /// The aliases with the most messages.
    pub async fn top_aliases(&self, stretch: Stretch, limit: u32) -> Result<Vec<AliasId>> {
        self.settle_counts().await?;
        let ask = sqlx::query_scalar(TOP_ALIASES).bind(stretch.since.millis()).bind(stretch.until.millis());
        Ok(ask.bind(limit).fetch_all(&self.readers).await?.into_iter().map(AliasId).collect())
    }

    /// Messages accepted by each of these aliases.
    pub async fn stats_by_alias(&self, aliases: &[AliasId], stretch: Stretch) -> Result<Vec<Point<AliasId>>> {
        let ask = sqlx::query(OF_ALIASES).bind(stretch.since.millis()).bind(stretch.until.millis());
        let rows = ask.bind(json(aliases)).bind(stretch.step.millis()).fetch_all(&self.readers).await?;
        rows.iter().map(point_of_alias).collect()
    }

    /// Messages accepted by each of these aliases on each of the last days, today among them.
    pub async fn by_day(&self, aliases: &[AliasId], now: Moment, days: usize) -> Result<Vec<Point<AliasId>>> {
        let days = i64::try_from(days).unwrap_or(0);
        let last = now.millis().div_euclid(DAY_MILLIS) * DAY_MILLIS;
        let first = last - (days - 1) * DAY_MILLIS;
        let hours: Vec<_> = (0..days * HOURS_OF_DAY).map(|hour| first + hour * HOUR_MILLIS).collect();
        let ask = sqlx::query(BY_DAY).bind(json(&hours)).bind(json(aliases));
        ask.fetch_all(&self.readers).await?.iter().map(point_of_alias).collect()
    }
}

/// The scope of a domain.
#[must_use]
pub fn domain_scope(domain: DomainId) -> String {
    domain.0.to_string()
}

fn some(statuses: &[&str]) -> Option<String> {
    (!statuses.is_empty()).then(|| json(statuses))
}

fn point_of_alias(row: &SqliteRow) -> Result<Point<AliasId>> {
    let mut columns = Columns::of(row);
    Ok(Point { key: AliasId(columns.take()?), at: columns.moment()?, n: columns.take()? })
}

fn point(row: &SqliteRow) -> Result<Point<String>> {
    let mut columns = Columns::of(row);
    Ok(Point { key: columns.take()?, at: columns.moment()?, n: columns.take()? })
}
