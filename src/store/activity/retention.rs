//! The end of rows: by age, a day at a time, and the least wanted first while the log is too large. In bounded steps,
//! between which others write.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::Activity;
use super::feeder::{self, Indexed};
use super::hours::LAST_UNTIL;
use super::tally::hour_of;
use crate::mail::Moment;
use crate::store::Result;
use crate::store::columns::{json, unsigned};

/// Rows that one step drops.
const STEP_ROWS: i64 = 500;
/// Steps of one call at most: the rest is for the next.
const MAX_STEPS: u32 = 400;
/// Counters are kept so long.
const COUNTERS_KEPT: Duration = Duration::from_secs(2 * 366 * 86_400);
const DAY_MILLIS: i64 = 86_400_000;

pub(in crate::store) const OLD: &str = concat!(
    "select ",
    feeder::indexed!(),
    " from activity where seq <= ?1 and received_at < ?2 and status not in ('queued', 'deferred', 'held') \
     order by seq limit ?3"
);
pub(in crate::store) const OF_STATUS: &str =
    concat!("select ", feeder::indexed!(), " from activity where status = ?1 order by seq limit ?2");
pub(in crate::store) const OLDEST: &str = concat!(
    "select ",
    feeder::indexed!(),
    " from activity where status not in ('queued', 'deferred', 'held') order by seq limit ?1"
);
/// Rows with their terms and words.
pub(in crate::store) const DROP: &str = concat!(
    "delete from terms where (term, seq) in (select value ->> 0, value ->> 1 from json_each(?)); ",
    "delete from words where rowid in (select value from json_each(?)); ",
    "delete from feeder_again where seq in (select value from json_each(?)); ",
    "delete from activity where seq in (select value from json_each(?))"
);
pub(in crate::store) const TIDY: &str = concat!(
    "delete from activity_hours where last_seq < (select coalesce(min(seq), 0) from activity); ",
    "delete from counters where span in ('hour', 'day') and start < ?; ",
    "delete from counters_by_month where start < ?; ",
    "delete from busy_aliases where span in ('day', 'month') and start < ?; ",
    "delete from alias_hours where start < ?; ",
    "delete from duplicates where expires_at < ?"
);
pub(in crate::store) const SIZE: &str = "select (p.page_count - f.freelist_count) * s.page_size \
    from pragma_page_count as p, pragma_freelist_count as f, pragma_page_size as s";

/// Rows on their way out.
#[derive(Debug)]
struct Step {
    terms: String,
    seqs: String,
    rows: u64,
}

impl Activity {
    /// Drops what is older than `retention`.
    pub async fn retain(&self, retention: Duration) -> Result<u64> {
        let now = self.clock.cautious();
        let dropped = self.drop_old(now.before(retention)).await?;
        let bounds = (hour_of(now.before(COUNTERS_KEPT)), now.millis());
        self.writer.change(bounds, |c, bounds| Box::pin(tidy(c, *bounds))).await?;
        Ok(dropped)
    }

    async fn drop_old(&self, before: Moment) -> Result<u64> {
        let before = before.millis() - before.millis().rem_euclid(DAY_MILLIS);
        let ask = sqlx::query_scalar(LAST_UNTIL).bind(hour_of(Moment::from_millis(before)));
        let Some(last): Option<i64> = ask.fetch_one(&self.readers).await? else { return Ok(0) };
        let mut dropped = 0;
        for _ in 0..MAX_STEPS {
            let old = sqlx::query(OLD).bind(last).bind(before).bind(STEP_ROWS).fetch_all(&self.readers).await?;
            let rows = self.drop_rows(&old).await?;
            dropped += rows;
            if rows < STEP_ROWS.unsigned_abs() {
                break;
            }
        }
        Ok(dropped)
    }

    /// Drops the oldest refusals, and then whatever is oldest, while the log is over `max_bytes`.
    pub async fn keep_within(&self, max_bytes: u64) -> Result<u64> {
        let mut dropped = 0;
        for _ in 0..MAX_STEPS {
            let size: i64 = sqlx::query_scalar(SIZE).fetch_one(&self.readers).await?;
            if unsigned(size) <= max_bytes {
                break;
            }
            let rows = self.drop_least_wanted().await?;
            dropped += rows;
            if rows == 0 {
                break;
            }
        }
        Ok(dropped)
    }

    /// Refusals for good, then for now, then what clients gave up, then whatever is oldest.
    async fn drop_least_wanted(&self) -> Result<u64> {
        for status in ["refused", "refused_temporarily", "abandoned"] {
            let rows = sqlx::query(OF_STATUS).bind(status).bind(STEP_ROWS).fetch_all(&self.readers).await?;
            if !rows.is_empty() {
                return self.drop_rows(&rows).await;
            }
        }
        let rows = sqlx::query(OLDEST).bind(STEP_ROWS).fetch_all(&self.readers).await?;
        self.drop_rows(&rows).await
    }

    async fn drop_rows(&self, rows: &[sqlx::sqlite::SqliteRow]) -> Result<u64> {
        let rows = rows.iter().map(Indexed::read).collect::<Result<Vec<_>>>()?;
        if rows.is_empty() {
            return Ok(0);
        }
        let terms: Vec<_> = rows.iter().flat_map(Indexed::terms).collect();
        let seqs: Vec<_> = rows.iter().map(|row| row.seq).collect();
        let step = Step { terms: json(&terms), seqs: json(&seqs), rows: seqs.len() as u64 };
        self.writer.change(step, |c, step| Box::pin(drop_step(c, step))).await
    }
}

async fn drop_step(connection: &mut SqliteConnection, step: &Step) -> Result<u64> {
    let drop = sqlx::query(DROP).bind(step.terms.as_str());
    let drop = [&step.seqs; 3].into_iter().fold(drop, |drop, seqs| drop.bind(seqs.as_str()));
    drop.execute(connection).await?;
    Ok(step.rows)
}

async fn tidy(connection: &mut SqliteConnection, (counters, now): (i64, i64)) -> Result<()> {
    let tidy = (0..4).fold(sqlx::query(TIDY), |tidy, _| tidy.bind(counters));
    tidy.bind(now).execute(connection).await?;
    Ok(())
}
