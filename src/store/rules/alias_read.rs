//! Single aliases as they are read: by id, by pattern; and those that are deleted once they have expired.

use uuid::Uuid;

use super::alias::key_of;
use super::loaded::{self, Loaded};
use super::words::Word;
use super::{AliasRow, Rules};
use crate::policy::ids::{AliasId, DomainId};
use crate::policy::rule::{Kind, Rule};
use crate::store::Result;
use crate::store::columns::{Columns, json};

pub(in crate::store) const BY_ID: &str =
    concat!("select ", loaded::columns!(), " where a.uuid = ?1 and d.removed_at is null and ", loaded::counts!());
pub(in crate::store) const BY_PATTERN: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.domain_id = ?1 and a.kind = ?2 and a.key = ?3 and ",
    loaded::counts!()
);

pub(in crate::store) const BY_KEYS: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.id in (select value from json_each(?1)) and d.removed_at is null and ",
    loaded::counts!()
);
pub(in crate::store) const CATCH_ALLS: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.domain_id in (select value from json_each(?1)) and a.kind = 'catch_all' and a.key = '*' and ",
    loaded::counts!()
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

    /// Those of these keys that there are.
    pub async fn aliases_by_keys(&self, keys: &[AliasId]) -> Result<Vec<AliasRow>> {
        let rows = sqlx::query(BY_KEYS).bind(json(keys)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row)).collect()
    }

    /// The `*@domain` aliases of these domains, as far as they have one.
    pub async fn catch_alls(&self, domains: &[DomainId]) -> Result<Vec<AliasRow>> {
        let rows = sqlx::query(CATCH_ALLS).bind(json(domains)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row)).collect()
    }

    /// By domain, kind and pattern (folded for addresses).
    pub async fn alias(&self, domain: DomainId, kind: Kind, pattern: &str) -> Result<AliasRow> {
        let ask = sqlx::query(BY_PATTERN).bind(domain.0).bind(kind.word()).bind(key_of(kind, pattern));
        let row = ask.fetch_one(&self.readers).await?;
        Ok(Loaded::read(&mut Columns::of(&row))?.row)
    }
}
