//! The same change to several aliases, made together; and taking back what one transaction changed, as far as it still
//! stands as that made it.

use serde_json::{Map, Value, json};

use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::store::accounts::{AuditQuery, AuditRow, AuditSpan};
use crate::store::activity::Counts;
use crate::store::rules::AliasRow;

use super::audit::{again, stands};
use super::shapes::{AliasShape, AuditShape};
use super::{Access, Actor, Admin, AdminError, AliasBatch, Area, MAX_OPERATIONS, Reach, Result};

/// Newest entries among which the one of a change just made is looked for.
const LOOKED_AT: u32 = 5;

/// What is done with several aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Many {
    /// Switched on.
    Enable,
    /// Switched off.
    Disable,
    /// Removed.
    Remove,
    /// Given a label.
    Label(String),
    /// Without a label.
    Unlabel(String),
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
}

impl Many {
    /// What is to be done with one; nothing where it is so already.
    fn operation(&self, row: &AliasRow) -> Option<Value> {
        let (id, spec) = (row.id, &row.spec);
        let has = |label: &String| spec.labels.contains(label);
        match self {
            Self::Enable => (!spec.enabled).then(|| json!({ "op": "enable", "id": id })),
            Self::Disable => spec.enabled.then(|| json!({ "op": "disable", "id": id })),
            Self::Remove => Some(json!({ "op": "delete", "id": id })),
            Self::Label(label) => {
                let labels: Vec<_> = spec.labels.iter().chain([label]).collect();
                (!has(label)).then(|| json!({ "op": "update", "id": id, "labels": labels }))
            }
            Self::Unlabel(label) => {
                let labels: Vec<_> = spec.labels.iter().filter(|other| *other != label).collect();
                has(label).then(|| json!({ "op": "update", "id": id, "labels": labels }))
            }
            Self::SendTo(to) => {
                (spec.destinations != *to).then(|| json!({ "op": "update", "id": id, "destinations": to }))
            }
        }
    }
}

impl Admin {
    /// Changes these aliases, all or none of them; the entries of the audit log, or nothing where all was so already.
    pub async fn change_many(&self, actor: &Actor, ids: &[String], what: &Many) -> Result<Option<AuditSpan>> {
        actor.must(Area::Aliases, Access::Write)?;
        if ids.is_empty() {
            return Err(AdminError::field("id", "choose at least one alias"));
        }
        let mut operations = Vec::new();
        for id in ids.iter().take(MAX_OPERATIONS) {
            operations.extend(what.operation(&self.alias_within(actor, id, Reach::Manage).await?));
        }
        self.apply_all(actor, operations).await
    }

    async fn apply_all(&self, actor: &Actor, operations: Vec<Value>) -> Result<Option<AuditSpan>> {
        if operations.is_empty() {
            return Ok(None);
        }
        let applied = self.all_or_none(actor, &AliasBatch::whole(operations)?).await?;
        Ok(Some(applied.entries))
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

    /// Takes back what the actor's account did in a span of the audit log: each alias is again what it was, is there again,
    /// or goes; somebody has again the roles that they had. What was changed again since is left alone. The rights are
    /// those that the changes themselves take.
    pub async fn undo_span(&self, actor: &Actor, span: AuditSpan) -> Result<Undone> {
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
                Some(operation) => operations.push(operation),
                None => undone.left += 1,
            }
        }
        undone.back += operations.len();
        self.apply_all(&actor.restoring(), operations).await?;
        Ok(undone)
    }

    /// The operation that takes an entry back; none where what it made does not stand any more.
    async fn way_back_of(&self, actor: &Actor, entry: &AuditRow) -> Result<Option<Value>> {
        let (before, deed) = (again(entry), Deed::parse(&entry.action));
        if deed == Some(Deed::AliasRemove) {
            return Ok(Some(with(before, json!({ "op": "create" }))));
        }
        let row = match self.alias(actor, &entry.object).await {
            Ok(row) => row,
            Err(AdminError::NotFound(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        let shape = AliasShape::new(&row, Counts::default(), None);
        let operation = match deed {
            Some(Deed::AliasChange | Deed::AliasEnable | Deed::AliasDisable) if stands(entry, &shape) => {
                Some(with(before, json!({ "op": "update", "id": row.id })))
            }
            // What nobody has changed since it was made.
            Some(Deed::AliasCreate) if row.version == 1 => Some(json!({ "op": "delete", "id": row.id })),
            _ => None,
        };
        Ok(operation)
    }
}

fn with(mut fields: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}
