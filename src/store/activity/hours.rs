//! Between which rows an hour of the log lies, so that "since" and "until" become keys without an index over times.
//!
//! Rows are written nearly in order of time; the few that come late widen their hour. The newest hour is open: its end
//! is not written until the next one begins, so that in the run of things a batch writes nothing here.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::tally::hour_of;
use crate::mail::Moment;
use crate::store::Result;
use crate::store::columns::json;

/// The end of the open hour.
pub(super) const OPEN: i64 = i64::MAX;

pub(in crate::store) const OPEN_HOUR: &str =
    "select max(hour) from activity_hours where last_seq = 9223372036854775807";
pub(in crate::store) const CLOSE: &str =
    "update activity_hours set last_seq = ?1 where last_seq = 9223372036854775807 and hour < ?2";
pub(in crate::store) const WIDEN: &str = "insert into activity_hours (hour, first_seq, last_seq) select value ->> 0, \
    value ->> 1, value ->> 2 from json_each(?1) where true on conflict (hour) do update set \
    first_seq = min(first_seq, excluded.first_seq), last_seq = max(last_seq, excluded.last_seq)";
pub(in crate::store) const FIRST_SINCE: &str = "select min(first_seq) from activity_hours where hour >= ?1";
pub(in crate::store) const LAST_UNTIL: &str = "select max(last_seq) from activity_hours where hour <= ?1";

/// What is known of the hours.
#[derive(Debug)]
pub(super) struct Hours {
    open: Option<i64>,
    /// Hours of this batch that have to be written: first and last row.
    touched: BTreeMap<i64, (i64, i64)>,
}

impl Hours {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self> {
        let open = sqlx::query_scalar(OPEN_HOUR).fetch_one(connection).await?;
        Ok(Self { open, touched: BTreeMap::new() })
    }

    /// Sees a row.
    pub(super) fn see(&mut self, at: Moment, seq: i64) {
        let hour = hour_of(at);
        if self.open != Some(hour) {
            let (first, last) = self.touched.entry(hour).or_insert((seq, seq));
            (*first, *last) = ((*first).min(seq), (*last).max(seq));
        }
    }

    /// Whether something has to be written.
    pub(super) fn are_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Writes what was touched.
    pub(super) async fn write(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        let Some((newest, (first, _))) = self.touched.last_key_value().map(|(hour, span)| (*hour, *span)) else {
            return Ok(());
        };
        if self.open.is_none_or(|open| open < newest) {
            sqlx::query(CLOSE).bind(first - 1).bind(newest).execute(&mut *connection).await?;
            self.touched.insert(newest, (first, OPEN));
            self.open = Some(newest);
        }
        let hours: Vec<_> = std::mem::take(&mut self.touched).into_iter().map(|(h, (f, l))| (h, f, l)).collect();
        sqlx::query(WIDEN).bind(json(&hours)).execute(connection).await?;
        Ok(())
    }

    /// What was written last did not count.
    pub(super) fn forget(&mut self) {
        self.open = None;
        self.touched.clear();
    }
}
