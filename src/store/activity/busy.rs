//! The aliases that get the most mail of each hour, day and month that is over, so that those of a long stretch are summed
//! from few rows. What is not over yet is summed from shorter spans, and at last from the hours of all aliases.
//!
//! So sums are exact while no more aliases get mail in a span than are kept of it; beyond that an alias counts in those
//! spans in which it was among the busiest.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::Activity;
use super::stats::{Point, Step, Stretch, month_of, point_of_alias};
use crate::mail::Moment;
use crate::policy::ids::AliasId;
use crate::store::Result;
use crate::store::columns::json;

/// Aliases that are kept of an hour, and of what is longer.
const OF_HOUR: i64 = 50;
const OF_LONGER: i64 = 100;
/// Counts of an hour may come so much later than its end.
const LATE: Duration = Duration::from_secs(600);
/// Hours that were over longer ago are not kept apart: a chart by the hour is shorter.
const HOURS_KEPT: Duration = Duration::from_secs(35 * 86_400);
/// Longer than every month, and shorter than two.
const A_MONTH_AND_A_BIT: Duration = Duration::from_secs(40 * 86_400);
/// Spans that one call sums up at most: the rest is for the next.
const MAX_SPANS: u32 = 48;

/// When the last span that is summed up began.
pub(in crate::store) const LAST: &str = "select max(start) from busy_aliases where span = ?1";
/// The first hour with mail from one on.
pub(in crate::store) const NEXT: &str = "select min(start) from alias_hours where start >= ?1";
macro_rules! busiest {
    ($from:literal) => {
        concat!(
            "select json_group_array(json_array(alias_id, n)) from (select alias_id, sum(messages) as n from ",
            $from,
            " start >= ?1 and start < ?2 group by alias_id order by 2 desc, 1 limit ?3)"
        )
    };
}
pub(in crate::store) const BUSIEST: &str = busiest!("alias_hours where");
pub(in crate::store) const BUSIEST_OF_DAYS: &str = busiest!("busy_aliases where span = 'day' and");
pub(in crate::store) const KEEP: &str = "insert or replace into busy_aliases (span, start, alias_id, messages) \
    select ?1, ?2, value ->> 0, value ->> 1 from json_each(?3)";
pub(in crate::store) const FORGET: &str = "delete from busy_aliases where span = 'hour' and start < ?1";

/// Messages of aliases in a stretch, for points of an hour, a day or a month (`?3`): from spans of that length as far as they
/// are summed up (to `?5` months, `?6` days, `?7` hours), behind these from shorter ones, and at last from all aliases.
macro_rules! messages {
    () => {
        "(select start, alias_id, messages from busy_aliases \
         where ?3 = 'month' and span = 'month' and start >= ?1 and start < min(?2, ?5) \
         union all select start, alias_id, messages from busy_aliases \
         where ?3 <> 'hour' and span = 'day' and start < min(?2, ?6) and start >= iif(?3 = 'month', max(?1, ?5), ?1) \
         union all select start, alias_id, messages from busy_aliases \
         where span = 'hour' and start < min(?2, ?7) and start >= iif(?3 = 'hour', ?1, max(?1, ?5 * (?3 = 'month'), ?6)) \
         union all select start, alias_id, messages from alias_hours \
         where start < ?2 and start >= max(?1, ?7, iif(?3 = 'hour', 0, ?6)))"
    };
}
/// The aliases that have the most.
pub(in crate::store) const TOP: &str =
    concat!("select alias_id from ", messages!(), " group by alias_id order by sum(messages) desc, alias_id limit ?4");
/// Of some aliases, by step.
pub(in crate::store) const OF_ALIASES: &str = concat!(
    "select alias_id, case ?3 when 'hour' then start when 'day' then start - start % 86400000 else ",
    month_of!("start"),
    " end, sum(messages) from ",
    messages!(),
    " where alias_id in (select value from json_each(?4)) group by 1, 2 order by 2"
);

/// The busiest aliases of a span.
struct Busiest {
    step: Step,
    start: Moment,
    aliases: String,
}

/// When a span ends.
fn end_of(step: Step, start: Moment) -> Moment {
    match step {
        Step::Hour | Step::Day => start.after(Duration::from_millis(step.millis().unsigned_abs())),
        Step::Month => start.after(A_MONTH_AND_A_BIT).start_of_month(),
    }
}

impl Activity {
    /// Sums up what is over; called by upkeep.
    pub async fn note_busy(&self) -> Result<()> {
        let now = self.clock.now();
        for (step, from) in
            [(Step::Hour, now.before(HOURS_KEPT)), (Step::Day, Moment::EPOCH), (Step::Month, Moment::EPOCH)]
        {
            for _ in 0..MAX_SPANS {
                let from = from.max(self.summed_to(step).await?);
                let hour: Option<i64> = sqlx::query_scalar(NEXT).bind(from.millis()).fetch_one(&self.readers).await?;
                let Some(start) = hour.map(|hour| step.begin(Moment::from_millis(hour))) else { break };
                let end = end_of(step, start);
                // A month is summed from its days.
                let is_over = end.after(LATE) <= now;
                if !is_over || (step == Step::Month && end > self.summed_to(Step::Day).await?) {
                    break;
                }
                let aliases = self.busiest(step, (start, end)).await?;
                self.writer.change(Busiest { step, start, aliases }, |c, busiest| Box::pin(keep(c, busiest))).await?;
            }
        }
        Ok(())
    }

    /// When the first span of a length begins that is not summed up.
    async fn summed_to(&self, step: Step) -> Result<Moment> {
        let last: Option<i64> = sqlx::query_scalar(LAST).bind(step.word()).fetch_one(&self.readers).await?;
        Ok(last.map_or(Moment::EPOCH, |last| end_of(step, Moment::from_millis(last))))
    }

    async fn busiest(&self, step: Step, (start, end): (Moment, Moment)) -> Result<String> {
        let which = if step == Step::Month { BUSIEST_OF_DAYS } else { BUSIEST };
        let kept = if step == Step::Hour { OF_HOUR } else { OF_LONGER };
        let ask = sqlx::query_scalar(which).bind(start.millis()).bind(end.millis()).bind(kept);
        Ok(ask.fetch_one(&self.readers).await?)
    }

    /// The aliases with the most messages.
    pub async fn top_aliases(&self, stretch: Stretch, limit: u32) -> Result<Vec<AliasId>> {
        self.settle_counts().await?;
        let ask = sqlx::query_scalar(TOP).bind(stretch.since.millis()).bind(stretch.until.millis());
        let [months, days, hours] = self.summed(stretch).await?;
        let ask = ask.bind(stretch.step.word()).bind(limit).bind(months.millis()).bind(days.millis());
        let keys = ask.bind(hours.millis()).fetch_all(&self.readers).await?;
        Ok(keys.into_iter().map(AliasId).collect())
    }

    /// Messages accepted by each of these aliases.
    pub async fn stats_by_alias(&self, aliases: &[AliasId], stretch: Stretch) -> Result<Vec<Point<AliasId>>> {
        let ask = sqlx::query(OF_ALIASES).bind(stretch.since.millis()).bind(stretch.until.millis());
        let [months, days, hours] = self.summed(stretch).await?;
        let ask = ask.bind(stretch.step.word()).bind(json(aliases)).bind(months.millis()).bind(days.millis());
        ask.bind(hours.millis()).fetch_all(&self.readers).await?.iter().map(point_of_alias).collect()
    }

    /// How far months, days and hours of a stretch are summed up. Hours that are not kept any more are none.
    async fn summed(&self, stretch: Stretch) -> Result<[Moment; 3]> {
        let [months, days] = [self.summed_to(Step::Month).await?, self.summed_to(Step::Day).await?];
        let from_hours = match stretch.step {
            Step::Hour => stretch.since,
            Step::Day | Step::Month => stretch.since.max(days),
        };
        let are_kept = from_hours >= self.clock.now().before(HOURS_KEPT);
        let hours = if are_kept { self.summed_to(Step::Hour).await? } else { Moment::EPOCH };
        Ok([months, days, hours])
    }
}

async fn keep(connection: &mut SqliteConnection, Busiest { step, start, aliases }: &Busiest) -> Result<()> {
    sqlx::query(KEEP).bind(step.word()).bind(start.millis()).bind(aliases.as_str()).execute(&mut *connection).await?;
    let before = start.before(HOURS_KEPT).millis();
    if *step == Step::Hour {
        sqlx::query(FORGET).bind(before).execute(connection).await?;
    }
    Ok(())
}
