//! MTA-STS (RFC 8461) and TLS reports (RFC 8460) that a domain publishes by itself. Neither is asked for. A policy that does
//! not name the MX hosts keeps mail away, and is therefore drift.

use super::{Answers, Facts, Gateway, Hosted, Record, Verdict, Weight, ended, judged, mx};
use crate::mail::Domain;

/// Where the policy of a domain lies; with a port, where it lies in a test.
#[must_use]
pub fn policy_url(domain: &Domain, port: Option<u16>) -> String {
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("https://mta-sts.{domain}{port}/.well-known/mta-sts.txt")
}

/// Whether these TXT records say that there is a policy: exactly one of them does (RFC 8461 §3.1).
#[must_use]
pub fn announces_mta_sts(values: &[String]) -> bool {
    values.iter().filter(|value| is_own(value)).count() == 1
}

fn is_own(value: &str) -> bool {
    value.trim_start().starts_with("v=STSv1")
}

/// A policy as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `enforce`, `testing`, `none`.
    pub mode: String,
    /// The patterns of `mx:`.
    pub mx: Vec<String>,
}

impl Policy {
    /// Reads the file (RFC 8461 §3.2); the error says what is missing.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let pairs: Vec<_> = text.lines().filter_map(|line| line.split_once(':')).collect();
        let all = |key: &str| {
            let some = pairs.iter().filter(move |(name, _)| name.trim() == key);
            some.map(|(_, value)| value.trim().to_ascii_lowercase()).collect::<Vec<_>>()
        };
        if all("version").first().map(String::as_str) != Some("stsv1") {
            return Err("it does not say version: STSv1");
        }
        let mode = all("mode").into_iter().next().unwrap_or_default();
        if !["enforce", "testing", "none"].contains(&mode.as_str()) {
            return Err("its mode is none of enforce, testing, none");
        }
        Ok(Self { mode, mx: all("mx") })
    }

    /// Whether a pattern stands for `host`; a star is exactly one label (RFC 8461 §4.1).
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(rest) => host.split_once('.').is_some_and(|(_, above)| above.eq_ignore_ascii_case(rest)),
            None => host.eq_ignore_ascii_case(pattern.trim_end_matches('.')),
        })
    }
}

pub(super) fn judge(gateway: &Gateway, domain: &Hosted, facts: &Facts) -> Record {
    let name = format!("_mta-sts.{}", domain.name);
    let record = Record::blank(("mta_sts", "TXT"), &name, &facts.mta_sts).weighing(Weight::Optional);
    judged(record, &facts.mta_sts, |record, values| {
        let own: Vec<&String> = values.iter().filter(|value| is_own(value)).collect();
        match own.as_slice() {
            [] => record.said(Verdict::Absent, "There is none, and none is asked for."),
            [_] => by_policy(record, gateway, facts),
            _ => record.said(Verdict::Differs, "There is more than one record, which is as good as none: leave one."),
        }
    })
}

fn by_policy(record: Record, gateway: &Gateway, facts: &Facts) -> Record {
    let policy = match &facts.mta_sts_policy {
        None => return record.said(Verdict::Unknown, "Its policy was not fetched."),
        Some(Err(why)) => {
            return record.said(Verdict::Differs, format!("Its policy cannot be fetched: {}", ended(why)));
        }
        Some(Ok(text)) => Policy::parse(text),
    };
    let policy = match policy {
        Ok(policy) => policy,
        Err(why) => return record.said(Verdict::Differs, format!("Its policy counts for nothing: {why}.")),
    };
    let listed = facts.mx.values().unwrap_or_default();
    let hosts: Vec<&str> = mx::hosts(listed).chain([gateway.hostname.as_str()]).collect();
    match hosts.iter().find(|host| policy.mode != "none" && !policy.names(host)) {
        None => record.said(Verdict::Ok, format!("The policy (mode {}) names the MX hosts.", policy.mode)),
        Some(host) => record.said(
            Verdict::Differs,
            format!("The policy (mode {}) does not name {host}: senders that keep to it bring no mail there. Add the line \"mx: {host}\" and change the id.", policy.mode),
        ),
    }
}

pub(super) fn judge_reports(domain: &Hosted, answers: &Answers) -> Record {
    let name = format!("_smtp._tls.{}", domain.name);
    let record = Record::blank(("tls_rpt", "TXT"), &name, answers).weighing(Weight::Optional);
    judged(record, answers, |record, values| {
        let own: Vec<&String> = values.iter().filter(|value| value.trim_start().starts_with("v=TLSRPTv1")).collect();
        match own.as_slice() {
            [] => record.said(Verdict::Absent, "There is none, and none is asked for."),
            [one] if one.contains("rua=mailto:") || one.contains("rua=https:") => {
                record.said(Verdict::Ok, "Reports on TLS go to the address that the record names.")
            }
            [_] => record.said(Verdict::Differs, "It has no rua=mailto: or rua=https:, so that nobody gets a report."),
            _ => record.said(Verdict::Differs, "There is more than one record, which is as good as none: leave one."),
        }
    })
}
