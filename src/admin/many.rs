//! The same change to several aliases, made together; and taking back what one transaction changed, as far as it still
//! stands as that made it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::store::accounts::{AuditQuery, AuditRow, AuditSpan};
use crate::store::activity::Counts;
use crate::store::rules::AliasRow;

use super::alias_changes::GONE;
use super::audit::{again, is_as_before, stands};
use super::error::in_spite_of_others;
use super::shapes::{AliasShape, AuditShape};
use super::{Access, Actor, Admin, AdminError, AliasBatch, Area, MAX_OPERATIONS, Reach, Result};

/// Newest entries among which the one of a change just made is looked for.
const LOOKED_AT: u32 = 5;
/// Whoever asks for the same again within this time pressed twice.
const PRESSED_TWICE_WITHIN: Duration = Duration::from_secs(10);

/// What is done with several aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Many {
    /// Switched on.
    Enable,
    /// Switched off.
    Disable,
    /// Removed.
    Remove,
    /// Given these labels.
    Label(Vec<String>),
    /// Without these labels.
    Unlabel(Vec<String>),
    /// Sent elsewhere.
    SendTo(Vec<String>),
}

/// What became of taking back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undone {
    /// What is again as it was.
    pub back: usize,
    /// What was changed again since, and stays.
    pub left: usize,
    /// Aliases of what is back that are new ones: their counts and their log begin anew.
    pub anew: usize,
}

/// How an entry is taken back.
enum WayBack {
    /// By this.
    By(Value),
    /// It is as it was already.
    Already,
    /// Not at all: what it made does not stand any more.
    Lost,
}

impl Many {
    /// What it is called in the audit log.
    const fn deed(&self) -> Deed {
        match self {
            Self::Enable => Deed::AliasEnable,
            Self::Disable => Deed::AliasDisable,
            Self::Remove => Deed::AliasRemove,
            Self::Label(_) | Self::Unlabel(_) | Self::SendTo(_) => Deed::AliasChange,
        }
    }

    /// What is to be done with one; nothing where it is so already.
    fn operation(&self, row: &AliasRow) -> Option<Value> {
        let (id, spec) = (row.id, &row.spec);
        let has = |label: &String| spec.labels.contains(label);
        match self {
            Self::Enable => (!spec.enabled).then(|| json!({ "op": "enable", "id": id })),
            Self::Disable => spec.enabled.then(|| json!({ "op": "disable", "id": id })),
            Self::Remove => Some(json!({ "op": "delete", "id": id })),
            Self::Label(more) => {
                let more: Vec<_> = more.iter().filter(|label| !has(label)).collect();
                let labels: Vec<_> = spec.labels.iter().chain(more.iter().copied()).collect();
                (!more.is_empty()).then(|| json!({ "op": "update", "id": id, "labels": labels }))
            }
            Self::Unlabel(less) => {
                let labels: Vec<_> = spec.labels.iter().filter(|label| !less.contains(label)).collect();
                less.iter().any(has).then(|| json!({ "op": "update", "id": id, "labels": labels }))
            }
            Self::SendTo(to) => {
                (spec.destinations != *to).then(|| json!({ "op": "update", "id": id, "destinations": to }))
            }
        }
    }
}

impl Admin {
    /// Changes these aliases, all or none of them, whatever else is changed of them meanwhile; the entries of the audit log,
    /// those of a moment ago where the same was done then, or nothing where all was so already.
    pub async fn change_many(&self, actor: &Actor, ids: &[String], what: &Many) -> Result<Option<AuditSpan>> {
        actor.must(Area::Aliases, Access::Write)?;
        if ids.is_empty() {
            return Err(AdminError::field("id", "choose at least one alias"));
        }
        let _turn = self.store.rules.turn().await;
        in_spite_of_others(|| async {
            match self.change_once(actor, ids, what).await {
                // What is gone since it was read is no operation of a batch.
                Err(AdminError::Invalid(_)) if *what == Many::Remove => Err(AdminError::Changed),
                done => done,
            }
        })
        .await
    }

    async fn change_once(&self, actor: &Actor, ids: &[String], what: &Many) -> Result<Option<AuditSpan>> {
        let mut operations = Vec::new();
        for id in ids.iter().take(MAX_OPERATIONS) {
            match self.alias_within(actor, id, Reach::Manage).await {
                Ok(row) => operations.extend(what.operation(&row)),
                // Gone by the same button, pressed twice.
                Err(gone @ AdminError::NotFound(_)) if *what == Many::Remove => {
                    let entries = self.just_done(actor, ids, what).await?;
                    let is_whole = entries.len() == ids.len();
                    return if is_whole { Ok(span(&entries)) } else { Err(gone) };
                }
                Err(error) => return Err(error),
            }
        }
        if operations.is_empty() {
            return Ok(span(&self.just_done(actor, ids, what).await?));
        }
        let applied = self.all_or_none(actor, &AliasBatch::whole(operations)?).await?;
        Ok(Some(applied.entries))
    }

    /// The newest entries of the actor's account, as far as they say that this was done to these a moment ago.
    async fn just_done(&self, actor: &Actor, ids: &[String], what: &Many) -> Result<Vec<AuditRow>> {
        let query = AuditQuery {
            account: Some(actor.account),
            since: Some(self.clock.now().before(PRESSED_TWICE_WITHIN)),
            limit: u32::try_from(ids.len()).unwrap_or(LOOKED_AT),
            ..AuditQuery::default()
        };
        let (mut rows, _) = self.store.accounts.audit_log(&query).await?;
        let of_these = |row: &AuditRow| was(row).is_some_and(|id| ids.iter().any(|one| one == id));
        let others = rows.iter().position(|row| row.action != what.deed().as_str() || !of_these(row));
        rows.truncate(others.unwrap_or(rows.len()));
        Ok(rows)
    }

    /// What the actor's account did in a span of the audit log, the newest first.
    pub async fn done_in(&self, actor: &Actor, span: AuditSpan) -> Result<Vec<AuditShape>> {
        actor.must(Area::Account, Access::Read)?;
        let rows = self.entries_of(actor.account, span).await?;
        Ok(rows.into_iter().map(|row| AuditShape::new(row, true)).collect())
    }

    async fn entries_of(&self, account: AccountId, span: AuditSpan) -> Result<Vec<AuditRow>> {
        let limit = u32::try_from(MAX_OPERATIONS).unwrap_or(u32::MAX);
        Ok(self.store.accounts.audit_span(account, span, limit).await?)
    }

    /// The entry of the change of this kind (`alias`, `user.roles`) that the actor has just made to something.
    pub async fn entry_of(&self, actor: &Actor, (action, object): (&str, &str)) -> Result<Option<AuditSpan>> {
        let query = AuditQuery {
            account: Some(actor.account),
            action: Some(action.to_owned()),
            object: Some(object.to_owned()),
            limit: LOOKED_AT,
            ..AuditQuery::default()
        };
        let (rows, _) = self.store.accounts.audit_log(&query).await?;
        Ok(rows.iter().find(|row| row.object == object).map(|row| AuditSpan { first: row.id, last: row.id }))
    }

    /// Whether the last that the actor's account did is this, a moment ago: then whoever asks for it again pressed twice.
    pub async fn just_did(&self, actor: &Actor, deed: Deed) -> bool {
        let since = Some(self.clock.now().before(PRESSED_TWICE_WITHIN));
        let query = AuditQuery { account: Some(actor.account), since, limit: 1, ..AuditQuery::default() };
        let newest = self.store.accounts.audit_log(&query).await;
        newest.is_ok_and(|(rows, _)| rows.first().is_some_and(|row| row.action == deed.as_str()))
    }

    /// Takes back what the actor's account did in a span of the audit log: each alias is again what it was, is there again,
    /// or goes; somebody has again the roles that they had. What was changed again since is left alone. The rights are
    /// those that the changes themselves take.
    pub async fn undo_span(&self, actor: &Actor, span: AuditSpan) -> Result<Undone> {
        match in_spite_of_others(|| self.undo_once(actor, span)).await {
            // What came between may be the same button, pressed twice.
            Err(AdminError::Conflict(_)) => self.undo_once(actor, span).await,
            done => done,
        }
    }

    async fn undo_once(&self, actor: &Actor, span: AuditSpan) -> Result<Undone> {
        let (mut operations, mut undone) = (Vec::new(), Undone::default());
        for entry in self.entries_of(actor.account, span).await? {
            if Deed::parse(&entry.action) == Some(Deed::UserRoles) {
                match self.undo_roles(actor, &entry).await {
                    Ok(()) => undone.back += 1,
                    Err(AdminError::Conflict(_)) => undone.left += 1,
                    Err(other) => return Err(other),
                }
                continue;
            }
            match self.way_back_of(actor, &entry).await? {
                WayBack::By(operation) => operations.push(operation),
                WayBack::Already => undone.back += 1,
                WayBack::Lost => undone.left += 1,
            }
        }
        if operations.is_empty() {
            return Ok(undone);
        }
        undone.back += operations.len();
        let were: Vec<_> = operations.iter().map(|operation| operation[GONE]["id"].clone()).collect();
        let is_creation: Vec<_> = operations.iter().map(|operation| operation["op"] == "create").collect();
        let applied = self.all_or_none(&actor.restoring(), &AliasBatch::whole(operations)?).await?;
        let made = applied.rows.iter().zip(&were).zip(&is_creation).filter(|(_, is_creation)| **is_creation);
        undone.anew = made.filter(|((row, was), _)| row.as_ref().is_none_or(|row| json!(row.id) != **was)).count();
        Ok(undone)
    }

    /// The operation that takes an entry back.
    async fn way_back_of(&self, actor: &Actor, entry: &AuditRow) -> Result<WayBack> {
        let deed = Deed::parse(&entry.action);
        if deed == Some(Deed::AliasRemove) {
            return self.way_back_of_removal(actor, entry).await;
        }
        let row = match self.alias(actor, &entry.object).await {
            Ok(row) => row,
            Err(AdminError::NotFound(_)) if deed == Some(Deed::AliasCreate) => return Ok(WayBack::Already),
            Err(AdminError::NotFound(_)) => return Ok(WayBack::Lost),
            Err(other) => return Err(other),
        };
        let (before, shape) = (again(entry), AliasShape::new(&row, Counts::default(), None));
        Ok(match deed {
            Some(Deed::AliasChange | Deed::AliasEnable | Deed::AliasDisable) if stands(entry, &shape) => {
                WayBack::By(with(before, json!({ "op": "update", "id": row.id })))
            }
            Some(Deed::AliasChange | Deed::AliasEnable | Deed::AliasDisable) if is_as_before(entry, &shape) => {
                WayBack::Already
            }
            // What nobody has changed since it was made.
            Some(Deed::AliasCreate) if row.version == 1 => WayBack::By(json!({ "op": "delete", "id": row.id })),
            _ => WayBack::Lost,
        })
    }

    async fn way_back_of_removal(&self, actor: &Actor, entry: &AuditRow) -> Result<WayBack> {
        if self.is_there_again(actor, entry).await? {
            return Ok(WayBack::Already);
        }
        Ok(WayBack::By(with(again(entry), json!({ "op": "create" }))))
    }

    /// Whether the alias that was removed is there, the same one.
    pub(super) async fn is_there_again(&self, actor: &Actor, entry: &AuditRow) -> Result<bool> {
        let Some(id) = was(entry) else { return Ok(false) };
        match self.alias(actor, id).await {
            Ok(_) => Ok(true),
            Err(AdminError::NotFound(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }
}

/// The id of what an entry speaks of, before.
fn was(entry: &AuditRow) -> Option<&str> {
    entry.before.as_ref()?.get("id")?.as_str()
}

/// From the first to the last of them, the newest of which stands first.
fn span(entries: &[AuditRow]) -> Option<AuditSpan> {
    Some(AuditSpan { first: entries.last()?.id, last: entries.first()?.id })
}

fn with(mut fields: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}
