//! Whether mail for an inbox that somebody names could arrive at all: a domain that is mistyped shows by its shape, or in
//! the DNS. A doubt hinders nobody: it is told to whoever asks, and what they say stands.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::mail::{Domain, Mailbox, told_in_unicode};
use crate::policy::ids::{AccountId, AliasId};
use crate::policy::routing::may_give;
use crate::policy::rule::{Action, Kind};
use crate::store::rules::{AliasRow, ListQuery};

use super::no_mail::Looked;
use super::{Access, Actor, Admin, AdminError, Area, Result};

/// Inboxes of one form that are looked at.
const MAX_DOUBTED: usize = 10;

impl Admin {
    /// The same of those among some inboxes that nobody has added yet: where one is added, that was asked already.
    pub async fn doubt_new_inboxes(&self, actor: &Actor, inboxes: &[String]) -> Result<Option<String>> {
        for address in inboxes.iter().take(MAX_DOUBTED) {
            if !self.is_known_inbox(actor, address).await?
                && let Some(why) = self.doubt_inbox(actor, address).await?
            {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    /// What is no address is told by whoever reads it; what a pattern computes is known when mail comes.
    async fn is_known_inbox(&self, actor: &Actor, address: &str) -> Result<bool> {
        let inbox = Mailbox::parse(address).ok().filter(|_| !address.contains('$'));
        let Some(inbox) = inbox else { return Ok(true) };
        let has_record = self.own_record(actor, address).await?.is_some();
        Ok(has_record || self.store.directory.is_verified(actor.account, &inbox).await?)
    }

    /// Why hardly any mail would arrive at this address (or `@domain`), in words that begin a sentence; none where nothing
    /// speaks against it.
    pub async fn doubt_inbox(&self, actor: &Actor, address: &str) -> Result<Option<String>> {
        actor.must(Area::Destinations, Access::Write)?;
        let domain = address.rsplit_once('@').and_then(|(_, domain)| Domain::parse(domain).ok());
        let Some(domain) = domain else { return Ok(None) };
        let why = if !domain.as_str().contains('.') {
            Some("has no dot in it, as the domain of an inbox has")
        } else if let Looked::TakesNone(why) = self.ask_about(&domain).await {
            Some(why.said())
        } else {
            None
        };
        Ok(why.map(|why| told_in_unicode(&format!("“{domain}” {why}: mail for {address} would hardly arrive"))))
    }

    /// Whether a verified inbox, or one on a verified domain, is one that a pattern may compute.
    pub async fn may_compute_verified(&self, actor: &Actor, alias: &AliasRow) -> Result<bool> {
        actor.must(Area::Aliases, Access::Read)?;
        let mut query = ListQuery { limit: super::MAX_LIMIT, ..ListQuery::default() };
        loop {
            let page = self.store.rules.destinations(alias.account, query.clone()).await?;
            let verified = page.items.iter().filter(|inbox| inbox.verified_at.is_some());
            if verified.map(|inbox| inbox.address.as_str()).any(|address| may_give_any(alias, address)) {
                return Ok(true);
            }
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return Ok(false);
            }
        }
    }

    /// Those patterns that compute all their inboxes, of which none can be a verified one. Of an account with more inboxes than
    /// one look takes, nothing is said.
    pub(super) async fn computing_none(&self, aliases: &[AliasRow]) -> Result<BTreeSet<AliasId>> {
        let mut known: BTreeMap<AccountId, Option<Vec<String>>> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for alias in aliases.iter().filter(|alias| computes(alias)) {
            let verified = match known.entry(alias.account) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.few_verified(alias.account).await?),
            };
            let gives_none = |all: &Vec<String>| !all.iter().any(|address| may_give_any(alias, address));
            found.extend(verified.as_ref().is_some_and(gives_none).then_some(alias.key));
        }
        Ok(found)
    }

    /// The verified inboxes of an account; none where there are more inboxes than one look takes.
    async fn few_verified(&self, account: AccountId) -> Result<Option<Vec<String>>> {
        let query = ListQuery { limit: super::MAX_LIMIT, ..ListQuery::default() };
        let page = self.store.rules.destinations(account, query).await?;
        let verified = page.items.into_iter().filter(|inbox| inbox.verified_at.is_some());
        Ok(page.next_cursor.is_none().then(|| verified.map(|inbox| inbox.address).collect()))
    }

    /// The same of what somebody vouches for and is on a domain of this gateway: unless an alias takes it on from there, mail
    /// would only come back here.
    pub async fn doubt_own(&self, actor: &Actor, address: &str) -> Result<Option<String>> {
        let domain = address.rsplit_once('@').and_then(|(_, domain)| Domain::parse(domain).ok());
        if domain.is_none_or(|domain| self.store.directory.domain(&domain).is_none()) {
            return Ok(None);
        }
        match self.alias(actor, address).await {
            Ok(_) => Ok(None),
            Err(AdminError::NotFound(_)) => Ok(Some(told_in_unicode(&format!(
                "{address} is on a domain of this gateway, and no alias leads on from there: its mail would come back here \
                 and reach nobody. Write the address of the inbox where you read your mail"
            )))),
            Err(other) => Err(other),
        }
    }
}

/// Whether a destination of an alias may give this address; of a whole domain, one on it.
fn may_give_any(alias: &AliasRow, address: &str) -> bool {
    alias.spec.destinations.iter().any(|template| match Mailbox::parse(address) {
        Ok(inbox) => may_give(template, &inbox),
        Err(_) => template.to_ascii_lowercase().ends_with(&address.to_ascii_lowercase()),
    })
}

/// All that it leads to is computed out of the address.
fn computes(alias: &AliasRow) -> bool {
    let spec = &alias.spec;
    let sends_on = matches!(spec.action, Action::Forward | Action::Create);
    sends_on && spec.kind == Kind::Regex && spec.destinations.iter().all(|to| to.contains('$'))
}
