//! DKIM signatures of a message (RFC 6376), within a cap and a deadline.

use mail_auth::crypto::Algorithm;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, Error, Parameters};
use tokio::time::{Instant, timeout_at};

use super::{Inner, MAX_SIGNATURES};
use crate::policy::facts::{DkimFacts, DkimResult};

/// What the signatures of a message came to.
#[derive(Default)]
pub(super) struct Verified<'m> {
    pub(super) facts: Vec<DkimFacts>,
    /// Nobody had the time for them: any of them may yet pass.
    pub(super) is_late: bool,
    /// Those that count for alignment: they passed by our judgement, or may yet.
    pub(super) counting: Vec<DkimOutput<'m>>,
}

/// Leaves the signatures within the cap.
pub(super) fn keep_first(message: &mut AuthenticatedMessage<'_>) {
    let mut seen = 0;
    message.retain_dkim_signatures(|_| {
        seen += 1;
        if seen > MAX_SIGNATURES { Err(DkimError::UnsupportedVersion) } else { Ok(()) }
    });
}

/// The names of the signatures, and one result for all of them: nothing was verified.
pub(super) fn unverified(message: &AuthenticatedMessage<'_>, result: DkimResult, why: &str) -> Vec<DkimFacts> {
    let named = |signature| named(Some(signature), result, why.to_owned());
    message.dkim_signatures().iter().take(MAX_SIGNATURES).map(|field| named(&field.header)).collect()
}

impl Inner {
    pub(super) async fn dkim<'m>(&'m self, message: &'m AuthenticatedMessage<'m>, deadline: Instant) -> Verified<'m> {
        let Ok(verified) = timeout_at(deadline, self.verified(message)).await else {
            let facts = unverified(message, DkimResult::TempError, "not verified in time");
            return Verified { facts, is_late: true, counting: Vec::new() };
        };
        verified
    }

    async fn verified<'m>(&'m self, message: &'m AuthenticatedMessage<'m>) -> Verified<'m> {
        let mut outputs = self.verifier.verify_dkim(Parameters::new(message).with_cache(&self.caches)).await;
        // What could be read comes first; what could not, and what was beyond the cap, fills the rest.
        outputs.sort_by_key(|output| output.signature().is_none());
        outputs.truncate(MAX_SIGNATURES);
        let mut facts = Vec::with_capacity(outputs.len());
        for output in &outputs {
            facts.push(self.judged(output).await);
        }
        let counts = |result| matches!(result, DkimResult::Pass | DkimResult::TempError);
        let counting = outputs.into_iter().zip(&facts).filter(|(_, facts)| counts(facts.result));
        Verified { counting: counting.map(|(output, _)| output).collect(), is_late: false, facts }
    }
}

impl Inner {
    /// The verdict, with what the key's record says of its use (RFC 6376 §3.6.1, §6.1.2).
    async fn judged(&self, output: &DkimOutput<'_>) -> DkimFacts {
        let facts = facts(output);
        let Some(signature) = output.signature() else { return facts };
        if !matches!(facts.result, DkimResult::Pass | DkimResult::Fail) {
            return facts;
        }
        let Some(terms) = self.terms(signature).await else { return facts };
        let (result, detail) = match facts.result {
            DkimResult::Pass if !terms.is_for_mail => (DkimResult::PermError, "its key is not for mail"),
            DkimResult::Pass if !terms.is_for_sha256 => (DkimResult::PermError, "its key is not for this hash"),
            DkimResult::Fail if terms.is_tested => (DkimResult::Neutral, "it fails, and its key is only being tested"),
            _ => return facts,
        };
        named(Some(signature), result, detail.to_owned())
    }
}

fn facts(output: &DkimOutput<'_>) -> DkimFacts {
    let signature = output.signature();
    let (result, detail) = match output.result() {
        mail_auth::DkimResult::Pass => signature.map_or((DkimResult::Neutral, String::new()), judge_pass),
        // Well formed, and it does not verify: that is a fail in the words of RFC 8601 §2.7.1.
        mail_auth::DkimResult::Neutral(
            error @ Error::Dkim(DkimError::BodyHashMismatch | DkimError::SignatureExpired),
        )
        | mail_auth::DkimResult::Fail(error) => (DkimResult::Fail, error.to_string()),
        mail_auth::DkimResult::Neutral(error) => (DkimResult::Neutral, error.to_string()),
        mail_auth::DkimResult::TempError(error) => (DkimResult::TempError, error.to_string()),
        mail_auth::DkimResult::PermError(error) => (DkimResult::PermError, error.to_string()),
        mail_auth::DkimResult::None => (DkimResult::Neutral, String::new()),
    };
    named(signature, result, detail)
}

/// A signature that verifies still proves nothing with SHA-1 (RFC 8301 §3.1) or without From (RFC 6376 §5.4).
fn judge_pass(signature: &Signature) -> (DkimResult, String) {
    if signature.a == Algorithm::RsaSha1 {
        return (DkimResult::PermError, "signed with SHA-1".to_owned());
    }
    if !signature.h.iter().any(|name| name.eq_ignore_ascii_case("from")) {
        return (DkimResult::PermError, "From is not signed".to_owned());
    }
    (DkimResult::Pass, String::new())
}

fn named(signature: Option<&Signature>, result: DkimResult, detail: String) -> DkimFacts {
    let name = |part: fn(&Signature) -> &String| signature.map(part).cloned().unwrap_or_default();
    DkimFacts { result, domain: name(|s| &s.d), selector: name(|s| &s.s), detail }
}
