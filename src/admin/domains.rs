//! Domains: add, set, verify, remove, list; and the catch-all, which is a view of the `*@domain` alias.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::mail::Domain;
use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, DomainId, NOBODY};
use crate::store::StoreError;
use crate::store::rules::uses::COUNTED_ALIASES;
use crate::store::rules::{DomainRow, ListQuery, Order};

use super::catch_all::{WantedCatchAll, read_catch_all};
use super::error::{OrMissing, in_spite_of_others};
use super::shapes::{CatchAll, DomainShape, ListShape, alias_name};
use super::{
    Access, Actor, Admin, AdminError, Area, Form, KnownRecords, MAX_LIMIT, Paging, Reach, Result, Subject, Target,
    fields, random, spec,
};

/// Aliases of a removed domain that the audit log names.
const NAMED_REMOVED: u32 = 20;

/// A domain that is removed, as it was.
#[derive(Serialize)]
struct Removed {
    #[serde(flatten)]
    domain: DomainShape,
    /// How many aliases it had.
    removed_aliases: Value,
    /// The newest of them.
    among_them: Vec<String>,
}

impl Admin {
    /// Changes a domain and its catch-all; with its tag, only while both are still what was seen.
    pub async fn change_domain(
        &self,
        actor: &Actor,
        target: Target<'_, &str>,
        written: &Map<String, Value>,
    ) -> Result<DomainShape> {
        if target.version.is_some() {
            return self.change_seen_domain(actor, target, written).await;
        }
        in_spite_of_others(|| self.change_seen_domain(actor, target, written)).await
    }

    async fn change_seen_domain(
        &self,
        actor: &Actor,
        target: Target<'_, &str>,
        written: &Map<String, Value>,
    ) -> Result<DomainShape> {
        actor.must(Area::Domains, Access::Write)?;
        let before = self.domain_within(actor, target.id, Reach::Manage).await?;
        self.check_domain_tag(&before, target.version).await?;
        let mut form = Form::new(written);
        let repeated = form.optional("name", fields::domain);
        if repeated.is_some_and(|name| name != before.name) {
            form.fault("name", "the name of a domain does not change: add the other one");
        }
        if form.optional("like", fields::domain).is_some() {
            form.fault("like", "only a new domain begins like another one");
        }
        let mut after = before.clone();
        let catch_all = self.read_domain_fields(actor, &mut form, &mut after).await?;
        form.finish()?;
        self.set_catch_all(actor, &before, catch_all).await?;
        if after != before {
            after = self.store_domain_change(actor, Deed::DomainSet, (&before, &after)).await?;
        }
        self.domain_shape(&after).await
    }

    pub(super) async fn store_domain_change(
        &self,
        actor: &Actor,
        action: Deed,
        (before, after): (&DomainRow, &DomainRow),
    ) -> Result<DomainRow> {
        let (old, new) = (DomainShape::new(before, CatchAll::Off), DomainShape::new(after, CatchAll::Off));
        let subject = Subject { object: before.name.as_str(), before: Some(&old), after: Some(&new) };
        let audit = self.audit(actor, action, &subject);
        Ok(self.store.rules.change_domain(after, audit).await?)
    }

    pub(super) async fn read_domain_fields(
        &self,
        actor: &Actor,
        form: &mut Form<'_>,
        row: &mut DomainRow,
    ) -> Result<Option<WantedCatchAll>> {
        form.require("subaddressing", &mut row.subaddressing, fields::boolean);
        form.require("keep_tag", &mut row.keep_tag, fields::boolean);
        form.set("srs_domain", &mut row.srs_domain, |v| fields::domain(v).map(Some));
        form.set("contact", &mut row.contact, |v| fields::mailbox(v).map(|m| Some(m.to_string())));
        form.set("alias_format", &mut row.alias_format, |v| random::format_name(v).map(Some));
        self.read_domain_policy(actor, form, &mut row.overrides);
        form.set("allow", &mut row.allow, spec::senders);
        form.set("block", &mut row.block, spec::senders);
        form.set("mirror_of", &mut row.mirror_of, |v| fields::domain(v).map(Some));
        self.check_srs_domain(form, row).await?;
        self.check_mirror(actor, form, row).await?;
        self.check_contact(form, row).await?;
        Ok(read_catch_all(form))
    }

    /// Reports to SRS addresses must come back to us: their domain is one of ours.
    async fn check_srs_domain(&self, form: &mut Form<'_>, row: &DomainRow) -> Result<()> {
        let Some(name) = row.srs_domain.as_ref().filter(|name| **name != row.name) else { return Ok(()) };
        if self.facts.instance.load().srs_domain.as_ref() == Some(name) {
            return Ok(());
        }
        match self.store.rules.domain(name).await {
            Ok(other) if other.account == row.account => Ok(()),
            Ok(_) | Err(StoreError::NotFound) => {
                form.fault(
                    "srs_domain",
                    format!("{name} is not one of its owner's domains, so reports would not come back"),
                );
                Ok(())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Mail for postmaster goes to a destination, so that it is verified like any other.
    async fn check_contact(&self, form: &mut Form<'_>, row: &DomainRow) -> Result<()> {
        let Some(contact) = row.contact.as_ref().filter(|_| form.has("contact")) else { return Ok(()) };
        match self.store.rules.destination(row.account, contact).await {
            Ok(_) => Ok(()),
            Err(StoreError::NotFound) => {
                form.fault("contact", format!("{contact} is not one of your destinations: add it first"));
                Ok(())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Removes a domain and its aliases. The log stays.
    pub async fn remove_domain(&self, actor: &Actor, target: Target<'_, &str>) -> Result<()> {
        actor.must(Area::Domains, Access::Write)?;
        let row = self.domain_within(actor, target.id, Reach::Own).await?;
        self.check_domain_tag(&row, target.version).await?;
        self.refuse_if_mirrored(&row).await?;
        let removed = self.removed(&row).await?;
        let subject = Subject { object: row.name.as_str(), before: Some(&removed), after: None };
        let audit = self.audit(actor, Deed::DomainRemove, &subject);
        Ok(self.store.rules.remove_domain(row.key, audit).await?)
    }

    /// A domain with what is told of the aliases that go with it.
    async fn removed(&self, row: &DomainRow) -> Result<Removed> {
        let counted = self.store.rules.aliases_of_domain(row.key).await?;
        let query = ListQuery { domain: Some(row.key), limit: NAMED_REMOVED, ..ListQuery::default() };
        let newest = self.store.rules.aliases(query).await?.items;
        Ok(Removed {
            domain: DomainShape::new(row, CatchAll::Off),
            removed_aliases: match counted {
                n if n > COUNTED_ALIASES => format!("more than {COUNTED_ALIASES}").into(),
                n => n.into(),
            },
            among_them: newest.iter().map(|alias| alias_name(alias).to_string()).collect(),
        })
    }

    /// How many aliases a domain has as far as they are counted, and whether there are more.
    pub async fn aliases_on(&self, actor: &Actor, name: &str) -> Result<(u64, bool)> {
        actor.must(Area::Aliases, Access::Read)?;
        let found = self.store.rules.aliases_of_domain(self.find_domain(actor, name).await?.key).await?;
        Ok((found.min(COUNTED_ALIASES), found > COUNTED_ALIASES))
    }

    /// One domain.
    pub async fn domain(&self, actor: &Actor, name: &str) -> Result<DomainShape> {
        actor.must(Area::Domains, Access::Read)?;
        let row = self.find_domain(actor, name).await?;
        self.domain_shape(&row).await
    }

    /// What changes whenever the domain or its catch-all does: the entity tag of HTTP.
    pub async fn domain_tag(&self, actor: &Actor, name: &str) -> Result<String> {
        let row = self.find_domain(actor, name).await?;
        self.tag_of(&row).await
    }

    async fn tag_of(&self, row: &DomainRow) -> Result<String> {
        let catch_all = self.catch_all(row).await?;
        Ok(format!("{}.{}", row.version, catch_all.map_or(0, |alias| alias.version)))
    }

    async fn check_domain_tag(&self, row: &DomainRow, tag: Option<&str>) -> Result<()> {
        match tag {
            Some(tag) if tag != self.tag_of(row).await? => Err(AdminError::Changed),
            _ => Ok(()),
        }
    }

    /// Lists domains, by name.
    pub async fn domains(
        &self,
        actor: &Actor,
        search: Option<String>,
        paging: &Paging,
    ) -> Result<ListShape<DomainShape>> {
        self.domains_in(actor, search, (Order::Usual, paging)).await
    }

    /// Lists domains in an order.
    pub async fn domains_in(
        &self,
        actor: &Actor,
        search: Option<String>,
        (order, paging): (Order, &Paging),
    ) -> Result<ListShape<DomainShape>> {
        let (rows, next_cursor) = self.domain_page(actor, search, (order, paging)).await?;
        Ok(ListShape { items: rows.into_iter().map(|(_, shape)| shape).collect(), next_cursor })
    }

    /// Domains in the usual order, each with what is known of its records, at once: DNS is not asked.
    pub async fn domains_known(
        &self,
        actor: &Actor,
        paging: &Paging,
    ) -> Result<(Vec<(DomainShape, KnownRecords)>, Option<String>)> {
        let (rows, next_cursor) = self.domain_page(actor, None, (Order::Usual, paging)).await?;
        let known = rows.into_iter().map(|(row, shape)| (shape, self.known_of(row)));
        Ok((known.collect(), next_cursor))
    }

    async fn domain_page(
        &self,
        actor: &Actor,
        search: Option<String>,
        (order, paging): (Order, &Paging),
    ) -> Result<(Vec<(DomainRow, DomainShape)>, Option<String>)> {
        actor.must(Area::Domains, Access::Read)?;
        let query = ListQuery { order, ..domain_query(actor, search, paging) };
        let page = self.store.rules.domains(query).await?;
        let seen: Vec<_> = page.items.into_iter().filter(|row| actor.sees_domain(&row.name)).collect();
        let keys: Vec<_> = seen.iter().map(|row| row.key).collect();
        let found = self.store.rules.catch_alls(&keys).await?;
        let catch_all: HashMap<_, _> = found.iter().map(|alias| (alias.domain, alias)).collect();
        let shape = |row: &DomainRow| DomainShape::new(row, CatchAll::of(catch_all.get(&row.key).copied()));
        let shown = seen.into_iter().map(|row| (shape(&row), row)).map(|(shape, row)| (row, shape));
        Ok((shown.collect(), page.next_cursor))
    }

    /// The names of the domains that an actor sees, as many as one page has.
    pub async fn domain_names(&self, actor: &Actor) -> Result<Vec<String>> {
        let names = self.names_within(actor, Reach::Look, |_| true).await?;
        Ok(names.into_iter().map(|(_, name)| name.to_string()).collect())
    }

    /// The domains that an actor sees and on which its rights go so far, each with its account.
    pub(super) async fn names_within(
        &self,
        actor: &Actor,
        wanted: Reach,
        fits: impl Fn(&Domain) -> bool,
    ) -> Result<Vec<(AccountId, Domain)>> {
        actor.must(Area::Domains, Access::Read)?;
        let found = self.store.rules.named_domains(actor.only_account(), MAX_LIMIT).await?;
        let within =
            found.into_iter().filter(|(key, owner, name)| actor.reach(*owner, Some(*key), name) >= Some(wanted));
        Ok(within.filter(|(.., name)| fits(name)).map(|(_, owner, name)| (owner, name)).collect())
    }

    pub(super) async fn domain_shape(&self, row: &DomainRow) -> Result<DomainShape> {
        let catch_all = self.catch_all(row).await?;
        Ok(DomainShape::new(row, CatchAll::of(catch_all.as_ref())))
    }

    /// Finds what an actor may see.
    pub(super) async fn find_domain(&self, actor: &Actor, name: &str) -> Result<DomainRow> {
        let missing = || AdminError::missing("domain", name);
        let parsed = Domain::parse(name).map_err(|_| missing())?;
        let row = self.store.rules.domain(&parsed).await.or_missing("domain", name)?;
        if reach_of(actor, &row).is_some() { Ok(row) } else { Err(missing()) }
    }

    /// The same, where the actor's rights on it go so far.
    pub(super) async fn domain_within(&self, actor: &Actor, name: &str, wanted: Reach) -> Result<DomainRow> {
        let row = self.find_domain(actor, name).await?;
        must_reach(reach_of(actor, &row), wanted, &row.name)?;
        Ok(row)
    }

    /// How far an actor's rights on a domain go that it sees.
    pub async fn reach_on(&self, actor: &Actor, name: &str) -> Result<Reach> {
        let row = self.find_domain(actor, name).await?;
        reach_of(actor, &row).ok_or_else(|| AdminError::missing("domain", name))
    }

    /// Whose things a list shows that is narrowed to no domain: those of an account (of all, where it is none), and of domains
    /// beside it. A token that is limited to domains sees these and no account's.
    pub(super) async fn seen_by(&self, actor: &Actor) -> Result<(Option<AccountId>, Vec<DomainId>)> {
        if !actor.is_limited() {
            return Ok((actor.only_account(), actor.granted_mail()));
        }
        let found = self.store.rules.domains_of_names(&actor.domains).await?;
        let seen = found.into_iter().filter(|(key, owner, name)| actor.reach(*owner, Some(*key), name).is_some());
        Ok((Some(NOBODY), seen.map(|(key, ..)| key).collect()))
    }

    /// The domain of a filter, if one is named.
    pub(super) async fn one_domain(&self, actor: &Actor, name: Option<&str>) -> Result<Option<DomainRow>> {
        match name.filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(name) => self.find_domain(actor, name).await.map(Some),
        }
    }
}

/// How far an actor's rights on a domain go.
pub(super) fn reach_of(actor: &Actor, row: &DomainRow) -> Option<Reach> {
    actor.reach(row.account, Some(row.key), &row.name)
}

/// Refuses what goes too far for somebody who may look.
pub(super) fn must_reach(reach: Option<Reach>, wanted: Reach, name: &Domain) -> Result<()> {
    if reach >= Some(wanted) {
        return Ok(());
    }
    let whose = if wanted == Reach::Own { "that is for its owner" } else { "that takes the role manager" };
    Err(AdminError::Forbidden(format!("You have no right to change this on {name}: {whose}.")))
}

pub(super) fn domain_query(actor: &Actor, search: Option<String>, paging: &Paging) -> ListQuery {
    ListQuery {
        account: actor.only_account(),
        search: search.filter(|text| !text.trim().is_empty()),
        names: actor.is_limited().then(|| actor.domains.clone()),
        cursor: paging.cursor.clone(),
        limit: paging.rows(),
        ..ListQuery::default()
    }
}
