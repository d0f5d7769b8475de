//! The certificate that SMTP and HTTPS present: own files, reloaded when they change, or a self-signed one made on first
//! start and kept in `<data_dir>/tls/`.
//!
//! A pair that cannot be used never replaces one that can.

mod pair;
mod presented;
mod self_signed;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::ServerConfig;

use crate::mail::Domain;
use crate::net::tls;

use pair::Pair;
use presented::Presented;

/// What HTTPS speaks (RFC 7301): no client is led to expect HTTP/2.
const HTTP_1_1: &[u8] = b"http/1.1";

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
    presented: Arc<Presented>,
    smtp: Arc<ServerConfig>,
    https: Arc<ServerConfig>,
    own: Option<OwnFiles>,
}

/// The files that are looked at again; what we made ourselves changes by our own doing only.
#[derive(Debug)]
struct OwnFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// What is presented now was made of this.
    loaded: Mutex<Pair>,
}

impl Certificates {
    /// Loads or makes it. The error says which file and why.
    pub fn load(settings: Settings) -> anyhow::Result<Self> {
        let Settings { files, data_dir, hostname } = settings;
        let (own, certified) = match files {
            Some((certificate, key)) => {
                let pair = Pair::read(&certificate, &key)?;
                let certified = pair.certified().with_context(|| unusable(&certificate, &key))?;
                (Some(OwnFiles { certificate, key, loaded: Mutex::new(pair) }), certified)
            }
            None => (None, self_signed::load_or_make(&data_dir, &hostname)?),
        };
        let presented = Arc::new(Presented { default: ArcSwap::from_pointee(certified) });
        let smtp = tls::server(presented.clone())?;
        let mut https = tls::server(presented.clone())?;
        https.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self(Arc::new(Inner { presented, smtp: Arc::new(smtp), https: Arc::new(https), own })))
    }

    /// How STARTTLS shakes hands.
    #[must_use]
    pub fn smtp_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.smtp)
    }

    /// How HTTPS shakes hands.
    #[must_use]
    pub fn https_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.https)
    }

    /// Reads the files again where they changed; a broken pair leaves the old one in place and says so.
    pub fn reload(&self) -> anyhow::Result<bool> {
        let Some(OwnFiles { certificate, key, loaded }) = &self.0.own else { return Ok(false) };
        let pair = Pair::read(certificate, key)?;
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if *loaded == pair {
            return Ok(false);
        }
        let certified = pair.certified().with_context(|| unusable(certificate, key))?;
        self.0.presented.default.store(Arc::new(certified));
        *loaded = pair;
        Ok(true)
    }
}

fn unusable(certificate: &Path, key: &Path) -> String {
    format!("the certificate in {} and the key in {} cannot be used", certificate.display(), key.display())
}

#[cfg(test)]
mod tests;
