//! Which certificate a client is shown.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The present certificates, read anew for each handshake.
#[derive(Debug)]
pub(super) struct Presented {
    /// For whoever asks for no name, or for one that has no certificate of its own.
    pub(super) default: ArcSwap<CertifiedKey>,
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.default.load_full())
    }
}
