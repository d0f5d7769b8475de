//! The mail of an alias: what came to it, and what came for its address while something else took that: a catch-all, a
//! pattern, or an alias of the same name before it.

use crate::mail::Mailbox;
use crate::policy::rule::Kind;
use crate::store::activity::{Query, Row};
use crate::store::rules::AliasRow;

use super::activity::shows;
use super::shapes::alias_name;
use super::{Access, Actor, Admin, Area, Result};

/// Newest rows that are looked at.
const LOOKED_AT: u32 = 200;

impl Admin {
    /// The newest mail of an alias, as far as the actor sees it.
    pub async fn mail_of_alias(&self, actor: &Actor, alias: &AliasRow) -> Result<Vec<Row>> {
        actor.must(Area::Activity, Access::Read)?;
        let own = Query { alias: Some(alias.key), limit: LOOKED_AT, ..Query::default() };
        let mut rows = self.store.activity.list(own).await?.rows;
        if alias.spec.kind == Kind::Address {
            rows.extend(self.taken_by_others(alias).await?);
            rows.sort_by_key(|row| std::cmp::Reverse(row.received_at));
            rows.truncate(LOOKED_AT as usize);
        }
        rows.retain_mut(|row| shows(actor, row));
        Ok(rows)
    }

    /// The inboxes that the next mail to the address of a message goes to, for whoever sees its alias.
    pub async fn leads_by_now(&self, actor: &Actor, row: &Row) -> Result<Vec<String>> {
        let (Some(rule), Ok(to)) = (&row.rule, Mailbox::parse(&row.recipient)) else { return Ok(Vec::new()) };
        self.alias(actor, &rule.id.to_string()).await?;
        Ok(self.own_mail(&to).await?.destinations().map(ToString::to_string).collect())
    }

    /// What nothing took is no mail of an alias.
    async fn taken_by_others(&self, alias: &AliasRow) -> Result<Vec<Row>> {
        let recipient = Some(alias_name(alias).to_string().to_lowercase());
        let query = Query { recipient, domain: Some(alias.domain), limit: LOOKED_AT, ..Query::default() };
        let mut rows = self.store.activity.list(query).await?.rows;
        rows.retain(|row| row.rule.is_some() && row.alias != Some(alias.key));
        Ok(rows)
    }
}
