//! What the counters say: sums by status, domain, site, verdict or alias over hours, days or months, for charts.
//!
//! Which scopes come first is asked before their points, so that a chart of a thousand domains reads those of a hundred;
//! and of a long stretch it is the months that are asked.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sqlx::sqlite::SqliteRow;

use super::Activity;
pub use super::BOUNCED;
use crate::mail::Moment;
use crate::policy::ids::{AliasId, DomainId};
use crate::store::Result;
use crate::store::columns::{Columns, json};
use crate::store::statement::{Statement, whole};

/// Scopes of one answer at most; what is beyond is in none.
pub const MAX_SCOPES: u32 = 100;
/// Points of one answer at most, as far as ten scopes leave it that few.
const MAX_POINTS: i64 = 10_000;
const LEAST_SCOPES: u32 = 10;
/// What is longer is summed by the month, or else by the day, to see which scopes have the most.
const LONG: Duration = Duration::from_secs(14 * 86_400);
const SHORT: Duration = Duration::from_secs(6 * 3600);

/// The first millisecond of the month, UTC, in which a moment lies.
macro_rules! month_of {
    ($moment:literal) => {
        concat!("1000 * unixepoch((", $moment, ") / 1000, 'unixepoch', 'start of month')")
    };
}
pub(super) use month_of;

/// A statement over those of a kind (`?1`) and a stretch (from `?3` to before `?4`), of spans (`?2`) and of months.
macro_rules! counted {
    ($select:literal, $more:literal) => {
        [
            concat!($select, " from counters where kind = ?1 and span = ?2 and start >= ?3 and start < ?4 ", $more),
            concat!(
                $select,
                " from counters_by_month where kind = ?1 and ?2 is null and start >= ?3 and start < ?4 ",
                $more
            ),
        ]
    };
}
/// Of a kind and some scopes: sums of each status by time.
pub(in crate::store) const BY_STATUS: [&str; 2] = counted!(
    "select json_group_array(json_array(status, start, total)) from (select status, start, sum(n) as total",
    "and scope in (select value from json_each(?5)) group by status, start having sum(n) <> 0 order by start)"
);
/// Of some scopes: sums by scope and time, of statuses (null: all) in `?6`.
pub(in crate::store) const BY_SCOPE: [&str; 2] = counted!(
    "select json_group_array(json_array(scope, start, total)) from (select scope, start, sum(n) as total",
    "and scope in (select value from json_each(?5)) and (?6 is null or status in (select value from json_each(?6))) \
     group by scope, start having sum(n) <> 0 order by scope, start)"
);
/// Those of some scopes that have the most of these statuses.
pub(in crate::store) const TOP: [&str; 2] = counted!(
    "with sums as materialized (select value, (select sum(n)",
    "and scope = j.value and (?6 is null or status in (select value from json_each(?6)))) as total \
     from json_each(?5) as j) select value from sums where total is not null order by total desc, value limit ?7"
);
/// All scopes of a kind, one after the other.
pub(in crate::store) const SCOPES: &str = "with recursive found (scope) as ( \
    select min(scope) from counters_by_month where kind = ?1 union all \
    select (select min(c.scope) from counters_by_month as c where c.kind = ?1 and c.scope > found.scope) from found \
    where found.scope is not null) select scope from found where scope is not null limit 100000";
/// Messages of aliases by day, hour by hour: its work is bounded by hours and aliases, however much mail came.
pub(in crate::store) const BY_DAY: &str = "select alias_id, start - start % 86400000, sum(messages) from alias_hours \
    where start in (select value from json_each(?1)) and alias_id in (select value from json_each(?2)) group by 1, 2";

/// Aliases whose days are remembered at most, and for how long: counts of a day may come a little after its end.
const MAX_REMEMBERED: u64 = 5000;
const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// Milliseconds of an hour and of a day.
const HOUR_MILLIS: i64 = 3_600_000;
const DAY_MILLIS: i64 = HOURS_OF_DAY * HOUR_MILLIS;
const HOURS_OF_DAY: i64 = 24;

/// Beside the statuses, below nothing: rows beyond the first of a message to an address, which has one for each inbox. The
/// sum of all is how many messages came in.
pub const COPY: &str = "copy";

/// How long one point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
    /// A month of the calendar, UTC.
    Month,
}

impl Step {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Which of two statements is meant: over what is counted by spans, or by months.
    fn of(self, [spans, months]: [&'static str; 2]) -> &'static str {
        if self == Self::Month { months } else { spans }
    }

    /// The span that the counters write; months have a table of their own.
    fn span(self) -> Option<&'static str> {
        (self != Self::Month).then(|| self.word())
    }

    /// Its length in milliseconds; of a month that of the shortest.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Hour => HOUR_MILLIS,
            Self::Day => DAY_MILLIS,
            Self::Month => 28 * DAY_MILLIS,
        }
    }

    /// When the step began that is under way at a moment.
    #[must_use]
    pub fn begin(self, at: Moment) -> Moment {
        match self {
            Self::Hour | Self::Day => Moment::from_millis(at.millis() - at.millis().rem_euclid(self.millis())),
            Self::Month => at.start_of_month(),
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

impl Stretch {
    /// About how many steps it has, one at least.
    #[must_use]
    pub fn steps(&self) -> i64 {
        ((self.until.millis() - self.since.millis()) / self.step.millis()).max(1)
    }

    /// Scopes that one answer has room for.
    #[must_use]
    pub fn scopes(&self) -> u32 {
        u32::try_from(MAX_POINTS / self.steps()).unwrap_or(MAX_SCOPES).clamp(LEAST_SCOPES, MAX_SCOPES)
    }

    /// The same in longer steps, where it is long.
    fn coarse(self) -> Self {
        let length = self.until.since(self.since);
        let step = match self.step {
            _ if length > LONG => Step::Month,
            Step::Hour if length > SHORT => Step::Day,
            step => step,
        };
        Self { since: step.begin(self.since), step, ..self }
    }
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
        let ask = sqlx::query(stretch.step.of(BY_STATUS))
            .bind(kind.word())
            .bind(stretch.step.span())
            .bind(stretch.since.millis());
        self.points(ask.bind(stretch.until.millis()).bind(json(scopes))).await
    }

    /// Sums of each scope, of the statuses that are asked for (none: of all).
    pub async fn stats_by_scope(
        &self,
        kind: Kind,
        (scopes, statuses): (&[String], &[&str]),
        stretch: Stretch,
    ) -> Result<Vec<Point<String>>> {
        self.settle_counts().await?;
        let ask = sqlx::query(stretch.step.of(BY_SCOPE))
            .bind(kind.word())
            .bind(stretch.step.span())
            .bind(stretch.since.millis());
        self.points(ask.bind(stretch.until.millis()).bind(json(scopes)).bind(some(statuses))).await
    }

    async fn points(&self, ask: Statement) -> Result<Vec<Point<String>>> {
        let points: Vec<(String, i64, i64)> = whole(ask, &self.readers, "sums of the counters").await?;
        Ok(points.into_iter().map(|(key, at, n)| Point { key, at: Moment::from_millis(at), n }).collect())
    }

    /// Every scope of a kind.
    pub async fn scopes(&self, kind: Kind) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar(SCOPES).bind(kind.word()).fetch_all(&self.readers).await?)
    }

    /// Those of some scopes that have the most of these statuses; of a long stretch by whole months or days.
    pub async fn top_scopes(
        &self,
        kind: Kind,
        (scopes, statuses): (&[String], &[&str]),
        stretch: Stretch,
    ) -> Result<Vec<String>> {
        self.settle_counts().await?;
        let coarse = stretch.coarse();
        let ask = sqlx::query_scalar(coarse.step.of(TOP))
            .bind(kind.word())
            .bind(coarse.step.span())
            .bind(coarse.since.millis());
        let ask = ask.bind(coarse.until.millis()).bind(json(scopes)).bind(some(statuses)).bind(stretch.scopes());
        Ok(ask.fetch_all(&self.readers).await?)
    }

    /// Messages accepted by each of these aliases on each of the last days, today among them. Days that are over are
    /// remembered for a while.
    pub async fn by_day(&self, aliases: &[AliasId], now: Moment, days: usize) -> Result<Vec<Point<AliasId>>> {
        let today = now.day();
        let first = today + 1 - i64::try_from(days).unwrap_or(0);
        let unknown: Vec<_> = aliases.iter().copied().filter(|key| !self.days.knows((*key, today), first)).collect();
        if !unknown.is_empty() {
            let points = self.days_of(&unknown, first..today).await?;
            for key in unknown {
                let of_key = points.iter().filter(|point| point.key == key).cloned().collect();
                self.days.remember((key, today), first, of_key);
            }
        }
        let mut points = self.days_of(aliases, today..today + 1).await?;
        points.extend(aliases.iter().flat_map(|key| self.days.of((*key, today))));
        Ok(points)
    }

    async fn days_of(&self, aliases: &[AliasId], days: std::ops::Range<i64>) -> Result<Vec<Point<AliasId>>> {
        let hours: Vec<_> =
            (days.start * HOURS_OF_DAY..days.end * HOURS_OF_DAY).map(|hour| hour * HOUR_MILLIS).collect();
        let ask = sqlx::query(BY_DAY).bind(json(&hours)).bind(json(aliases));
        ask.fetch_all(&self.readers).await?.iter().map(point_of_alias).collect()
    }
}

/// What of aliases was asked by the day, before a day. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Days(Arc<Cache<(AliasId, i64), Arc<Remembered>>>);

/// The points of an alias, from a first day on.
#[derive(Debug)]
struct Remembered {
    first: i64,
    points: Vec<Point<AliasId>>,
}

impl Days {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(REMEMBERED_FOR).build()))
    }

    fn knows(&self, key: (AliasId, i64), first: i64) -> bool {
        self.0.get(&key).is_some_and(|known| known.first <= first)
    }

    fn remember(&self, key: (AliasId, i64), first: i64, points: Vec<Point<AliasId>>) {
        self.0.insert(key, Arc::new(Remembered { first, points }));
    }

    fn of(&self, key: (AliasId, i64)) -> Vec<Point<AliasId>> {
        self.0.get(&key).map(|known| known.points.clone()).unwrap_or_default()
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

pub(super) fn point_of_alias(row: &SqliteRow) -> Result<Point<AliasId>> {
    let mut columns = Columns::of(row);
    Ok(Point { key: AliasId(columns.take()?), at: columns.moment()?, n: columns.take()? })
}
