//! An alias as one statement reads it, whole: with its targets, lists and labels. Both what people read and what
//! routing needs are made of it.

use std::time::Duration;

use serde::Deserialize;

use super::words::named;
use super::{AliasRow, AliasSpec};
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::ids::{AccountId, AliasId, DestinationId, DomainId};
use crate::policy::rule::{Destination, Rule, SenderLists, SenderPattern, Target};
use crate::store::Result;
use crate::store::columns::{Columns, broken};

/// Columns of an alias, of the tables `a` and `d`. Lists are put in order after reading: SQLite would open a temporary
/// table for each to sort it in.
macro_rules! selected {
    () => {
        "a.id, a.uuid, a.version, a.account_id, a.domain_id, d.name, a.created_at, a.updated_at, \
         a.kind, a.pattern, a.priority, a.action, a.enabled, a.description, a.expires_at, a.expires_after_messages, \
         a.expires_after_idle, a.after_expiry, a.quota, a.privacy, a.reject_message, a.overrides, \
         (select json_group_array(json_array(t.step, t.position, coalesce(t.template, x.address), t.destination_id, \
             x.created_at, coalesce(x.verified_at, (select w.verified_at from destinations as w \
                 where w.account_id = x.account_id and w.key = x.host)))) \
             from alias_destinations as t left join destinations as x on x.id = t.destination_id \
             where t.alias_id = a.id), \
         (select json_group_array(json_array(s.position, s.verdict, s.pattern)) from sender_lists as s \
             where s.level = 'alias' and s.scope_id = a.id), \
         (select json_group_array(l.name) from alias_labels as al \
             join labels as l on l.id = al.label_id where al.alias_id = a.id)"
    };
}
/// The same, up to and with the tables they are from; what follows is a condition.
macro_rules! columns {
    () => {
        concat!($crate::store::rules::loaded::selected!(), " from aliases as a join domains as d on d.id = a.domain_id")
    };
}
/// The condition that an alias counts: it is of no import, or of one that has finished.
macro_rules! counts {
    () => {
        "(a.import_id is null or exists (select 1 from imports as i where i.id = a.import_id \
         and i.finished_at is not null))"
    };
}
pub(in crate::store) use {columns, counts, selected};

/// One target: its step and position, its text, its destination, since when, verified when.
#[derive(Debug, Deserialize)]
struct LoadedTarget(i64, i64, String, Option<i64>, Option<i64>, Option<i64>);

/// An alias as read.
#[derive(Debug)]
pub(in crate::store) struct Loaded {
    pub(super) row: AliasRow,
    targets: Vec<Target>,
}

impl Loaded {
    /// Reads the columns of `columns!`.
    pub(in crate::store) fn read(columns: &mut Columns<'_>) -> Result<Self> {
        let mut row = AliasRow {
            key: AliasId(columns.take()?),
            id: columns.uuid()?,
            version: columns.take()?,
            account: AccountId(columns.take()?),
            domain: DomainId(columns.take()?),
            domain_name: columns.parsed("a domain", |text| Domain::parse(text).ok())?,
            created_at: columns.moment()?,
            updated_at: columns.moment()?,
            spec: spec(columns)?,
            unverified: Vec::new(),
        };
        let mut targets: Vec<LoadedTarget> = columns.json("targets")?;
        targets.sort_unstable_by_key(|target| (target.0, target.1));
        let unverified = targets.iter().filter(|target| target.3.is_some() && target.5.is_none());
        row.unverified = unverified.map(|target| target.2.clone()).collect();
        row.spec.destinations = targets.iter().map(|target| target.2.clone()).collect();
        let mut senders: Vec<(i64, String, String)> = columns.json("sender lists")?;
        senders.sort_unstable_by_key(|(position, ..)| *position);
        let (allow, block): (Vec<_>, Vec<_>) = senders.into_iter().partition(|(_, verdict, _)| verdict == "allow");
        row.spec.allow = allow.into_iter().map(|(.., pattern)| pattern).collect();
        row.spec.block = block.into_iter().map(|(.., pattern)| pattern).collect();
        row.spec.labels = columns.json("labels")?;
        row.spec.labels.sort_unstable();
        let targets = targets.into_iter().map(target).collect::<Result<_>>()?;
        Ok(Self { row, targets })
    }

    /// As routing needs it.
    pub(in crate::store) fn into_rule(self) -> Rule {
        let AliasRow { key: id, id: uuid, account, domain, spec, created_at, .. } = self.row;
        let expiry = spec.expiry();
        let patterns = |entries: Vec<String>| entries.into_iter().map(SenderPattern).collect();
        Rule {
            id,
            uuid,
            domain,
            account,
            kind: spec.kind,
            pattern: spec.pattern,
            priority: spec.priority,
            action: spec.action,
            targets: self.targets,
            enabled: spec.enabled,
            expiry,
            after: spec.then,
            senders: SenderLists { allow: patterns(spec.allow), block: patterns(spec.block) },
            quota: spec.quota,
            privacy: spec.privacy,
            reject_text: spec.reject_message,
            overrides: spec.overrides,
            created_at,
        }
    }
}

/// What can be set, but for the lists.
fn spec(columns: &mut Columns<'_>) -> Result<AliasSpec> {
    Ok(AliasSpec {
        kind: columns.parsed("a kind", named)?,
        pattern: columns.take()?,
        priority: columns.take()?,
        action: columns.parsed("an action", named)?,
        destinations: Vec::new(),
        enabled: columns.flag()?,
        description: columns.take()?,
        labels: Vec::new(),
        expires_at: columns.maybe_moment()?,
        expires_after_messages: columns.maybe_count()?,
        expires_after_idle: columns.maybe_count()?.map(Duration::from_millis),
        then: columns.parsed("an after-state", named)?,
        allow: Vec::new(),
        block: Vec::new(),
        quota: columns.maybe_count()?,
        privacy: columns.parsed("a privacy", named)?,
        reject_message: columns.take()?,
        overrides: columns.json("settings")?,
    })
}

fn target(LoadedTarget(_, _, text, destination, added_at, verified_at): LoadedTarget) -> Result<Target> {
    let (Some(id), Some(added_at)) = (destination, added_at) else { return Ok(Target::Template(text)) };
    let address = Mailbox::parse(&text).map_err(|_| broken("a destination"))?;
    let verified_at = verified_at.map(Moment::from_millis);
    Ok(Target::Fixed(Destination {
        id: DestinationId(id),
        address,
        verified_at,
        added_at: Moment::from_millis(added_at),
    }))
}

/// A domain, or null.
pub(in crate::store) fn maybe_domain(text: Option<&str>) -> Result<Option<Domain>> {
    text.map(|text| Domain::parse(text).map_err(|_| broken("a domain"))).transpose()
}
