//! Our own addresses on DNS lists.

use std::net::IpAddr;

use super::{Finding, Severity};
use crate::policy::lists::Verdict;

/// One address at one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnListing {
    /// The list.
    pub list: String,
    /// The address.
    pub address: IpAddr,
    /// What it says.
    pub said: Verdict,
}

pub(super) fn judge(lists: &[OwnListing]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = lists.iter().filter_map(listed).collect();
    let mut refusing: Vec<&str> =
        lists.iter().filter(|own| own.said == Verdict::MayNotAsk).map(|own| own.list.as_str()).collect();
    refusing.dedup();
    if !refusing.is_empty() {
        let finding = Finding::fault(
            "resolver_refused_by_lists",
            &refusing.join(", "),
            format!("{} refuse to answer our resolver, as lists do to public ones.", refusing.join(", ")),
            "Run a resolver of your own on this machine (apt install unbound) and set dns.servers = [\"127.0.0.1\"].",
        );
        findings.push(finding.graded(Severity::Warning));
    }
    findings
}

fn listed(own: &OwnListing) -> Option<Finding> {
    let Verdict::Listed(words) = &own.said else { return None };
    let words = words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    Some(Finding::fault(
        "address_listed",
        &own.address,
        format!("{} is on the list {}{words}.", own.address, own.list),
        "Many systems refuse mail from it. Find what was sent from the address, end it, then ask the list to take it off; \
         its page says how. A new machine often has an address with a past: the hoster may give another.",
    ))
}

pub(super) fn unknown(lists: &[OwnListing]) -> impl Iterator<Item = String> + '_ {
    lists.iter().filter_map(|own| match &own.said {
        Verdict::Unknown(why) => Some(format!("Whether {} is on the list {}: {why}.", own.address, own.list)),
        _ => None,
    })
}
