//! The audit log: who changed what, before and after; and taking a change back where that is safe, which is where what it
//! made still stands as it made it.

use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::store::StoreError;
use crate::store::accounts::{AuditQuery, AuditRow};
use crate::store::activity::Counts;

use super::activity::read_moment;
use super::error::OrMissing;
use super::replacement::replacement_of;
use super::settings::PRESENT_PASSWORD;
use super::shapes::{AliasShape, AuditShape, CatchAll, DomainShape, ListShape};
use super::{Access, Actor, Admin, AdminError, AliasName, Area, Paging, Result, Target};

/// Which entries to list, as written.
#[derive(Debug, Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// `operator`, `token NAME`, or an account's address.
    pub actor: Option<String>,
    /// `alias.remove`, or `alias`.
    pub action: Option<String>,
    /// Part of what it was done to.
    pub object: Option<String>,
    /// Not before.
    pub since: Option<String>,
    /// Before.
    pub until: Option<String>,
    /// Which page.
    #[param(ignore)]
    pub paging: Paging,
}

/// What of a change says how things were and not what was wanted.
const NOT_SET: [&str; 15] = [
    "id",
    "kind",
    "domain",
    "unverified",
    "counts",
    "messages",
    "quota_used",
    "last_mail_at",
    "ended",
    "created_at",
    "updated_at",
    "unicode",
    "dns",
    "verified_at",
    "catch_all",
];

/// What can be taken back by what was before.
const UNDOABLE: [Deed; 7] = [
    Deed::AliasChange,
    Deed::AliasEnable,
    Deed::AliasDisable,
    Deed::AliasRemove,
    Deed::DomainSet,
    Deed::SettingsChange,
    Deed::UserRoles,
];

const POLICY: &str = "policy";

impl Admin {
    /// The audit log, newest first: the whole for admins, else what was done on the account's behalf; for a token
    /// that is limited to domains what it did itself.
    pub async fn audit_log(&self, actor: &Actor, filter: &AuditFilter) -> Result<ListShape<AuditShape>> {
        actor.must(Area::Account, Access::Read)?;
        let wrong = || AdminError::field("cursor", "write the next_cursor of an earlier page of this list");
        let before = filter.paging.cursor.as_deref().map(|text| text.parse().map_err(|_| wrong())).transpose()?;
        let text = |field: &Option<String>| field.clone().map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
        let query = AuditQuery {
            account: only(actor),
            by: own_name(actor),
            actor: text(&filter.actor),
            action: text(&filter.action),
            object: text(&filter.object),
            since: read_moment("since", filter.since.as_deref())?,
            until: read_moment("until", filter.until.as_deref())?,
            before,
            limit: filter.paging.rows(),
        };
        let (rows, next) = self.store.accounts.audit_log(&query).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let is_settled = row.action == Deed::AliasRemove.as_str() && !self.may_come_back(&row.object).await?;
            let shape = shown(row);
            items.push(AuditShape { undoable: shape.undoable && !is_settled, ..shape });
        }
        Ok(ListShape { items, next_cursor: next.map(|id| id.to_string()) })
    }

    /// Whether an alias that was removed has its place still: its domain is there, and no alias of that name.
    async fn may_come_back(&self, alias: &str) -> Result<bool> {
        match self.find_named(alias).await {
            Ok(_) => return Ok(false),
            Err(AdminError::NotFound(_)) => {}
            Err(other) => return Err(other),
        }
        let Ok(name) = AliasName::parse(alias) else { return Ok(false) };
        match self.store.rules.domain(&name.domain).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// Takes a change back: an alias is again what it was, or is there again; a domain has its settings again. The rights
    /// are those that the change itself takes, and what was changed since is left alone. A setting may take the `present`
    /// password of whoever asks.
    pub async fn undo(&self, actor: &Actor, id: &str, present: Option<&str>) -> Result<AuditShape> {
        actor.must(Area::Account, Access::Read)?;
        let number = id.parse().map_err(|_| AdminError::missing("entry of the audit log", id))?;
        let entry = self.store.accounts.audit_entry(number).await.or_missing("entry of the audit log", id)?;
        let is_another_s = only(actor).is_some_and(|account| account != entry.account);
        if is_another_s || own_name(actor).is_some_and(|name| name != entry.actor) {
            return Err(AdminError::missing("entry of the audit log", id));
        }
        let before = entry.before.is_some().then(|| again(&entry));
        match (Deed::parse(&entry.action), before) {
            (Some(Deed::AliasChange | Deed::AliasEnable | Deed::AliasDisable), Some(before)) => {
                self.undo_alias(actor, &entry, before).await?;
            }
            (Some(Deed::AliasRemove), Some(before)) => self.undo_removal(actor, &entry, before).await?,
            (Some(Deed::DomainSet), Some(before)) => self.undo_domain(actor, &entry, before).await?,
            (Some(Deed::SettingsChange), Some(_)) => self.undo_settings(actor, &entry, present).await?,
            (Some(Deed::UserRoles), Some(_)) => self.undo_roles(actor, &entry).await?,
            (Some(Deed::DestinationReplace), Some(_)) => self.undo_replacement(actor, &entry).await?,
            _ => {
                let detail = format!("{} of {} cannot be taken back.", entry.action, entry.object);
                return Err(AdminError::Conflict(detail));
            }
        }
        Ok(shown(entry))
    }

    async fn undo_alias(&self, actor: &Actor, entry: &AuditRow, before: Map<String, Value>) -> Result<()> {
        let row = self.alias(actor, &entry.object).await?;
        must_stand(entry, &AliasShape::new(&row, Counts::default(), None))?;
        let target = Target { id: &entry.object, version: Some(row.version) };
        self.change_alias(&actor.restoring(), target, &before).await.map(drop)
    }

    /// What is there again already is as it was.
    async fn undo_removal(&self, actor: &Actor, entry: &AuditRow, before: Map<String, Value>) -> Result<()> {
        if self.is_there_again(actor, entry).await? {
            return Ok(());
        }
        self.add_alias(&actor.restoring(), &before).await.map(drop)
    }

    async fn undo_domain(&self, actor: &Actor, entry: &AuditRow, before: Map<String, Value>) -> Result<()> {
        let row = self.find_domain(actor, &entry.object).await?;
        must_stand(entry, &DomainShape::new(&row, CatchAll::Off))?;
        let tag = self.domain_tag(actor, &entry.object).await?;
        let target = Target { id: &entry.object, version: Some(tag.as_str()) };
        self.change_domain(actor, target, &before).await.map(drop)
    }
}

impl Admin {
    /// Each setting is again what it was, or nobody's, where all of them still are what the change made them.
    async fn undo_settings(&self, actor: &Actor, entry: &AuditRow, present: Option<&str>) -> Result<()> {
        actor.must_be_admin("change its settings")?;
        let side = |side: &Option<Value>| side.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let (before, after) = (side(&entry.before), side(&entry.after));
        let panel = self.store.accounts.settings().await?;
        let is = |key: &str| panel.iter().find(|(set, _)| set == key).map_or(&Value::Null, |(_, value)| value);
        if after.iter().any(|(key, value)| is(key) != value) {
            return Err(changed_since(entry));
        }
        let back = |key: &String| (key.clone(), before.get(key).cloned().unwrap_or_default());
        let present = present.map(|password| (PRESENT_PASSWORD.to_owned(), password.into()));
        self.change_settings(actor, &after.keys().map(back).chain(present).collect()).await.map(drop)
    }
}

/// Whose entries an actor sees, where not all.
fn only(actor: &Actor) -> Option<AccountId> {
    (!actor.oversees(Access::Read)).then_some(actor.account)
}

/// By what name an actor did what it sees, where it sees nothing else: what others did may be on any domain.
fn own_name(actor: &Actor) -> Option<String> {
    actor.is_limited().then(|| actor.name.to_string())
}

fn shown(row: AuditRow) -> AuditShape {
    let is_kept = row.before.is_some() && Deed::parse(&row.action).is_some_and(|deed| UNDOABLE.contains(&deed));
    let undoable = is_kept || replacement_of(&row).is_some();
    AuditShape::new(row, undoable)
}

/// What of a shape can be set again.
fn settable(shape: &Value) -> Map<String, Value> {
    let mut fields = shape.as_object().cloned().unwrap_or_default();
    // They have no order, and earlier releases wrote them down as they were typed.
    if let Some(labels) = fields.get_mut("labels").and_then(Value::as_array_mut) {
        labels.sort_unstable_by(|one, other| one.as_str().cmp(&other.as_str()));
    }
    fields.into_iter().filter(|(key, _)| !NOT_SET.contains(&key.as_str())).collect()
}

/// What takes an entry back: all that was set before. A policy is merged key by key, so a key that the change brought is
/// taken away by name.
pub(super) fn again(entry: &AuditRow) -> Map<String, Value> {
    let mut before = entry.before.as_ref().map(settable).unwrap_or_default();
    let brought = entry.after.as_ref().and_then(|after| after.get(POLICY)?.as_object());
    if let (Some(Value::Object(policy)), Some(brought)) = (before.get_mut(POLICY), brought) {
        for key in brought.keys() {
            policy.entry(key).or_insert(Value::Null);
        }
    }
    before
}

/// What a change made must still be what there is.
fn must_stand(entry: &AuditRow, is: &impl serde::Serialize) -> Result<()> {
    if stands(entry, is) {
        return Ok(());
    }
    Err(changed_since(entry))
}

pub(super) fn changed_since(entry: &AuditRow) -> AdminError {
    AdminError::Conflict(format!("{} was changed again since then, so this is not taken back.", entry.object))
}

/// Whether what there is, is what was before a change.
pub(super) fn is_as_before(entry: &AuditRow, is: &impl serde::Serialize) -> bool {
    let is = serde_json::to_value(is).unwrap_or_default();
    entry.before.as_ref().is_some_and(|before| settable(before) == settable(&is))
}

/// Whether what a change made is still what there is.
pub(super) fn stands(entry: &AuditRow, is: &impl serde::Serialize) -> bool {
    let is = serde_json::to_value(is).unwrap_or_default();
    entry.after.as_ref().is_some_and(|after| settable(after) == settable(&is))
}
