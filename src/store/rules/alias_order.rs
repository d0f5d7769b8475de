//! Lists of aliases in other orders than newest first: oldest first, and by address, either way.
//!
//! By address means by domain, then by kind, then by what is written, which is the order of the index that keeps each of
//! them unique; so no other index is needed, and a page is read where it stands. Within a domain addresses come before
//! patterns. Filters other than by domain are for the newest first, where each has its index.

use super::loaded::{self, Loaded};
use super::{AliasRow, ListQuery, Listing, Order, Rules};
use crate::policy::ids::{AliasId, OWNER};
use crate::store::columns::{Columns, json};
use crate::store::{Result, StoreError};

/// A list over `$from`, whose condition is `$along`, in the order `$order`.
macro_rules! ordered {
    ($from:literal, $along:literal, $order:literal) => {
        concat!(
            "select ",
            loaded::selected!(),
            " from ",
            $from,
            " cross join domains as d on d.id = a.domain_id where ",
            $along,
            " and d.removed_at is null and ",
            loaded::counts!(),
            " order by ",
            $order
        )
    };
}
pub(in crate::store) const OLDEST: &str = ordered!("aliases as a", "a.id > ?1", "a.id limit ?2");
/// The first ids behind one of each index that is asked for: an account's (`?3`), and those of domains.
pub(in crate::store) const OLDEST_PLACES: &str = "select value from (\
    select id as value from (select id from aliases indexed by aliases_by_account \
        where account_id = ?3 and account_id <> 1 and id > ?1 order by id limit ?2) \
    union select j.value from json_each(?4) as s cross join json_each((select json_group_array(id) from \
        (select id from aliases indexed by aliases_by_domain where domain_id = s.value and id > ?1 \
        order by id limit ?2))) as j) order by value limit ?2";
pub(in crate::store) const BY_ADDRESS: &str = ordered!(
    "aliases as a indexed by aliases_by_key",
    "(a.domain_id, a.kind, a.key) > (?1, ?2, ?3) and a.domain_id <= ?4",
    "a.domain_id, a.kind, a.key limit ?5"
);
pub(in crate::store) const BY_ADDRESS_BACKWARDS: &str = ordered!(
    "aliases as a indexed by aliases_by_key",
    "(a.domain_id, a.kind, a.key) < (?1, ?2, ?3) and a.domain_id >= ?4",
    "a.domain_id desc, a.kind desc, a.key desc limit ?5"
);
pub(in crate::store) const DOMAINS_OF_ACCOUNT: &str =
    "select id from domains where account_id = ?1 and removed_at is null order by id";

/// Behind every kind.
const BEHIND_KINDS: &str = "~";

/// Where a page by address begins: behind this domain, kind and key.
type Place = (i64, String, String);

impl ListQuery {
    /// Whether it asks for nothing that only the newest first can be asked for.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let Self { search, enabled, destination, kind, action, label, ending, quiet, .. } = self;
        search.is_none()
            && enabled.is_none()
            && destination.is_none()
            && kind.is_none()
            && action.is_none()
            && label.is_none()
            && !ending
            && quiet.is_none()
    }
}

impl Rules {
    /// A page in one of the other orders.
    pub(super) async fn ordered_aliases(&self, query: &ListQuery) -> Result<Listing<AliasRow>> {
        if !query.is_plain() {
            return Err(StoreError::Invalid("in this order aliases are listed whole or by domain".to_owned()));
        }
        match query.order {
            Order::Oldest => self.oldest(query).await,
            Order::LastMail => self.latest_aliases(query).await,
            _ => self.by_address(query).await,
        }
    }

    async fn oldest(&self, query: &ListQuery) -> Result<Listing<AliasRow>> {
        let (limit, (_, behind)) = (super::page_rows(query.limit), super::cursor_pair(query.cursor.as_deref())?);
        let rows = i64::from(limit) + 1;
        let account = query.account.filter(|account| *account != OWNER).map(|account| account.0);
        let domains: Vec<_> = query.domain.iter().chain(&query.beside).collect();
        if domains.is_empty() && account.is_none() {
            let mut items = self.read_ordered(sqlx::query(OLDEST).bind(behind).bind(rows)).await?;
            let next_cursor = super::cut(&mut items, limit).map(|row| super::pair_cursor("", row.key.0));
            return Ok(Listing { items, next_cursor });
        }
        let ask = sqlx::query_scalar(OLDEST_PLACES).bind(behind).bind(rows).bind(account).bind(json(&domains));
        let places: Vec<i64> = ask.fetch_all(&self.readers).await?;
        let next_cursor = places.get(limit as usize).and(places.get(limit as usize - 1));
        let next_cursor = next_cursor.map(|place| super::pair_cursor("", *place));
        let keys: Vec<_> = places.into_iter().take(limit as usize).map(AliasId).collect();
        let mut items = self.aliases_by_keys(&keys).await?;
        items.retain(|row| query.domain.is_none() || query.account.is_none_or(|account| account == row.account));
        items.sort_unstable_by_key(|row| row.key);
        Ok(Listing { items, next_cursor })
    }

    async fn by_address(&self, query: &ListQuery) -> Result<Listing<AliasRow>> {
        let limit = super::page_rows(query.limit);
        let backwards = query.order == Order::NameBackwards;
        let place = query.cursor.as_deref().map(place).transpose()?;
        let mut items = Vec::new();
        for stretch in self.stretches(query).await? {
            let room = i64::from(limit) + 1 - i64::try_from(items.len()).unwrap_or(i64::MAX);
            if room <= 0 {
                break;
            }
            items.extend(self.stretch(stretch, place.as_ref(), (backwards, room)).await?);
        }
        let next_cursor = super::cut(&mut items, limit).map(cursor);
        Ok(Listing { items, next_cursor })
    }

    /// The domains that are walked, from and to, in the order of the walk.
    async fn stretches(&self, query: &ListQuery) -> Result<Vec<(i64, i64)>> {
        let mut domains: Vec<i64> = match (query.domain, query.account) {
            (Some(domain), _) => vec![domain.0],
            (None, None) => return Ok(vec![(i64::MIN, i64::MAX)]),
            (None, Some(account)) => {
                sqlx::query_scalar(DOMAINS_OF_ACCOUNT).bind(account.0).fetch_all(&self.readers).await?
            }
        };
        domains.extend(query.beside.iter().map(|domain| domain.0));
        domains.sort_unstable();
        domains.dedup();
        if query.order == Order::NameBackwards {
            domains.reverse();
        }
        Ok(domains.into_iter().map(|domain| (domain, domain)).collect())
    }

    async fn stretch(
        &self,
        (from, to): (i64, i64),
        place: Option<&Place>,
        (backwards, rows): (bool, i64),
    ) -> Result<Vec<AliasRow>> {
        let beyond = |place: &&Place| if backwards { place.0 < from } else { place.0 > to };
        if place.as_ref().is_some_and(beyond) {
            return Ok(Vec::new());
        }
        let within = place.filter(|place| (from..=to).contains(&place.0)).cloned();
        let (list, start, end) = if backwards {
            (BY_ADDRESS_BACKWARDS, (to, BEHIND_KINDS.to_owned(), String::new()), from)
        } else {
            (BY_ADDRESS, (from, String::new(), String::new()), to)
        };
        let (domain, kind, key) = within.unwrap_or(start);
        self.read_ordered(sqlx::query(list).bind(domain).bind(kind).bind(key).bind(end).bind(rows)).await
    }

    async fn read_ordered(&self, ask: crate::store::statement::Statement) -> Result<Vec<AliasRow>> {
        let rows = ask.fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row)).collect()
    }
}

/// `domain:kind:key` of the last row of a page.
fn cursor(row: &AliasRow) -> String {
    let spec = &row.spec;
    let key = super::alias::key_of(spec.kind, &spec.pattern);
    format!("{}:{}:{key}", row.domain.0, super::words::Word::word(spec.kind))
}

fn place(cursor: &str) -> Result<Place> {
    let mut parts = cursor.splitn(3, ':');
    let place = (|| Some((parts.next()?.parse().ok()?, parts.next()?.to_owned(), parts.next()?.to_owned())))();
    place.ok_or(StoreError::Cursor)
}
