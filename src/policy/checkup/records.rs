//! Records that are wrong, as findings.

use std::collections::BTreeSet;

use super::{Finding, Severity};
use crate::policy::records::{Record, Verdict, Weight, lines_to_remove};

pub(super) fn judge_host(host: &[Record]) -> impl Iterator<Item = Finding> + '_ {
    host.iter().filter_map(|record| finding(record, &record.name))
}

/// Whether the host's records, as they are by now, are past what was found of them.
pub(super) fn are_past(host: &[Record], found: &Finding) -> bool {
    let is_about = |record: &&Record| {
        let is_named_so = found.id.starts_with(record.id) || (record.id, &*found.id) == ("ptr", "ipv6_without_ptr");
        is_named_so && record.name == found.subject && record.verdict != Verdict::Unknown
    };
    let is_else = |record: &Record| finding(record, &record.name).is_none_or(|now| now.id != found.id);
    host.iter().filter(is_about).any(is_else)
}

/// What several domains share, such as the SPF of a common SRS domain, is found once.
pub(super) fn judge_domains(domains: &[(String, Vec<Record>)]) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let all = domains.iter().flat_map(|(domain, records)| records.iter().map(move |record| (domain, record)));
    let new = all.filter(|(_, record)| seen.insert((record.id, record.name.clone())));
    new.filter_map(|(domain, record)| finding(record, domain)).collect()
}

fn finding(record: &Record, subject: &str) -> Option<Finding> {
    let id = match (record.verdict, record.cause) {
        (Verdict::Ok | Verdict::Absent | Verdict::Unknown, _) => return None,
        (_, Some(cause)) => cause.to_owned(),
        (Verdict::Missing, None) => format!("{}_missing", record.id),
        (Verdict::Differs, None) => format!("{}_differs", record.id),
        (Verdict::Extra, None) => format!("{}_extra", record.id),
    };
    let severity = match (record.verdict, record.weight) {
        (Verdict::Missing | Verdict::Differs, Weight::Needed) => Severity::Fault,
        (Verdict::Differs, _) => Severity::Warning,
        _ => Severity::Note,
    };
    Some(Finding::fault(&id, &subject, record.detail.clone(), remedy(record)).graded(severity))
}

fn remedy(record: &Record) -> String {
    match &record.wanted {
        Some(_) if record.is_shared() => format!("Remove {}", lines_to_remove(record).join(" and ")),
        Some(wanted) => format!("Publish {} {}: {wanted}", record.kind, record.name),
        None if record.verdict == Verdict::Extra => "Nothing, if that is what you mean.".to_owned(),
        None if record.verdict == Verdict::Missing => {
            format!("Publish {} {} with the address of this machine.", record.kind, record.name)
        }
        None => format!("Correct or remove {} {}.", record.kind, record.name),
    }
}

/// Records that DNS said nothing of.
pub(super) fn unknown(host: &[Record], domains: &[(String, Vec<Record>)]) -> Vec<String> {
    let all = host.iter().chain(domains.iter().flat_map(|(_, records)| records));
    let silent = all.filter(|record| record.verdict == Verdict::Unknown);
    silent.map(|record| format!("{} {}: {}", record.kind, record.name, record.detail)).collect()
}
