//! The certificate that we make ourselves, so that the first message already comes inside TLS: who checks nobody's name
//! (RFC 7435) is served as well by it as by any other. Key and certificate stand in one file, so that they always fit.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::pair::Pair;
use crate::mail::Domain;

const FILE: &str = "self-signed.pem";
/// Nobody but our own user reads a key.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Takes the one of an earlier start if it is whole and for this name, else makes a new one.
pub(super) fn load_or_make(data_dir: &Path, hostname: &Domain) -> anyhow::Result<CertifiedKey> {
    let directory = data_dir.join("tls");
    let path = directory.join(FILE);
    let kept = fs::read(&path).ok().map(Pair::of_one_file);
    if let Some(pair) = kept.filter(|pair| is_for(pair, hostname))
        && let Ok(certified) = pair.certified()
    {
        return Ok(certified);
    }
    let pem = make(hostname).context("a self-signed certificate cannot be made")?;
    keep(&directory, pem.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))?;
    Pair::of_one_file(pem.into_bytes()).certified()
}

fn is_for(pair: &Pair, hostname: &Domain) -> bool {
    let Ok(chain) = pair.chain() else { return false };
    let name = ServerName::try_from(hostname.as_str());
    let certificate = chain.first().and_then(|first| ParsedCertificate::try_from(first).ok());
    matches!((certificate, name), (Some(certificate), Ok(name)) if verify_server_name(&certificate, &name).is_ok())
}

fn make(hostname: &Domain) -> Result<String, rcgen::Error> {
    let made = rcgen::generate_simple_self_signed([hostname.as_str().to_owned()])?;
    Ok(made.signing_key.serialize_pem() + &made.cert.pem())
}

/// Written beside its place and moved there, so that it is never found half.
fn keep(directory: &Path, pem: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    let beside = directory.join(format!("{FILE}.new"));
    if beside.exists() {
        fs::remove_file(&beside)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&beside)?;
    file.write_all(pem)?;
    file.sync_all()?;
    fs::rename(beside, directory.join(FILE))
}
