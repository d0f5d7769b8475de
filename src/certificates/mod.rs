//! The certificate that SMTP presents: own files, reloaded when they change, or a self-signed one made on first start and
//! kept in `<data_dir>/tls/`.
//!
//! A pair that cannot be used never replaces one that can.

mod self_signed;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::mail::Domain;
use crate::net::tls;

/// Where the certificate is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `smtp.tls_certificate` and `smtp.tls_key`.
    pub files: Option<(PathBuf, PathBuf)>,
    /// Where the self-signed one is kept.
    pub data_dir: PathBuf,
    /// The name it is for.
    pub hostname: Domain,
}

/// The present certificate; cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The files that are looked at again; the self-signed one never changes.
    files: Option<(PathBuf, PathBuf)>,
    present: ArcSwap<ServerConfig>,
    /// What the present configuration was made of.
    loaded: Mutex<Pair>,
}

/// A chain and its key as files hold them.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(…)")
    }
}

impl Certificates {
    /// Loads or makes it. The error says which file and why.
    pub fn load(settings: Settings) -> anyhow::Result<Self> {
        let Settings { files, data_dir, hostname } = settings;
        let (pair, config) = match &files {
            Some((certificate, key)) => {
                let pair = Pair::read(certificate, key)?;
                let config = pair.server_config().with_context(|| unusable(certificate, key))?;
                (pair, config)
            }
            None => self_signed::load_or_make(&data_dir, &hostname)?,
        };
        Ok(Self(Arc::new(Inner { files, present: ArcSwap::from_pointee(config), loaded: Mutex::new(pair) })))
    }

    /// What to shake hands with now.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.0.present.load_full()
    }

    /// Reads the files again where they changed; a broken pair leaves the old one in place and says so.
    pub fn reload(&self) -> anyhow::Result<bool> {
        let Some((certificate, key)) = &self.0.files else { return Ok(false) };
        let pair = Pair::read(certificate, key)?;
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if *loaded == pair {
            return Ok(false);
        }
        let config = pair.server_config().with_context(|| unusable(certificate, key))?;
        self.0.present.store(Arc::new(config));
        *loaded = pair;
        Ok(true)
    }
}

fn unusable(certificate: &Path, key: &Path) -> String {
    format!("the certificate in {} and the key in {} cannot be used", certificate.display(), key.display())
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path, what: &str| {
            fs::read(path).with_context(|| format!("the {what} file {} cannot be read", path.display()))
        };
        Ok(Self { certificate: read(certificate, "certificate")?, key: read(key, "key")? })
    }

    fn chain(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .context("the certificate is not in PEM form")?;
        anyhow::ensure!(!chain.is_empty(), "there is no certificate in the file");
        Ok(chain)
    }

    /// TLS 1.2 and 1.3; fails where key and certificate do not belong together.
    fn server_config(&self) -> anyhow::Result<ServerConfig> {
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("there is no private key in PEM form")?;
        Ok(tls::server(self.chain()?, key)?)
    }
}

#[cfg(test)]
mod tests;
