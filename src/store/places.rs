//! The places of several indexes, merged: how a list finds what it shows without reading it.
//!
//! A place is cheap to read, for it is an entry of an index; a row is not. So the places of all indexes that a question
//! touches are merged, newest first and in slices, before any row is read. Where several ways lead to what is asked for
//! (what somebody may see, and what is searched for), the walk takes the narrowest, and what it finds is compared with the
//! rest.

use std::collections::{BTreeSet, VecDeque};

use sqlx::SqlitePool;

use super::Result;
use super::columns::json;
use super::statement::whole;

/// Places that are read together at most.
pub(super) const SLICE: usize = 2000;
/// Places that one page looks at, at most: then it has fewer rows than it has room for, and the next page goes on from there.
const MAX_PLACES: usize = SLICE;
/// Places of one index that are read together at least, where there are many indexes.
const LEAST_OF_EACH: usize = 8;
/// By so much a slice is larger than the one before, while what is wanted is rare.
const GROWTH: usize = 8;

/// An index by its name in a statement, and what is looked up in it; a statement is told before which place, too.
pub(super) type Source = (&'static str, String, &'static str);

/// The places of one index from `?2` to before its own, newest first, as JSON: the column that has them, where, and along
/// what.
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
            " < s.value ->> 3 order by ",
            $place,
            " desc limit ?3))"
        )
    };
}
pub(super) use places;

/// How many places are looked at next, and how many have been for one page.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    wanted: usize,
    room: usize,
    looked_at: usize,
}

impl Pace {
    /// For a page of so many rows.
    pub(super) const fn of(rows: usize) -> Self {
        Self { wanted: rows, room: rows, looked_at: 0 }
    }

    pub(super) const fn room(&self) -> usize {
        self.room
    }

    /// After so many more.
    pub(super) const fn look_at(&mut self, places: usize) {
        self.looked_at += if places == 0 { 1 } else { places };
    }

    /// Whether that is enough for one page, which has so many rows by now; if not, more are looked at next: a few more than
    /// the page should need.
    pub(super) fn is_over(&mut self, found: usize) -> bool {
        let needed = match found {
            0 => self.room * GROWTH,
            _ => self.wanted.saturating_sub(found) * self.looked_at / found * 5 / 4,
        };
        self.room = needed.max(self.wanted).min(SLICE);
        self.looked_at >= MAX_PLACES
    }
}

/// One index on the way of a walk, and what is known of it.
#[derive(Debug, Clone)]
struct Strand {
    source: Source,
    /// Its next places, newest first.
    places: VecDeque<i64>,
    /// Behind this nothing is known yet.
    known_to: i64,
    is_through: bool,
}

impl Strand {
    const fn new(source: Source, before: i64) -> Self {
        Self { source, places: VecDeque::new(), known_to: before, is_through: false }
    }

    fn is_short_of(&self, places: usize) -> bool {
        !self.is_through && self.places.len() < places
    }

    /// Its next places, of which so many were asked for.
    fn learn(&mut self, found: Vec<i64>, asked_for: usize) {
        self.is_through = found.len() < asked_for;
        self.known_to = found.last().copied().unwrap_or(self.known_to);
        self.places.extend(found);
    }

    /// Its places down to one.
    fn take(&mut self, floor: i64) -> impl Iterator<Item = i64> {
        let end = self.places.partition_point(|place| *place >= floor);
        self.places.drain(..end)
    }
}

/// A walk over places, newest first and a slice after the other: along some indexes, from one place to before another.
#[derive(Debug, Clone)]
pub(super) struct Walk<'p> {
    /// Gives a list of [`places!`] for each index that is asked for (`?1`), all of them as one.
    statement: &'static str,
    from: i64,
    before: i64,
    readers: &'p SqlitePool,
    strands: Vec<Strand>,
    /// Places that have been looked up, and are given out next.
    ready: VecDeque<i64>,
    pace: Pace,
    /// Down to where the slices have been everything; nothing where nothing is left.
    floor: Option<i64>,
}

impl<'p> Walk<'p> {
    /// For a page of so many rows.
    pub(super) const fn new(
        statement: &'static str,
        (from, before): (i64, i64),
        rows: usize,
        readers: &'p SqlitePool,
    ) -> Self {
        let (pace, floor) = (Pace::of(rows), Some(before));
        Self { statement, from, before, readers, strands: Vec::new(), ready: VecDeque::new(), pace, floor }
    }

    pub(super) fn along(self, sources: Vec<Source>) -> Self {
        Self { strands: sources.into_iter().map(|source| Strand::new(source, self.before)).collect(), ..self }
    }

    /// A look at the newest places and no more.
    pub(super) fn once(self) -> Self {
        Self { pace: Pace { room: SLICE, looked_at: MAX_PLACES, ..self.pace }, ..self }
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

    /// With so many of its newest places looked up, or all of them where there are fewer: who walks the same way again, or
    /// first asks how long it is, looks them up once.
    pub(super) async fn with_newest(mut self, room: usize) -> Result<Self> {
        self.look_up(room).await?;
        Ok(self)
    }

    /// All places of some indexes, where there are fewer than so many.
    pub(super) async fn few(&self, sources: &[Source], room: usize) -> Result<Option<Vec<i64>>> {
        let bounds = (self.from, self.before);
        let walk = Self::new(self.statement, bounds, room, self.readers).along(sources.to_vec());
        let walk = walk.with_newest(room).await?;
        Ok(walk.all().is_some().then(|| walk.ready.into()))
    }

    /// How many places it has, where all of them have been looked up.
    pub(super) fn all(&self) -> Option<usize> {
        self.floor.is_none().then_some(self.ready.len())
    }

    /// The next places.
    pub(super) async fn next(&mut self) -> Result<Vec<i64>> {
        if self.ready.is_empty() {
            self.look_up(self.pace.room).await?;
        }
        let places: Vec<_> = self.ready.drain(..self.pace.room.min(self.ready.len())).collect();
        self.pace.look_at(places.len());
        Ok(places)
    }

    /// Whether nothing is left, or enough has been looked at for a page that has so many rows by now.
    pub(super) fn is_over(&mut self, found: usize) -> bool {
        self.rest().is_none() || self.pace.is_over(found)
    }

    /// Behind which place the next page goes on; none where nothing is left.
    pub(super) fn rest(&self) -> Option<i64> {
        self.ready.front().map(|next| next + 1).or(self.floor)
    }

    async fn look_up(&mut self, room: usize) -> Result<()> {
        self.look_ahead(room).await?;
        self.ready = self.take().into();
        Ok(())
    }

    /// Asks the indexes for places, so many in all: for the newest of each, then for more of those that lead, as their own
    /// newest place is among the newest.
    async fn look_ahead(&mut self, room: usize) -> Result<()> {
        let all = 0..self.strands.len();
        self.ask(self.short_of(1, all.clone()), (room / all.len().max(1)).max(1)).await?;
        let mut led: Vec<_> = all.filter(|index| !self.strands[*index].places.is_empty()).collect();
        led.sort_unstable_by_key(|index| std::cmp::Reverse(self.strands[*index].places[0]));
        led.truncate(room.min(SLICE / LEAST_OF_EACH));
        let least = (room / led.len().max(1)).max(LEAST_OF_EACH.min(room));
        let short = self.short_of(least, led);
        let of_each = (room / short.len().max(1)).max(least);
        self.ask(short, of_each).await
    }

    /// Which of these strands have fewer places at hand, and more to come.
    fn short_of(&self, places: usize, of: impl IntoIterator<Item = usize>) -> Vec<usize> {
        of.into_iter().filter(|index| self.strands[*index].is_short_of(places)).collect()
    }

    /// Learns so many more places of each of some strands, as far as they have them.
    async fn ask(&mut self, strands: Vec<usize>, of_each: usize) -> Result<()> {
        if strands.is_empty() {
            return Ok(());
        }
        let asked = strands.iter().map(|index| &self.strands[*index]);
        let asked: Vec<_> =
            asked.map(|Strand { source: (name, key, status), known_to, .. }| (name, key, status, known_to)).collect();
        let ask = sqlx::query(self.statement).bind(json(&asked)).bind(self.from);
        let ask = ask.bind(i64::try_from(of_each).unwrap_or(i64::MAX));
        let lists: Vec<Vec<i64>> = whole(ask, self.readers, "a list of places").await?;
        for (index, list) in strands.into_iter().zip(lists) {
            self.strands[index].learn(list, of_each);
        }
        Ok(())
    }

    /// The places of all strands, newest first, down to where one of them is not known any more.
    fn take(&mut self) -> Vec<i64> {
        self.floor = self.strands.iter().filter(|strand| !strand.is_through).map(|strand| strand.known_to).max();
        let floor = self.floor.unwrap_or(i64::MIN);
        let places: BTreeSet<i64> = self.strands.iter_mut().flat_map(|strand| strand.take(floor)).collect();
        places.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    const PLACES: &str = concat!(
        "select '[' || coalesce(group_concat(",
        places!("place", "entries", "key = s.value ->> 1"),
        "), '') || ']' from json_each(?1) as s"
    );
    const INDEXES: usize = 100;

    /// Every place once, in order, over all pages: along few indexes and many, however unlike they are.
    #[tokio::test]
    async fn a_walk_finds_every_place_of_its_indexes_once_and_in_order() {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        let make = "create table entries (key text, place integer, primary key (key, place)) without rowid; \
            with recursive n (i) as (select 1 union all select i + 1 from n where i < 9000) \
            insert or ignore into entries select iif(i % 3 = 0, 0, i * i % 100), i * 7919 % 20000 from n";
        sqlx::raw_sql(make).execute(&pool).await.unwrap();
        let mut all: Vec<i64> =
            sqlx::query_scalar("select distinct place from entries").fetch_all(&pool).await.unwrap();
        all.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        let sources = || (0..INDEXES).map(|key| ("", key.to_string(), "")).collect();
        for rows in [1, 7, 51, 1000] {
            let (mut found, mut before) = (Vec::new(), Some(i64::MAX));
            while let Some(end) = before {
                let mut page = Walk::new(PLACES, (0, end), rows, &pool).along(sources());
                loop {
                    found.extend(page.next().await.unwrap());
                    if page.is_over(0) {
                        break;
                    }
                }
                before = page.rest();
            }
            assert_eq!(found, all, "pages of {rows}");
        }
    }
}
