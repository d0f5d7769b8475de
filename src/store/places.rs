//! The places of several indexes, merged: how a list finds what it shows without reading it.
//!
//! A place is cheap to read, for it is an entry of an index; a row is not. So the places of all indexes that a question
//! touches are merged, newest first and in slices, before any row is read. Where several ways lead to what is asked for
//! (what somebody may see, and what is searched for), the walk takes the narrowest, and what it finds is compared with the
//! rest.

use std::collections::BTreeSet;

use sqlx::SqlitePool;

use super::Result;
use super::columns::{broken, json};

/// Places that are read together at most.
pub(super) const SLICE: usize = 2000;
/// Places that one page looks at, at most: then it has fewer rows than it has room for, and the next page goes on from there.
const MAX_PLACES: usize = 6_000;
/// Places of one index that are read together at least, where there are many indexes.
const LEAST_OF_EACH: usize = 8;
/// By so much a slice is larger than the one before, while what is wanted is rare.
const GROWTH: usize = 8;

/// An index by its name in a statement, and what is looked up in it.
pub(super) type Source = (&'static str, String, &'static str);

/// The places of one index between `?2` and `?3`, newest first, as JSON: the column that has them, where, and along what.
macro_rules! places {
    ($place:literal, $from:literal, $along:literal) => {
        concat!(
            "(select json_group_array(place) from (select ",
            $place,
            " as place from ",
            $from,
            " where ",
            $along,
            " and ",
            $place,
            " >= ?2 and ",
            $place,
            " < ?3 order by ",
            $place,
            " desc limit ?4))"
        )
    };
}
pub(super) use places;

/// How many places are looked at next, and how many have been for one page.
#[derive(Debug)]
pub(super) struct Pace {
    room: usize,
    looked_at: usize,
}

impl Pace {
    /// For a page of so many rows.
    pub(super) const fn of(rows: usize) -> Self {
        Self { room: rows, looked_at: 0 }
    }

    pub(super) const fn room(&self) -> usize {
        self.room
    }

    /// After so many: whether that is enough for one page.
    pub(super) fn is_over(&mut self, places: usize) -> bool {
        self.looked_at += places.max(1);
        self.room = (self.room * GROWTH).min(SLICE);
        self.looked_at >= MAX_PLACES
    }
}

/// A walk over places, newest first and a slice after the other: along some indexes, from one place to before another.
#[derive(Debug)]
pub(super) struct Walk<'p> {
    /// Gives a list of [`places!`] for each index that is asked for (`?1`), all of them as one.
    statement: &'static str,
    bounds: (i64, i64),
    readers: &'p SqlitePool,
    sources: Vec<Source>,
    pace: Pace,
    is_through: bool,
    is_over: bool,
}

impl<'p> Walk<'p> {
    /// For a page of so many rows.
    pub(super) const fn new(statement: &'static str, bounds: (i64, i64), rows: usize, readers: &'p SqlitePool) -> Self {
        let pace = Pace::of(rows);
        Self { statement, bounds, readers, sources: Vec::new(), pace, is_through: false, is_over: false }
    }

    pub(super) fn along(self, sources: Vec<Source>) -> Self {
        Self { sources, ..self }
    }

    /// A look at the newest places and no more.
    pub(super) fn once(self) -> Self {
        Self { pace: Pace { room: SLICE, looked_at: MAX_PLACES }, ..self }
    }

    /// Which of these ways has the fewest places; none where each has too many to be read at once.
    pub(super) async fn narrowest(&self, ways: &[Vec<Source>]) -> Result<Option<usize>> {
        let (mut narrowest, mut fewest) = (None, SLICE);
        for (index, way) in ways.iter().enumerate() {
            if let Some(places) = self.few(way, fewest).await? {
                (narrowest, fewest) = (Some(index), places.len());
            }
            if fewest == 0 {
                break;
            }
        }
        Ok(narrowest)
    }

    /// All places of some indexes, where there are fewer than so many.
    pub(super) async fn few(&self, sources: &[Source], room: usize) -> Result<Option<Vec<i64>>> {
        let (places, floor) = self.slice(sources, room).await?;
        Ok(floor.is_none().then_some(places))
    }

    /// The next places.
    pub(super) async fn next(&mut self) -> Result<Vec<i64>> {
        let (places, floor) = self.slice(&self.sources, self.pace.room).await?;
        self.is_through = floor.is_none();
        self.is_over = self.pace.is_over(places.len()) || self.is_through;
        self.bounds.1 = floor.unwrap_or(self.bounds.0);
        Ok(places)
    }

    /// Whether nothing is left, or enough has been looked at.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Behind which place the next page goes on; none where nothing is left.
    pub(super) fn rest(&self) -> Option<i64> {
        (!self.is_through).then_some(self.bounds.1)
    }

    /// The newest places of some indexes, so many at most, and down to which these are all (none: there are no more). Of more
    /// indexes than that only those have them whose own newest place is among the newest.
    async fn slice(&self, sources: &[Source], room: usize) -> Result<(Vec<i64>, Option<i64>)> {
        if sources.len() <= room {
            let of_each = (room / sources.len().max(1)).max(LEAST_OF_EACH.min(room));
            return Ok(merged(&self.lists(sources, of_each).await?, of_each, None));
        }
        let newest = self.lists(sources, 1).await?;
        let mut led: Vec<_> =
            newest.iter().zip(sources).filter_map(|(list, source)| Some((*list.first()?, source.clone()))).collect();
        led.sort_unstable_by_key(|(newest, _)| std::cmp::Reverse(*newest));
        let behind = led.get(room).map(|(newest, _)| newest + 1);
        let first: Vec<_> = led.into_iter().take(room).map(|(_, source)| source).collect();
        Ok(merged(&self.lists(&first, LEAST_OF_EACH).await?, LEAST_OF_EACH, behind))
    }

    /// The newest places of each of some indexes.
    async fn lists(&self, sources: &[Source], of_each: usize) -> Result<Vec<Vec<i64>>> {
        let ask = sqlx::query_scalar(self.statement).bind(json(sources)).bind(self.bounds.0).bind(self.bounds.1);
        let lists: String = ask.bind(i64::try_from(of_each).unwrap_or(i64::MAX)).fetch_one(self.readers).await?;
        serde_json::from_str(&lists).map_err(|_| broken("a list of places"))
    }
}

/// The places of several indexes, newest first, and down to which these are all. Of one that was cut off, nothing is known
/// behind its last place, and nothing at all behind `floor`.
fn merged(lists: &[Vec<i64>], of_each: usize, floor: Option<i64>) -> (Vec<i64>, Option<i64>) {
    let cut = lists.iter().filter(|list| list.len() >= of_each);
    let floor = cut.filter_map(|list| list.iter().min().copied()).max().max(floor);
    let all = lists.iter().flatten().copied().filter(|place| floor.is_none_or(|floor| *place >= floor));
    let places: BTreeSet<i64> = all.collect();
    (places.into_iter().rev().collect(), floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_the_end_of_what_was_cut_off_nothing_is_known() {
        assert_eq!(merged(&[vec![9, 4, 1], vec![7]], 5, None), (vec![9, 7, 4, 1], None));
        assert_eq!(merged(&[vec![9, 8, 6], vec![7, 4], vec![]], 3, None), (vec![9, 8, 7, 6], Some(6)));
        assert_eq!(merged(&[vec![9, 8, 6], vec![7, 4], vec![]], 4, Some(7)), (vec![9, 8, 7], Some(7)));
        assert_eq!(merged(&[vec![9, 8], vec![9, 3]], 2, None), (vec![9, 8], Some(8)));
    }
}
