//! The ARC chain of a message (RFC 8617 §5.2), within the cap of sets and a deadline.

use mail_auth::{ArcOutput, AuthenticatedMessage, Parameters};
use tokio::time::{Instant, timeout_at};

use super::Inner;
use crate::policy::facts::{ArcFacts, ArcResult};

/// Whether the message has any part of a chain.
pub(super) fn has_chain(message: &AuthenticatedMessage<'_>) -> bool {
    let parts = [message.arc_seals().len(), message.arc_message_signatures().len()];
    parts.iter().any(|count| *count > 0) || !message.arc_authentication_results().is_empty() || message.has_arc_errors()
}

/// A chain that was not looked at, and why.
pub(super) fn unverified(message: &AuthenticatedMessage<'_>, result: ArcResult, why: &str) -> Option<ArcFacts> {
    has_chain(message).then(|| facts(message, result, why.to_owned()))
}

impl Inner {
    pub(super) async fn arc<'m>(&self, message: &'m AuthenticatedMessage<'m>, deadline: Instant) -> Option<ArcFacts> {
        if !has_chain(message) {
            return None;
        }
        let verifying = self.verifier.verify_arc(Parameters::new(message).with_cache(&self.caches));
        let Ok(output) = timeout_at(deadline, verifying).await else {
            return unverified(message, ArcResult::TempError, "not verified in time");
        };
        let (result, detail) = judge(&output);
        Some(facts(message, result, detail))
    }
}

/// Whatever is wrong with a chain, it fails (RFC 8617 §5.2); only DNS may yet change its mind.
fn judge(output: &ArcOutput<'_>) -> (ArcResult, String) {
    match output.result() {
        mail_auth::DkimResult::Pass => (ArcResult::Pass, String::new()),
        mail_auth::DkimResult::TempError(error) => (ArcResult::TempError, error.to_string()),
        mail_auth::DkimResult::None => (ArcResult::Fail, "the chain has no signature".to_owned()),
        mail_auth::DkimResult::Fail(error)
        | mail_auth::DkimResult::Neutral(error)
        | mail_auth::DkimResult::PermError(error) => (ArcResult::Fail, error.to_string()),
    }
}

fn facts(message: &AuthenticatedMessage<'_>, result: ArcResult, detail: String) -> ArcFacts {
    let seals = message.arc_seals();
    let newest = seals.iter().max_by_key(|seal| seal.header.i);
    let sealer = newest.map(|seal| seal.header.d.clone()).unwrap_or_default();
    ArcFacts { result, sets: seals.len(), sealer, detail }
}
