//! Gathers what the table of causes asks: the queue, the inboxes, the domains, and what the doctor found.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::checkup;
use crate::policy::notices::Cause;
use crate::policy::notices::causes::{Drifting, Facts, REFUSING_AFTER, Refused, Stay, Stock, is_of_doctor};
use crate::policy::notices::memory::{Remembered, State};
use crate::policy::rule::HostedDomain;
use crate::store::activity::FailingInbox;
use crate::store::queue::Stays;

use super::super::{Actor, Admin, Result};

/// Destinations that are looked up: whether they are verified, and what was said to the oldest message.
const MAX_LOOKED_UP: usize = 50;

impl Admin {
    /// Of what this actor may see.
    pub(super) async fn facts_of_notices(&self, actor: &Actor) -> Result<Facts> {
        let now = self.clock.now();
        let granted = actor.granted();
        let scope = (actor.only_account(), granted.as_slice());
        let mail = (actor.only_account(), &*actor.granted_mail());
        let mut stays = self.store.queue.stays(mail, now.before(REFUSING_AFTER)).await?;
        stays.sort_by_key(|one| one.since);
        let late: Vec<_> = stays.iter().filter(|one| self.is_late(one)).map(|one| one.destination.key()).collect();
        let taking = match late.as_slice() {
            [] => BTreeSet::new(),
            late => self.store.activity.taking(late, now.before(REFUSING_AFTER)).await?,
        };
        let sees_gateway = actor.sees_all();
        let doctor = self.found.last().filter(|_| sees_gateway);
        let stood = if sees_gateway && doctor.is_none() { self.stood().await? } else { Vec::new() };
        let mut drifting = self.store.rules.drifting(scope).await?;
        drifting.retain(|(name, _)| actor.sees_domain(name) && self.concerns(actor, name));
        Ok(Facts {
            now,
            stock: self.stock(stays, &taking).await?,
            taking,
            failing: self.failing(actor).await?,
            no_mail: self.no_mail_in_use(actor).await?,
            drifting: drifting.into_iter().map(|(name, wrong)| Drifting { domain: name.to_string(), wrong }).collect(),
            present: if sees_gateway { self.present_findings(now).await } else { Vec::new() },
            doctor,
            stood,
        })
    }

    /// What somebody else has merely claimed takes no mail, and is no trouble of whoever looks after the gateway.
    fn concerns(&self, actor: &Actor, name: &Domain) -> bool {
        let is_own = |hosted: Arc<HostedDomain>| hosted.account == actor.account;
        !actor.sees_all() || self.is_proved(name) || self.store.directory.domain(name).is_some_and(is_own)
    }

    /// What is told to stand of the gateway, be it by a process before this one, and no look of the doctor has missed since.
    pub(in crate::admin) async fn stood(&self) -> Result<Vec<Cause>> {
        let mut remembered = self.store.notices.remembered().await?;
        remembered.retain(|one| one.state == State::Open && one.gone_since.is_none() && is_of_doctor(one.cause.kind));
        let dated = |one: Remembered| Cause { since: one.cause.since.or(Some(one.began_at)), ..one.cause };
        Ok(remembered.into_iter().map(dated).collect())
    }

    /// Of what waits, what is spoken of.
    fn is_late(&self, one: &Stays) -> bool {
        one.stay == Stay::Waits && self.clock.age(one.since) >= REFUSING_AFTER
    }

    /// What stays, the oldest first.
    async fn stock(&self, stays: Vec<Stays>, taking: &BTreeSet<String>) -> Result<Vec<Stock>> {
        let is_spoken_of = |one: &&Stays| one.stay == Stay::Untold || self.is_late(one);
        let spoken_of: Vec<_> = stays.iter().filter(is_spoken_of).take(MAX_LOOKED_UP).collect();
        let ids: Vec<_> = spoken_of.iter().map(|one| one.id).collect();
        let mut said = self.store.activity.last_said(&ids).await?;
        let inboxes = spoken_of.iter().map(|one| (one.account, &one.destination));
        let verified = self.store.directory.are_verified(inboxes).await?;
        let unverified: HashSet<_> = ids.into_iter().zip(verified).filter(|(_, it)| !it).map(|(id, _)| id).collect();
        let stock = stays.into_iter().map(|one| {
            let said = said.remove(&one.id).unwrap_or_default();
            // What failed began when it failed, and not when it came.
            let failed_at = said.at.filter(|_| one.stay == Stay::Untold);
            Stock {
                host: one.destination.host().to_string(),
                takes: taking.contains(&one.destination.key()),
                destination: one.destination.to_string(),
                stay: one.stay,
                count: one.count,
                since: self.clock.passed(failed_at.unwrap_or(one.since)),
                is_tried: one.is_tried,
                is_verified: !unverified.contains(&one.id),
                said: said.words,
                untold: said.of_report,
            }
        });
        Ok(stock.collect())
    }

    async fn failing(&self, actor: &Actor) -> Result<Vec<Refused>> {
        let failing = self.store.activity.failing().await?;
        if failing.is_empty() {
            return Ok(Vec::new());
        }
        let addresses: Vec<Mailbox> = failing.iter().filter_map(|one| Mailbox::parse(&one.address).ok()).collect();
        let addresses = self.proved(addresses, actor).await?;
        let known = self.store.rules.destinations_among(&addresses, actor.only_account()).await?;
        let failing = failing.into_iter().filter(|one| known.contains(&one.address));
        let told = |FailingInbox { address, since, reply: said, sends_back }| Refused {
            address,
            since: self.clock.passed(since),
            said,
            sends_back,
        };
        Ok(failing.map(told).collect())
    }

    /// Those inboxes whose mail is somebody's to hear of: one that they have merely written down may be another's.
    async fn proved(&self, mut inboxes: Vec<Mailbox>, actor: &Actor) -> Result<Vec<Mailbox>> {
        if let Some(account) = actor.only_account() {
            let verified = self.store.directory.are_verified(inboxes.iter().map(|inbox| (account, inbox))).await?;
            let mut verified = verified.into_iter();
            inboxes.retain(|_| verified.next().unwrap_or(false));
        }
        Ok(inboxes)
    }

    async fn present_findings(&self, now: Moment) -> Vec<checkup::Finding> {
        let hostname = self.facts.instance.load().hostname.clone();
        let failures = self.certificates.standings().into_iter().filter_map(|standing| {
            let failure = standing.acme?.failure?;
            Some((standing.name.to_string(), failure))
        });
        let certificate = self.certificate_facts(&hostname);
        let backup = self.backup_facts().await;
        checkup::of_present(
            now,
            (certificate.as_ref(), &failures.collect::<Vec<_>>()),
            (self.outside.disk().as_ref(), backup.as_ref()),
        )
    }
}
