//! TLS: what we present and what we accept, and the facts of a finished handshake. One provider (aws-lc-rs).

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use crate::mail::Moment;
use crate::policy::facts::TlsFacts;

/// Sessions that are remembered on either side, so that the next connection costs no certificate.
const REMEMBERED_SESSIONS: usize = 1024;
/// Tickets for each TLS 1.3 handshake: a mail client's next connection takes one (RFC 8446 section 4.6.1).
const TICKETS: usize = 1;
/// Verdicts on certificates that are remembered, so that a chain is checked once and not for every connection.
const REMEMBERED_VERDICTS: u64 = 1024;
/// A verdict is believed so long: certificates expire.
const VERDICT_LIFETIME: Duration = Duration::from_secs(3600);

/// The facts of a handshake.
#[must_use]
pub fn facts(connection: &rustls::CommonState) -> TlsFacts {
    let name = |n: Option<&'static str>| n.unwrap_or("unknown").to_owned();
    TlsFacts {
        version: name(connection.protocol_version().and_then(|v| v.as_str())),
        cipher: name(connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str())),
        verified: None,
    }
}

/// How we shake hands with clients: TLS 1.2 and 1.3, with what `presented` chooses for the name that is asked for.
pub fn server(presented: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(presented);
    config.ignore_client_order = true;
    config.send_tls13_tickets = TICKETS;
    config.session_storage = ServerSessionMemoryCache::new(REMEMBERED_SESSIONS);
    Ok(config)
}

/// A chain with its key; fails where they do not belong together.
pub fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(chain, key, &provider())
}

/// A certificate with its key, unchecked: a proof for a CA (RFC 8737 §3) has a critical extension that no check of ours knows.
pub fn proof(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, rustls::Error> {
    Ok(CertifiedKey::new(vec![certificate], provider().key_provider.load_private_key(key)?))
}

/// Takes any certificate (opportunistic TLS, RFC 7435), but checks it all the same and tells whether it verified.
#[must_use]
pub fn opportunistic_client() -> Arc<ClientConfig> {
    let taker = TakesAny { algorithms: provider().signature_verification_algorithms };
    let builder = builder().dangerous().with_custom_certificate_verifier(Arc::new(taker));
    finished(builder.with_no_client_auth())
}

/// Demands a certificate that verifies for the name (relays with sign-in, `smtps://`).
#[must_use]
pub fn verifying_client() -> Arc<ClientConfig> {
    finished(builder().with_root_certificates(roots()).with_no_client_auth())
}

/// Demands a certificate that verifies for the name by the roots in this file (PEM), and no others.
pub fn client_trusting(roots: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(roots)? {
        store.add(root?)?;
    }
    anyhow::ensure!(!store.is_empty(), "there is no certificate in it");
    Ok(finished(builder().with_root_certificates(store).with_no_client_auth()))
}

/// Tells after an opportunistic handshake whether the certificate would have verified.
pub struct Judge {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    verdicts: moka::sync::Cache<(Vec<u8>, ServerName<'static>), bool>,
}

impl Judge {
    /// Trusts what the system trusts; with no such certificates nothing verifies.
    #[must_use]
    pub fn new() -> Self {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(), provider()).build().ok();
        let verdicts = moka::sync::Cache::builder().max_capacity(REMEMBERED_VERDICTS).time_to_live(VERDICT_LIFETIME);
        Self { verifier, verdicts: verdicts.build() }
    }

    /// [`facts`], with the verdict on the certificate for `name`.
    #[must_use]
    pub fn facts(&self, connection: &rustls::CommonState, name: &ServerName<'static>, now: Moment) -> TlsFacts {
        let verified = connection.peer_certificates().is_some_and(|chain| self.verifies(chain, name, now));
        TlsFacts { verified: Some(verified), ..facts(connection) }
    }

    fn verifies(&self, chain: &[CertificateDer<'_>], name: &ServerName<'static>, now: Moment) -> bool {
        let Some((own, others)) = chain.split_first() else { return false };
        let key = (own.to_vec(), name.clone());
        self.verdicts.get_with(key, || {
            let Some(verifier) = &self.verifier else { return false };
            let now = Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
            verifier.verify_server_cert(own, others, name, &[], UnixTime::since_unix_epoch(now)).is_ok()
        })
    }
}

impl Default for Judge {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judge")
    }
}

/// The suite of 128 bits first, as Mozilla's "modern" has it: it is as safe for mail in transit as that of 256, and its
/// SHA-256 is in hardware where SHA-384 is not.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        Arc::new(provider)
    });
    Arc::clone(&PROVIDER)
}

/// Read once: a system has some hundred and fifty of them in one file.
fn roots() -> Arc<RootCertStore> {
    static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    });
    Arc::clone(&ROOTS)
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(provider());
    match builder.with_protocol_versions(rustls::ALL_VERSIONS) {
        Ok(builder) => builder,
        Err(never) => unreachable!("the provider has suites for every version: {never}"),
    }
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = rustls::client::Resumption::in_memory_sessions(REMEMBERED_SESSIONS);
    Arc::new(config)
}

/// Takes any certificate; that the server holds its key is still checked.
#[derive(Debug)]
struct TakesAny {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clients_build() {
        assert!(opportunistic_client().enable_sni);
        assert!(verifying_client().enable_sni);
    }

    #[test]
    fn a_certificate_of_nobody_is_taken_and_does_not_verify() {
        let made = rcgen::generate_simple_self_signed(vec!["mx.example".to_owned()]).unwrap();
        let chain = [made.cert.der().clone()];
        let name = ServerName::try_from("mx.example").unwrap();
        assert!(!Judge::new().verifies(&chain, &name, Moment::from_millis(1_795_373_784_120)));
        let taker = TakesAny { algorithms: provider().signature_verification_algorithms };
        assert!(taker.verify_server_cert(&chain[0], &[], &name, &[], UnixTime::now()).is_ok());
    }
}
