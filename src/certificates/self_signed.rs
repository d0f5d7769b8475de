//! The certificate that we make ourselves, so that the first message already comes inside TLS: who checks nobody's name
//! (RFC 7435) is served as well by it as by any other. Key and certificate stand in one file, so that they always fit.

use std::fs;
use std::path::Path;

use anyhow::Context;
use rustls::sign::CertifiedKey;

use super::files;
use super::pair::{Pair, covers};
use crate::mail::Domain;

const FILE: &str = "self-signed.pem";

/// Takes the one of an earlier start if it is whole and for this name, else makes a new one.
pub(super) fn load_or_make(data_dir: &Path, hostname: &Domain) -> anyhow::Result<CertifiedKey> {
    let directory = data_dir.join("tls");
    let path = directory.join(FILE);
    let kept = fs::read(&path).ok().and_then(|pem| Pair::of_one_file(pem).certified().ok());
    if let Some(certified) = kept.filter(|certified| covers(certified, hostname)) {
        return Ok(certified);
    }
    let pem = make(hostname).context("a self-signed certificate cannot be made")?;
    files::keep(&directory, FILE, pem.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))?;
    Pair::of_one_file(pem.into_bytes()).certified()
}

fn make(hostname: &Domain) -> Result<String, rcgen::Error> {
    let made = rcgen::generate_simple_self_signed([hostname.as_str().to_owned()])?;
    Ok(made.signing_key.serialize_pem() + &made.cert.pem())
}
