//! DKIM signatures of a message (RFC 6376), within a cap, a deadline and a share of memory.

use mail_auth::crypto::Algorithm;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, Error, Parameters};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;

use super::{Inner, MAX_SIGNATURES, MAX_VERIFIED_OCTETS};
use crate::policy::facts::{DkimFacts, DkimResult};

/// Octets for which one permit is taken.
pub(super) const PERMIT_OCTETS: usize = 1024;
/// Octets over which hashing would hold up the other tasks of its thread.
const MAX_INLINE_OCTETS: usize = 256 * 1024;
const FIELD: &[u8] = b"DKIM-Signature";

/// Whether the header has a signature, without taking anything apart.
pub(super) fn is_signed(octets: &[u8]) -> bool {
    let header = header(octets);
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', header).map(|at| at + 1));
    starts.map(|at| &header[at..]).any(|line| line.get(..FIELD.len()).is_some_and(|n| n.eq_ignore_ascii_case(FIELD)))
}

/// The names of the signatures; nothing is verified.
pub(super) fn unverified(octets: &[u8]) -> Vec<DkimFacts> {
    unfinished(header(octets))
}

fn header(octets: &[u8]) -> &[u8] {
    &octets[..memchr::memmem::find(octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 2)]
}

impl Inner {
    pub(super) async fn dkim(&self, octets: &[u8], deadline: Instant) -> Vec<DkimFacts> {
        let share = octets.len().min(MAX_VERIFIED_OCTETS).div_ceil(PERMIT_OCTETS);
        let permits = self.kibibytes.acquire_many(u32::try_from(share).unwrap_or(u32::MAX));
        let Ok(_room) = tokio::time::timeout_at(deadline, permits).await else { return unfinished(header(octets)) };
        let Some(mut message) = take_apart(octets) else { return Vec::new() };
        let mut seen = 0;
        message.retain_dkim_signatures(|_| {
            seen += 1;
            if seen > MAX_SIGNATURES { Err(DkimError::UnsupportedVersion) } else { Ok(()) }
        });
        let verifying = self.verifier.verify_dkim(Parameters::new(&message).with_cache(&self.caches));
        let Ok(outputs) = tokio::time::timeout_at(deadline, verifying).await else { return unfinished(header(octets)) };
        // What could be read comes first; what could not, and what was beyond the cap, fills the rest.
        let (read, unread): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.signature().is_some());
        read.into_iter().chain(unread).take(MAX_SIGNATURES).map(facts).collect()
    }
}

/// Parses and hashes; a large message on a thread that others do not wait for.
fn take_apart(octets: &[u8]) -> Option<AuthenticatedMessage<'_>> {
    let may_block = || Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if octets.len() > MAX_INLINE_OCTETS && may_block() {
        return tokio::task::block_in_place(|| AuthenticatedMessage::parse(octets));
    }
    AuthenticatedMessage::parse(octets)
}

/// Reads the names of the signatures, and hashes nothing.
fn unfinished(header: &[u8]) -> Vec<DkimFacts> {
    let late = |signature| named(Some(signature), DkimResult::TempError, "not verified in time".to_owned());
    let message = AuthenticatedMessage::parse(header).unwrap_or_default();
    message.dkim_signatures().iter().take(MAX_SIGNATURES).map(|field| late(&field.header)).collect()
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

#[cfg(test)]
mod tests {
    use super::is_signed;

    #[test]
    fn sees_a_signature_in_the_header_only() {
        assert!(is_signed(b"DKIM-Signature: v=1\r\n\r\n"));
        assert!(is_signed(b"A: b\r\ndkim-signature : v=1"));
        assert!(!is_signed(b"A: DKIM-Signature: v=1\r\n DKIM-Signature: v=1\r\n\r\nDKIM-Signature: v=1\r\n"));
        assert!(!is_signed(b""));
    }
}
