//! Domains and destinations that somebody should look at.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;

use super::Rules;
use crate::mail::{Domain, Mailbox};
use crate::policy::ids::{AccountId, DomainId};
use crate::store::Result;
use crate::store::columns::{Columns, json};

/// Domains that are told of at a time.
const MAX_DRIFTING: u32 = 500;

/// Of an account (null: of all), and others beside.
pub(in crate::store) const DRIFTING: &str = "select name, dns_wrong from domains where dns = 'drift' and removed_at is null \
    and (?1 is null or account_id = ?1 or id in (select value from json_each(?2))) order by name limit ?3";
/// Of these keys, the addresses that are destinations of an account (null: of any).
pub(in crate::store) const AMONG: &str = "select d.address from accounts as a join destinations as d \
    on d.account_id = a.id and d.key in (select value from json_each(?1)) where (?2 is null or a.id = ?2) \
    and (d.is_default = 1 or exists (select 1 from alias_destinations as t cross join aliases as x on x.id = t.alias_id \
        cross join domains as m on m.id = x.domain_id where t.destination_id = d.id and x.enabled = 1 \
        and x.action in ('forward', 'create') and m.removed_at is null) \
    or exists (select 1 from domains as m where m.account_id = d.account_id and lower(m.contact) = lower(d.address) \
        and m.removed_at is null) \
    or exists (select 1 from aliases as x indexed by aliases_patterned cross join alias_destinations as t \
        on t.alias_id = x.id where x.kind <> 'address' and t.destination_id is null and x.account_id = a.id \
        and x.enabled = 1))";

impl Rules {
    /// Domains whose records are not as they must be, of an account and beside it, or of all; and which records, in words.
    pub async fn drifting(
        &self,
        (account, beside): (Option<AccountId>, &[DomainId]),
    ) -> Result<Vec<(Domain, Vec<String>)>> {
        let ask = sqlx::query(DRIFTING).bind(account.map(|a| a.0)).bind(json(beside)).bind(MAX_DRIFTING);
        ask.fetch_all(&self.readers).await?.iter().map(drifting).collect()
    }

    /// Which of these are destinations of an account, or of any.
    pub async fn destinations_among(
        &self,
        addresses: &[Mailbox],
        account: Option<AccountId>,
    ) -> Result<BTreeSet<String>> {
        let keys: Vec<String> = addresses.iter().map(Mailbox::key).collect();
        let ask = sqlx::query_scalar(AMONG).bind(json(&keys)).bind(account.map(|a| a.0));
        Ok(ask.fetch_all(&self.readers).await?.into_iter().collect())
    }
}

fn drifting(row: &SqliteRow) -> Result<(Domain, Vec<String>)> {
    let mut columns = Columns::of(row);
    let name = columns.parsed("a domain", |text| Domain::parse(text).ok())?;
    Ok((name, columns.json("the records of a domain that are wrong")?))
}
