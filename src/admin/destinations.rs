//! Destinations: add, verify by the operator's word, make the default, remove, list. `@domain` trusts a whole domain. Each is
//! an account's own; whoever sees all finds those of the others too, and is told whose they are.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::mail::{Domain, Mailbox};
use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::store::StoreError;
use crate::store::rules::{DestinationRow, ListQuery, Order};

use super::error::OrMissing;
use super::form::Read;
use super::shapes::{DestinationShape, ListShape};
use super::{Access, Actor, Admin, AdminError, Area, Form, Paging, Result, Target, check_version, fields, people};

/// Accounts that are named where several have a destination.
const MAX_NAMED: u32 = 5;

impl Admin {
    /// Adds a destination. `verified` is the operator's word that the inbox is the owner's. The first becomes the default.
    pub async fn add_destination(&self, actor: &Actor, written: &Map<String, Value>) -> Result<DestinationRow> {
        actor.must(Area::Destinations, Access::Write)?;
        let mut form = Form::new(written);
        let address = form.optional("address", address);
        if address.is_none() && form.is_sound() {
            form.fault("address", "write the address of an inbox, or @domain to trust a whole domain");
        }
        let (mut verified, mut default) = (false, false);
        form.set("verified", &mut verified, fields::boolean);
        form.set("default", &mut default, fields::boolean);
        form.finish()?;
        let address = address.unwrap_or_default();
        if !verified {
            self.refuse_own(actor, &address)?;
        }
        if verified || address.starts_with('@') {
            actor.must_be_admin("vouch for a destination")?;
        }
        let row = self.store_destination(actor, &address, verified).await?;
        self.ask_new_inbox(actor, &row).await;
        self.maybe_default(actor, row, default).await
    }

    /// No mail that asks would ever reach an inbox here; whoever vouches for an address of ours knows that it leads on.
    fn refuse_own(&self, actor: &Actor, address: &str) -> Result<()> {
        let domain = address.rsplit_once('@').and_then(|(_, domain)| Domain::parse(domain).ok());
        let hosted = domain.and_then(|domain| self.store.directory.domain(&domain));
        if hosted.is_none_or(|hosted| hosted.account != actor.account) {
            return Ok(());
        }
        let detail = format!(
            "“{address}” is on a domain of this gateway: write the address of the inbox where you read your mail"
        );
        Err(AdminError::field("address", detail))
    }

    async fn store_destination(&self, actor: &Actor, address: &str, verified: bool) -> Result<DestinationRow> {
        let verified_at = (verified || address.starts_with('@')).then(|| self.clock.now());
        let audit = self.audit_plain(actor, Deed::DestinationAdd, address);
        let added = self.store.rules.add_destination(actor.account, address, verified_at, audit).await;
        match added {
            Err(StoreError::Exists(_)) => Err(self.exists_already(actor, address).await?),
            added => Ok(added?),
        }
    }

    async fn exists_already(&self, actor: &Actor, address: &str) -> Result<AdminError> {
        let what_to_do = if self.is_being_asked(actor, address).await? {
            "it was asked by mail, and the link in that mail verifies it for you."
        } else {
            "verify it, or make it the default, as it is."
        };
        Ok(AdminError::Conflict(format!("The destination {address} exists already: {what_to_do}")))
    }

    async fn maybe_default(&self, actor: &Actor, row: DestinationRow, wanted: bool) -> Result<DestinationRow> {
        if row.default || row.address.starts_with('@') {
            return Ok(row);
        }
        if !wanted && !self.default_destinations(actor, actor.account).await?.is_empty() {
            return Ok(row);
        }
        let audit = self.audit_plain(actor, Deed::DestinationDefault, &row.address);
        Ok(self.store.rules.default_destination(row.key, audit).await?)
    }

    /// Verifies a destination by the word of the gateway's owner.
    pub async fn verify_destination(&self, actor: &Actor, id: &str) -> Result<DestinationRow> {
        actor.must(Area::Destinations, Access::Write)?;
        actor.must_be_admin("vouch for a destination")?;
        let row = self.find_destination(actor, id).await?;
        // Its owner says that it is well: the next mail is to find out.
        self.forget_refusals(&row.address).await?;
        if row.verified_at.is_some() {
            return self.find_destination(actor, id).await;
        }
        let audit = self.audit_plain(actor, Deed::DestinationVerify, &row.address);
        Ok(self.store.rules.vouch_for_destination(row.key, self.clock.now(), audit).await?)
    }

    /// Makes a destination the one that new aliases use.
    pub async fn make_default(&self, actor: &Actor, id: &str) -> Result<DestinationRow> {
        actor.must(Area::Destinations, Access::Write)?;
        let row = self.find_destination(actor, id).await?;
        if row.address.starts_with('@') {
            return Err(AdminError::Conflict("A whole domain cannot be the default: choose an address.".to_owned()));
        }
        let audit = self.audit_plain(actor, Deed::DestinationDefault, &row.address);
        Ok(self.store.rules.default_destination(row.key, audit).await?)
    }

    /// Removes a destination that no alias uses.
    pub async fn remove_destination(&self, actor: &Actor, target: Target<'_, i64>) -> Result<()> {
        actor.must(Area::Destinations, Access::Write)?;
        let row = self.find_destination(actor, target.id).await?;
        check_version(target.version, row.version)?;
        let audit = self.audit_plain(actor, Deed::DestinationRemove, &row.address);
        let removed = self.store.rules.remove_destination(row.key, audit).await;
        removed.map_err(|error| match error {
            StoreError::Invalid(why) => AdminError::Conflict(format!(
                "{} is not removed: {why}. Give them another destination first.",
                row.address
            )),
            other => other.into(),
        })
    }

    /// One destination, by its id or address.
    pub async fn destination(&self, actor: &Actor, id: &str) -> Result<DestinationRow> {
        actor.must(Area::Destinations, Access::Read)?;
        self.find_destination(actor, id).await
    }

    /// The destinations of an account that the actor acts for, by address: those that its aliases can lead to.
    pub async fn own_destinations(&self, actor: &Actor, paging: &Paging) -> Result<Vec<DestinationShape>> {
        self.destinations_of(actor, actor.account, paging).await
    }

    /// The same of the account that has this one, which is among them.
    pub async fn destinations_beside(
        &self,
        actor: &Actor,
        row: &DestinationRow,
        paging: &Paging,
    ) -> Result<Vec<DestinationShape>> {
        self.destinations_of(actor, row.account, paging).await
    }

    async fn destinations_of(
        &self,
        actor: &Actor,
        account: AccountId,
        paging: &Paging,
    ) -> Result<Vec<DestinationShape>> {
        actor.must(Area::Destinations, Access::Read)?;
        let query = ListQuery { cursor: paging.cursor.clone(), limit: paging.rows(), ..ListQuery::default() };
        let page = self.store.rules.destinations(account, query).await?;
        self.destination_shapes(actor, &page.items).await
    }

    /// Lists the destinations that an actor sees, in an order: those of one account after those of another.
    pub async fn destinations_in(
        &self,
        actor: &Actor,
        search: Option<String>,
        (order, paging): (Order, &Paging),
    ) -> Result<ListShape<DestinationShape>> {
        actor.must(Area::Destinations, Access::Read)?;
        let query = ListQuery {
            order,
            search: search.filter(|text| !text.trim().is_empty()),
            cursor: paging.cursor.clone(),
            limit: paging.rows(),
            ..ListQuery::default()
        };
        let page = match actor.only_inboxes_of() {
            Some(account) => self.store.rules.destinations(account, query).await?,
            None => self.store.rules.all_destinations(query).await?,
        };
        let items = self.destination_shapes(actor, &page.items).await?;
        Ok(ListShape { items, next_cursor: page.next_cursor })
    }

    /// Whose it is, where it is not the actor's own.
    pub(super) async fn owner_of(&self, actor: &Actor, row: &DestinationRow) -> Result<Option<String>> {
        if row.account == actor.account {
            return Ok(None);
        }
        Ok(Some(people::object(&self.store.accounts.account(row.account).await?)))
    }

    /// Where an alias of `account` sends mail when nobody says: the default of a token of this account, else the account's.
    pub async fn default_destinations(&self, actor: &Actor, account: AccountId) -> Result<Vec<String>> {
        if let Some(address) = actor.defaults.destination.as_ref().filter(|_| actor.account == account) {
            return Ok(vec![address.clone()]);
        }
        let default = self.store.rules.default_of(account).await?;
        Ok(default.into_iter().map(|row| row.address).collect())
    }

    pub(super) async fn find_destination(&self, actor: &Actor, id: &str) -> Result<DestinationRow> {
        let missing = || AdminError::missing("destination", id);
        let Ok(uuid) = Uuid::try_parse(id) else {
            let address = canonical(id).ok_or_else(missing)?;
            return self.destination_of_address(actor, &address).await;
        };
        let row = self.store.rules.destination_by_id(uuid).await.or_missing("destination", id)?;
        if actor.only_inboxes_of().is_none_or(|account| account == row.account) { Ok(row) } else { Err(missing()) }
    }

    /// One's own comes first; of several others, which one is meant has to be said.
    async fn destination_of_address(&self, actor: &Actor, address: &str) -> Result<DestinationRow> {
        match self.store.rules.destination(actor.account, address).await {
            Err(StoreError::NotFound) if actor.only_inboxes_of().is_none() => {}
            own => return own.or_missing("destination", address),
        }
        let mut found = self.store.rules.destinations_of_address(address, MAX_NAMED).await?;
        match found.pop() {
            None => Err(AdminError::missing("destination", address)),
            Some(only) if found.is_empty() => Ok(only),
            Some(last) => {
                found.push(last);
                Err(self.ambiguous(actor, address, &found).await?)
            }
        }
    }

    async fn ambiguous(&self, actor: &Actor, address: &str, found: &[DestinationRow]) -> Result<AdminError> {
        let mut owners = Vec::with_capacity(found.len());
        for row in found {
            owners.push(self.owner_of(actor, row).await?.unwrap_or_default());
        }
        let owners = owners.join(", ");
        Ok(AdminError::Conflict(format!("{address} is a destination of {owners}: say by its id which one you mean.")))
    }

    /// A destination of this account, by its id or address.
    pub(super) async fn destination_within(
        &self,
        actor: &Actor,
        (account, id): (AccountId, &str),
    ) -> Result<DestinationRow> {
        let found = match canonical(id) {
            Some(address) => self.store.rules.destination(account, &address).await.or_missing("destination", id)?,
            None => self.find_destination(actor, id).await?,
        };
        if found.account == account { Ok(found) } else { Err(AdminError::missing("destination", id)) }
    }
}

/// `a@b`, or `@b` for a whole domain.
fn address(value: &Value) -> Read<String> {
    let text = fields::text(value)?.trim();
    let Some(domain) = text.strip_prefix('@') else {
        return fields::mailbox(value).map(|mailbox| mailbox.to_string());
    };
    let domain = Domain::parse(domain).map_err(|why| format!("“{text}” is no domain to trust: {why}"))?;
    Ok(format!("@{domain}"))
}

/// An address as it is stored; nothing where it is none.
fn canonical(text: &str) -> Option<String> {
    match text.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).ok().map(|domain| format!("@{domain}")),
        None => Mailbox::parse(text).ok().map(|mailbox| mailbox.to_string()),
    }
}
