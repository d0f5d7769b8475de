//! Own files, the self-signed certificate, and what a reload takes and leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

fn settings(dir: &Path, hostname: &str) -> Settings {
    Settings { files: None, data_dir: dir.to_owned(), hostname: Domain::parse(hostname).unwrap(), acme: None }
}

/// A pair of own files for `name`, written over what was there.
fn own_files(dir: &Path, name: &str) -> Settings {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    Settings { files: Some((dir.join("cert.pem"), dir.join("key.pem"))), ..settings(dir, name) }
}

/// Shakes hands in memory; gives what was presented and the version.
async fn presented(
    certificates: &Certificates,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (Vec<u8>, ProtocolVersion) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAny))
        .with_no_client_auth();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("mx.ours.example").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let acceptor = TlsAcceptor::from(certificates.smtp_config());
    let (client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    server.unwrap();
    let client = client.unwrap();
    let connection = client.get_ref().1;
    (connection.peer_certificates().unwrap()[0].to_vec(), connection.protocol_version().unwrap())
}

const BOTH: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn the_first_start_makes_one_and_the_next_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Certificates::load(settings(dir.path(), "mx.ours.example")).unwrap();
    let path = dir.path().join("tls/self-signed.pem");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);

    let (first_octets, _) = presented(&first, &BOTH).await;
    let second = Certificates::load(settings(dir.path(), "mx.ours.example")).unwrap();
    assert_eq!(presented(&second, &BOTH).await.0, first_octets);
    assert!(!second.reload().unwrap());

    let renamed = Certificates::load(settings(dir.path(), "other.example")).unwrap();
    assert_ne!(presented(&renamed, &BOTH).await.0, first_octets);
}

#[tokio::test]
async fn a_damaged_self_signed_one_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    Certificates::load(settings(dir.path(), "mx.ours.example")).unwrap();
    let path = dir.path().join("tls/self-signed.pem");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    fs::write(dir.path().join("tls/self-signed.pem.new"), "left behind by a crash").unwrap();
    let made = Certificates::load(settings(dir.path(), "mx.ours.example")).unwrap();
    assert_eq!(presented(&made, &BOTH).await.1, ProtocolVersion::TLSv1_3);
}

#[tokio::test]
async fn speaks_tls_1_2_and_1_3() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::load(settings(dir.path(), "mx.ours.example")).unwrap();
    for (version, wanted) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        assert_eq!(presented(&certificates, &[version]).await.1, wanted);
    }
}

#[tokio::test]
async fn own_files_are_taken_again_when_they_change() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::load(own_files(dir.path(), "mx.ours.example")).unwrap();
    let (old, _) = presented(&certificates, &BOTH).await;
    assert!(!certificates.reload().unwrap());

    own_files(dir.path(), "mx.ours.example");
    assert!(certificates.reload().unwrap());
    assert_ne!(presented(&certificates, &BOTH).await.0, old);
    assert!(!certificates.reload().unwrap());
}

/// One that ACME brought before the owner had files is not renewed any more: it is not to be shown until it has ended.
#[tokio::test]
async fn own_files_go_before_what_acme_brought() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::load(own_files(dir.path(), "mx.ours.example")).unwrap();
    let own = presented(&certificates, &BOTH).await.0;
    for name in ["mx.ours.example", "panel.ours.example"] {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let pem = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()).into_bytes();
        certificates.present(&Domain::parse(name).unwrap(), Pair::of_one_file(pem).certified().unwrap());
    }
    assert_eq!(presented(&certificates, &BOTH).await.0, own);
    let others = certificates.0.presented.of(&Domain::parse("panel.ours.example").unwrap());
    assert_ne!(others.cert[0].to_vec(), own, "they are not for this name");
}

#[tokio::test]
async fn a_broken_pair_leaves_the_old_one_and_says_which_file() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::load(own_files(dir.path(), "mx.ours.example")).unwrap();
    let (old, _) = presented(&certificates, &BOTH).await;
    let good_key = fs::read(dir.path().join("key.pem")).unwrap();

    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for broken in [other.as_bytes(), b"", b"-----BEGIN PRIVATE KEY-----\nnonsense\n"] {
        fs::write(dir.path().join("key.pem"), broken).unwrap();
        let error = format!("{:#}", certificates.reload().unwrap_err());
        assert!(error.contains("key.pem"), "{error}");
        assert_eq!(presented(&certificates, &BOTH).await.0, old);
    }
    fs::remove_file(dir.path().join("key.pem")).unwrap();
    assert!(format!("{:#}", certificates.reload().unwrap_err()).contains("key.pem cannot be read"));

    fs::write(dir.path().join("key.pem"), good_key).unwrap();
    assert!(!certificates.reload().unwrap());
    fs::write(dir.path().join("cert.pem"), "").unwrap();
    let error = format!("{:#}", certificates.reload().unwrap_err());
    assert!(error.contains("there is no certificate"), "{error}");
    assert!(
        Certificates::load(Settings {
            files: Some(("/nowhere".into(), "/nowhere".into())),
            ..settings(dir.path(), "x.example")
        })
        .is_err()
    );
}

/// CONFORMANCE, threat 27: no mail is refused for a certificate of ours that has ended.
#[tokio::test]
async fn an_expired_pair_of_own_files_is_presented_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let settings = own_files(dir.path(), "mx.ours.example");
    let mut params = rcgen::CertificateParams::new(["mx.ours.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(dir.path().join("cert.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
    let certificates = Certificates::load(settings).unwrap();
    presented(&certificates, &BOTH).await;
    let standings = certificates.standings();
    assert_eq!(standings[0].not_after, Moment::parse_rfc3339("2020-01-01T00:00:00Z"));
    assert_eq!((standings.len(), &standings[0].acme), (1, &None));
}

#[derive(Debug)]
struct TakesAny;

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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
