//! `policy.dmarc`: mail that the author's domain disowns, handled as that domain asks (RFC 7489 §6.6.2).

use super::super::alignment::is_proven_by_name;
use super::super::facts::{DmarcFacts, DmarcPolicy, DmarcResult, MessageFacts};
use super::super::replies;
use super::super::settings::Enforcement;
use super::super::status::TraceStep;
use super::dkim::because;
use crate::mail::Domain;
use crate::smtp::reply::Reply;

/// `None` lets it in: so does a fail whose domain asks for quarantine, which the log marks. What DNS could not tell puts
/// the mail off only where the answer could be reject.
pub(super) fn refusal(policy: Enforcement, facts: &MessageFacts) -> Option<Reply> {
    let dmarc = facts.auth.dmarc.as_ref().filter(|_| policy == Enforcement::Enforce)?;
    match (dmarc.result, dmarc.policy) {
        (DmarcResult::Fail, Some(DmarcPolicy::Reject)) if dmarc.domain.is_empty() => Some(replies::no_one_author()),
        (DmarcResult::Fail, Some(DmarcPolicy::Reject)) => Some(replies::dmarc_failed(&dmarc.domain)),
        (DmarcResult::TempError, None | Some(DmarcPolicy::Reject)) if !passes_anyhow(dmarc, facts) => {
            Some(replies::dmarc_not_known_yet())
        }
        _ => None,
    }
}

/// Whether an identity that passed is the author's domain to the letter: that is aligned under any record (RFC 7489
/// §3.1), so that the mail cannot fail whatever the record says.
fn passes_anyhow(dmarc: &DmarcFacts, facts: &MessageFacts) -> bool {
    Domain::parse(&dmarc.domain).is_ok_and(|author| is_proven_by_name(facts, &author))
}

/// The verdict, with what is asked for.
pub(super) fn steps(policy: Enforcement, facts: &MessageFacts, trace: &mut Vec<TraceStep>) {
    let Some(dmarc) = &facts.auth.dmarc else { return };
    let name = if dmarc.domain.is_empty() { "the author" } else { &dmarc.domain };
    trace.push(TraceStep::new("dmarc", dmarc.result.as_str(), because(asks(name, dmarc), &dmarc.detail)));
    if is_quarantined(policy, dmarc) {
        let detail = format!("{name} asks to take it for suspicious: it is forwarded and marked here");
        trace.push(TraceStep::new("dmarc policy", "quarantine", detail));
    }
}

fn asks(name: &str, dmarc: &DmarcFacts) -> String {
    match (dmarc.result, dmarc.policy) {
        (DmarcResult::None, _) if dmarc.domain.is_empty() => "there is no author whose domain could ask".to_owned(),
        (_, Some(policy)) if dmarc.domain.is_empty() => {
            format!("without one author it counts as if {} were asked for", policy.as_str())
        }
        (DmarcResult::None, _) => format!("{name} publishes nothing"),
        (_, Some(policy)) => format!("{name} asks for {}", policy.as_str()),
        (_, None) => format!("nobody knows what {name} asks for"),
    }
}

fn is_quarantined(policy: Enforcement, dmarc: &DmarcFacts) -> bool {
    let fails = dmarc.result == DmarcResult::Fail && dmarc.policy == Some(DmarcPolicy::Quarantine);
    fails && policy == Enforcement::Enforce
}
