//! The certificate that SMTP presents: own files, reloaded when they change, or a self-signed one made on first start and
//! kept in `<data_dir>/tls/`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::mail::Domain;

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
pub struct Certificates {}

impl Certificates {
    /// Loads or makes it. The error says which file and why.
    pub fn load(settings: Settings) -> anyhow::Result<Self> {
        let _ = settings;
        todo!("words")
    }

    /// What to shake hands with now.
    #[must_use]
    pub fn server_config(&self) -> Arc<rustls::ServerConfig> {
        todo!("words")
    }

    /// Reads the files again where they changed; a broken pair leaves the old one in place and says so.
    pub fn reload(&self) -> anyhow::Result<bool> {
        todo!("words")
    }
}
