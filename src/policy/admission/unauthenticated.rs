//! `policy.unauthenticated`: mail that passes neither SPF nor aligned DKIM.

use super::super::alignment::{is_proven, signers};
use super::super::facts::{DkimResult, MessageFacts, SpfResult};
use super::super::replies;
use super::super::settings::Unauthenticated;
use super::super::status::TraceStep;
use crate::smtp::reply::Reply;

/// `None` lets it in.
pub(super) fn refusal(policy: Unauthenticated, facts: &MessageFacts, trace: &mut Vec<TraceStep>) -> Option<Reply> {
    if policy == Unauthenticated::Accept {
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
pub(super) fn spf_result(facts: &MessageFacts) -> Option<SpfResult> {
    facts.auth.spf.as_ref().filter(|spf| !spf.by_plus_all).map(|spf| spf.result)
}
