//! `delivery.source_addresses` beside the addresses that this machine has.

use std::net::IpAddr;

use super::{Finding, Severity};

/// What an address comes to in `delivery.source_addresses` that is none of this machine's.
pub const KNOWN_BY: &str = "is not an address of this machine: mail does not leave by it, and it counts as the one that a \
    translation of addresses (NAT) gives to what leaves";

/// What is set, and what there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFacts {
    /// Addresses that are set and that this machine does not have.
    pub elsewhere: Vec<IpAddr>,
    /// Public ones that its routes to the outside start from.
    pub public: Vec<IpAddr>,
}

pub(super) fn judge(facts: &SourceFacts) -> impl Iterator<Item = Finding> {
    facts.elsewhere.iter().map(move |address| {
        let seen = facts.public.iter().find(|public| public.is_ipv4() == address.is_ipv4());
        seen.map_or_else(|| translated(*address), |seen| another(*address, *seen))
    })
}

/// As behind every translation of addresses.
fn translated(address: IpAddr) -> Finding {
    let what = format!("{address} (delivery.source_addresses) {KNOWN_BY}.");
    let remedy = "That is as it should be if it is so. If it is not, name an address that this machine has, or none: then \
        its own counts.";
    Finding::fault("source_translated", &address, what, remedy).graded(Severity::Note)
}

/// Where a public address leads out, there is hardly a translation.
fn another(address: IpAddr, seen: IpAddr) -> Finding {
    let what = format!(
        "{address} (delivery.source_addresses) is not an address of this machine, which has the public address {seen}: \
         mail leaves by that one, and not by what is set."
    );
    let remedy = format!(
        "Take {address} off delivery.source_addresses, or give the machine that address. Leave it only if a translation \
         (NAT) makes it of {seen}."
    );
    Finding::fault("source_not_here", &address, what, remedy).graded(Severity::Warning)
}
