//! Lists of aliases by their last mail, the latest first. Those that never had any are not among them.
//!
//! Of few aliases, such as a domain's or a member's, all are compared. Of many the order of the log is walked, and what is not
//! asked for is passed over: one page looks at so many of them and no more.

use std::collections::HashMap;

use super::alias_ways;
use super::{AliasRow, ListQuery, Listing, Rules};
use crate::policy::ids::{AliasId, OWNER};
use crate::store::activity::latest::LastMail;
use crate::store::places::{Pace, SLICE, Source, Walk};
use crate::store::{Result, StoreError};

/// Before whatever there is.
const FROM_THE_LATEST: LastMail = (i64::MAX, AliasId(i64::MAX));

impl Rules {
    /// A page by last mail.
    pub(super) async fn latest_aliases(&self, query: &ListQuery) -> Result<Listing<AliasRow>> {
        let limit = super::page_rows(query.limit) as usize;
        let mut before = query.cursor.as_deref().map_or(Ok(FROM_THE_LATEST), place)?;
        let (few, mut found, mut pace) = (self.few(query).await?, Vec::new(), Pace::of(limit + 1));
        loop {
            let (room, behind) = (pace.room(), |last: &&LastMail| **last < before);
            let places: Vec<LastMail> = match &few {
                Some(all) => all.iter().filter(behind).take(room).copied().collect(),
                None => self.activity.latest(before, room).await?,
            };
            found.extend(self.at(&places, query).await?);
            if found.len() > limit {
                found.truncate(limit);
                return Ok(page(found, |last| last));
            }
            let Some(last) = places.last().copied().filter(|_| places.len() == room) else {
                return Ok(page(found, |_| None));
            };
            pace.look_at(room);
            if pace.is_over(found.len()) {
                return Ok(page(found, |_| Some(last)));
            }
            before = last;
        }
    }

    /// All that a question may show, where they are few.
    async fn few(&self, query: &ListQuery) -> Result<Option<Vec<LastMail>>> {
        let source = |name: &'static str, key: i64| -> Source { (name, key.to_string(), "") };
        let domains = query.domain.iter().chain(&query.beside).map(|domain| source("domain", domain.0));
        let account = query.account.filter(|account| *account != OWNER).map(|account| source("account", account.0));
        let sources: Vec<_> = domains.chain(account).collect();
        if sources.is_empty() {
            return Ok(None);
        }
        let walk = Walk::new(alias_ways::PLACES, (0, i64::MAX), 0, &self.readers);
        let Some(places) = walk.few(&sources, SLICE).await? else { return Ok(None) };
        let aliases: Vec<_> = places.into_iter().map(AliasId).collect();
        Ok(Some(self.activity.latest_of(&aliases).await?))
    }

    /// Those of these that are asked for, in this order.
    async fn at(&self, places: &[LastMail], query: &ListQuery) -> Result<Vec<(LastMail, AliasRow)>> {
        let keys: Vec<_> = places.iter().map(|(_, alias)| alias.0).collect();
        let rows = self.aliases_at(&keys, keys.len(), query).await?;
        let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.key, row)).collect();
        Ok(places.iter().filter_map(|last| Some((*last, rows.remove(&last.1)?))).collect())
    }
}

/// A page whose next one begins behind a place, given the last one on it.
fn page(
    found: Vec<(LastMail, AliasRow)>,
    next: impl FnOnce(Option<LastMail>) -> Option<LastMail>,
) -> Listing<AliasRow> {
    let next = next(found.last().map(|(last, _)| *last));
    let next_cursor = next.map(|(at, alias)| super::pair_cursor(&at.to_string(), alias.0));
    Listing { items: found.into_iter().map(|(_, row)| row).collect(), next_cursor }
}

fn place(cursor: &str) -> Result<LastMail> {
    let (at, alias) = super::cursor_pair(Some(cursor))?;
    Ok((at.parse().map_err(|_| StoreError::Cursor)?, AliasId(alias)))
}
