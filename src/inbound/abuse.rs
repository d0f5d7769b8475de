//! What clients did lately, and what they may not do because of it: the counts behind `[limits]`, each bounded in memory
//! and forgotten with the process.
//!
//! What is too much is said by `policy`; here are the counts, and the order in which they are asked. Where a limit is off
//! nothing is counted for it, so it costs nothing; unknown recipients alone are always counted, for the tarpit's sake, and
//! their refusals cost far more than that.

mod catch_all;
pub(super) mod greylist;
pub(super) mod spam;
mod table;
mod tarpit;

use std::fmt::Display;
use std::net::IpAddr;

use self::catch_all::CatchAlls;
use self::greylist::Greylist;
use self::spam::Refused;
use self::table::Table;
use self::tarpit::Tarpit;
use super::Tools;
use super::arrival::Arrival;
use super::transaction::Transaction;
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::admission::{Decision, Disposition, Refusal};
use crate::policy::alignment::{authenticated_sender, spf_domain};
use crate::policy::facts::AuthFacts;
use crate::policy::greylist::Triplet;
use crate::policy::ids::AliasId;
use crate::policy::limits::{Limit, Limits, delay_of_refusal, network_of};
use crate::policy::rule::Kind;
use crate::policy::status::TraceStep;
use crate::policy::verdict::Outcome;
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
    catch_alls: CatchAlls,
    refused: Refused,
    tarpit: Tarpit,
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
            catch_alls: CatchAlls::default(),
            refused: Refused::default(),
            tarpit: Tarpit::default(),
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
    if is_unknown(decision) {
        return tools.abuse.unknown.add(network_of(peer), tools.clock.steady());
    }
    if !decision.is_taken() {
        return;
    }
    match inquest(tools, (peer, taken_before)).judge(decision) {
        Ok(steps) => decision.trace.extend(steps),
        Err(refusal) => {
            tools.meter.limited.raise();
            decision.turn_away(*refusal);
        }
    }
}

fn inquest(tools: &Tools, (peer, taken_before): (IpAddr, usize)) -> Inquest<'_> {
    let limits = tools.facts.instance.load().abuse.limits;
    let now = tools.clock.steady();
    Inquest { abuse: &tools.abuse, limits, now, client: network_of(peer), begins_message: taken_before == 0 }
}

/// Whether a catch-all that takes everything takes this of a client, who may be guessing.
pub(super) fn catch_all(tools: &Tools, peer: IpAddr, recipient: &Mailbox, decision: &mut Decision) {
    let by_catch_all = decision.rule.as_ref().is_some_and(|rule| rule.kind == Kind::CatchAll);
    let Some(domain) = decision.domain.filter(|_| by_catch_all && decision.is_taken()) else { return };
    let of = (network_of(peer), domain);
    if let Err(refusal) = tools.abuse.catch_alls.judge(of, recipient, tools.clock.steady()) {
        tools.meter.limited.raise();
        decision.turn_away(*refusal);
    }
}

/// What became of a message while its sender waited: whose mail is refused again and again is known by it.
pub(super) fn outcomes<'o>(tools: &Tools, peer: IpAddr, outcomes: impl Iterator<Item = &'o Outcome>) {
    tools.abuse.refused.note(network_of(peer), outcomes, || tools.clock.steady());
}

/// Holds a refusal back from a client that has named many unknown recipients.
pub(super) async fn hold_back(tools: &Tools, peer: IpAddr) {
    let unknown = tools.abuse.unknown.count(&network_of(peer), tools.clock.steady());
    let delay = delay_of_refusal(unknown);
    if !delay.is_zero() {
        tools.meter.held_back.raise();
        tools.abuse.tarpit.hold(delay, &tools.stop).await;
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
    let inquest = inquest(tools, (peer, taken_before));
    if inquest.limits != Limits::default() {
        inquest.count(decision, Counted::Taken);
    }
}

/// No message came for these recipients: nobody uses up the share of an alias by naming it.
pub(super) fn given_back(tools: &Tools, peer: IpAddr, taken: &[(Mailbox, Decision)]) {
    for (before, (_, decision)) in taken.iter().enumerate() {
        inquest(tools, (peer, before)).count(decision, Counted::GivenBack);
    }
}

/// Which way a recipient counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Taken,
    GivenBack,
}

impl Counted {
    fn of<K: table::Key>(self, table: &Table<K>, key: K, now: Moment) {
        match self {
            Self::Taken => table.add(key, now),
            Self::GivenBack => table.take_back(&key),
        }
    }
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
    /// The limits in the order of how little they tell: of the client first.
    fn judge(&self, decision: &Decision) -> Result<Vec<TraceStep>, Box<Refusal>> {
        let mut steps = Vec::new();
        if matches!(decision.disposition, Disposition::Forward(_)) {
            self.abuse.refused.judge(&self.client, self.now)?;
        }
        if self.limits == Limits::default() {
            return Ok(steps);
        }
        if self.begins_message {
            steps.extend(self.within(Limit::Messages, &self.abuse.messages, &self.client)?);
        }
        for (alias, rule) in decision.aliases() {
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

    fn count(&self, decision: &Decision, counted: Counted) {
        let counts = |limit| self.limits.of(limit).is_some();
        if self.begins_message && counts(Limit::Messages) {
            counted.of(&self.abuse.messages, self.client, self.now);
        }
        if counts(Limit::Alias) {
            decision.aliases().for_each(|(alias, _)| counted.of(&self.abuse.aliases, alias, self.now));
        }
        if counts(Limit::Destination) {
            destinations(decision).for_each(|to| counted.of(&self.abuse.destinations, to.key(), self.now));
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
