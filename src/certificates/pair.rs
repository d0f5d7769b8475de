//! A chain and its key as files hold them, in PEM.

use std::fs;
use std::path::Path;

use anyhow::Context;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::mail::Domain;
use crate::net::tls;

/// A chain and its key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(…)")
    }
}

impl Pair {
    pub(super) fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path, what: &str| {
            fs::read(path).with_context(|| format!("the {what} file {} cannot be read", path.display()))
        };
        Ok(Self { certificate: read(certificate, "certificate")?, key: read(key, "key")? })
    }

    /// Both in one file, so that they always fit.
    pub(super) fn of_one_file(pem: Vec<u8>) -> Self {
        Self { certificate: pem.clone(), key: pem }
    }

    fn chain(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .context("the certificate is not in PEM form")?;
        anyhow::ensure!(!chain.is_empty(), "there is no certificate in the file");
        Ok(chain)
    }

    /// Fails where key and certificate do not belong together.
    pub(super) fn certified(&self) -> anyhow::Result<CertifiedKey> {
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("there is no private key in PEM form")?;
        Ok(tls::certified(self.chain()?, key)?)
    }
}

/// Whether a certificate is for this name.
pub(super) fn covers(certified: &CertifiedKey, name: &Domain) -> bool {
    let name = ServerName::try_from(name.as_str());
    let certificate = certified.cert.first().and_then(|first| ParsedCertificate::try_from(first).ok());
    matches!((certificate, name), (Some(certificate), Ok(name)) if verify_server_name(&certificate, &name).is_ok())
}
