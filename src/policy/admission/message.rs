//! The decision on a whole message: loops, forged senders on hosted domains, mail that nothing authenticates.

use super::super::alignment::{is_aligned, is_proven, signers, spf_domain};
use super::super::facts::{DkimResult, MessageFacts, SpfResult};
use super::super::replies;
use super::super::settings::{Instance, Unauthenticated};
use super::super::status::TraceStep;
use super::AfterData;
use crate::mail::{Domain, Mailbox};
use crate::smtp::reply::Reply;

/// `Received` fields by our own host name that a message may have.
pub const MAX_RECEIVED_BY_US: usize = 5;
/// `Received` fields in all (RFC 5321 §6.3 asks for a large number, and a hundred is larger than any honest way).
pub const MAX_RECEIVED: usize = 50;

/// The decision on a whole message: loops, forged senders on hosted domains. `None` lets it in. `recipients` are those of
/// the transaction as written.
#[must_use]
pub fn message(
    settings: &Instance,
    facts: &MessageFacts,
    recipients: &[Mailbox],
    trace: &mut Vec<TraceStep>,
) -> Option<Reply> {
    if let Some(detail) = loop_of(settings, facts, recipients) {
        trace.push(TraceStep::new("loop", "found", detail));
        return Some(replies::routing_loop());
    }
    forged(facts, trace)
}

/// The decision of `policy.unauthenticated` as it holds for the recipients of this transaction. `None` lets it in.
#[must_use]
pub fn authenticated(after_data: &AfterData, facts: &MessageFacts, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    if after_data.unauthenticated == Unauthenticated::Accept {
        return None;
    }
    let authors = facts.header.author_domains.as_deref().unwrap_or_default();
    let spf = spf_result(facts);
    if spf == Some(SpfResult::Pass) || authors.iter().any(|author| is_proven(facts, author)) {
        return None;
    }
    let may_yet = spf == Some(SpfResult::TempError) || signers(&facts.auth, DkimResult::TempError).next().is_some();
    let verdict = if may_yet { "not known yet" } else { "missing" };
    trace.push(TraceStep::new("authentication", verdict, "neither SPF nor an aligned DKIM signature passed"));
    Some(if may_yet { replies::not_authenticated_yet() } else { replies::unauthenticated() })
}

/// SPF of whatever identity was asked, where a pass says more than `+all`.
fn spf_result(facts: &MessageFacts) -> Option<SpfResult> {
    facts.auth.spf.as_ref().filter(|spf| !spf.by_plus_all).map(|spf| spf.result)
}

fn loop_of(settings: &Instance, facts: &MessageFacts, recipients: &[Mailbox]) -> Option<String> {
    let header = &facts.header;
    let known = |recipient: &&Mailbox| header.delivered_to.iter().any(|passed| passed.key() == recipient.key());
    if let Some(recipient) = recipients.iter().find(known) {
        return Some(format!("Delivered-To names {recipient} already"));
    }
    if header.received_by_us > MAX_RECEIVED_BY_US {
        return Some(format!("{} Received fields by {}", header.received_by_us, settings.hostname));
    }
    (header.received > MAX_RECEIVED).then(|| format!("{} Received fields", header.received))
}

/// A sender on a hosted domain must prove it, whatever other policy says: our address is in that domain's SPF.
fn forged(facts: &MessageFacts, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    let domain = facts.reverse_path.domain().filter(|_| facts.sender_is_hosted)?;
    let signed = |result| signers(&facts.auth, result).any(|signer| is_aligned(facts, &signer, domain));
    if spf_domain(&facts.reverse_path, &facts.auth).is_some() || signed(DkimResult::Pass) {
        trace.push(TraceStep::new("hosted sender", "proven", domain.to_string()));
        return None;
    }
    let may_yet = spf_result(facts) == Some(SpfResult::TempError) || signed(DkimResult::TempError);
    trace.push(TraceStep::new("hosted sender", if may_yet { "not known yet" } else { "forged" }, unproven(domain)));
    Some(if may_yet { replies::sender_unproven_yet() } else { replies::forged_sender() })
}

fn unproven(domain: &Domain) -> String {
    format!("{domain} is hosted here, and neither SPF nor an aligned DKIM signature proves that the mail is its own")
}
