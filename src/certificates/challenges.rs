//! What a CA is answered that asks whether a name is ours: by HTTP (RFC 8555 §8.3) or inside TLS (RFC 8737). One name is
//! being proved at a time.

use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use crate::mail::Domain;
use crate::net::tls;

/// The answers that wait for their question; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Challenges(Arc<Mutex<Option<Answer>>>);

#[derive(Debug)]
enum Answer {
    Http { token: String, authorization: String },
    Tls { name: Domain, certified: Arc<CertifiedKey> },
}

/// An answer that is given until this is dropped.
#[derive(Debug)]
pub(super) struct Given(Challenges);

impl Challenges {
    /// The key authorization for a token of `/.well-known/acme-challenge/`.
    #[must_use]
    pub fn by_http(&self, asked: &str) -> Option<String> {
        match &*self.lock() {
            Some(Answer::Http { token, authorization }) if token == asked => Some(authorization.clone()),
            _ => None,
        }
    }

    /// The certificate for a handshake that names `acme-tls/1` and nothing else.
    pub(super) fn by_tls(&self, asked: &str) -> Option<Arc<CertifiedKey>> {
        match &*self.lock() {
            Some(Answer::Tls { name, certified }) if name.as_str().eq_ignore_ascii_case(asked) => {
                Some(Arc::clone(certified))
            }
            _ => None,
        }
    }

    /// Answers by HTTP from now on.
    pub(super) fn give_http(&self, token: &str, authorization: &str) -> Given {
        self.give(Answer::Http { token: token.to_owned(), authorization: authorization.to_owned() })
    }

    /// Answers inside TLS from now on, with a certificate that has the digest in it (RFC 8737 §3).
    pub(super) fn give_tls(&self, name: &Domain, digest: &[u8]) -> anyhow::Result<Given> {
        let mut params = CertificateParams::new([name.as_str().to_owned()])?;
        params.custom_extensions.push(CustomExtension::new_acme_identifier(digest));
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let certified = Arc::new(tls::proof(certificate.der().clone(), key)?);
        Ok(self.give(Answer::Tls { name: name.clone(), certified }))
    }

    fn give(&self, answer: Answer) -> Given {
        *self.lock() = Some(answer);
        Given(self.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
