//! From when to when a certificate is good.

use std::time::Duration;

use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::mail::Moment;

/// notBefore and notAfter (RFC 5280 §4.1.2.5) of the first of the chain.
pub(super) fn of(certified: &CertifiedKey) -> Option<(Moment, Moment)> {
    let (_, certificate) = X509Certificate::from_der(certified.cert.first()?).ok()?;
    let validity = certificate.validity();
    Some((moment(validity.not_before), moment(validity.not_after)))
}

fn moment(time: ASN1Time) -> Moment {
    let secs = u64::try_from(time.timestamp()).unwrap_or(0);
    Moment::default().after(Duration::from_secs(secs))
}
