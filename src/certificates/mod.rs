//! The certificates that SMTP and HTTPS present: own files, reloaded when they change; else by ACME (`acme`, kept in
//! `<data_dir>/acme/`); else a self-signed one made on first start and kept in `<data_dir>/tls/`.
//!
//! What cannot be used never replaces what can, and what has expired is presented all the same: no mail is refused for it.

pub mod acme;
mod challenges;
mod facts;
mod files;
mod pair;
mod presented;
mod self_signed;
mod validity;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;

use crate::mail::{Domain, Moment};
use crate::net::tls;

pub use challenges::Challenges;
pub use facts::{Facts, SelfSigned};
use pair::{Pair, covers};
use presented::{ACME_TLS, Presented};

/// What HTTPS speaks (RFC 7301): no client is led to expect HTTP/2.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Where the certificates are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `smtp.tls_certificate` and `smtp.tls_key`.
    pub files: Option<(PathBuf, PathBuf)>,
    /// Where the self-signed one is kept.
    pub data_dir: PathBuf,
    /// The name that is presented where no other is asked for.
    pub hostname: Domain,
    /// `[tls]`, if it is on.
    pub acme: Option<acme::Settings>,
}

/// The present certificates; cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    presented: Arc<Presented>,
    smtp: Arc<ServerConfig>,
    https: Arc<ServerConfig>,
    own: Option<OwnFiles>,
    /// What ACME says of each name.
    notes: Mutex<BTreeMap<Domain, Note>>,
    again: Notify,
}

/// The files that are looked at again; what we made ourselves changes by our own doing only.
#[derive(Debug)]
struct OwnFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// What is presented now was made of this.
    loaded: Mutex<Pair>,
}

/// How it stands with the certificate of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The name.
    pub name: Domain,
    /// When what is presented for it ends.
    pub not_after: Option<Moment>,
    /// What ACME says of it, where it is on.
    pub acme: Option<Note>,
}

/// What ACME says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When the CA is asked next.
    pub next_try: Moment,
    /// Why the last try brought nothing.
    pub failure: Option<String>,
}

impl Certificates {
    /// Loads or makes them. The error says which file and why.
    pub fn load(settings: Settings) -> anyhow::Result<Self> {
        let Settings { files, data_dir, hostname, acme } = settings;
        let (own, certified) = match files {
            Some((certificate, key)) => {
                let pair = Pair::read(&certificate, &key)?;
                let certified = pair.certified().with_context(|| unusable(&certificate, &key))?;
                (Some(OwnFiles { certificate, key, loaded: Mutex::new(pair) }), certified)
            }
            None => (None, self_signed::load_or_make(&data_dir, &hostname)?),
        };
        let named = acme.as_ref().map(kept).unwrap_or_default();
        let presented = Arc::new(Presented {
            hostname,
            own: ArcSwap::from_pointee(certified),
            of_files: own.is_some(),
            named: ArcSwap::from_pointee(named),
            challenges: Challenges::default(),
        });
        let smtp = Arc::new(tls::server(presented.clone())?);
        let mut https = tls::server(presented.clone())?;
        https.alpn_protocols = vec![HTTP_1_1.to_vec(), ACME_TLS.to_vec()];
        let (https, notes, again) = (Arc::new(https), Mutex::default(), Notify::new());
        Ok(Self(Arc::new(Inner { presented, smtp, https, own, notes, again })))
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

    /// Whether a handshake was that of a CA, which has seen what it came for.
    #[must_use]
    pub fn is_proof(connection: &rustls::ServerConnection) -> bool {
        connection.alpn_protocol() == Some(ACME_TLS)
    }

    /// What a CA is answered.
    #[must_use]
    pub fn challenges(&self) -> &Challenges {
        &self.0.presented.challenges
    }

    /// How it stands with each name.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let notes = self.notes().clone();
        let presented = &self.0.presented;
        let others = notes.keys().filter(|name| **name != presented.hostname);
        let standing = |name: &Domain| Standing {
            name: name.clone(),
            not_after: validity::of(&presented.of(name)).map(|(_, to)| to),
            acme: notes.get(name).cloned(),
        };
        std::iter::once(&presented.hostname).chain(others).map(standing).collect()
    }

    /// Has the CA asked again for what it refused: what was wrong is said to be mended.
    pub fn ask_again(&self) {
        self.0.again.notify_one();
    }

    /// What stands in the present certificate; none where it cannot be read.
    #[must_use]
    pub fn facts(&self) -> Option<Facts> {
        Facts::read(self.0.presented.of(&self.0.presented.hostname).cert.first()?)
    }

    /// What a program has to know that asks this host for a page, where it would refuse the certificate.
    #[must_use]
    pub fn self_signed_for(&self, host: &str) -> Option<SelfSigned> {
        let presented = &self.0.presented;
        let name = Domain::parse(host).unwrap_or_else(|_| presented.hostname.clone());
        SelfSigned::read(presented.of(&name).cert.first()?)
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
        self.0.presented.own.store(Arc::new(certified));
        *loaded = pair;
        Ok(true)
    }

    async fn asked(&self) {
        self.0.again.notified().await;
    }

    /// What is of the owner's own files is not asked of a CA.
    fn own_files_cover(&self, name: &Domain) -> bool {
        self.0.presented.own_files_cover(name)
    }

    /// What came by ACME for a name.
    fn named(&self, name: &Domain) -> Option<Arc<CertifiedKey>> {
        self.0.presented.named.load().get(name).cloned()
    }

    fn present(&self, name: &Domain, certified: CertifiedKey) {
        self.0.presented.put(name, certified);
    }

    fn note(&self, name: &Domain, note: Note) {
        self.notes().insert(name.clone(), note);
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<Domain, Note>> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The certificates of earlier orders; one that cannot be used is ordered anew.
fn kept(settings: &acme::Settings) -> BTreeMap<Domain, Arc<CertifiedKey>> {
    let read = |name: &Domain| {
        let pem = fs::read(settings.folder.join(acme::file_name(name))).ok()?;
        let certified = Pair::of_one_file(pem).certified();
        let certified = certified.inspect_err(|error| tracing::warn!(%name, %error, "a kept certificate is of no use"));
        Some((name.clone(), Arc::new(certified.ok().filter(|certified| covers(certified, name))?)))
    };
    settings.names.iter().filter_map(read).collect()
}

fn unusable(certificate: &Path, key: &Path) -> String {
    format!("the certificate in {} and the key in {} cannot be used", certificate.display(), key.display())
}

#[cfg(test)]
mod tests;
