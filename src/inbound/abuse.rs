//! What clients did lately, and what they may not do because of it: the counts behind `[limits]`, each bounded in memory
//! and forgotten with the process.
//!
//! What is too much is said by `policy`; here are the counts, and the order in which they are asked. Where a limit is off
//! nothing is counted for it, so it costs nothing.

pub(super) mod greylist;
mod table;

use std::fmt::Display;
use std::net::IpAddr;

use self::greylist::Greylist;
use self::table::Table;
use super::Tools;
use super::arrival::Arrival;
use super::transaction::Transaction;
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::admission::{Decision, Disposition, Refusal};
use crate::policy::alignment::{authenticated_sender, spf_domain};
use crate::policy::facts::AuthFacts;
use crate::policy::greylist::Triplet;
use crate::policy::ids::AliasId;
use crate::policy::limits::{Limit, Limits, network_of};
use crate::policy::status::TraceStep;
use crate::smtp::reply::Reply;

/// The counts.
#[derive(Debug)]
pub(super) struct Abuse {
    connections: Table<IpAddr>,
    messages: Table<IpAddr>,
    unknown: Table<IpAddr>,
    sender_domains: Table<Domain>,
    aliases: Table<AliasId>,
    /// By their keys.
    destinations: Table<String>,
    greylist: Greylist,
}

impl Default for Abuse {
    fn default() -> Self {
        Self {
            connections: Table::of(Limit::Connections),
            messages: Table::of(Limit::Messages),
            unknown: Table::of(Limit::UnknownRecipients),
            sender_domains: Table::of(Limit::SenderDomain),
            aliases: Table::of(Limit::Alias),
            destinations: Table::of(Limit::Destination),
            greylist: Greylist::default(),
        }
    }
}

/// One question about one recipient.
struct Inquest<'a> {
    abuse: &'a Abuse,
    limits: Limits,
    now: Moment,
    client: IpAddr,
    /// No recipient of this transaction was taken before: with this one, a message begins.
    begins_message: bool,
}

/// Whether one more connection of this client may come now; counts it.
pub(super) fn connection(tools: &Tools, peer: IpAddr) -> Result<(), Box<Refusal>> {
    let limits = tools.facts.instance.load().abuse.limits;
    let Some(most) = limits.of(Limit::Connections) else { return Ok(()) };
    let (client, now) = (network_of(peer), tools.clock.steady());
    let counted = tools.abuse.connections.count(&client, now);
    Limit::Connections.judge(most, counted, &client)?;
    tools.abuse.connections.add(client, now);
    Ok(())
}

/// Whether this client may ask for recipients at all. One that has named too many unknown ones learns nothing any more.
pub(super) fn before_recipient(tools: &Tools, peer: IpAddr) -> Result<(), Box<Refusal>> {
    let limits = tools.facts.instance.load().abuse.limits;
    let Some(most) = limits.of(Limit::UnknownRecipients) else { return Ok(()) };
    let client = network_of(peer);
    let counted = tools.abuse.unknown.count(&client, tools.clock.steady());
    Limit::UnknownRecipients.judge(most, counted, &client).map(drop)
}

/// What the counts say to a recipient that the rules take: its decision is turned where there was too much.
pub(super) fn recipient(tools: &Tools, (peer, taken_before): (IpAddr, usize), decision: &mut Decision) {
    let limits = tools.facts.instance.load().abuse.limits;
    let now = tools.clock.steady();
    let client = network_of(peer);
    let inquest = Inquest { abuse: &tools.abuse, limits, now, client, begins_message: taken_before == 0 };
    if is_unknown(decision) {
        return inquest.unknown();
    }
    if !decision.is_taken() || limits == Limits::default() {
        return;
    }
    match inquest.judge(decision) {
        Ok(steps) => decision.trace.extend(steps),
        Err(refusal) => {
            tools.meter.limited.raise();
            decision.turn_away(*refusal);
        }
    }
}

/// Whether greylisting lets a recipient in that is taken otherwise. Reports to SRS addresses of ours are awaited, and
/// allowed senders welcome.
pub(super) async fn greylist(
    tools: &Tools,
    peer: IpAddr,
    (transaction, recipient): (&mut Transaction, &Mailbox),
    decision: &mut Decision,
) {
    let is_asked = decision.is_taken() && !decision.let_in && !matches!(decision.disposition, Disposition::Report(_));
    if !is_asked || !tools.facts.instance.load().abuse.greylist {
        return;
    }
    let auth = AuthFacts { spf: transaction.spf_now().await, ..AuthFacts::default() };
    let sender = transaction.from();
    let proved = spf_domain(sender, &auth);
    let triplet = Triplet { peer, proved: proved.as_ref(), sender, recipient };
    match tools.abuse.greylist.judge(&triplet, tools.clock.now()) {
        Ok(step) => decision.trace.push(step),
        Err(refusal) => {
            tools.meter.greylisted.raise();
            decision.turn_away(*refusal);
        }
    }
}

/// A recipient was taken: it counts.
pub(super) fn taken(tools: &Tools, (peer, taken_before): (IpAddr, usize), decision: &Decision) {
    let limits = tools.facts.instance.load().abuse.limits;
    if limits == Limits::default() {
        return;
    }
    let (client, now) = (network_of(peer), tools.clock.steady());
    Inquest { abuse: &tools.abuse, limits, now, client, begins_message: taken_before == 0 }.count(decision);
}

/// Whether one more message of its authenticated sender domain may come; counts it.
pub(super) fn message(tools: &Tools, arrival: &mut Arrival) -> Option<Reply> {
    let most = tools.facts.instance.load().abuse.limits.of(Limit::SenderDomain)?;
    let domain = authenticated_sender(&arrival.facts)?;
    let now = tools.clock.steady();
    let counted = tools.abuse.sender_domains.count(&domain, now);
    let judged = Limit::SenderDomain.judge(most, counted, &domain);
    let (step, reply) = match judged {
        Ok(step) => {
            tools.abuse.sender_domains.add(domain, now);
            (step, None)
        }
        Err(refusal) => {
            tools.meter.limited.raise();
            (refusal.step, Some(refusal.reply))
        }
    };
    arrival.taken.iter_mut().for_each(|(_, decision)| decision.trace.push(step.clone()));
    reply
}

/// Answered as an unknown address is, whatever the reason.
fn is_unknown(decision: &Decision) -> bool {
    matches!(&decision.disposition, Disposition::Reject(reply) if *reply == crate::policy::replies::unknown())
}

impl Inquest<'_> {
    fn unknown(&self) {
        if self.limits.of(Limit::UnknownRecipients).is_some() {
            self.abuse.unknown.add(self.client, self.now);
        }
    }

    /// The limits in the order of how little they tell: of the client first.
    fn judge(&self, decision: &Decision) -> Result<Vec<TraceStep>, Box<Refusal>> {
        let mut steps = Vec::new();
        if self.begins_message {
            steps.extend(self.within(Limit::Messages, &self.abuse.messages, &self.client)?);
        }
        if let (Some(alias), Some(rule)) = (decision.alias, &decision.rule) {
            steps.extend(self.named(Limit::Alias, &self.abuse.aliases, (&alias, &rule.pattern))?);
        }
        for destination in destinations(decision) {
            let whose = (&destination.key(), destination);
            steps.extend(self.named(Limit::Destination, &self.abuse.destinations, whose)?);
        }
        Ok(steps)
    }

    fn within<K: table::Key + Display>(
        &self,
        limit: Limit,
        table: &Table<K>,
        key: &K,
    ) -> Result<Option<TraceStep>, Box<Refusal>> {
        self.named(limit, table, (key, key))
    }

    fn named<K: table::Key>(
        &self,
        limit: Limit,
        table: &Table<K>,
        (key, whose): (&K, &impl Display),
    ) -> Result<Option<TraceStep>, Box<Refusal>> {
        let Some(most) = self.limits.of(limit) else { return Ok(None) };
        limit.judge(most, table.count(key, self.now), whose).map(Some)
    }

    fn count(&self, decision: &Decision) {
        let counts = |limit| self.limits.of(limit).is_some();
        if self.begins_message && counts(Limit::Messages) {
            self.abuse.messages.add(self.client, self.now);
        }
        if let Some(alias) = decision.alias.filter(|_| counts(Limit::Alias)) {
            self.abuse.aliases.add(alias, self.now);
        }
        if counts(Limit::Destination) {
            destinations(decision).for_each(|to| self.abuse.destinations.add(to.key(), self.now));
        }
    }
}

fn destinations(decision: &Decision) -> impl Iterator<Item = &Mailbox> {
    let legs = match &decision.disposition {
        Disposition::Forward(legs) => legs.as_slice(),
        _ => &[],
    };
    legs.iter().map(|leg| &leg.destination)
}
