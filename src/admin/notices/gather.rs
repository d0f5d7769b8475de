//! Gathers what the table of causes asks: the queue, the inboxes, the domains, and what the doctor found.

use std::collections::BTreeSet;

use crate::mail::{Mailbox, Moment};
use crate::policy::checkup;
use crate::policy::notices::causes::{Facts, REFUSING_AFTER, Refused, Stay, Stock};
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
        let stays = self.store.queue.stays(scope).await?;
        let is_late = |stays: &Stays| stays.stay == Stay::Waits && self.clock.age(stays.since) >= REFUSING_AFTER;
        let inboxes = if stays.iter().any(is_late) { self.inboxes_that_take(now).await? } else { Vec::new() };
        let sees_gateway = actor.sees_all();
        let mut drifting = self.store.rules.drifting(scope).await?;
        drifting.retain(|name| actor.sees_domain(name));
        Ok(Facts {
            now,
            taking: inboxes.iter().map(|inbox| inbox.host().to_string()).collect(),
            stock: self.stock(stays, (&inboxes, now)).await?,
            failing: self.failing(actor, now).await?,
            drifting: drifting.into_iter().map(|name| name.to_string()).collect(),
            present: if sees_gateway { self.present_findings(now).await } else { Vec::new() },
            doctor: self.found.last().filter(|_| sees_gateway),
        })
    }

    async fn inboxes_that_take(&self, now: Moment) -> Result<Vec<Mailbox>> {
        let addresses = self.store.activity.delivered_since(now.before(REFUSING_AFTER)).await?;
        Ok(addresses.iter().filter_map(|address| Mailbox::parse(address).ok()).collect())
    }

    async fn stock(&self, mut stays: Vec<Stays>, (inboxes, now): (&[Mailbox], Moment)) -> Result<Vec<Stock>> {
        stays.sort_by_key(|one| one.since);
        let takes: BTreeSet<String> = inboxes.iter().map(Mailbox::key).collect();
        let is_spoken_of = |one: &Stays| {
            one.stay == Stay::Untold || one.stay == Stay::Waits && self.clock.age(one.since) >= REFUSING_AFTER
        };
        let looked_up: Vec<_> =
            stays.iter().filter(|one| is_spoken_of(one)).take(MAX_LOOKED_UP).map(|one| one.id).collect();
        let mut said = self.store.activity.last_said(&looked_up).await?;
        let mut stock = Vec::with_capacity(stays.len());
        for one in stays {
            let is_verified =
                !looked_up.contains(&one.id) || self.store.directory.is_verified(one.account, &one.destination).await?;
            stock.push(Stock {
                host: one.destination.host().to_string(),
                takes: takes.contains(&one.destination.key()),
                destination: one.destination.to_string(),
                stay: one.stay,
                count: one.count,
                since: now.before(self.clock.age(one.since)),
                is_tried: one.is_tried,
                is_verified,
                said: said.remove(&one.id).unwrap_or_default(),
            });
        }
        Ok(stock)
    }

    async fn failing(&self, actor: &Actor, now: Moment) -> Result<Vec<Refused>> {
        let failing = self.store.activity.failing().await?;
        if failing.is_empty() {
            return Ok(Vec::new());
        }
        let addresses: Vec<Mailbox> = failing.iter().filter_map(|(address, ..)| Mailbox::parse(address).ok()).collect();
        let known = self.store.rules.destinations_among(&addresses, actor.only_account()).await?;
        let failing = failing.into_iter().filter(|(address, ..)| known.contains(address));
        let told = |(address, since, said)| Refused { address, since: now.before(self.clock.age(since)), said };
        Ok(failing.map(told).collect())
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
