//! What clients may not do because of what they did lately: by the counts behind `[limits]` ([`crate::facts::Counts`]), and by
//! what else is known of them, each bounded in memory and forgotten with the process.
//!
//! What is too much is said by `policy`; here is when it is asked, and what counts. Unknown recipients are always counted, for
//! the tarpit's sake; their refusals cost far more than that.

mod catch_all;
pub(super) mod greylist;
pub(super) mod manners;
pub(super) mod spam;
mod tarpit;

use std::net::IpAddr;

use self::catch_all::CatchAlls;
use self::greylist::Greylist;
use self::manners::Known;
use self::spam::Refused;
use self::tarpit::Tarpit;
use super::Tools;
use super::arrival::Arrival;
use super::transaction::Transaction;
use crate::facts::{Asker, Counted, Inquest};
use crate::mail::Mailbox;
use crate::policy::admission::{Decision, Disposition, Refusal};
use crate::policy::alignment::{authenticated_sender, spf_domain};
use crate::policy::facts::AuthFacts;
use crate::policy::greylist::Triplet;
use crate::policy::limits::{Limit, Limits, delay_of_refusal, network_of};
use crate::policy::rule::Kind;
use crate::policy::status::TraceStep;
use crate::policy::verdict::Outcome;
use crate::smtp::reply::Reply;

/// What is known of clients beside the counts.
#[derive(Debug, Default)]
pub(super) struct Abuse {
    greylist: Greylist,
    catch_alls: CatchAlls,
    refused: Refused,
    tarpit: Tarpit,
    known: Known,
}

/// Whether one more connection of this client may come now; counts it.
pub(super) fn connection(tools: &Tools, peer: IpAddr) -> Result<(), Box<Refusal>> {
    let (inquest, connections) = (inquest(tools, (peer, 0)), &tools.facts.counts.connections);
    if inquest.of_client(Limit::Connections, connections)?.is_some() {
        connections.add(network_of(peer), inquest.now);
    }
    Ok(())
}

/// Whether this client may ask for recipients at all. One that has named too many unknown ones learns nothing any more.
pub(super) fn before_recipient(tools: &Tools, peer: IpAddr) -> Result<(), Box<Refusal>> {
    inquest(tools, (peer, 0)).of_client(Limit::UnknownRecipients, &tools.facts.counts.unknown).map(drop)
}

/// What the counts say to a recipient that the rules take: its decision is turned where there was too much.
pub(super) fn recipient(tools: &Tools, (peer, taken_before): (IpAddr, usize), decision: &mut Decision) {
    if is_unknown(decision) {
        return tools.facts.counts.unknown.add(network_of(peer), tools.clock.steady());
    }
    if !decision.is_taken() {
        return;
    }
    match judged(tools, inquest(tools, (peer, taken_before)), decision) {
        Ok(steps) => decision.trace.extend(steps),
        Err(refusal) => {
            tools.meter.limited.raise();
            decision.turn_away(*refusal);
        }
    }
}

/// Whose mail next hops refuse as spam is slowed before they are asked again; then the limits.
fn judged(tools: &Tools, inquest: Inquest<'_>, decision: &Decision) -> Result<Vec<TraceStep>, Box<Refusal>> {
    if let (Disposition::Forward(_), Asker::Client(client)) = (&decision.disposition, inquest.asker) {
        tools.abuse.refused.judge(&client, inquest.now)?;
    }
    inquest.judge(decision)
}

fn inquest(tools: &Tools, (peer, taken_before): (IpAddr, usize)) -> Inquest<'_> {
    Inquest {
        counts: &tools.facts.counts,
        limits: tools.facts.instance.load().abuse.limits,
        now: tools.clock.steady(),
        asker: Asker::Client(network_of(peer)),
        begins_message: taken_before == 0,
    }
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
    let unknown = tools.facts.counts.unknown.count(&network_of(peer), tools.clock.steady());
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

/// Whether one more message of its authenticated sender domain may come; counts it.
pub(super) fn message(tools: &Tools, arrival: &mut Arrival) -> Option<Reply> {
    let inquest = inquest(tools, (arrival.connect.peer, 0));
    inquest.limits.of(Limit::SenderDomain)?;
    let domain = authenticated_sender(&arrival.facts)?;
    let (step, reply) = match inquest.of_sender(&domain) {
        Ok(step) => {
            tools.facts.counts.sender_domains.add(domain, inquest.now);
            (step?, None)
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
