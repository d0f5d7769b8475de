//! A catch-all that creates: the first accepted mail to an address makes it a normal alias, within limits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Tools;
use super::arrival::Arrival;
use crate::mail::{Mailbox, Moment};
use crate::policy::admission::Decision;
use crate::policy::deeds::Deed;
use crate::policy::ids::DomainId;
use crate::policy::routing::without_tags;
use crate::policy::rule::{Action, Kind};
use crate::store::accounts::AuditEntry;
use crate::store::activity::FirstMail;
use crate::store::{Result, StoreError};

/// Aliases that mail may create in one domain within [`WINDOW`]; beyond, mail is forwarded and nothing is created.
const MAX_CREATED: u32 = 100;
const WINDOW: Duration = Duration::from_secs(3600);

/// How many aliases mail created lately, per domain; bounded by the number of hosted domains.
#[derive(Debug, Default)]
pub(super) struct Created(Mutex<HashMap<DomainId, (Moment, u32)>>);

impl Created {
    fn may_create(&self, domain: DomainId, now: Moment) -> bool {
        let mut created = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = created.entry(domain).or_insert((now, 0));
        if now.since(*since) > WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= MAX_CREATED
    }
}

/// Creates what the accepted message calls for. A failure is logged and costs no mail: the catch-all still matches.
pub(super) async fn aliases(tools: &Tools, arrival: &Arrival) {
    for (recipient, decision) in arrival.taken.iter().filter(|(_, decision)| decision.create) {
        let created = create(tools, (recipient, decision), arrival).await;
        match created {
            Ok(()) | Err(StoreError::Exists(_)) => {}
            Err(error) => tracing::warn!(%error, alias = %recipient, "mail to a catch-all created no alias"),
        }
    }
}

async fn create(tools: &Tools, (recipient, decision): (&Mailbox, &Decision), arrival: &Arrival) -> Result<()> {
    let now = arrival.received_at;
    let (Some(domain), Some(rule)) = (decision.domain, &decision.rule) else { return Ok(()) };
    if !tools.created.may_create(domain, now) {
        tracing::warn!(alias = %recipient, "not created: too many aliases were created by mail in this hour");
        return Ok(());
    }
    let catch_all = tools.store.rules.alias_by_id(rule.id).await?;
    // The domain of the catch-all: a mirror's mail makes the alias where both find it.
    let (of, name) = (catch_all.domain, catch_all.domain_name);
    let mut spec = catch_all.spec;
    spec.kind = Kind::Address;
    let hosted = recipient.domain().and_then(|name| tools.store.directory.domain(name));
    let subaddressing = hosted.is_some_and(|hosted| hosted.subaddressing);
    without_tags(recipient.local().as_str(), subaddressing).clone_into(&mut spec.pattern);
    spec.action = Action::Forward;
    "Created by its first mail".clone_into(&mut spec.description);
    let audit = AuditEntry {
        at: now,
        account: decision.account,
        actor: "mail".to_owned(),
        action: Deed::AliasCreate.as_str().to_owned(),
        object: format!("{}@{name}", spec.pattern),
        before: None,
        after: None,
    };
    let made = tools.store.rules.add_alias(decision.account, of, &spec, audit).await?;
    let first = FirstMail {
        alias: made.key,
        catch_all: catch_all.key,
        transaction: arrival.id,
        recipient: recipient.clone(),
        at: now,
    };
    tools.store.activity.first_mail(first).await
}
