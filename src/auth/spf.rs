//! SPF of MAIL FROM and of the greeting name (RFC 7208), and whether a pass proves anything.
//!
//! The check is our own: mail-auth, which does the rest, is wrong in a fifth of the cases of the RFC's test suite
//! (several records, faults in a record, limits, names of the client), which `tests/proofs` plays whole.

mod check;
mod dns;
mod macros;
mod record;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Inner;
use crate::mail::{Domain, ReversePath};
use crate::policy::facts::{SpfFacts, SpfResult};
use check::{Check, Client};
pub(super) use dns::{Answer, Found, Published};

/// How long the check of one sender may take, in all: checks get 4 of the 10 s that an answer may take.
const WITHIN: Duration = Duration::from_secs(4);
/// Addresses that no mail server has (RFC 1112 §4, RFC 6666): where they pass, everyone does.
const NOBODY: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(240, 0, 0, 1), Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1));

/// Who a message without a sender is from (RFC 7208 §2.4).
const POSTMASTER: &str = "postmaster";

impl Inner {
    pub(super) async fn spf(&self, peer: IpAddr, helo: &str, from: &ReversePath) -> SpfFacts {
        let name = Domain::parse(helo).ok();
        let (domain, local_part) = match from {
            ReversePath::Mailbox(mailbox) => (mailbox.domain(), mailbox.local().as_str()),
            // An address literal, or nothing that could be asked for, has no policy (RFC 7208 §2.4, §4.3).
            ReversePath::Null => (name.as_ref(), POSTMASTER),
        };
        let Some(domain) = domain.map(Domain::as_str) else {
            let asked = from.mailbox().map_or_else(|| helo.to_owned(), |mailbox| mailbox.host().to_string());
            return facts(SpfResult::None, &asked);
        };
        let client = Client { peer, helo, local_part, domain };
        let mut facts = facts(SpfResult::TempError, domain);
        let checking = async {
            facts.result = self.check(client).await;
            if facts.result == SpfResult::Pass {
                facts.by_plus_all = self.is_open(client).await;
            }
        };
        // What is known when the time is up stays: a pass whose openness nobody could tell is a pass.
        let _ = tokio::time::timeout(WITHIN, checking).await;
        facts
    }

    async fn check(&self, client: Client<'_>) -> SpfResult {
        // The top-level domains have no mail of their own; such a name is a host that does not know its own (§4.3).
        if !client.domain.contains('.') {
            return SpfResult::None;
        }
        Check::new(self, client).run().await
    }

    /// Whether the domain lets everyone pass, by `+all` in its own record or one that it includes, or by a network of
    /// all addresses: then a pass proves nothing. Asked with an address that nobody has; kept for some minutes.
    async fn is_open(&self, client: Client<'_>) -> bool {
        if let Some(open) = self.caches.open.get(client.domain) {
            return open;
        }
        let nobody = if client.peer.is_ipv4() { IpAddr::V4(NOBODY.0) } else { IpAddr::V6(NOBODY.1) };
        let result = self.check(Client { peer: nobody, ..client }).await;
        let open = result == SpfResult::Pass;
        // What DNS could not tell is asked again with the next message.
        if result != SpfResult::TempError {
            self.caches.open.insert(client.domain.into(), open);
        }
        open
    }
}

/// The result as mail-auth's DMARC takes it.
pub(super) const fn theirs(result: SpfResult) -> mail_auth::SpfResult {
    match result {
        SpfResult::None => mail_auth::SpfResult::None,
        SpfResult::Neutral => mail_auth::SpfResult::Neutral,
        SpfResult::Pass => mail_auth::SpfResult::Pass,
        SpfResult::Fail => mail_auth::SpfResult::Fail,
        SpfResult::SoftFail => mail_auth::SpfResult::SoftFail,
        SpfResult::TempError => mail_auth::SpfResult::TempError,
        SpfResult::PermError => mail_auth::SpfResult::PermError,
    }
}

fn facts(result: SpfResult, domain: &str) -> SpfFacts {
    SpfFacts { result, domain: domain.to_owned(), by_plus_all: false }
}
