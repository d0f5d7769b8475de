//! Aliases as a list shows them to somebody: with their mail of the last days, and whether this actor may change them.

use std::time::Duration;

use crate::mail::Moment;
use crate::policy::ids::AliasId;
use crate::store::activity::stats::Point;
use crate::store::rules::AliasRow;

use super::shapes::{AliasShape, ListShape};
use super::{Actor, Admin, AliasFilter, Result};

/// Days that a line shows.
pub const DAYS: usize = 30;
const DAY_MILLIS: i64 = 86_400_000;

/// One alias.
#[derive(Debug, Clone)]
pub struct AliasLine {
    /// All of it.
    pub shape: AliasShape,
    /// Whether the actor may change it.
    pub may_change: bool,
    /// It computes its inboxes, and none can be a verified one.
    pub computes_none: bool,
    /// Messages it took on each of the last [`DAYS`], the oldest first; empty where it took none.
    pub days: Vec<i64>,
}

impl Admin {
    /// Lists aliases, each with its last days.
    pub async fn alias_lines(&self, actor: &Actor, filter: AliasFilter) -> Result<ListShape<AliasLine>> {
        let (rows, next_cursor) = self.alias_rows(actor, filter).await?;
        let shapes = self.alias_shapes(&rows).await?;
        let computing_none = self.computing_none(&rows).await?;
        let now = self.clock.now();
        let since = now.before(Duration::from_secs(DAYS as u64 * 86_400));
        let lately = |shape: &AliasShape| shape.last_mail_at.is_some_and(|at| at >= since);
        let lively: Vec<_> =
            rows.iter().zip(&shapes).filter(|(_, shape)| lately(shape)).map(|(row, _)| row.key).collect();
        let points =
            if lively.is_empty() { Vec::new() } else { self.store.activity.by_day(&lively, now, DAYS).await? };
        let line = |(row, shape): (&AliasRow, AliasShape)| AliasLine {
            shape,
            may_change: self.may_change_alias(actor, row),
            computes_none: computing_none.contains(&row.key),
            days: days(&points, row.key, now),
        };
        Ok(ListShape { items: rows.iter().zip(shapes).map(line).collect(), next_cursor })
    }
}

fn days(points: &[Point<AliasId>], alias: AliasId, now: Moment) -> Vec<i64> {
    let last = now.millis().div_euclid(DAY_MILLIS);
    let mut days = Vec::new();
    for point in points.iter().filter(|point| point.key == alias) {
        days.resize(DAYS, 0);
        let ago = usize::try_from(last - point.at.millis().div_euclid(DAY_MILLIS)).unwrap_or(DAYS);
        if let Some(day) = DAYS.checked_sub(ago + 1).and_then(|at| days.get_mut(at)) {
            *day += point.n;
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stands_where_it_was() {
        let now = Moment::from_millis(1_795_373_784_120);
        let point =
            |key, ago: i64, n| Point { key: AliasId(key), at: Moment::from_millis(now.millis() - ago * DAY_MILLIS), n };
        let points = [point(1, 0, 2), point(1, 29, 3), point(1, 30, 4), point(2, 1, 5)];
        let of = days(&points, AliasId(1), now);
        assert_eq!((of.len(), of[29], of[0], of.iter().sum::<i64>()), (DAYS, 2, 3, 5));
        assert!(days(&points, AliasId(3), now).is_empty());
    }
}
