//! Which certificate a client is shown: by the name that it asks for (RFC 6066 §3), or to a CA that wants a proof.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::challenges::Challenges;
use super::pair::covers;
use crate::mail::Domain;

/// What a CA speaks that looks for a proof (RFC 8737 §4), and nobody else.
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The present certificates, read anew for each handshake.
#[derive(Debug)]
pub(super) struct Presented {
    /// The gateway's name.
    pub(super) hostname: Domain,
    /// Own files, or where there are none, what we signed ourselves.
    pub(super) own: ArcSwap<CertifiedKey>,
    /// Whether `own` is of files.
    pub(super) of_files: bool,
    /// Those by ACME; own files that are for a name go before.
    pub(super) named: ArcSwap<BTreeMap<Domain, Arc<CertifiedKey>>>,
    /// Answers for a CA.
    pub(super) challenges: Challenges,
}

impl Presented {
    /// For whoever asks for no name, or for one that has no certificate of its own.
    fn default(&self) -> Arc<CertifiedKey> {
        let ours = || self.named.load().get(&self.hostname).cloned();
        if self.of_files { None } else { ours() }.unwrap_or_else(|| self.own.load_full())
    }

    /// What whoever asks for `name` is shown.
    pub(super) fn of(&self, name: &Domain) -> Arc<CertifiedKey> {
        let by_acme = self.named.load().get(name).cloned();
        by_acme.filter(|_| !self.own_files_cover(name)).unwrap_or_else(|| self.default())
    }

    /// Whether the owner's own files are for this name.
    pub(super) fn own_files_cover(&self, name: &Domain) -> bool {
        self.of_files && covers(&self.own.load(), name)
    }

    /// From now on `name` is shown this.
    pub(super) fn put(&self, name: &Domain, certified: CertifiedKey) {
        let certified = Arc::new(certified);
        self.named.rcu(|named| {
            let mut named = BTreeMap::clone(named);
            named.insert(name.clone(), Arc::clone(&certified));
            named
        });
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        if hello.alpn().is_some_and(|mut protocols| protocols.all(|protocol| protocol == ACME_TLS)) {
            return self.challenges.by_tls(name?);
        }
        match name.and_then(|name| Domain::parse(name).ok()) {
            Some(name) => Some(self.of(&name)),
            None => Some(self.default()),
        }
    }
}
