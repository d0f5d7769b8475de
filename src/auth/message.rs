//! All that a whole message proves, asked at the same time: its octets are taken apart once for DKIM and ARC, SPF and the
//! author's DMARC records are waited for meanwhile, and DMARC joins what they found.

use mail_auth::AuthenticatedMessage;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::dmarc::Proofs;
use super::{Asked, Content, Inner, MAX_SIGNATURES, MAX_VERIFIED_OCTETS, arc, dkim};
use crate::mail::header::SIGNATURE_FIELDS;
use crate::policy::facts::{ArcFacts, ArcResult, AuthFacts, DkimResult, DmarcFacts, DmarcResult, SpfFacts};
use crate::policy::settings::Enforcement;

/// Octets for which one permit is taken.
pub(super) const PERMIT_OCTETS: usize = 1024;
/// Octets over which hashing would hold up the other tasks of its thread.
const MAX_INLINE_OCTETS: usize = 256 * 1024;
/// Octets of header that are compared with the names that signatures list, or hashed for seals, in all: what a large
/// header and long lists would multiply to is refused before it costs a thread its time.
const MAX_COMPARED_OCTETS: usize = 64 << 20;
const LATE: &str = "not verified in time";
const EXCESSIVE: &str = "the header is too large to be verified";

/// Whether the header has a signature or a part of a chain, without taking anything apart.
pub(super) fn is_signed(octets: &[u8]) -> bool {
    let header = header(octets);
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', header).map(|at| at + 1));
    let is_field = |line: &[u8], name: &[u8]| line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name));
    starts.map(|at| &header[at..]).any(|line| SIGNATURE_FIELDS.iter().any(|name| is_field(line, name)))
}

fn header(octets: &[u8]) -> &[u8] {
    &octets[..memchr::memmem::find(octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 2)]
}

/// A message as its signatures are verified, and its share of memory while that goes on.
enum Apart<'m> {
    /// Nothing in it is signed.
    Unsigned,
    /// To be verified.
    Ready { message: Box<AuthenticatedMessage<'m>>, _room: SemaphorePermit<'m> },
    /// Nobody had the time or the room: no more than the header was read.
    Late(Box<AuthenticatedMessage<'m>>),
    /// Verifying it would take more work than any honest message does.
    Excessive(Box<AuthenticatedMessage<'m>>),
}

impl Inner {
    pub(super) async fn message(
        &self,
        asked: &Asked<'_>,
        spf: impl Future<Output = Option<SpfFacts>>,
        deadline: Instant,
    ) -> AuthFacts {
        let apart = self.take_apart(asked.content, deadline).await;
        let ahead = async {
            if let (Some([author]), true) = (asked.header.author_domains.as_deref(), asked.dmarc != Enforcement::Off) {
                self.look_ahead_of(author, deadline).await;
            }
        };
        let (spf, (signed, arc), ()) = tokio::join!(spf, self.signatures(&apart, deadline), ahead);
        let mut dmarc = self.joined(asked, Proofs { spf: spf.as_ref(), dkim: &signed.counting }, deadline).await;
        if let Some(dmarc) = dmarc.as_mut().filter(|dmarc| signed.is_late && dmarc.result == DmarcResult::Fail) {
            dmarc.result = DmarcResult::TempError;
            LATE.clone_into(&mut dmarc.detail);
        }
        AuthFacts { spf, spf_helo: None, dkim: signed.facts, dmarc, arc }
    }

    async fn joined(&self, asked: &Asked<'_>, proofs: Proofs<'_>, deadline: Instant) -> Option<DmarcFacts> {
        match asked.dmarc {
            Enforcement::Off => None,
            Enforcement::Observe | Enforcement::Enforce => Some(self.dmarc(asked.header, proofs, deadline).await),
        }
    }

    async fn take_apart<'m>(&'m self, content: Content<'m>, deadline: Instant) -> Apart<'m> {
        let octets = match content {
            Content::Whole(octets) => octets,
            Content::Header(octets) => return late(octets),
            Content::Unsigned => return Apart::Unsigned,
        };
        // Most of a bad day's mail has no signature, and then there is nothing to set up.
        if !is_signed(octets) {
            return Apart::Unsigned;
        }
        let share = octets.len().min(MAX_VERIFIED_OCTETS).div_ceil(PERMIT_OCTETS);
        let permits = self.kibibytes.acquire_many(u32::try_from(share).unwrap_or(u32::MAX));
        let Ok(Ok(_room)) = timeout_at(deadline, permits).await else { return late(octets) };
        let Some(mut message) = parse(octets) else { return Apart::Unsigned };
        dkim::keep_first(&mut message);
        let message = Box::new(message);
        if is_excessive(&message) { Apart::Excessive(message) } else { Apart::Ready { message, _room } }
    }

    async fn signatures<'m>(
        &'m self,
        apart: &'m Apart<'m>,
        deadline: Instant,
    ) -> (dkim::Verified<'m>, Option<ArcFacts>) {
        match apart {
            Apart::Unsigned => (dkim::Verified::default(), None),
            Apart::Late(message) => {
                let facts = dkim::unverified(message, DkimResult::TempError, LATE);
                let verified = dkim::Verified { is_late: !facts.is_empty(), facts, counting: Vec::new() };
                (verified, arc::unverified(message, ArcResult::TempError, LATE))
            }
            Apart::Excessive(message) => {
                let facts = dkim::unverified(message, DkimResult::PermError, EXCESSIVE);
                let verified = dkim::Verified { facts, ..dkim::Verified::default() };
                (verified, arc::unverified(message, ArcResult::Fail, EXCESSIVE))
            }
            Apart::Ready { message, .. } => tokio::join!(self.dkim(message, deadline), self.arc(message, deadline)),
        }
    }
}

/// Reads the names of the signatures, and hashes nothing.
fn late(octets: &[u8]) -> Apart<'_> {
    Apart::Late(Box::new(AuthenticatedMessage::parse(header(octets)).unwrap_or_default()))
}

/// Parses and hashes; a large message on a thread that others do not wait for.
fn parse(octets: &[u8]) -> Option<AuthenticatedMessage<'_>> {
    let may_block = || Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if octets.len() > MAX_INLINE_OCTETS && may_block() {
        return tokio::task::block_in_place(|| AuthenticatedMessage::parse(octets));
    }
    AuthenticatedMessage::parse(octets)
}

/// Every name that a signature lists is looked for in the whole header, and every seal covers the sets before it.
fn is_excessive(message: &AuthenticatedMessage<'_>) -> bool {
    let names = message.dkim_signatures().iter().take(MAX_SIGNATURES).map(|field| field.header.h.len());
    let newest = message.arc_message_signatures().iter().map(|field| field.header.h.len()).max();
    let passes = names.chain(newest).chain([message.arc_seals().len()]).fold(0_usize, usize::saturating_add);
    passes.saturating_mul(message.body_offset()) > MAX_COMPARED_OCTETS
}

#[cfg(test)]
mod tests {
    use super::is_signed;

    #[test]
    fn sees_a_signature_in_the_header_only() {
        assert!(is_signed(b"DKIM-Signature: v=1\r\n\r\n"));
        assert!(is_signed(b"A: b\r\ndkim-signature : v=1"));
        assert!(is_signed(b"A: b\r\nARC-Seal: i=1"));
        assert!(!is_signed(b"A: DKIM-Signature: v=1\r\n DKIM-Signature: v=1\r\n\r\nDKIM-Signature: v=1\r\n"));
        assert!(!is_signed(b""));
    }
}
