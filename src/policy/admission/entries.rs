//! Sender entries when the message is whole: blocks of its author, blocks and allows that ask for proof, and the allows that
//! let in what a policy would refuse. An owner so lets in a broken but wanted sender, and nobody who only takes its name.

use super::super::facts::MessageFacts;
use super::super::proof::Proof;
use super::super::replies;
use super::super::senders::{Late, Named};
use super::super::status::TraceStep;
use super::AfterData;
use crate::smtp::reply::Reply;

/// What the owner reads of whom an entry keeps out; the sender is told of no entry.
pub(super) fn keeps_out(entry: &str, named: &str) -> String {
    format!("The entry {entry} keeps this {named} out.")
}

/// The same, where that is how a message ended.
fn kept_out(trace: &[TraceStep]) -> Option<String> {
    let last = trace.last().filter(|step| is_block(step))?;
    Some(keeps_out(&last.detail, &last.step))
}

/// The same of a message that ended so before the entry was taken off its list.
#[must_use]
pub fn kept_out_then(trace: &[TraceStep]) -> Option<String> {
    let step = trace.iter().rfind(|step| is_block(step))?;
    Some(format!("The entry {} kept this {} out.", step.detail, step.step))
}

fn is_block(step: &TraceStep) -> bool {
    step.verdict == "blocked" && [Named::Sender, Named::Author].iter().any(|named| step.step == named.as_str())
}

/// Why a message was refused, for the log: by which entry it was kept out is not in the reply.
#[must_use]
pub fn why_refused(trace: &[TraceStep], reply: &Reply) -> String {
    kept_out(trace).unwrap_or_else(|| reply.text().to_owned())
}

/// The refusal of a block that holds against whom the message was proved to be from, or against its author. `None` lets it
/// in.
pub(super) fn blocked(late: &Late, facts: &MessageFacts, proof: &Proof, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    let block = late.block_of(facts, proof)?;
    let (entry, named) = (format!("{} ({})", block.entry.0, block.level), block.named.as_str());
    if late.block_of(facts, &proof.at_best()).is_none() {
        trace.push(TraceStep::new(named, "not known yet", format!("{entry}, unless an allow entry is proved")));
        return Some(replies::not_authenticated_yet());
    }
    trace.push(TraceStep::new(named, "blocked", entry));
    Some(replies::unknown())
}

/// What entries say of a message of which nobody knows what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproven {
    /// A block holds, whatever it proves.
    Out(Reply),
    /// It is kept out or let in by what it proves: in words.
    Depends(String),
    /// No block holds.
    In,
}

/// What entries say of a message that was not sent: whom it names may be proved, or not, and nobody else. A refusal that one
/// of several policies is certain of is certain, whatever another depends on.
pub fn without_proof(after_data: &AfterData, facts: &MessageFacts, trace: &mut Vec<TraceStep>) -> Unproven {
    let proofs = Proof::all_as_said(facts);
    let mut depends = None;
    for late in after_data.all().filter_map(|policies| policies.senders.as_deref()) {
        let blocks = proofs.each_ref().map(|proof| late.block_of(facts, proof));
        let Some(block) = blocks.iter().flatten().next() else { continue };
        let (entry, named) = (format!("{} ({})", block.entry.0, block.level), block.named.as_str());
        if blocks.iter().all(Option::is_some) {
            trace.push(TraceStep::new(named, "blocked", entry));
            return Unproven::Out(replies::unknown());
        }
        let when = if blocks[0].is_some() { "unless it proves who sent it" } else { "once it proves who sent it" };
        trace.push(TraceStep::new(named, "not judged", format!("{entry} keeps it out {when}")));
        let entry = &block.entry.0;
        depends.get_or_insert_with(|| {
            format!("The entry {entry} keeps it out {when}, by SPF or DKIM: name the client, and its SPF is looked at.")
        });
    }
    depends.map_or(Unproven::In, Unproven::Depends)
}

/// What an allow entry leaves of a policy's refusal: nothing, where it means somebody who was proved; a refusal for now,
/// where it may yet.
pub(super) fn unless_let_in(late: &Late, proof: &Proof, refusal: Reply, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    if let Some(allowed) = late.allow_of(proof) {
        let detail = format!("{} ({}) lets it in, proved by {}", allowed.entry.0, allowed.level, allowed.identity.by);
        trace.push(TraceStep::new("sender", "allowed", detail));
        return None;
    }
    if refusal.is_transient() || late.allow_of(&proof.at_best()).is_none() {
        return Some(refusal);
    }
    trace.push(TraceStep::new("sender", "not known yet", "an allow entry may let it in once DNS answers"));
    Some(replies::not_authenticated_yet())
}
