//! Lists of aliases that are narrowed by more than their domain, in other orders than newest first.
//!
//! No index knows both, so what is asked for is found first, newest first, and then put in order. That is done for as much as
//! one page of the newest first may hold and look at, and for no more: of what is more, no order is known.

use super::alias::key_of;
use super::words::Word;
use super::{AliasRow, ListQuery, Listing, MAX_PAGE_ROWS, Order, Rules};
use crate::store::{Result, StoreError};

/// Aliases that are put in order, at most.
pub const MAX_SORTED: u32 = MAX_PAGE_ROWS;

impl Rules {
    /// A page of those that are asked for; none where they are too many to be put in order.
    pub async fn sorted_aliases(&self, query: &ListQuery) -> Result<Option<Listing<AliasRow>>> {
        let all = ListQuery { order: Order::Usual, cursor: None, limit: MAX_SORTED, ..query.clone() };
        let found = self.aliases(all).await?;
        if found.next_cursor.is_some() {
            return Ok(None);
        }
        let behind: usize =
            query.cursor.as_deref().map_or(Ok(0), |place| place.parse().map_err(|_| StoreError::Cursor))?;
        let sorted = self.in_order(found.items, query.order).await?;
        let end = behind.saturating_add(super::page_rows(query.limit) as usize);
        let next_cursor = (end < sorted.len()).then(|| end.to_string());
        let items = sorted.into_iter().take(end).skip(behind).collect();
        Ok(Some(Listing { items, next_cursor }))
    }

    /// From the newest first into this order.
    async fn in_order(&self, mut rows: Vec<AliasRow>, order: Order) -> Result<Vec<AliasRow>> {
        match order {
            Order::Oldest => rows.reverse(),
            Order::Name => rows.sort_by_cached_key(by_address),
            Order::NameBackwards => {
                rows.sort_by_cached_key(by_address);
                rows.reverse();
            }
            Order::LastMail => rows = self.by_last_mail(rows).await?,
            Order::Usual | Order::Newest => {}
        }
        Ok(rows)
    }

    /// Those that had any.
    async fn by_last_mail(&self, rows: Vec<AliasRow>) -> Result<Vec<AliasRow>> {
        let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        let had = self.activity.counts(&keys).await?;
        let last = |row: &AliasRow| had.get(&row.key).and_then(|had| had.last_mail_at);
        let mut dated: Vec<_> = rows.into_iter().filter_map(|row| Some((last(&row)?, row))).collect();
        dated.sort_by_key(|(at, row)| std::cmp::Reverse((*at, row.key)));
        Ok(dated.into_iter().map(|(_, row)| row).collect())
    }
}

/// As the list that is not narrowed has them: by domain, then by kind, then by what is written.
fn by_address(row: &AliasRow) -> (i64, &'static str, String) {
    (row.domain.0, Word::word(row.spec.kind), key_of(row.spec.kind, &row.spec.pattern))
}
