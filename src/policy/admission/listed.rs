//! What DNS lists say of the client and of the sender's domain.

use super::super::lists::{About, DnsList, Finding, Verdict};
use super::super::replies;
use super::super::status::TraceStep;
use super::{Decision, Refusal, reserved};
use crate::mail::Mailbox;

/// Refuses whatever a listed client asks for, known or not, so that it learns nothing of our addresses. Let in all the same
/// is a sender that the alias or its domain allows, and mail to postmaster and abuse, where the listed may complain.
#[must_use]
pub fn listed(decision: &mut Decision, recipient: &Mailbox, findings: &[Finding]) -> Option<Refusal> {
    let is_relaying = decision.domain.is_none() && !decision.is_taken();
    if is_relaying {
        return None;
    }
    decision.trace.extend(findings.iter().map(step));
    let listed = findings.iter().find(|finding| matches!(finding.verdict, Verdict::Listed(_)));
    let Finding { list, .. } = listed?;
    if decision.let_in {
        decision.trace.push(TraceStep::new("dns list", "allowed", "an allow entry lets this sender in all the same"));
    } else if decision.is_taken() && reserved::is_role(recipient.local()) {
        decision.trace.push(TraceStep::new("dns list", "allowed", "everybody may write to postmaster and abuse"));
    } else {
        return Some(refusal(list));
    }
    None
}

fn refusal(list: &DnsList) -> Refusal {
    let zone = &list.zone;
    let (reply, whose) = match list.about {
        About::Addresses => (replies::listed_client(zone), "The client's address"),
        About::Domains => (replies::listed_sender(zone), "The sender's domain"),
    };
    let reason = format!("{whose} is on the DNS list {zone}.");
    Refusal { reply, reason, step: TraceStep::new("dns list", "refused", list.to_string()) }
}

fn step(finding: &Finding) -> TraceStep {
    let Finding { list, verdict } = finding;
    match verdict {
        Verdict::NotListed => TraceStep::new("dns list", "not listed", list.to_string()),
        Verdict::Listed(None) => TraceStep::new("dns list", "listed", list.to_string()),
        Verdict::Listed(Some(words)) => TraceStep::new("dns list", "listed", format!("{list}: {words}")),
        Verdict::MayNotAsk => TraceStep::new(
            "dns list",
            "may not be asked",
            format!("{list} does not answer our resolver, so it does not count"),
        ),
        Verdict::Unknown(why) => TraceStep::new("dns list", "unknown", format!("{list}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Disposition, RecipientCase, Ruling};
    use super::*;
    use crate::mail::{Moment, ReversePath};
    use crate::policy::facts::{ConnectFacts, RecipientFacts};
    use crate::policy::ids::DomainId;
    use crate::policy::samples::{instance, mailbox};

    fn decided(disposition: Disposition) -> Decision {
        let facts = RecipientFacts {
            now: Moment::from_millis(0),
            recipient: mailbox("shop@my.domain"),
            candidates: None,
            instance_senders: std::sync::Arc::default(),
            admitted: Vec::new(),
        };
        let connect = ConnectFacts { peer: [192, 0, 2, 1].into(), helo: "client.example".into(), tls: None };
        let reverse_path = ReversePath::parse("a@sender.example").unwrap();
        let case =
            RecipientCase { settings: &instance(), connect: &connect, reverse_path: &reverse_path, facts: &facts };
        let mut decision = Decision::new(&case, None, Ruling::new(disposition, "as the rules say"));
        decision.domain = Some(DomainId(1));
        decision
    }

    fn finding(list: &str, verdict: Verdict) -> Finding {
        Finding { list: DnsList::parse(list).unwrap(), verdict }
    }

    fn answer(decision: &mut Decision, to: &str, finding: &Finding) -> Option<String> {
        listed(decision, &mailbox(to), std::slice::from_ref(finding)).map(|refusal| refusal.reply.to_string())
    }

    #[test]
    fn a_listed_client_is_told_the_list_and_nothing_of_our_addresses() {
        use Disposition::{Discard, Reject};
        let by_address = finding("zen.example", Verdict::Listed(Some("see https://zen.example/1".to_owned())));
        let told = Some("550 5.7.1 Your address is on the list zen.example".to_owned());
        for disposition in [Discard, Reject(replies::unknown()), Reject(replies::refused_by_owner())] {
            let mut decision = decided(disposition);
            assert_eq!(answer(&mut decision, "shop@my.domain", &by_address), told);
            assert!(decision.trace.iter().any(|step| step.detail == "zen.example: see https://zen.example/1"));
        }
        let by_domain = finding("domain:dbl.example", Verdict::Listed(None));
        let told = Some("550 5.7.1 The sender's domain is on the list dbl.example".to_owned());
        assert_eq!(answer(&mut decided(Discard), "shop@my.domain", &by_domain), told);
    }

    #[test]
    fn whoever_is_allowed_or_writes_to_postmaster_is_let_in() {
        let on_it = finding("zen.example", Verdict::Listed(None));
        let mut allowed = Decision { let_in: true, ..decided(Disposition::Discard) };
        assert_eq!(answer(&mut allowed, "shop@my.domain", &on_it), None);
        let mut role = decided(Disposition::Hold);
        assert_eq!(answer(&mut role, "Abuse@my.domain", &on_it), None);
        let relaying = Disposition::Reject(replies::relaying_denied());
        let mut relaying = Decision { domain: None, ..decided(relaying) };
        assert_eq!(answer(&mut relaying, "a@elsewhere.example", &on_it), None);
    }

    #[test]
    fn a_list_that_cannot_be_asked_lists_nobody_and_says_so() {
        for verdict in [Verdict::NotListed, Verdict::MayNotAsk, Verdict::Unknown("no answer".to_owned())] {
            let mut decision = decided(Disposition::Discard);
            let steps = decision.trace.len();
            assert_eq!(answer(&mut decision, "shop@my.domain", &finding("zen.example", verdict)), None);
            assert_eq!(decision.trace.len(), steps + 1);
        }
    }
}
