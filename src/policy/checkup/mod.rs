//! The doctor's judgement: facts about the gateway and its surroundings in, findings in words out, each with what to do.
//!
//! `facts` probes, this judges. What could not be found out is said as such, and so is what no check from inside can prove.

mod backup;
mod certificate;
mod clients;
mod clock;
mod disk;
mod lists;
mod ports;
mod records;
mod sources;

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use super::records::Record;
use crate::mail::{Moment, in_unicode};

pub use backup::BackupFacts;
pub use certificate::CertificateFacts;
pub use clients::{ClientFacts, LastMail};
pub use clock::ClockFacts;
pub use disk::DiskFacts;
pub use lists::{Own, OwnListing};
pub use ports::{DnsServer, Holder, Listener, PortFacts, PortOut, Tried, UNRESOLVED, Unreached, WayOut};
pub use sources::{KNOWN_BY, SourceFacts};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Mail is lost, refused or delayed.
    Fault,
    /// It soon will be, or some of it.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// A word that stays the same: `ptr_missing`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// Which domain, address or port it is about.
    pub subject: String,
    /// What is wrong.
    pub what: String,
    /// Since when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// Of a fault.
    fn fault(id: &str, subject: &dyn fmt::Display, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            severity: Severity::Fault,
            subject: subject.to_string(),
            what: what.into(),
            since: None,
            remedy: remedy.into(),
        }
    }

    const fn graded(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

/// Everything that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The present, by our clock.
    pub now: Moment,
    /// The way out by port 25.
    pub out: PortOut,
    /// Whether addresses of our own network pass for the outside (`delivery.allow_private`).
    pub is_laboratory: bool,
    /// Who holds which port.
    pub ports: PortFacts,
    /// The host's records, judged.
    pub host: Vec<Record>,
    /// Records of domains, judged; by name.
    pub domains: Vec<(String, Vec<Record>)>,
    /// What STARTTLS presents; none where it cannot be read.
    pub certificate: Option<CertificateFacts>,
    /// Our addresses, and our name, on DNS lists.
    pub lists: Vec<OwnListing>,
    /// Who has been writing.
    pub clients: ClientFacts,
    /// Our clock beside another.
    pub clock: ClockFacts,
    /// The disk of the data.
    pub disk: Option<DiskFacts>,
    /// Backups, where any are made by themselves.
    pub backup: Option<BackupFacts>,
    /// The addresses that mail leaves by.
    pub addresses: Vec<IpAddr>,
    /// What is set of them, beside those of this machine.
    pub sources: SourceFacts,
}

/// The doctor's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Checkup {
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// What was looked at and could not be found out, and why.
    pub unknown: Vec<String>,
    /// What no check from inside proves, and how to find it out.
    pub unproven: Vec<String>,
    /// The last mail from outside.
    pub last_mail: Option<LastMail>,
}

/// Judges everything.
#[must_use]
pub fn judge(facts: &Facts) -> Checkup {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(ports::judge(&facts.ports));
    findings.extend(ports::judge_out(&facts.out));
    findings.extend(sources::judge(&facts.sources));
    findings.extend(records::judge_host(&facts.host));
    findings.extend(records::judge_domains(&facts.domains));
    findings.extend(facts.certificate.as_ref().into_iter().flat_map(|own| certificate::judge(own, facts.now)));
    findings.extend(lists::judge(&facts.lists));
    findings.extend(clients::judge(&facts.clients));
    findings.extend(clock::judge(&facts.clock));
    findings.extend(facts.disk.as_ref().and_then(disk::judge));
    findings.extend(facts.backup.as_ref().map(|own| backup::judge(own, facts.now)));
    findings.sort_by_key(|finding| finding.severity);
    Checkup { findings, unknown: unknown(facts), unproven: unproven(facts), last_mail: facts.clients.last.clone() }
}

/// Judges the records of domains alone, for whom the gateway itself is no business of theirs.
#[must_use]
pub fn of_domains(domains: &[(String, Vec<Record>)]) -> Checkup {
    let mut findings = records::judge_domains(domains);
    findings.sort_by_key(|finding| finding.severity);
    Checkup { findings, unknown: records::unknown(&[], domains), unproven: Vec::new(), last_mail: None }
}

/// Judges what can be looked at without asking anybody: the certificate, names whose renewal failed and why, the disk, and
/// backups.
#[must_use]
pub fn of_present(
    now: Moment,
    (certificate, failures): (Option<&CertificateFacts>, &[(String, String)]),
    (disk, backup): (Option<&DiskFacts>, Option<&BackupFacts>),
) -> Vec<Finding> {
    let certificate = certificate.into_iter().flat_map(|own| certificate::judge(own, now));
    let failures = failures.iter().map(|(name, why)| certificate::not_renewed(name, why));
    let backup = backup.map(|own| backup::judge(own, now));
    certificate.chain(failures).chain(disk.and_then(disk::judge)).chain(backup).collect()
}

/// Judges ports, the way out and the addresses that are named, before there is a gateway.
#[must_use]
pub fn of_host(held: &PortFacts, out: &PortOut, named: &SourceFacts) -> Vec<Finding> {
    ports::judge(held).into_iter().chain(ports::judge_out(out)).chain(sources::judge(named)).collect()
}

/// Whether a later look at the host's records shows that something which was found of them is over.
#[must_use]
pub fn is_past(finding: &Finding, host: &[Record]) -> bool {
    records::are_past(host, finding)
}

/// Whether a later try of the way out shows that something which was found of it is over.
#[must_use]
pub fn is_way_out_past(finding: &Finding, out: &PortOut) -> bool {
    ports::is_past(finding, out)
}

/// A domain that was found to drift when it was looked at last.
#[must_use]
pub fn drifting(domain: &str) -> Finding {
    let name = in_unicode(domain);
    let what = format!("The records of {name} were not as they must be when they were looked at last.");
    Finding::fault("domain_drift", &domain, what, format!("waypost dns {domain} shows them."))
}

/// What could not be found out.
fn unknown(facts: &Facts) -> Vec<String> {
    let mut unknown = Vec::new();
    if facts.addresses.is_empty() {
        unknown.push(
            "The public address of this machine is not known: nothing routes to the outside, or only by a translation \
             of addresses. Give the host name its address in DNS, or name the address in delivery.source_addresses: one \
             that this machine does not have counts as the one that it is known by."
                .to_owned(),
        );
    }
    if facts.certificate.is_none() {
        unknown.push("The certificate could not be read.".to_owned());
    }
    if facts.disk.is_none() {
        unknown.push("How much room the disk has could not be read.".to_owned());
    }
    unknown.extend(clock::unknown(&facts.clock));
    unknown.extend(lists::unknown(&facts.lists));
    unknown.extend(records::unknown(&facts.host, &facts.domains));
    unknown
}

fn unproven(facts: &Facts) -> Vec<String> {
    let inwards = match &facts.clients.last {
        None if facts.is_laboratory => "How things look from outside: that cannot be judged from here. \
            delivery.allow_private is on, so that this machine and its network pass for the outside, as in a laboratory; \
            what is said of the way out and of other servers is said of them."
            .to_owned(),
        Some(last) => format!(
            "That port 25 is open inwards: the last mail from outside came at {} from {}, which is as good as a proof \
             of that moment.",
            last.at.in_words(),
            last.client
        ),
        None => format!(
            "That port 25 is open inwards: no mail has come from outside yet. Write to {} from another provider's \
             mailbox, and follow its journey with: waypost log --follow",
            facts.clients.offer
        ),
    };
    vec![
        inwards,
        "That other systems take our mail: only they know. `waypost log --status failed` shows their words.".to_owned(),
    ]
}

#[cfg(test)]
mod tests;
