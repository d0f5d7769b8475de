//! Many changes of aliases in one request: all of them or none (which is the rule), or each by itself.

use serde_json::{Map, Value};

use crate::mail::Mailbox;
use crate::policy::deeds::Deed;
use crate::policy::rule::Action;
use crate::store::rules::{AliasRow, AliasSpec, AliasStep, Applied};

use super::aliases::taken;
use super::name::AliasName;
use super::patterns::Matching;
use super::shapes::alias_name;
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

/// A change that may be made, and the alias as it will be.
struct Prepared {
    step: AliasStep,
    name: AliasName,
    /// As it will be; none where it goes.
    spec: Option<AliasSpec>,
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
        let mut prepared: Vec<Prepared> = Vec::with_capacity(batch.operations.len());
        for (index, operation) in batch.operations.iter().enumerate() {
            let next = self.prepare(actor, operation).await.map_err(|error| within(index, error))?;
            refuse_ways_within(&prepared, &next).map_err(|error| within(index, error))?;
            prepared.push(next);
        }
        let names: Vec<_> = prepared.iter().map(|change| change.name.clone()).collect();
        let steps = prepared.into_iter().map(|change| change.step).collect();
        let applied = self.store.rules.apply_aliases(steps).await.map_err(|(index, error)| {
            within(index, names.get(index).map_or(AdminError::Unwell, |name| taken(error, name)))
        })?;
        let there: Vec<_> = applied.rows.iter().flatten().cloned().collect();
        self.ask_inboxes_of(actor, &there).await;
        Ok(applied)
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
                let step = AliasStep::Add { account: new.domain.account, domain: new.domain.key, spec, audit };
                Ok(Prepared { step, name: new.name, spec: Some(new.draft) })
            }
            OperationKind::Update => {
                let rows = self.changed_alias(actor, target, &operation.written).await?;
                Ok(self.prepared_change(actor, Deed::AliasChange, rows))
            }
            OperationKind::Enable | OperationKind::Disable => {
                actor.must(Area::Aliases, Access::Write)?;
                let before = self.alias_within(actor, &operation.id, Reach::Manage).await?;
                let mut after = before.clone();
                after.spec.enabled = operation.kind == OperationKind::Enable;
                let action = if after.spec.enabled { Deed::AliasEnable } else { Deed::AliasDisable };
                Ok(self.prepared_change(actor, action, (before, after)))
            }
            OperationKind::Delete => {
                actor.must(Area::Aliases, Access::Write)?;
                let row = self.alias_within(actor, &operation.id, Reach::Manage).await?;
                let audit = self.audit_change(actor, Deed::AliasRemove, (Some(&row), None));
                Ok(Prepared { step: AliasStep::Remove { key: row.key, audit }, name: alias_name(&row), spec: None })
            }
        }
    }

    fn prepared_change(&self, actor: &Actor, action: Deed, (before, after): (AliasRow, AliasRow)) -> Prepared {
        let audit = self.audit_change(actor, action, (Some(&before), Some(&after)));
        let (name, spec) = (alias_name(&after), Some(after.spec.clone()));
        Prepared { step: AliasStep::Change { row: Box::new(after), audit }, name, spec }
    }
}

/// Circles are looked for among the aliases that there are. So an alias of a batch does not lead to one that the same batch
/// makes or changes, nor is one changed twice.
fn refuse_ways_within(earlier: &[Prepared], next: &Prepared) -> Result<()> {
    if earlier.iter().any(|other| other.name == next.name) {
        return Err(AdminError::Conflict(format!("{} stands in this batch twice.", next.name)));
    }
    for other in earlier {
        for (from, to) in [(other, next), (next, other)] {
            if leads_to(from, to) {
                let why = format!(
                    "{} leads to {}, which is in the same batch: send two, one after the other",
                    from.name, to.name
                );
                return Err(AdminError::field("destinations", why));
            }
        }
    }
    Ok(())
}

fn leads_to(from: &Prepared, to: &Prepared) -> bool {
    let (Some(spec), Some(_), Ok(matching)) = (&from.spec, &to.spec, Matching::of(&to.name)) else { return false };
    let sends = matches!(spec.action, Action::Forward | Action::Create);
    let meets = |mailbox: Mailbox| mailbox.domain() == Some(&to.name.domain) && matching.matches(mailbox.local());
    sends && spec.destinations.iter().filter_map(|text| Mailbox::parse(text).ok()).any(meets)
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
