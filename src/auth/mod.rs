//! Authentication verdicts: SPF, DKIM, DMARC, ARC, organisational domains. mail-auth's home; lends its plain resolver.
//!
//! Answers of DNS are kept, parsed, for as long as they live, within bounds. Whatever is not known in time is
//! `temperror`; nothing here waits longer than it was given.

mod ahead;
mod arc;
mod cache;
mod client_name;
mod dkim;
mod dmarc;
mod key;
mod message;
mod organisation;
mod resolver;
mod spf;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mail_auth::MessageAuthenticator;
use tokio::sync::Semaphore;

use crate::mail::header::HeaderFacts;
use crate::mail::{Domain, ReversePath};
use crate::policy::facts::{AuthFacts, SpfFacts};
use crate::policy::settings::Enforcement;
pub use ahead::Ahead;
use cache::Caches;

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
}

/// What there is of a message to verify.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Nothing in it is signed, or nobody wants to know.
    Unsigned,
    /// All of it.
    Whole(&'a [u8]),
    /// Its header at least, and nobody had the time or the room for the rest: what is signed is temperror.
    Header(&'a [u8]),
}

/// What is asked about a whole message.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its octets.
    pub content: Content<'a>,
    /// Its header: whom From names.
    pub header: &'a HeaderFacts,
    /// Whether DMARC is asked.
    pub dmarc: Enforcement,
}

/// Verifies; cheap to clone.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    verifier: MessageAuthenticator,
    caches: Caches,
    /// One permit for each KiB that is being verified.
    kibibytes: Semaphore,
}

impl Authenticator {
    /// Builds the resolver and its caches.
    pub fn new(settings: &Settings) -> Result<Self, std::io::Error> {
        let (config, options) = resolver::configuration(settings)?;
        let verifier = MessageAuthenticator::new(config, options).map_err(std::io::Error::other)?;
        let kibibytes = Semaphore::new(MAX_VERIFIED_OCTETS / message::PERMIT_OCTETS);
        Ok(Self(Arc::new(Inner { verifier, caches: Caches::default(), kibibytes })))
    }

    /// The plain resolver.
    #[must_use]
    pub fn resolver(&self) -> hickory_resolver::TokioResolver {
        self.0.verifier.resolver().clone()
    }

    /// SPF of MAIL FROM; of `postmaster@HELO` for the null path (RFC 7208 §2.4). At most 4 s, then temperror.
    pub async fn spf(&self, peer: IpAddr, helo: &str, from: &ReversePath) -> SpfFacts {
        self.0.spf(peer.to_canonical(), helo, from).await
    }

    /// SPF of the greeting name itself, which says something of the client and nothing of any author. At most 4 s.
    pub async fn spf_helo(&self, peer: IpAddr, helo: &str) -> SpfFacts {
        self.0.spf(peer.to_canonical(), helo, &ReversePath::Null).await
    }

    /// What a client is called by DNS, where the name leads back to it.
    pub async fn client_name(&self, peer: IpAddr) -> Option<Box<str>> {
        self.0.client_name(peer.to_canonical()).await
    }

    /// Has DNS asked for what a message will need whose header alone has come. At most 4 s.
    pub async fn look_ahead(&self, ahead: &Ahead) {
        self.0.look_ahead(ahead).await;
    }

    /// DKIM within the cap, the ARC chain, and DMARC by what these and `spf` say. What is not done at `deadline` is
    /// temperror.
    pub async fn message(
        &self,
        asked: &Asked<'_>,
        spf: impl Future<Output = Option<SpfFacts>>,
        deadline: tokio::time::Instant,
    ) -> AuthFacts {
        self.0.message(asked, spf, deadline).await
    }

    /// The organisational domain by the DMARC tree walk; `None` when nothing was published or DNS failed.
    pub async fn organisational(&self, domain: &Domain) -> Option<Domain> {
        self.0.organisational(domain).await
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator")
    }
}
