//! Authentication verdicts: SPF, DKIM, organisational domains. mail-auth's home; lends its plain resolver.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::mail::{Domain, ReversePath};
use crate::policy::facts::{DkimFacts, SpfFacts};

/// Signatures that are verified at most (RFC 6376 §6.1 lets a verifier choose).
pub const MAX_SIGNATURES: usize = 10;
/// Messages over this are not verified while many others are: octets verified at the same time, in all.
pub const MAX_VERIFIED_OCTETS: usize = 64 << 20;

/// How to ask.
#[derive(Debug, Clone)]
pub struct Settings {
    /// DNS servers; empty takes the system's.
    pub servers: Vec<SocketAddr>,
    /// One look-up.
    pub timeout: Duration,
    /// Our host name.
    pub hostname: Domain,
}

/// Verifies; cheap to clone.
#[derive(Clone)]
pub struct Authenticator {}

impl Authenticator {
    /// Builds the resolver and its caches.
    pub fn new(settings: &Settings) -> Result<Self, std::io::Error> {
        let _ = settings;
        todo!("words")
    }

    /// The plain resolver.
    #[must_use]
    pub fn resolver(&self) -> hickory_resolver::TokioResolver {
        todo!("words")
    }

    /// SPF of MAIL FROM; of `postmaster@HELO` for the null path (RFC 7208 §2.4). At most 4 s, then temperror.
    pub async fn spf(&self, peer: IpAddr, helo: &str, from: &ReversePath) -> SpfFacts {
        let _ = (peer, helo, from);
        todo!("words")
    }

    /// All signatures within the cap, of a whole message. What is not done at `deadline` is temperror.
    pub async fn dkim(&self, octets: &[u8], deadline: tokio::time::Instant) -> Vec<DkimFacts> {
        let _ = (octets, deadline);
        todo!("words")
    }

    /// The organisational domain by the DMARC tree walk; `None` when nothing was published or DNS failed.
    pub async fn organisational(&self, domain: &Domain) -> Option<Domain> {
        let _ = domain;
        todo!("words")
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator")
    }
}
