//! Many changes of aliases in one request: all of them or none (which is the rule), or each by itself.

use serde_json::{Map, Value};

use crate::policy::deeds::Deed;
use crate::store::StoreError;
use crate::store::rules::patterns::{MAX_COMPILED_OF_ACCOUNT, too_large};
use crate::store::rules::{AliasRow, AliasStep, Applied};

use super::alias_changes::{Changed, taken};
use super::shapes::alias_name;
use super::ways::{self, End};
use super::{Access, Actor, Admin, AdminError, Area, Fault, Form, Reach, Result, Target, fields};

/// Changes of one batch at most.
pub const MAX_OPERATIONS: usize = 1000;

/// What is to be done.
#[derive(Debug)]
pub struct AliasBatch {
    operations: Vec<Operation>,
    atomic: bool,
}

#[derive(Debug)]
struct Operation {
    kind: OperationKind,
    /// Which alias, where it is not a new one.
    id: String,
    /// What is written of it.
    written: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OperationKind {
    Create,
    Update,
    Delete,
    Enable,
    Disable,
}

/// What became of one change: the alias as it is now, or none where it was removed.
pub(super) type Outcome = Result<Option<AliasRow>>;

impl AliasBatch {
    /// All of these, or none: each is `op`, `id` and what is written of it.
    pub(super) fn whole(operations: Vec<Value>) -> Result<Self> {
        Self::read(&Map::from_iter([("operations".to_owned(), Value::Array(operations))]))
    }

    /// Reads `operations` and `atomic`.
    pub fn read(written: &Map<String, Value>) -> Result<Self> {
        let mut form = Form::new(written);
        let atomic = form.optional("atomic", fields::boolean).unwrap_or(true);
        let operations = form.optional("operations", |v| fields::list(v, MAX_OPERATIONS, operation));
        if operations.as_ref().is_none_or(Vec::is_empty) && form.is_sound() {
            form.fault("operations", "say what is to be done: a list of at least one operation");
        }
        form.finish()?;
        Ok(Self { operations: operations.unwrap_or_default(), atomic })
    }
}

fn operation(value: &Value) -> super::form::Read<Operation> {
    let mut written = value.as_object().cloned().ok_or("write an object")?;
    let kind = match written.remove("op").as_ref().and_then(Value::as_str) {
        Some("create") => OperationKind::Create,
        Some("update") => OperationKind::Update,
        Some("delete") => OperationKind::Delete,
        Some("enable") => OperationKind::Enable,
        Some("disable") => OperationKind::Disable,
        _ => return Err("in op, write one of create, update, delete, enable, disable".into()),
    };
    let id = written.remove("id").and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
    if id.is_empty() && kind != OperationKind::Create {
        return Err("in id, name the alias: its id, or the alias as it is written".into());
    }
    Ok(Operation { kind, id, written })
}

/// A change that may be made, and the alias as it will be. Patterns stay compiled as long as this is kept.
struct Prepared {
    step: AliasStep,
    end: End,
}

impl Admin {
    /// Does what is asked for; an outcome for each operation, in their order.
    pub async fn alias_batch(&self, actor: &Actor, batch: &AliasBatch) -> Result<Vec<Outcome>> {
        if batch.atomic {
            return Ok(self.all_or_none(actor, batch).await?.rows.into_iter().map(Ok).collect());
        }
        let mut outcomes = Vec::with_capacity(batch.operations.len());
        for operation in &batch.operations {
            outcomes.push(self.one_operation(actor, operation).await);
        }
        Ok(outcomes)
    }

    /// Does all that is asked for, or nothing.
    pub(super) async fn all_or_none(&self, actor: &Actor, batch: &AliasBatch) -> Result<Applied> {
        let (steps, ends) = self.prepare_all(actor, batch).await?;
        let ends = self.without_ways_within(ends).await?;
        let mut applied = self.store.rules.apply_aliases(steps).await.map_err(|(index, error)| match error {
            // It was there when it was read.
            StoreError::NotFound => AdminError::Changed,
            error => within(index, ends.get(index).map_or(AdminError::Unwell, |end| taken(error, &end.named.name))),
        })?;
        let mut there: Vec<_> = applied.rows.iter_mut().flatten().collect();
        self.hear_inboxes_of(actor, &mut there).await;
        Ok(applied)
    }

    async fn prepare_all(&self, actor: &Actor, batch: &AliasBatch) -> Result<(Vec<AliasStep>, Vec<End>)> {
        let (mut steps, mut ends) = (Vec::new(), Vec::new());
        let mut octets = 0;
        for (index, operation) in batch.operations.iter().enumerate() {
            let Prepared { step, end } = self.prepare(actor, operation).await.map_err(|error| within(index, error))?;
            octets += end.octets();
            // So much at once would be too much, whoever has room for it.
            if octets > MAX_COMPILED_OF_ACCOUNT {
                return Err(within(index, AdminError::field("address", too_large())));
            }
            steps.push(step);
            ends.push(end);
        }
        Ok((steps, ends))
    }

    /// Refuses ways within a batch; they are looked for beside the threads that carry mail.
    async fn without_ways_within(&self, ends: Vec<End>) -> Result<Vec<End>> {
        let looked = tokio::task::spawn_blocking(move || (ways::within(&ends), ends));
        let (found, ends) = looked.await.map_err(|_| AdminError::Unwell)?;
        match found {
            Some((index, error)) => Err(within(index, error)),
            None => Ok(ends),
        }
    }

    async fn one_operation(&self, actor: &Actor, operation: &Operation) -> Outcome {
        let target = Target { id: operation.id.as_str(), version: None };
        match operation.kind {
            OperationKind::Create => self.add_alias(actor, &operation.written).await.map(Some),
            OperationKind::Update => self.change_alias(actor, target, &operation.written).await.map(Some),
            OperationKind::Delete => self.remove_alias(actor, target).await.map(|()| None),
            OperationKind::Enable => self.switch_alias(actor, &operation.id, true).await.map(Some),
            OperationKind::Disable => self.switch_alias(actor, &operation.id, false).await.map(Some),
        }
    }

    async fn prepare(&self, actor: &Actor, operation: &Operation) -> Result<Prepared> {
        let target = Target { id: operation.id.as_str(), version: None };
        match operation.kind {
            OperationKind::Create => {
                let new = self.new_alias(actor, &operation.written).await?;
                let (audit, spec) = (self.audit_new(actor, &new), Box::new(new.draft.clone()));
                let (account, domain, gone) = (new.domain.account, new.domain.key, new.gone);
                let step = AliasStep::Add { account, domain, spec, gone, audit };
                Ok(Prepared { step, end: End::new(new.named, Some(&new.draft)) })
            }
            OperationKind::Update => {
                let changed = self.changed_alias(actor, target, &operation.written).await?;
                Ok(self.prepared_change(actor, Deed::AliasChange, changed))
            }
            OperationKind::Enable | OperationKind::Disable => {
                actor.must(Area::Aliases, Access::Write)?;
                let before = self.alias_within(actor, &operation.id, Reach::Manage).await?;
                let mut after = before.clone();
                after.spec.enabled = operation.kind == OperationKind::Enable;
                let action = if after.spec.enabled { Deed::AliasEnable } else { Deed::AliasDisable };
                let named = self.named(alias_name(&before)).await;
                Ok(self.prepared_change(actor, action, Changed { before, after, named }))
            }
            OperationKind::Delete => {
                actor.must(Area::Aliases, Access::Write)?;
                let row = self.alias_within(actor, &operation.id, Reach::Manage).await?;
                let step = AliasStep::Remove { key: row.key, audit: self.audit_removal(actor, &row) };
                Ok(Prepared { step, end: End::new(self.named(alias_name(&row)).await, None) })
            }
        }
    }

    fn prepared_change(&self, actor: &Actor, action: Deed, Changed { before, after, named }: Changed) -> Prepared {
        let audit = self.audit_change(actor, action, (Some(&before), Some(&after)));
        let end = End::new(named, Some(&after.spec));
        Prepared { step: AliasStep::Change { row: Box::new(after), audit }, end }
    }
}

/// An error of one operation, with its place in the body.
fn within(index: usize, error: AdminError) -> AdminError {
    let place = |fault: Fault| Fault {
        field: "operations".to_owned(),
        pointer: format!("/operations/{index}{}", fault.pointer),
        detail: format!("{}: {}", fault.field, fault.detail),
    };
    match error {
        AdminError::Invalid(faults) => AdminError::Invalid(faults.into_iter().map(place).collect()),
        AdminError::NotFound(why) => AdminError::Invalid(vec![Fault::at("operations", index, why)]),
        AdminError::Conflict(why) => AdminError::Conflict(format!("Operation {index}: {why}")),
        AdminError::Forbidden(why) => AdminError::Forbidden(format!("Operation {index}: {why}")),
        other => other,
    }
}
