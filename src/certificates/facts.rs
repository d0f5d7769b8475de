//! What stands in a certificate: until when it is good, and for which names.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::mail::Moment;

/// Names of one certificate that are kept.
const MAX_NAMES: usize = 100;

/// A certificate, as far as people ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its last moment.
    pub not_after: Moment,
    /// The DNS names that it is for.
    pub names: Vec<String>,
    /// Whether nobody but itself vouches for it.
    pub self_signed: bool,
}

/// A certificate that nobody vouches for but itself, for whoever is to trust it all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfSigned {
    /// The DNS names that it is for.
    pub names: Vec<String>,
    /// The certificate, without its key (RFC 7468).
    pub pem: String,
}

impl SelfSigned {
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let facts = Facts::read(certificate).filter(|facts| facts.self_signed)?;
        Some(Self { names: facts.names, pem: pem(certificate) })
    }
}

/// Octets of a line of base64 (RFC 7468 §2).
const PEM_LINE: usize = 64;

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = data_encoding::BASE64.encode(certificate);
    let mut lines = vec!["-----BEGIN CERTIFICATE-----"];
    lines.extend((0..text.len()).step_by(PEM_LINE).map(|at| &text[at..text.len().min(at + PEM_LINE)]));
    lines.push("-----END CERTIFICATE-----\n");
    lines.join("\n")
}

impl Facts {
    /// Reads them; none where it is no certificate.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
        let dns = |name: &GeneralName<'_>| {
            if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None }
        };
        Some(Self {
            not_after: Moment::from_millis(parsed.validity().not_after.timestamp().saturating_mul(1000)),
            names: names.filter_map(dns).take(MAX_NAMES).collect(),
            self_signed: parsed.issuer() == parsed.subject(),
        })
    }
}
