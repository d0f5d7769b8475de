//! The catch-all of a domain: a view of its one `*@domain` alias, which alone is stored.

use serde_json::Value;

use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::policy::rule::Kind;
use crate::store::StoreError;
use crate::store::rules::{AliasRow, AliasSpec, DomainRow};

use super::aliases::sends_on;
use super::name::AliasName;
use super::shapes::CatchAll;
use super::{Actor, Admin, AdminError, Form, Result, Subject, fields, spec};

/// What is wanted of a catch-all.
#[derive(Debug, Clone)]
pub(super) struct WantedCatchAll {
    mode: CatchAll,
    destinations: Option<Vec<String>>,
}

impl Admin {
    /// The `*@domain` alias, if there is one.
    pub(super) async fn catch_all(&self, row: &DomainRow) -> Result<Option<AliasRow>> {
        match self.store.rules.alias(row.key, Kind::CatchAll, "*").await {
            Ok(alias) => Ok(Some(alias)),
            Err(StoreError::NotFound) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Makes, changes or switches off the `*@domain` alias.
    pub(super) async fn set_catch_all(
        &self,
        actor: &Actor,
        domain: &DomainRow,
        wanted: Option<WantedCatchAll>,
    ) -> Result<()> {
        let Some(wanted) = wanted else { return Ok(()) };
        refuse_at_mirror(domain, &wanted)?;
        let before = self.catch_all(domain).await?;
        let name = AliasName::new(Kind::CatchAll, "*".to_owned(), domain.name.clone());
        if before.is_none() && wanted.mode == CatchAll::Off {
            return Ok(());
        }
        let old = before.as_ref().map_or_else(|| spec::fresh(&name), |alias| alias.spec.clone());
        let new = self.catch_all_spec(actor, (domain.account, &name), (old, wanted)).await?;
        let shown = |spec: &AliasSpec| serde_json::json!({ "catch_all": spec.action, "enabled": spec.enabled, "destinations": spec.destinations });
        let (was, is) = (before.as_ref().map(|alias| shown(&alias.spec)), shown(&new));
        let subject = Subject { object: domain.name.as_str(), before: was.as_ref(), after: Some(&is) };
        let audit = self.audit(actor, Deed::DomainCatchAll, &subject);
        let mut row = match before {
            Some(alias) if alias.spec == new => return Ok(()),
            Some(alias) => self.store.rules.change_alias(&AliasRow { spec: new, ..alias }, audit).await?,
            None => self.store.rules.add_alias(domain.account, domain.key, &new, audit).await?,
        };
        self.hear_inboxes_of(actor, &mut [&mut row]).await;
        Ok(())
    }

    /// Refuses what cannot be had of a domain that is yet to be added.
    pub(super) async fn check_new_catch_all(
        &self,
        actor: &Actor,
        domain: &DomainRow,
        wanted: Option<&WantedCatchAll>,
    ) -> Result<()> {
        let Some(wanted) = wanted else { return Ok(()) };
        refuse_at_mirror(domain, wanted)?;
        let name = AliasName::new(Kind::CatchAll, "*".to_owned(), domain.name.clone());
        self.catch_all_spec(actor, (domain.account, &name), (spec::fresh(&name), wanted.clone())).await.map(drop)
    }

    /// The alias that gives the wanted catch-all.
    async fn catch_all_spec(
        &self,
        actor: &Actor,
        (account, name): (AccountId, &AliasName),
        (mut spec, wanted): (AliasSpec, WantedCatchAll),
    ) -> Result<AliasSpec> {
        let Some(action) = wanted.mode.action() else {
            spec.enabled = false;
            return Ok(spec);
        };
        spec.action = action;
        spec.enabled = true;
        if let Some(destinations) = wanted.destinations {
            spec.destinations = destinations;
        }
        if sends_on(action) && spec.destinations.is_empty() {
            spec.destinations = self.default_destinations(actor, account).await?;
        }
        if sends_on(action) && spec.destinations.is_empty() {
            return Err(AdminError::field(
                "catch_all",
                "say where its mail goes: write at least one inbox, or make one of your inboxes the default, on its page \
                 under Destinations",
            ));
        }
        self.refuse_circles(&self.named(name.clone()).await, &spec).await?;
        Ok(spec)
    }
}

fn refuse_at_mirror(domain: &DomainRow, wanted: &WantedCatchAll) -> Result<()> {
    match &domain.mirror_of {
        Some(original) if wanted.mode != CatchAll::Off => {
            let detail = format!("a mirror has the catch-all of {original}: set it there");
            Err(AdminError::field("catch_all", detail))
        }
        _ => Ok(()),
    }
}

/// Reads `catch_all` and `catch_all_destinations`.
pub(super) fn read_catch_all(form: &mut Form<'_>) -> Option<WantedCatchAll> {
    let mode = form.optional("catch_all", |v| fields::word(v, "forward, create, drop, reject, off"));
    let address = |v: &Value| fields::mailbox(v).map(|mailbox| mailbox.to_string());
    let destinations = form.optional("catch_all_destinations", |v| fields::list(v, spec::MAX_DESTINATIONS, address));
    if mode.is_none() && destinations.is_some() {
        form.fault("catch_all", "say what the catch-all is to do with these destinations: forward or create");
    }
    mode.map(|mode| WantedCatchAll { mode, destinations })
}
