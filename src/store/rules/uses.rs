//! Where a destination is used: the aliases that lead to it, the domains whose contact it is, the tokens that bring it
//! along, and the patterns that may compute it.

use super::alias_list::SOME_OF_DESTINATION;
use super::{DestinationRow, Rules};
use crate::policy::ids::AccountId;
use crate::store::Result;
use crate::store::columns::Columns;

/// Aliases that are counted; where there are more, that is said.
pub const COUNTED_ALIASES: u64 = 10_000;
/// Domains, tokens and patterns that are looked at, each.
const LOOKED_AT: i64 = 1000;
/// Other accounts that have the same inbox, as far as they are looked at.
const OTHERS: u32 = 50;

pub(in crate::store) const CONTACT_OF: &str = "select name from domains \
    where account_id = ?1 and lower(contact) = lower(?2) and removed_at is null order by name limit ?3";
/// Domains that name nobody for that mail.
pub(in crate::store) const NAMING_NOBODY: &str =
    "select name from domains where account_id = ?1 and contact is null and removed_at is null order by name";
pub(in crate::store) const TOKENS: &str =
    "select name from tokens where account_id = ?1 and lower(default_destination) = lower(?2) order by name limit ?3";
/// Every template of an account, with its pattern.
pub(in crate::store) const TEMPLATES: &str = "select a.pattern, d.name, t.template \
    from aliases as a indexed by aliases_patterned \
    cross join alias_destinations as t on t.alias_id = a.id cross join domains as d on d.id = a.domain_id \
    where a.id > 0 and a.kind <> 'address' and a.kind = 'regex' and a.account_id = ?1 and t.template is not null \
    and d.removed_at is null order by a.id limit ?2";

/// Aliases of a destination, of its newest, that stand on domains where somebody has a role.
pub(in crate::store) const ON_DOMAINS_OF: &str = "select a.kind, a.pattern, m.name from \
    (select alias_id from alias_destinations where destination_id = ?1 order by alias_id desc limit ?3) as t \
    cross join aliases as a on a.id = t.alias_id cross join domains as m on m.id = a.domain_id \
    where a.id > 0 and m.removed_at is null \
    and exists (select 1 from domain_roles as r where r.account_id = ?2 and r.domain_id = m.id) order by a.id desc";

/// A regular expression that computes where its mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computing {
    /// Its source.
    pub pattern: String,
    /// Its domain.
    pub domain: String,
    /// What it computes by.
    pub template: String,
}

/// Where a destination is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uses {
    /// How many aliases lead to it, one more than [`COUNTED_ALIASES`] at most.
    pub aliases: u64,
    /// Domains whose mail for postmaster and abuse goes there.
    pub contact_of: Vec<String>,
    /// Domains of its account that name nobody for that mail, where it gets it all the same.
    pub default_contact_of: Vec<String>,
    /// Who gets the mail for postmaster and abuse of both once it is gone.
    pub contact_after: Option<String>,
    /// Tokens that bring it along, by name.
    pub tokens: Vec<String>,
    /// What its account computes destinations by; which of these may give it is not told here.
    pub computing: Vec<Computing>,
}

impl Rules {
    /// Aliases of other accounts that lead to the inbox of this record by records of theirs, where its account has a role on
    /// their domain: by what they are called, and their domain, the newest of each account first.
    pub async fn uses_of_others(&self, row: &DestinationRow) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        for other in self.destinations_of_address(&row.address, OTHERS).await? {
            if other.account == row.account {
                continue;
            }
            let ask = sqlx::query(ON_DOMAINS_OF).bind(other.key.0).bind(row.account.0).bind(LOOKED_AT);
            for found in ask.fetch_all(&self.readers).await? {
                let mut columns = Columns::of(&found);
                let (kind, pattern, domain): (String, String, String) =
                    (columns.take()?, columns.take()?, columns.take()?);
                let name =
                    if kind == "regex" { format!("/{pattern}/@{domain}") } else { format!("{pattern}@{domain}") };
                all.push((name, domain));
            }
        }
        Ok(all)
    }

    /// Where a destination is used. The aliases themselves are what a list of its aliases shows.
    pub async fn uses(&self, row: &DestinationRow) -> Result<Uses> {
        let count = sqlx::query(SOME_OF_DESTINATION).bind(row.key.0).bind(COUNTED_ALIASES.cast_signed() + 1);
        let aliases = Columns::of(&count.fetch_one(&self.readers).await?).count()?;
        let named = async |list: &'static str| {
            let ask = sqlx::query_scalar(list).bind(row.account.0).bind(row.address.clone()).bind(LOOKED_AT);
            Ok(ask.fetch_all(&self.readers).await?)
        };
        let (contact_of, tokens): (Result<_>, Result<_>) = (named(CONTACT_OF).await, named(TOKENS).await);
        let found = sqlx::query(TEMPLATES).bind(row.account.0).bind(LOOKED_AT).fetch_all(&self.readers).await?;
        let computing = found.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok(Computing { pattern: columns.take()?, domain: columns.take()?, template: columns.take()? })
        });
        let computing = computing.collect::<Result<_>>()?;
        let default_contact_of = self.default_contact_of(row);
        let after = self.directory.contact_without(row.account, row.key);
        let contact_after = after.map(|contact| contact.address.to_string());
        Ok(Uses { aliases, contact_of: contact_of?, default_contact_of, contact_after, tokens: tokens?, computing })
    }

    /// The domains of an account that name nobody for mail for postmaster and abuse.
    pub async fn naming_nobody(&self, account: AccountId) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar(NAMING_NOBODY).bind(account.0).fetch_all(&self.readers).await?)
    }

    /// Domains whose mail for postmaster and abuse goes there although they do not name it.
    fn default_contact_of(&self, row: &DestinationRow) -> Vec<String> {
        let contact = self.directory.contact_of(row.account).filter(|contact| contact.id == row.key);
        contact.map(|_| self.directory.without_contact(row.account)).unwrap_or_default()
    }
}
