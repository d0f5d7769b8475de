//! Our own addresses, and our name, on DNS lists.

use std::fmt;
use std::net::IpAddr;

use super::{Finding, Severity};
use crate::policy::lists::Verdict;

/// What of ours a list is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// An address that mail leaves by.
    Address(IpAddr),
    /// Our host name.
    Name(String),
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One of ours at one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnListing {
    /// The list.
    pub list: String,
    /// What it was asked about.
    pub about: Own,
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
    let (id, remedy) = match own.about {
        Own::Address(_) => (
            "address_listed",
            "Many systems refuse mail from it. Find what was sent from the address, end it, then ask the list to take it \
             off; its page says how. A new machine often has an address with a past: the hoster may give another.",
        ),
        Own::Name(_) => (
            "name_listed",
            "Many systems refuse mail that names it. Find what was sent under the name, end it, then ask the list to take \
             it off; its page says how.",
        ),
    };
    Some(Finding::fault(id, &own.about, format!("{} is on the list {}{words}.", own.about, own.list), remedy))
}

pub(super) fn unknown(lists: &[OwnListing]) -> impl Iterator<Item = String> + '_ {
    lists.iter().filter_map(|own| match &own.said {
        Verdict::Unknown(why) => Some(format!("Whether {} is on the list {}: {why}.", own.about, own.list)),
        _ => None,
    })
}
