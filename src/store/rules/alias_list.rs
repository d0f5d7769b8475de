//! Lists of aliases, newest first, along the narrowest index that the question allows.
//!
//! What no index knows passes an alias over. One page looks at so many of them and no more: then it has fewer than it has
//! room for, and the next page goes on from there.
//!
//! An import that has not finished fills ids that nobody may see yet, perhaps a million of them. A list does not pass over
//! them one by one: above the first of them it runs along the aliases that no import brought, below it along the rest.
//! There is one unfinished import at most (see [`super::import`]).

use super::alias_ways::{self, Part};
use super::alias_words::Words;
use super::loaded::{self, Loaded};
use super::words::Word;
use super::{AliasRow, ListQuery, Listing, Order, Quiet, Rules};
use crate::store::Result;
use crate::store::columns::{Columns, json};
use crate::store::places::Walk;

/// Of the aliases at these places those that are asked for: limit, account, domains beside, switched on, kind, action,
/// destination, label, domain, whether it ends.
pub(in crate::store) const AT: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.id in (select value from json_each(?1)) and d.removed_at is null \
     and (?3 is null or a.account_id = ?3 or a.domain_id in (select value from json_each(?4))) \
     and (?5 is null or a.enabled = ?5) and (?6 is null or a.kind = ?6) and (?7 is null or a.action = ?7) \
     and (?8 is null or exists (select 1 from alias_destinations as f where f.alias_id = a.id and f.destination_id = ?8)) \
     and (?9 is null or exists (select 1 from alias_labels as f join labels as g on g.id = f.label_id \
         where f.alias_id = a.id and g.name = ?9)) \
     and (?10 is null or a.domain_id = ?10) \
     and (?11 = 0 or a.expires_at is not null or a.expires_after_messages is not null \
         or a.expires_after_idle is not null) and ",
    loaded::counts!(),
    " order by a.id desc limit ?2"
);
/// Aliases of a destination, up to one more than are few.
pub(in crate::store) const SOME_OF_DESTINATION: &str =
    "select count(*) from (select 1 from alias_destinations where destination_id = ?1 limit ?2)";
/// Aliases that are looked at together for those that have been quiet, and how often for one page.
const QUIET_ROWS: u32 = 250;
const MAX_QUIET_PAGES: u32 = 4;
pub(in crate::store) const UNFINISHED_FROM: &str = "select min(first_alias_id) from imports where finished_at is null";

impl Rules {
    /// Newest first; of those that are to have been quiet no more than some are looked at for one page, which then has
    /// fewer rows than it has room for. The next one is where it says.
    pub async fn aliases(&self, query: ListQuery) -> Result<Listing<AliasRow>> {
        let Some(quiet) = query.quiet else { return self.listed(query).await };
        let room = super::page_rows(query.limit) as usize;
        let (mut items, mut cursor) = (Vec::new(), query.cursor.clone());
        for _ in 0..MAX_QUIET_PAGES {
            let page = self.listed(ListQuery { cursor, quiet: None, limit: QUIET_ROWS, ..query.clone() }).await?;
            cursor = page.next_cursor;
            items.extend(self.quiet_of(page.items, quiet).await?);
            if items.len() > room {
                items.truncate(room);
                cursor = items.last().map(|row| super::pair_cursor("", row.key.0));
            }
            if cursor.is_none() || items.len() >= room {
                break;
            }
        }
        Ok(Listing { items, next_cursor: cursor })
    }

    /// Those that had no mail for so long.
    async fn quiet_of(&self, mut rows: Vec<AliasRow>, quiet: Quiet) -> Result<Vec<AliasRow>> {
        let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        let had = self.activity.counts(&keys).await?;
        rows.retain(|row| match (quiet, had.get(&row.key).and_then(|had| had.last_mail_at)) {
            (_, None) => true,
            (Quiet::Always, Some(_)) => false,
            (Quiet::Since(since), Some(last)) => last < since,
        });
        Ok(rows)
    }

    /// Newest first, unless another order is asked for.
    async fn listed(&self, query: ListQuery) -> Result<Listing<AliasRow>> {
        if !matches!(query.order, Order::Usual | Order::Newest) {
            return self.ordered_aliases(&query).await;
        }
        let (_, before) = super::cursor_pair(query.cursor.as_deref())?;
        let before = if before == super::FROM_THE_START { i64::MAX } else { before };
        let limit = super::page_rows(query.limit);
        let words = query.search.as_deref().and_then(Words::of);
        let mut items = Vec::new();
        for part in self.parts(before, words.is_some()).await? {
            let behind = self.walk((&query, words.as_ref()), part, &mut items).await?;
            if let Some(next) = super::cut(&mut items, limit) {
                let next_cursor = Some(super::pair_cursor("", next.key.0));
                return Ok(Listing { items, next_cursor });
            }
            if let Some(behind) = behind {
                return Ok(Listing { items, next_cursor: Some(super::pair_cursor("", behind)) });
            }
        }
        Ok(Listing { items, next_cursor: None })
    }

    /// The parts of a list before an id, newest first: above an unfinished import, what the search index does not have yet,
    /// and the rest.
    async fn parts(&self, before: i64, is_search: bool) -> Result<Vec<Part>> {
        let unfinished: Option<i64> = sqlx::query_scalar(UNFINISHED_FROM).fetch_one(&self.readers).await?;
        let first = unfinished.unwrap_or(i64::MAX);
        let fed = if is_search { self.fed_upto().await? + 1 } else { 0 };
        let parts = [
            Part { from: first, before, apart: true, indexed: false },
            Part { from: fed, before: before.min(first), apart: false, indexed: false },
            Part { from: 0, before: before.min(first).min(fed), apart: false, indexed: true },
        ];
        Ok(parts.into_iter().filter(|part| part.from < part.before).collect())
    }

    /// Adds the aliases of a part until the page is full or the part is through; where enough was looked at before that, the
    /// id behind which the next page goes on.
    async fn walk(
        &self,
        (query, words): (&ListQuery, Option<&Words>),
        part: Part,
        items: &mut Vec<AliasRow>,
    ) -> Result<Option<i64>> {
        let wanted = super::page_rows(query.limit) as usize + 1;
        let walk = Walk::new(alias_ways::PLACES, (part.from, part.before), wanted, &self.readers);
        let sources = self.narrowest((query, words), (part, &walk)).await?;
        let mut walk = walk.along(sources);
        loop {
            let mut places = walk.next().await?;
            if let Some(words) = words {
                places = words.among(&places, &self.readers).await?;
            }
            // What is searched for is compared again after reading, so that of each slice all are read.
            let room = if words.is_some() { places.len() } else { wanted.saturating_sub(items.len()) };
            let rows = self.aliases_at(&places, room, query).await?;
            items.extend(rows.into_iter().filter(|row| words.is_none_or(|words| words.fit(row))));
            if items.len() >= wanted {
                return Ok(None);
            }
            if walk.is_over(items.len()) {
                return Ok(walk.rest());
            }
        }
    }

    /// Those of the aliases at these places that are asked for.
    pub(super) async fn aliases_at(&self, places: &[i64], limit: usize, query: &ListQuery) -> Result<Vec<AliasRow>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let ask = sqlx::query(AT).bind(json(places)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let ask = ask.bind(query.account.map(|account| account.0)).bind(json(&query.beside));
        let ask = ask.bind(query.enabled.map(i64::from)).bind(query.kind.map(Word::word));
        let ask = ask.bind(query.action.map(Word::word)).bind(query.destination.map(|destination| destination.0));
        let ask = ask.bind(query.label.clone()).bind(query.domain.map(|domain| domain.0));
        let rows = ask.bind(i64::from(query.ending)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row)).collect()
    }
}
