//! The certificate that STARTTLS presents.

use std::time::Duration;

use super::{Finding, Severity};
use crate::mail::Moment;

/// A certificate that ends within this time should have been renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// What is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its last moment.
    pub not_after: Moment,
    /// The names that it is for.
    pub names: Vec<String>,
    /// The host name that it should be for.
    pub hostname: String,
    /// Whether nobody but itself vouches for it.
    pub self_signed: bool,
}

pub(super) fn judge(facts: &CertificateFacts, now: Moment) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(expiry(facts, now));
    if !facts.names.iter().any(|name| stands_for(name, &facts.hostname)) {
        findings.push(wrong_name(facts));
    }
    if facts.self_signed {
        let finding = Finding::fault(
            "certificate_self_signed",
            &facts.hostname,
            "The certificate is self-signed. Mail servers take it all the same, unless a policy asks for more.",
            "Set tls.acme = \"on\" where port 80 or 443 is free, or name files in smtp.tls_certificate and smtp.tls_key.",
        );
        findings.push(finding.graded(Severity::Note));
    }
    findings
}

/// One that nobody vouches for is checked by nobody either: its name keeps no mail away.
fn wrong_name(facts: &CertificateFacts) -> Finding {
    let what = format!("The certificate is for {} and not for {}.", facts.names.join(", "), facts.hostname);
    let (severity, remedy) = if facts.self_signed {
        let remedy = "The one that the gateway makes for itself has the name after its next start. Better, set tls.acme = \
                      \"on\", or name files in smtp.tls_certificate and smtp.tls_key.";
        (Severity::Warning, remedy)
    } else {
        let remedy = "Get one that names the host: set tls.acme = \"on\", or other files in smtp.tls_certificate and \
                      smtp.tls_key.";
        (Severity::Fault, remedy)
    };
    Finding::fault("certificate_wrong_name", &facts.hostname, what, remedy).graded(severity)
}

/// The CA gave none, or none anew.
pub(super) fn not_renewed(name: &str, why: &str) -> Finding {
    let what = format!("No certificate for {name} comes by ACME: {why}");
    let remedy = "Mend what it says; the CA is asked again by itself, and at once after a reload (SIGHUP).";
    Finding::fault("certificate_not_renewed", &name, what, remedy).graded(Severity::Warning)
}

fn expiry(facts: &CertificateFacts, now: Moment) -> Option<Finding> {
    let renew =
        "Renew it; its files are read again by themselves. With tls.acme = \"on\" the log says what ACME answered.";
    if facts.not_after <= now {
        let what = format!("The certificate expired at {}.", facts.not_after.in_words());
        return Some(Finding::fault("certificate_expired", &facts.hostname, what, renew));
    }
    (facts.not_after <= now.after(RENEWED_BEFORE)).then(|| {
        let what = format!("The certificate expires at {} and has not been renewed.", facts.not_after.in_words());
        Finding::fault("certificate_expires", &facts.hostname, what, renew).graded(Severity::Warning)
    })
}

/// A star is one label (RFC 6125 §6.4.3).
fn stands_for(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, above)| above.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(host),
    }
}
