//! SPF of MAIL FROM and of the greeting name (RFC 7208), and whether a pass proves anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mail_auth::Parameters;
use mail_auth::spf::verify::SpfParameters;

use super::Inner;
use crate::mail::{Domain, ReversePath};
use crate::policy::facts::{SpfFacts, SpfResult};

/// How long the check of one sender may take, in all: checks get 4 of the 10 s that an answer may take.
const WITHIN: Duration = Duration::from_secs(4);
/// Addresses that no mail server has (RFC 1112 §4, RFC 6666): where they pass, everyone does.
const NOBODY: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(240, 0, 0, 1), Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1));

/// The identity that is checked.
struct Identity<'a> {
    domain: &'a str,
    sender: String,
    helo: &'a str,
}

impl Inner {
    pub(super) async fn spf(&self, peer: IpAddr, helo: &str, from: &ReversePath) -> SpfFacts {
        let name = Domain::parse(helo).ok();
        let (domain, sender) = match from {
            ReversePath::Mailbox(mailbox) => (mailbox.domain(), mailbox.to_string()),
            // An address literal, or nothing that could be asked for, has no policy (RFC 7208 §2.4, §4.3).
            ReversePath::Null => (name.as_ref(), String::new()),
        };
        let Some(domain) = domain.map(Domain::as_str) else {
            let asked = from.mailbox().map_or_else(|| helo.to_owned(), |mailbox| mailbox.host().to_string());
            return facts(SpfResult::None, &asked);
        };
        let identity = Identity { domain, sender, helo };
        let mut facts = facts(SpfResult::TempError, domain);
        let checking = async {
            facts.result = self.check(peer, &identity).await;
            if facts.result == SpfResult::Pass {
                facts.by_plus_all = self.is_open(peer, &identity).await;
            }
        };
        // What is known when the time is up stays: a pass whose openness nobody could tell is a pass.
        let _ = tokio::time::timeout(WITHIN, checking).await;
        facts
    }

    async fn check(&self, peer: IpAddr, identity: &Identity<'_>) -> SpfResult {
        let host = self.hostname.as_str();
        let parameters = if identity.sender.is_empty() {
            SpfParameters::helo(peer, identity.domain, host)
        } else {
            SpfParameters::mail_from(peer, identity.helo, host, &identity.sender)
        };
        let output = self.verifier.check_host(Parameters::new(parameters).with_cache(&self.caches)).await;
        ours(output.result())
    }

    /// Whether the domain lets everyone pass, by `+all` in its own record or one that it includes, or by a network of
    /// all addresses: then a pass proves nothing. Asked with an address that nobody has; kept for some minutes.
    async fn is_open(&self, peer: IpAddr, identity: &Identity<'_>) -> bool {
        if let Some(open) = self.caches.open.get(identity.domain) {
            return open;
        }
        let nobody = if peer.is_ipv4() { IpAddr::V4(NOBODY.0) } else { IpAddr::V6(NOBODY.1) };
        let result = self.check(nobody, identity).await;
        let open = result == SpfResult::Pass;
        // What DNS could not tell is asked again with the next message.
        if result != SpfResult::TempError {
            self.caches.open.insert(identity.domain.into(), open);
        }
        open
    }
}

/// The two words for each result.
const RESULTS: [(mail_auth::SpfResult, SpfResult); 7] = [
    (mail_auth::SpfResult::Pass, SpfResult::Pass),
    (mail_auth::SpfResult::Fail, SpfResult::Fail),
    (mail_auth::SpfResult::SoftFail, SpfResult::SoftFail),
    (mail_auth::SpfResult::Neutral, SpfResult::Neutral),
    (mail_auth::SpfResult::TempError, SpfResult::TempError),
    (mail_auth::SpfResult::PermError, SpfResult::PermError),
    (mail_auth::SpfResult::None, SpfResult::None),
];

fn ours(result: mail_auth::SpfResult) -> SpfResult {
    RESULTS.iter().find(|(theirs, _)| *theirs == result).map_or(SpfResult::None, |(_, ours)| *ours)
}

/// The result as mail-auth's DMARC takes it.
pub(super) fn theirs(result: SpfResult) -> mail_auth::SpfResult {
    RESULTS.iter().find(|(_, ours)| *ours == result).map_or(mail_auth::SpfResult::None, |(theirs, _)| *theirs)
}

fn facts(result: SpfResult, domain: &str) -> SpfFacts {
    SpfFacts { result, domain: domain.to_owned(), by_plus_all: false }
}
