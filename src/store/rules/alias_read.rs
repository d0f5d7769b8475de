//! Aliases as people read them: one by its id or pattern, and lists, newest first.

use uuid::Uuid;

use super::alias::key_of;
use super::loaded::{self, Loaded};
use super::words::Word;
use super::{AliasRow, ListQuery, Listing, Rules};
use crate::policy::ids::{AliasId, DomainId};
use crate::policy::rule::{Kind, Rule};
use crate::store::Result;
use crate::store::columns::Columns;

pub(in crate::store) const BY_ID: &str =
    concat!("select ", loaded::columns!(), " where a.uuid = ?1 and ", loaded::counts!());
pub(in crate::store) const BY_PATTERN: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.domain_id = ?1 and a.kind = ?2 and a.key = ?3 and ",
    loaded::counts!()
);

/// What a list is narrowed to, beside the index that it runs along.
macro_rules! narrowed {
    () => {
        " and d.removed_at is null and (?2 is null or a.account_id = ?2) and (?3 is null or a.enabled = ?3) \
         and (?4 is null or instr(a.key || '@' || d.name, ?4) > 0 or instr(lower(a.description), ?4) > 0) \
         and a.id < ?5 and "
    };
}
pub(in crate::store) const ALL: &str = concat!(
    "select ",
    loaded::columns!(),
    " where ?1 is null",
    narrowed!(),
    loaded::counts!(),
    " order by a.id desc limit ?6"
);
pub(in crate::store) const OF_DOMAIN: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.domain_id = ?1",
    narrowed!(),
    loaded::counts!(),
    " order by a.id desc limit ?6"
);

pub(in crate::store) const TO_DELETE: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.after_expiry = 'delete' and a.id > ?1 and d.removed_at is null and ",
    loaded::counts!(),
    " order by a.id limit ?2"
);

impl Rules {
    /// The rules behind `last` that are to be deleted once they have expired, in the order of their keys.
    pub async fn to_delete(&self, last: AliasId, limit: u32) -> Result<Vec<Rule>> {
        let rows = sqlx::query(TO_DELETE).bind(last.0).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.into_rule())).collect()
    }

    /// By public id.
    pub async fn alias_by_id(&self, id: Uuid) -> Result<AliasRow> {
        let row = sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).fetch_one(&self.readers).await?;
        Ok(Loaded::read(&mut Columns::of(&row))?.row)
    }

    /// By domain, kind and pattern (folded for addresses).
    pub async fn alias(&self, domain: DomainId, kind: Kind, pattern: &str) -> Result<AliasRow> {
        let ask = sqlx::query(BY_PATTERN).bind(domain.0).bind(kind.word()).bind(key_of(kind, pattern));
        let row = ask.fetch_one(&self.readers).await?;
        Ok(Loaded::read(&mut Columns::of(&row))?.row)
    }

    /// Newest first.
    pub async fn aliases(&self, query: ListQuery) -> Result<Listing<AliasRow>> {
        let limit = super::page_rows(query.limit);
        let (_, before) = super::cursor_pair(query.cursor.as_deref())?;
        let before = if before == super::FROM_THE_START { i64::MAX } else { before };
        let list = if query.domain.is_some() { OF_DOMAIN } else { ALL };
        let ask = sqlx::query(list).bind(query.domain.map(|d| d.0)).bind(query.account.map(|a| a.0));
        let ask = ask.bind(query.enabled.map(i64::from)).bind(query.search.map(|s| s.to_lowercase()));
        let rows = ask.bind(before).bind(i64::from(limit) + 1).fetch_all(&self.readers).await?;
        let read = rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row));
        let mut items = read.collect::<Result<Vec<_>>>()?;
        let next_cursor = super::cut(&mut items, limit).map(|row| super::pair_cursor("", row.key.0));
        Ok(Listing { items, next_cursor })
    }
}
