//! The decision on a whole message: loops, forged senders on hosted domains, then what the policies in effect make of
//! its authentication.

use super::super::alignment::{is_aligned, signers, spf_domain};
use super::super::facts::{DkimResult, MessageFacts, SpfResult};
use super::super::proof::Proof;
use super::super::replies;
use super::super::settings::{Enforcement, Instance};
use super::super::status::TraceStep;
use super::unauthenticated::spf_result;
use super::{AfterData, dkim, dmarc, entries, spf, unauthenticated};
use crate::mail::{Domain, Mailbox};
use crate::smtp::reply::Reply;

/// `Received` fields by our own host name that a message may have.
pub const MAX_RECEIVED_BY_US: usize = 5;
/// `Received` fields in all (RFC 5321 §6.3 asks for a large number, and a hundred is larger than any honest way).
pub const MAX_RECEIVED: usize = 50;

/// All that a whole message is judged by.
#[derive(Debug, Clone, Copy)]
pub struct MessageCase<'a> {
    /// The instance's settings.
    pub settings: &'a Instance,
    /// The message.
    pub facts: &'a MessageFacts,
    /// The recipients of the transaction as written.
    pub recipients: &'a [Mailbox],
    /// What holds for them; `None` for a report to an SRS address of ours, which goes nowhere.
    pub after_data: Option<&'a AfterData>,
}

/// The decision on a whole message: loops, forged senders on hosted domains, policies. `None` lets it in. Each check shows
/// its verdict whatever comes of it.
#[must_use]
pub fn message(case: &MessageCase<'_>, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    if let Some(detail) = loop_of(case.settings, case.facts, case.recipients) {
        trace.push(TraceStep::new("loop", "found", detail));
        return Some(replies::routing_loop());
    }
    if let Some(after_data) = case.after_data {
        verdicts(after_data, case.facts, trace);
    }
    if let Some(reply) = forged(case.facts, trace) {
        return Some(reply);
    }
    case.after_data?.all().find_map(|policies| refused_by_owner(policies, case.facts, trace))
}

/// Entries that mean its author or ask for proof, then policies, which an entry may overrule.
fn refused_by_owner(after_data: &AfterData, facts: &MessageFacts, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    let Some(late) = after_data.senders.as_deref() else { return refused_by_policy(after_data, facts, trace) };
    let proof = Proof::of(facts);
    if let Some(reply) = entries::blocked(late, facts, &proof, trace) {
        return Some(reply);
    }
    let refusal = refused_by_policy(after_data, facts, trace)?;
    entries::unless_let_in(late, &proof, refusal, trace)
}

/// What is switched off is not shown, although the alignment guard may have had to know it.
fn verdicts(policies: &AfterData, facts: &MessageFacts, trace: &mut Vec<TraceStep>) {
    if policies.spf != Enforcement::Off {
        spf::steps(&facts.auth, trace);
    }
    if policies.dkim != Enforcement::Off {
        dkim::steps(&facts.auth, trace);
    }
    dmarc::steps(policies.dmarc, facts, trace);
}

/// The first policy that refuses; one that refuses for good before one that puts off.
fn refused_by_policy(policies: &AfterData, facts: &MessageFacts, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    let refusals = [
        ("dmarc", dmarc::refusal(policies.dmarc, facts)),
        ("spf", spf::refusal(policies.spf, &facts.auth)),
        ("dkim", dkim::refusal(policies.dkim, &facts.auth)),
        ("unauthenticated", unauthenticated::refusal(policies.unauthenticated, facts, trace)),
    ];
    let refusals = refusals.into_iter().filter_map(|(policy, reply)| Some((policy, reply?)));
    let (policy, reply) = refusals.min_by_key(|(_, reply)| reply.is_transient())?;
    let verdict = if reply.is_transient() { "puts off" } else { "refuses" };
    trace.push(TraceStep::new("policy", verdict, policy));
    Some(reply)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ids::OWNER;
    use crate::policy::samples::{dkim, domain, instance, mailbox, message as sample, spf};
    use crate::policy::settings::Unauthenticated;

    fn judge(facts: &MessageFacts, after_data: Option<&AfterData>, trace: &mut Vec<TraceStep>) -> Option<Reply> {
        let recipients = [mailbox("shop@my.domain")];
        message(&MessageCase { settings: &instance(), facts, recipients: &recipients, after_data }, trace)
    }

    fn answer(facts: &MessageFacts) -> Option<String> {
        let mut trace = Vec::new();
        let reply = judge(facts, None, &mut trace);
        assert!(reply.is_none() || trace.len() == 1, "a refusal has one step that says why");
        reply.map(|reply| reply.to_string())
    }

    #[test]
    fn loops_are_found_by_each_of_the_three_marks() {
        let mut facts = sample("a@sender.example", "sender.example");
        facts.header.received = MAX_RECEIVED;
        facts.header.received_by_us = MAX_RECEIVED_BY_US;
        facts.header.delivered_to = vec![mailbox("other@my.domain")];
        assert_eq!(answer(&facts), None);
        let looped = Some("554 5.4.6 Routing loop detected".to_owned());
        let mut by_count = facts.clone();
        by_count.header.received += 1;
        assert_eq!(answer(&by_count), looped);
        let mut by_us = facts.clone();
        by_us.header.received_by_us += 1;
        assert_eq!(answer(&by_us), looped);
        facts.header.delivered_to.push(mailbox("SHOP@MY.domain"));
        assert_eq!(answer(&facts), looped);
    }

    #[test]
    fn a_sender_on_a_hosted_domain_must_prove_it() {
        let mut facts = MessageFacts { sender_is_hosted: true, ..sample("a@my.domain", "my.domain") };
        let code = |facts: &MessageFacts| answer(facts).map(|reply| reply[..9].to_owned());
        assert_eq!(code(&facts).as_deref(), Some("550 5.7.1"));
        for (result, expected) in [
            (SpfResult::Pass, None),
            (SpfResult::Fail, Some("550 5.7.1")),
            (SpfResult::SoftFail, Some("550 5.7.1")),
            (SpfResult::PermError, Some("550 5.7.1")),
            (SpfResult::TempError, Some("451 4.7.5")),
        ] {
            facts.auth.spf = spf(result, "my.domain");
            assert_eq!(code(&facts).as_deref(), expected, "{result:?}");
        }
        facts.auth.spf.as_mut().unwrap().result = SpfResult::Pass;
        facts.auth.spf.as_mut().unwrap().by_plus_all = true;
        assert_eq!(code(&facts).as_deref(), Some("550 5.7.1"), "+all proves nothing");
    }

    #[test]
    fn an_aligned_signature_proves_a_hosted_sender_too() {
        let mut facts = MessageFacts { sender_is_hosted: true, ..sample("a@news.my.domain", "my.domain") };
        facts.organisational = ["my.domain", "news.my.domain"].map(|name| (domain(name), domain("my.domain"))).to_vec();
        for (result, signer, expected) in [
            (DkimResult::Pass, "my.domain", None),
            (DkimResult::Pass, "evil.example", Some(550)),
            (DkimResult::Fail, "my.domain", Some(550)),
            (DkimResult::TempError, "my.domain", Some(451)),
            (DkimResult::TempError, "evil.example", Some(550)),
        ] {
            facts.auth.dkim = vec![dkim(result, signer)];
            let reply = judge(&facts, None, &mut Vec::new());
            assert_eq!(reply.map(|reply| reply.code()), expected, "{result:?} {signer}");
        }
    }

    #[test]
    fn unauthenticated_mail_is_refused_only_where_policy_says_so() {
        let mut after_data = AfterData {
            account: OWNER,
            spf: Enforcement::Observe,
            dkim: Enforcement::Observe,
            dmarc: Enforcement::Enforce,
            unauthenticated: Unauthenticated::Accept,
            senders: None,
            inner: Vec::new(),
        };
        let mut facts = sample("a@sender.example", "sender.example");
        let code = |after_data: &AfterData, facts: &MessageFacts| {
            judge(facts, Some(after_data), &mut Vec::new()).map(|reply| reply.code())
        };
        assert_eq!(code(&after_data, &facts), None);
        after_data.unauthenticated = Unauthenticated::Reject;
        assert_eq!(code(&after_data, &facts), Some(550));
        facts.auth.dkim = vec![dkim(DkimResult::Pass, "other.example")];
        assert_eq!(code(&after_data, &facts), Some(550), "a signature of somebody else is none");
        facts.auth.dkim.push(dkim(DkimResult::Pass, "sender.example"));
        assert_eq!(code(&after_data, &facts), None);
        facts.auth.dkim = vec![dkim(DkimResult::TempError, "sender.example")];
        assert_eq!(code(&after_data, &facts), Some(451));
        facts.auth.spf = spf(SpfResult::Pass, "sender.example");
        assert_eq!(code(&after_data, &facts), None);
    }
}
