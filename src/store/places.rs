//! The places of several indexes, merged: how a list finds what it shows without reading it.
//!
//! A place is cheap to read, for it is an entry of an index; a row is not. So the places of all indexes that a question
//! touches are merged, newest first and in slices, before any row is read.

use std::collections::BTreeSet;

use sqlx::SqlitePool;

use super::Result;
use super::columns::json;

/// Places that are read together at most.
pub(super) const SLICE: usize = 2000;
/// Places that one page looks at, at most: then it has fewer rows than it has room for, and the next page goes on from there.
pub(super) const MAX_PLACES: usize = 6_000;
/// Places of one index that are read together at least, where there are many indexes.
const LEAST_OF_EACH: usize = 20;
/// By so much a slice is larger than the one before, while what is wanted is rare.
const GROWTH: usize = 8;

/// An index by its name in a statement, and what is looked up in it.
pub(super) type Source = (&'static str, String, &'static str);

/// Some places, newest first.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) places: Vec<i64>,
    /// The last place down to which these are all; none where there are no more.
    pub(super) floor: Option<i64>,
}

/// How large the next slice is, and whether there may be one.
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

    /// After a slice: whether enough has been looked at.
    pub(super) fn is_over(&mut self, slice: usize) -> bool {
        self.looked_at += slice.max(1);
        self.room = (self.room * GROWTH).min(SLICE);
        self.looked_at >= MAX_PLACES
    }
}

impl Slice {
    /// Whether these are all places there are.
    pub(super) const fn is_whole(&self) -> bool {
        self.floor.is_none()
    }

    /// The newest places of these indexes before one. The statement gives a JSON list for each of them (`?1`), from `?2` to
    /// before `?3`, of `?4` places at most.
    pub(super) async fn of(
        (statement, sources): (&'static str, &[Source]),
        (from, before): (i64, i64),
        room: usize,
        readers: &SqlitePool,
    ) -> Result<Self> {
        let of_each = (room / sources.len().max(1)).max(LEAST_OF_EACH.min(room));
        let ask = sqlx::query_scalar(statement).bind(json(sources)).bind(from).bind(before);
        let lists: Vec<String> = ask.bind(i64::try_from(of_each).unwrap_or(i64::MAX)).fetch_all(readers).await?;
        let lists: Vec<Vec<i64>> = lists.iter().map(|list| serde_json::from_str(list).unwrap_or_default()).collect();
        Ok(Self::merged(&lists, of_each))
    }

    /// What is known whole of the places of several indexes: of one that was cut off, nothing is known behind its last place.
    fn merged(lists: &[Vec<i64>], of_each: usize) -> Self {
        let cut = lists.iter().filter(|list| list.len() >= of_each);
        let floor = cut.filter_map(|list| list.iter().min().copied()).max();
        let all = lists.iter().flatten().copied().filter(|place| floor.is_none_or(|floor| *place >= floor));
        let places: BTreeSet<i64> = all.collect();
        Self { places: places.into_iter().rev().collect(), floor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_the_end_of_what_was_cut_off_nothing_is_known() {
        let whole = Slice::merged(&[vec![9, 4, 1], vec![7]], 5);
        assert_eq!((whole.places, whole.floor), (vec![9, 7, 4, 1], None));
        let cut = Slice::merged(&[vec![9, 8, 6], vec![7, 4], vec![]], 3);
        assert_eq!((cut.places, cut.floor), (vec![9, 8, 7, 6], Some(6)));
        let same = Slice::merged(&[vec![9, 8], vec![9, 3]], 2);
        assert_eq!((same.places, same.floor), (vec![9, 8], Some(8)));
    }
}
