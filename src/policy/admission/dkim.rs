//! `policy.dkim`: mail whose signatures all fail. Mail without any is not touched by it.

use super::super::facts::{AuthFacts, DkimResult};
use super::super::replies;
use super::super::settings::Enforcement;
use super::super::status::TraceStep;
use crate::smtp::reply::Reply;

/// `None` lets it in: one signature that passes is enough (RFC 6376 §6.1), whoever it is of, and those of which nothing
/// can be said count as if they were not there.
pub(super) fn refusal(policy: Enforcement, auth: &AuthFacts) -> Option<Reply> {
    let has = |result| auth.dkim.iter().any(|signature| signature.result == result);
    if policy != Enforcement::Enforce || has(DkimResult::Pass) {
        return None;
    }
    if has(DkimResult::TempError) {
        return Some(replies::dkim_not_known_yet());
    }
    (has(DkimResult::Fail) || has(DkimResult::PermError)).then(replies::dkim_failed)
}

/// The verdict on each signature, and on the ARC chain.
pub(super) fn steps(auth: &AuthFacts, trace: &mut Vec<TraceStep>) {
    trace.extend(auth.dkim.iter().map(|signature| {
        let name = if signature.domain.is_empty() { "unreadable" } else { &signature.domain };
        TraceStep::new("dkim", signature.result.as_str(), because(name.to_owned(), &signature.detail))
    }));
    trace.extend(auth.arc.as_ref().map(|arc| {
        let sealed =
            format!("{} sets, the last by {}", arc.sets, if arc.sealer.is_empty() { "nobody" } else { &arc.sealer });
        TraceStep::new("arc", arc.result.as_str(), because(sealed, &arc.detail))
    }));
}

/// What it is about, and why it came out so where there is a reason.
pub(super) fn because(mut subject: String, why: &str) -> String {
    if !why.is_empty() {
        subject.push_str(": ");
        subject.push_str(why);
    }
    subject
}
