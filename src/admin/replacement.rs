//! Where a destination is used, and another one put in its place everywhere: one step, one audit row, taken back while it
//! still stands.

use serde_json::{Map, Value};

use crate::mail::{Domain, Mailbox};
use crate::policy::deeds::Deed;
use crate::policy::routing::may_give;
use crate::policy::rule::Kind;
use crate::store::StoreError;
use crate::store::accounts::{AuditEntry, AuditRow};
use crate::store::rules::replacement::Replaced;
use crate::store::rules::uses::{COUNTED_ALIASES, Computing};
use crate::store::rules::{AliasRow, DestinationRow, ListQuery};

use super::domains::{must_reach, reach_of};
use super::name::AliasName;
use super::shapes::{ComputedShape, ReplacedShape, UsesShape, alias_name};
use super::{Access, Actor, Admin, AdminError, Area, Form, Reach, Result, Scope, fields};

/// Aliases that are named.
const NAMED: u32 = 50;

/// Who gets mail for postmaster and abuse that no other inbox is named for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultContact {
    /// Nothing where it is held.
    pub address: Option<String>,
    /// The domain is the actor's own, and so is this inbox.
    pub is_own: bool,
}

impl Admin {
    /// Where a destination is used: how many aliases lead to it, the newest of them, and what else names it.
    pub async fn destination_uses(&self, actor: &Actor, row: &DestinationRow) -> Result<UsesShape> {
        actor.must(Area::Destinations, Access::Read)?;
        let uses = self.store.rules.uses(row).await?;
        let computed = uses.computing.iter().filter_map(|one| computed(one, row)).collect();
        Ok(UsesShape {
            aliases: uses.aliases.min(COUNTED_ALIASES),
            more: uses.aliases > COUNTED_ALIASES,
            newest: self.newest_of(actor, row).await?,
            default: row.default,
            contact_of: uses.contact_of,
            default_contact_of: uses.default_contact_of,
            contact_after: uses.contact_after,
            tokens: uses.tokens,
            computed,
        })
    }

    /// The newest aliases that lead to it, as far as the actor sees aliases.
    async fn newest_of(&self, actor: &Actor, row: &DestinationRow) -> Result<Vec<String>> {
        if !actor.has(Scope::Of(Area::Aliases, Access::Read)) {
            return Ok(Vec::new());
        }
        let query =
            ListQuery { account: Some(row.account), destination: Some(row.key), limit: NAMED, ..ListQuery::default() };
        let newest = self.store.rules.aliases(query).await?.items;
        let seen = |alias: &&AliasRow| actor.sees_domain(&alias.domain_name);
        Ok(newest.iter().filter(seen).map(|alias| alias_name(alias).to_string()).collect())
    }

    /// Who gets mail for postmaster and abuse of a domain that names nobody for it.
    pub async fn default_contact(&self, actor: &Actor, domain: &str) -> Result<DefaultContact> {
        let row = self.find_domain(actor, domain).await?;
        must_reach(reach_of(actor, &row), Reach::Own, &row.name)?;
        let contact = self.store.directory.contact_of(row.account);
        let address = contact.map(|contact| contact.address.to_string());
        Ok(DefaultContact { address, is_own: row.account == actor.account })
    }

    /// The aliases of others that lead to an inbox of the actor's own: those on domains where the actor has a role.
    pub async fn destination_uses_of_others(&self, actor: &Actor, row: &DestinationRow) -> Result<Vec<String>> {
        let may_see = actor.has(Scope::Of(Area::Aliases, Access::Read));
        // Whoever sees all finds the records of the others as well.
        if !may_see || actor.only_account() != Some(row.account) {
            return Ok(Vec::new());
        }
        let found = self.store.rules.uses_of_others(row).await?.into_iter();
        let seen = |name: &str| Domain::parse(name).is_ok_and(|name| actor.sees_domain(&name));
        Ok(found.filter(|(_, domain)| seen(domain)).map(|(alias, _)| alias).collect())
    }

    /// Puts the destination `to` in the place of another everywhere: in aliases, as the default, as the contact of domains, in
    /// tokens. What patterns compute stays, and is named.
    pub async fn replace_destination(
        &self,
        actor: &Actor,
        id: &str,
        written: &Map<String, Value>,
    ) -> Result<ReplacedShape> {
        actor.must(Area::Destinations, Access::Write)?;
        actor.must(Area::Aliases, Access::Write)?;
        refuse_limited(actor)?;
        let old = self.find_destination(actor, id).await?;
        let mut form = Form::new(written);
        let to = form.optional("to", |v| fields::mailbox(v).map(|mailbox| mailbox.to_string()));
        if to.is_none() && form.is_sound() {
            form.fault("to", "name the destination that is to take its place");
        }
        let dry_run = form.optional("dry_run", fields::boolean).unwrap_or_default();
        form.finish()?;
        let to = self.successor(actor, &old, &to.unwrap_or_default()).await?;
        let uses = self.store.rules.uses(&old).await?;
        // The default takes along what goes to it as such; of any other one it is written down where nobody is named.
        let (as_default, named) = match uses.default_contact_of {
            of if old.default || of.is_empty() => (of, Vec::new()),
            _ => (Vec::new(), self.store.rules.naming_nobody(old.account).await?),
        };
        let looked = ReplacedShape {
            from: old.address.clone(),
            to: to.clone(),
            aliases: uses.aliases,
            default: old.default,
            contact_of: [uses.contact_of, named].concat(),
            default_contact_of: as_default,
            tokens: uses.tokens,
            untouched: uses.computing.iter().filter_map(|one| computed(one, &old)).collect(),
            dry_run,
        };
        if dry_run {
            return Ok(looked);
        }
        let new = self.record_of(actor, (old.account, &to)).await?;
        if !self.is_verified(&new).await? {
            self.take_over(actor, &new).await?;
        }
        let done = self.store_replacement(actor, (old, new)).await?;
        let Replaced { aliases, default, contact_of, tokens, .. } = done;
        Ok(ReplacedShape { aliases, default, contact_of, tokens, ..looked })
    }

    async fn store_replacement(&self, actor: &Actor, (old, new): (DestinationRow, DestinationRow)) -> Result<Replaced> {
        let audit = AuditEntry {
            after: Some(serde_json::json!({ "destination": new.address })),
            ..self.audit_plain(actor, Deed::DestinationReplace, &old.address)
        };
        Ok(self.store.rules.replace_destination((old, new), audit).await?)
    }

    /// The inbox that may take the place of `old`: a destination of the same account, or one that said yes to the actor.
    async fn successor(&self, actor: &Actor, old: &DestinationRow, to: &str) -> Result<String> {
        let refuse = |why: String| Err(AdminError::field("to", why));
        if old.address.starts_with('@') {
            let words = format!("{} trusts a whole domain: no alias leads to it.", old.address);
            return Err(AdminError::Conflict(words));
        }
        let inbox = Mailbox::parse(to).map_err(|why| AdminError::field("to", why.to_string()))?;
        let hosted = inbox.domain().and_then(|domain| self.store.directory.domain(domain));
        let found = match self.destination_within(actor, (old.account, to)).await {
            Ok(new) => Some(new),
            Err(AdminError::NotFound(_)) => None,
            Err(other) => return Err(other),
        };
        if found.as_ref().is_some_and(|new| new.key == old.key) {
            return refuse("this is the destination that is to be replaced".to_owned());
        }
        let is_heard = self.have_said_yes(actor, &[(old.account, inbox.clone())]).await? == [true];
        if found.is_none() && (hosted.is_some() || !is_heard) {
            let whose = self.owner_of(actor, old).await?.map(|owner| format!(" of {owner}")).unwrap_or_default();
            return refuse(format!("{to} is no destination{whose} yet: add it first"));
        }
        if hosted.is_some() {
            return refuse(format!("{to} is an address of this gateway: aliases that lead to it are set one by one"));
        }
        // From one unverified inbox to another nothing is lost.
        if !is_heard && self.is_verified(old).await? {
            return refuse(format!("{to} is not verified: mail would wait for that. Verify it first"));
        }
        Ok(found.map_or_else(|| inbox.to_string(), |new| new.address))
    }

    /// Whether a destination gets mail, by itself or with its domain.
    pub(super) async fn is_verified(&self, row: &DestinationRow) -> Result<bool> {
        let Ok(inbox) = Mailbox::parse(&row.address) else { return Ok(false) };
        Ok(self.store.directory.is_verified(row.account, &inbox).await?)
    }

    /// Puts the old destination back where another took its place, if all of that still stands.
    pub(super) async fn undo_replacement(&self, actor: &Actor, entry: &AuditRow) -> Result<()> {
        actor.must(Area::Destinations, Access::Write)?;
        actor.must(Area::Aliases, Access::Write)?;
        refuse_limited(actor)?;
        let (Some(replaced), Some(to)) = (replacement_of(entry), entry.after.as_ref().and_then(new_address)) else {
            let words = "It was made in too many aliases to be taken back in one step: replace it the other way.";
            return Err(AdminError::Conflict(words.to_owned()));
        };
        let old = self.find_destination(actor, &replaced.destination).await.map_err(|error| match error {
            AdminError::NotFound(_) => removed_since(&replaced.destination),
            other => other,
        })?;
        let new = self.destination_within(actor, (old.account, to)).await?;
        let audit = self.audit_plain(actor, Deed::DestinationPutBack, &old.address);
        let done = self.store.rules.put_destination_back((old, new), replaced, audit).await;
        done.map_err(|error| match error {
            StoreError::Changed => super::audit::changed_since(entry),
            other => other.into(),
        })
    }
}

/// What an audit row says was replaced, where it says all of it.
pub(super) fn replacement_of(entry: &AuditRow) -> Option<Replaced> {
    let before = entry.before.clone().filter(|_| entry.action == Deed::DestinationReplace.as_str())?;
    serde_json::from_value(before).ok().filter(Replaced::is_whole)
}

fn removed_since(address: &str) -> AdminError {
    AdminError::Conflict(format!("{address} was removed since then: add and verify it again, then undo this."))
}

fn new_address(after: &Value) -> Option<&str> {
    after.get("destination")?.as_str()
}

/// What is done everywhere is not for a token that sees some domains only.
fn refuse_limited(actor: &Actor) -> Result<()> {
    if actor.domains.is_empty() {
        return Ok(());
    }
    let words =
        "This changes aliases of every domain, and this token is limited to some: change those aliases themselves.";
    Err(AdminError::Forbidden(words.to_owned()))
}

fn computed(one: &Computing, row: &DestinationRow) -> Option<ComputedShape> {
    let inbox = Mailbox::parse(&row.address).ok()?;
    let domain = Domain::parse(&one.domain).ok().filter(|_| may_give(&one.template, &inbox))?;
    let alias = AliasName::new(Kind::Regex, one.pattern.clone(), domain).to_string();
    Some(ComputedShape { alias, destination: one.template.clone() })
}
