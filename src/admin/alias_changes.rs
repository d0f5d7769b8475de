//! What is made of aliases: new ones, changes, switches, removals, each with its row of the audit log.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::mail::Domain;
use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::policy::rule::Kind;
use crate::store::StoreError;
use crate::store::accounts::AuditEntry;
use crate::store::activity::Counts;
use crate::store::rules::{AliasRow, AliasSpec, DomainRow, Gone};

use super::aliases::sends_on;
use super::error::{both, in_spite_of_others};
use super::fields::refuse_past;
use super::name::{AliasName, keep_name, read_name};
use super::patterns::Matching;
use super::shapes::{AliasShape, alias_name};
use super::spec::Named;
use super::{
    Access, Actor, Admin, AdminError, Area, Form, Reach, Result, Subject, Target, check_version, lookalike, spec,
};

/// An alias that may be made. Its pattern stays compiled as long as this is kept.
pub(super) struct NewAlias {
    pub(super) domain: DomainRow,
    pub(super) named: Named,
    pub(super) draft: AliasSpec,
    /// What it was, where it is there again.
    pub(super) gone: Option<Gone>,
}

/// An alias before and after a change that may be made; its pattern stays compiled as long as this is kept.
pub(super) struct Changed {
    pub(super) before: AliasRow,
    pub(super) after: AliasRow,
    pub(super) named: Named,
}

/// Where the audit log keeps what the log knows a removed alias by. Nobody is shown it.
pub(super) const GONE: &str = "gone";

impl Admin {
    /// Makes an alias. `address`, or `local_part` and `domain`; without destinations, the default one.
    pub async fn add_alias(&self, actor: &Actor, written: &Map<String, Value>) -> Result<AliasRow> {
        let new = self.new_alias(actor, written).await?;
        self.store_new(actor, &new).await
    }

    /// Makes the alias `name` with what the form says of it.
    pub(super) async fn add_named(&self, actor: &Actor, name: AliasName, form: Form<'_>) -> Result<AliasRow> {
        let new = self.new_named(actor, name, form).await?;
        self.store_new(actor, &new).await
    }

    /// An alias that may be made.
    pub(super) async fn new_alias(&self, actor: &Actor, written: &Map<String, Value>) -> Result<NewAlias> {
        actor.must_create_aliases()?;
        let mut form = Form::new(written);
        let gone = if actor.restores { form.given(GONE).and_then(|value| Gone::deserialize(value).ok()) } else { None };
        match read_name(&mut form, actor) {
            Some(name) => {
                let new = self.new_named(actor, name, form).await?;
                // Whoever has the domain's name since is not shown what came for the one before.
                Ok(NewAlias { gone: gone.filter(|gone| gone.domain == new.domain.key), ..new })
            }
            None => Err(self.unnamed(actor, form).await),
        }
    }

    async fn new_named(&self, actor: &Actor, name: AliasName, form: Form<'_>) -> Result<NewAlias> {
        let domain = self.domain_for_alias(actor, &name.domain).await;
        let account = domain.as_ref().map_or(actor.account, |domain| domain.account);
        let (mut draft, named) = (spec::fresh(&name), self.named(name).await);
        let read = self.read_spec(actor, (account, &named), (form, &mut draft)).await;
        let domain = both(domain, read)?;
        self.refuse_look_alike(&domain, &named.name).await?;
        self.refuse_circles(&named, &draft).await?;
        Ok(NewAlias { domain, named, draft, gone: None })
    }

    /// An alias by its name, its pattern compiled.
    pub(super) async fn named(&self, name: AliasName) -> Named {
        let matching = Matching::of(&name, &self.store.matchers).await;
        Named { name, matching }
    }

    /// Every fault of a form whose name could not be read.
    async fn unnamed(&self, actor: &Actor, mut form: Form<'_>) -> AdminError {
        for field in ["address", "local_part", "domain"] {
            form.given(field);
        }
        let stand_in = AliasName::new(Kind::Address, "nobody".to_owned(), Domain::invalid());
        let (mut draft, stand_in) = (spec::fresh(&stand_in), self.named(stand_in).await);
        let read = self.read_spec(actor, (actor.account, &stand_in), (form, &mut draft)).await;
        read.err().unwrap_or_else(|| AdminError::field("address", "write the alias as name@your.domain"))
    }

    /// Reads what is to be of an alias. Where it sends mail on and nobody says where to, that is the default destination.
    async fn read_spec(
        &self,
        actor: &Actor,
        (account, named): (AccountId, &Named),
        (mut form, spec): (Form<'_>, &mut AliasSpec),
    ) -> Result<()> {
        let nobody_says = spec.destinations.is_empty() && !form.has("destinations");
        if nobody_says {
            spec.destinations = self.default_destinations(actor, account).await?;
        }
        let ended = spec.expires_at;
        spec::read(&mut form, named, spec);
        if spec.expires_at != ended && !actor.restores {
            refuse_past(&mut form, "expires_at", (spec.expires_at, self.clock.now()));
        }
        self.read_alias_policy(actor, &named.name.domain, (&mut form, &mut spec.overrides));
        form.finish()?;
        if nobody_says && !sends_on(spec.action) {
            spec.destinations.clear();
        }
        Ok(())
    }

    async fn store_new(&self, actor: &Actor, new: &NewAlias) -> Result<AliasRow> {
        let audit = self.audit_new(actor, new);
        let account = new.domain.account;
        let added = match new.gone {
            Some(gone) => self.store.rules.restore_alias((account, gone), &new.draft, audit).await,
            None => self.store.rules.add_alias(account, new.domain.key, &new.draft, audit).await,
        };
        let mut row = added.map_err(|error| taken(error, &new.named.name))?;
        self.hear_inboxes_of(actor, &mut [&mut row]).await;
        Ok(row)
    }

    pub(super) fn audit_new(&self, actor: &Actor, new: &NewAlias) -> AuditEntry {
        let (address, draft) = (new.named.name.to_string(), &new.draft);
        let written =
            serde_json::json!({ "address": address, "action": draft.action, "destinations": draft.destinations });
        self.audit(actor, Deed::AliasCreate, &Subject { object: &address, before: None, after: Some(&written) })
    }

    /// Changes an alias; with a version, only while it is still the one that was seen.
    pub async fn change_alias(
        &self,
        actor: &Actor,
        target: Target<'_, i64>,
        written: &Map<String, Value>,
    ) -> Result<AliasRow> {
        if target.version.is_some() {
            return self.change_seen(actor, target, written).await;
        }
        in_spite_of_others(|| self.change_seen(actor, target, written)).await
    }

    async fn change_seen(
        &self,
        actor: &Actor,
        target: Target<'_, i64>,
        written: &Map<String, Value>,
    ) -> Result<AliasRow> {
        let Changed { before, after, named: _kept } = self.changed_alias(actor, target, written).await?;
        let action = if after.spec == before.spec { return Ok(before) } else { Deed::AliasChange };
        self.store_change(actor, action, (&before, &after)).await
    }

    /// The change of an alias, if it may be made.
    pub(super) async fn changed_alias(
        &self,
        actor: &Actor,
        target: Target<'_, i64>,
        written: &Map<String, Value>,
    ) -> Result<Changed> {
        actor.must(Area::Aliases, Access::Write)?;
        let before = self.alias_within(actor, target.id, Reach::Manage).await?;
        check_version(target.version, before.version)?;
        let name = alias_name(&before);
        let mut form = Form::new(written);
        keep_name(&mut form, &name);
        let (mut after, named) = (before.clone(), self.named(name).await);
        self.read_spec(actor, (before.account, &named), (form, &mut after.spec)).await?;
        if !actor.restores {
            self.refuse_reached(&before, &after.spec).await?;
        }
        self.refuse_circles(&named, &after.spec).await?;
        Ok(Changed { before, after, named })
    }

    /// Refuses an end by a count that has come already: the alias would end as it is set, and nobody means that.
    async fn refuse_reached(&self, before: &AliasRow, spec: &AliasSpec) -> Result<()> {
        let Some(most) = spec.expires_after_messages.filter(|most| before.spec.expires_after_messages != Some(*most))
        else {
            return Ok(());
        };
        let had = self.store.activity.counts(&[before.key]).await?;
        let came = had.get(&before.key).map_or(0, |had| had.messages);
        if came < most {
            return Ok(());
        }
        let came = if came == 1 { "one message has".to_owned() } else { format!("{came} messages have") };
        let why = format!("{came} come already, and it ends with so many in all: write a larger number");
        Err(AdminError::field("expires_after", why))
    }

    async fn store_change(
        &self,
        actor: &Actor,
        action: Deed,
        (before, after): (&AliasRow, &AliasRow),
    ) -> Result<AliasRow> {
        let audit = self.audit_change(actor, action, (Some(before), Some(after)));
        let mut row = self.store.rules.change_alias(after, audit).await?;
        self.hear_inboxes_of(actor, &mut [&mut row]).await;
        Ok(row)
    }

    /// The audit row of a change to an alias that there is, or was.
    pub(super) fn audit_change(
        &self,
        actor: &Actor,
        action: Deed,
        (before, after): (Option<&AliasRow>, Option<&AliasRow>),
    ) -> AuditEntry {
        let address = before.or(after).map(|row| alias_name(row).to_string()).unwrap_or_default();
        let shape = |row: &AliasRow| AliasShape::new(row, Counts::default(), None);
        let (before, after) = (before.map(shape), after.map(shape));
        self.audit(actor, action, &Subject { object: &address, before: before.as_ref(), after: after.as_ref() })
    }

    /// The audit row of a removal, with what brings the same alias back.
    pub(super) fn audit_removal(&self, actor: &Actor, row: &AliasRow) -> AuditEntry {
        let mut entry = self.audit_change(actor, Deed::AliasRemove, (Some(row), None));
        if let Some(Value::Object(before)) = &mut entry.before {
            before.insert(GONE.to_owned(), json!(Gone::of(row)));
        }
        entry
    }

    /// Switches an alias on or off, whatever else is changed of it meanwhile.
    pub async fn switch_alias(&self, actor: &Actor, id: &str, enabled: bool) -> Result<AliasRow> {
        in_spite_of_others(|| self.switch(actor, id, enabled)).await
    }

    async fn switch(&self, actor: &Actor, id: &str, enabled: bool) -> Result<AliasRow> {
        actor.must(Area::Aliases, Access::Write)?;
        let before = self.alias_within(actor, id, Reach::Manage).await?;
        if before.spec.enabled == enabled {
            return Ok(before);
        }
        let mut after = before.clone();
        after.spec.enabled = enabled;
        let _kept = self.named(alias_name(&before)).await;
        let action = if enabled { Deed::AliasEnable } else { Deed::AliasDisable };
        self.store_change(actor, action, (&before, &after)).await
    }

    /// Removes an alias. Its rows in the log stay.
    pub async fn remove_alias(&self, actor: &Actor, target: Target<'_, i64>) -> Result<()> {
        actor.must(Area::Aliases, Access::Write)?;
        let row = self.alias_within(actor, target.id, Reach::Manage).await?;
        check_version(target.version, row.version)?;
        let audit = self.audit_removal(actor, &row);
        Ok(self.store.rules.remove_alias(row.key, audit).await?)
    }

    async fn refuse_look_alike(&self, domain: &DomainRow, name: &AliasName) -> Result<()> {
        if name.kind != Kind::Address {
            return Ok(());
        }
        if name.pattern.chars().any(lookalike::is_invisible) {
            return Err(AdminError::field("address", "the part before the @ has characters that nobody can see"));
        }
        let Some(plain) = lookalike::reads_like(&name.pattern) else { return Ok(()) };
        match self.store.rules.alias(domain.key, Kind::Address, &plain).await {
            Ok(_) => {
                let detail =
                    format!("this reads like {plain}@{}, which exists: one of them would deceive", name.domain);
                Err(AdminError::field("address", detail))
            }
            Err(StoreError::NotFound) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }
}

/// Says which alias it is that exists already.
pub(super) fn taken(error: StoreError, name: &AliasName) -> AdminError {
    match error {
        StoreError::Exists(_) => AdminError::Conflict(format!("The alias {name} exists already.")),
        other => other.into(),
    }
}
