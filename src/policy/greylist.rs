//! Greylisting: who comes for the first time is asked to come again, which most senders of spam do not.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::admission::Refusal;
use super::limits::network_of;
use super::replies;
use super::status::TraceStep;
use crate::mail::{Domain, Mailbox, Moment, ReversePath, span_in_words};

/// Who came for the first time is let in after so long; mail servers come again after some 5 to 15 minutes.
pub const WAIT: Duration = Duration::from_secs(5 * 60);
/// Who has not come again within so long comes for the first time.
pub const COMES_AGAIN_WITHIN: Duration = Duration::from_secs(2 * 86_400);
/// Who was let in is remembered so long after its last mail: what comes once a month is let in at once.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(36 * 86_400);

/// Octets by which a triplet is known.
pub const KEY_OCTETS: usize = 16;

/// Client, sender and recipient, by a part of their hash.
pub type Key = [u8; KEY_OCTETS];

/// What is remembered of a triplet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When it came for the first time.
    pub first_at: Moment,
    /// When it was let in last; none while it has to come again.
    pub let_in_at: Option<Moment>,
}

/// Who writes to whom by which client.
#[derive(Debug, Clone, Copy)]
pub struct Triplet<'a> {
    /// The client.
    pub peer: IpAddr,
    /// The domain of the reverse-path where SPF has proved that the client is its own: a large sender comes again by
    /// another of its addresses.
    pub proved: Option<&'a Domain>,
    /// The reverse-path.
    pub sender: &'a ReversePath,
    /// The recipient.
    pub recipient: &'a Mailbox,
}

impl Triplet<'_> {
    /// By what it is remembered.
    #[must_use]
    pub fn key(&self) -> Key {
        let client = match self.proved {
            Some(domain) => domain.to_string(),
            None => neighbourhood(self.peer).to_string(),
        };
        let sender = self.sender.mailbox().map(Mailbox::key).unwrap_or_default();
        let mut hash = Sha256::new();
        for part in [client, sender, self.recipient.key()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut key = [0; KEY_OCTETS];
        key.copy_from_slice(&hash.finalize()[..KEY_OCTETS]);
        key
    }
}

/// A /24 or a /64: those who send for others have several addresses side by side.
fn neighbourhood(peer: IpAddr) -> IpAddr {
    match network_of(peer) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        v6 @ IpAddr::V6(_) => v6,
    }
}

/// Whether a triplet of which `seen` is remembered may come now, and what is to be remembered of it.
pub fn judge(seen: Option<Seen>, now: Moment) -> (Seen, Result<TraceStep, Box<Refusal>>) {
    // One of the future was noted by a clock that was set back since.
    let seen = seen.filter(|seen| now <= seen.counts_until() && seen.first_at <= now);
    let first_at = seen.map_or(now, |seen| seen.first_at);
    let is_known = seen.is_some_and(|seen| seen.let_in_at.is_some());
    let waited = now.since(first_at);
    if is_known || waited >= WAIT {
        let detail = if is_known { "this client, sender and recipient are known" } else { "it has come again" };
        return (Seen { first_at, let_in_at: Some(now) }, Ok(TraceStep::new("greylist", "let in", detail)));
    }
    let left = span_in_words(WAIT.saturating_sub(waited));
    let detail = format!("this client, sender and recipient are let in after {left} more");
    let reason = "This client wrote for the first time from this sender to this recipient, and has to come again.";
    let step = TraceStep::new("greylist", "come again", detail);
    let refusal = Refusal { reply: replies::come_again(), reason: reason.to_owned(), step };
    (Seen { first_at, let_in_at: None }, Err(Box::new(refusal)))
}

impl Seen {
    /// Until when it counts.
    #[must_use]
    pub fn counts_until(&self) -> Moment {
        match self.let_in_at {
            Some(at) => at.after(REMEMBERED_FOR),
            None => self.first_at.after(COMES_AGAIN_WITHIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples::{domain, mailbox};

    const START: i64 = 1_795_373_784_120;

    fn at(wait: Duration) -> Moment {
        Moment::from_millis(START).after(wait)
    }

    #[test]
    fn the_first_waits_who_comes_again_is_let_in_and_remembered() {
        let (seen, first) = judge(None, at(Duration::ZERO));
        assert_eq!(first.unwrap_err().reply.to_string(), "451 4.7.1 Greylisted, please try again in five minutes");
        let (seen, too_soon) = judge(Some(seen), at(WAIT - Duration::from_millis(1)));
        assert!(too_soon.is_err());
        let (seen, again) = judge(Some(seen), at(WAIT));
        assert!(again.is_ok());
        let (seen, monthly) = judge(Some(seen), at(WAIT + REMEMBERED_FOR));
        assert!(monthly.is_ok());
        let (seen, late) = judge(Some(seen), at(WAIT + REMEMBERED_FOR * 2 + Duration::from_millis(1)));
        assert!(late.is_err() && seen.let_in_at.is_none(), "who was away too long begins anew");
    }

    #[test]
    fn who_comes_again_too_late_begins_anew() {
        let (seen, _) = judge(None, at(Duration::ZERO));
        assert!(judge(Some(seen), at(COMES_AGAIN_WITHIN)).1.is_ok());
        assert!(judge(Some(seen), at(COMES_AGAIN_WITHIN + Duration::from_millis(1))).1.is_err());
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_for_years() {
        let (seen, _) = judge(None, at(REMEMBERED_FOR * 20));
        let (seen, first) = judge(Some(seen), at(Duration::ZERO));
        assert!(first.is_err());
        assert!(judge(Some(seen), at(WAIT)).1.is_ok());
    }

    #[test]
    fn a_proved_domain_counts_instead_of_its_addresses() {
        let (recipient, proved) = (mailbox("shop@my.domain"), domain("pool.example"));
        let sender = ReversePath::parse("Ann@pool.example").unwrap();
        let key = |peer: &str, proved: Option<&Domain>| {
            Triplet { peer: peer.parse().unwrap(), proved, sender: &sender, recipient: &recipient }.key()
        };
        assert_eq!(key("192.0.2.1", None), key("192.0.2.200", None));
        assert_ne!(key("192.0.2.1", None), key("198.51.100.1", None));
        assert_eq!(key("2001:db8::1", None), key("2001:db8::ffff:1", None));
        assert_eq!(key("192.0.2.1", Some(&proved)), key("2001:db8::1", Some(&proved)));
        assert_ne!(key("192.0.2.1", Some(&proved)), key("192.0.2.1", None));
        let other =
            Triplet { peer: [192, 0, 2, 1].into(), proved: None, sender: &sender, recipient: &mailbox("x@my.domain") };
        assert_ne!(other.key(), key("192.0.2.1", None));
    }
}
