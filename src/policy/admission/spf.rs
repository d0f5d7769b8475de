//! `policy.spf`: mail from a client that the sender's domain does not authorise.

use super::super::facts::{AuthFacts, SpfFacts, SpfResult};
use super::super::replies;
use super::super::settings::Enforcement;
use super::super::status::TraceStep;
use crate::smtp::reply::Reply;

/// Only a fail refuses; `~all` and a broken record ask for no refusal (RFC 7208 §8.5, §8.7). `None` lets it in.
pub(super) fn refusal(policy: Enforcement, auth: &AuthFacts) -> Option<Reply> {
    if policy != Enforcement::Enforce {
        return None;
    }
    match auth.spf.as_ref()?.result {
        SpfResult::Fail => Some(replies::spf_failed()),
        SpfResult::TempError => Some(replies::spf_not_known_yet()),
        SpfResult::None | SpfResult::Neutral | SpfResult::Pass | SpfResult::SoftFail | SpfResult::PermError => None,
    }
}

/// The verdicts on MAIL FROM and on the greeting name, for the owner to read.
pub(super) fn steps(auth: &AuthFacts, trace: &mut Vec<TraceStep>) {
    trace.extend(auth.spf.as_ref().map(|spf| step("spf", spf)));
    trace.extend(auth.spf_helo.as_ref().map(|spf| step("spf of greeting", spf)));
}

fn step(name: &'static str, spf: &SpfFacts) -> TraceStep {
    let mut detail = spf.domain.clone();
    if spf.by_plus_all {
        detail.push_str(" lets everyone pass, which proves nothing");
    }
    TraceStep::new(name, spf.result.as_str(), detail)
}
