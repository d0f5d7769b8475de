//! The text to publish: what is there, with what is missing put in.

use std::net::IpAddr;

use super::super::Gateway;
use super::term::{Mechanism, Spf, Term};

/// A record for a domain that has none.
pub(super) fn fresh(gateway: &Gateway) -> String {
    // By what addresses a relay sends is for its operator to say; its host, or ours where it stands beside us, is the best
    // guess, and no more: what is not in it fails softly.
    if let Some(relay) = gateway.relay.as_deref().filter(|relay| !is_beside_us(relay)) {
        return format!("v=spf1 {} ~all", relay_term(relay));
    }
    let all = if gateway.relay.is_some() { "~all" } else { "-all" };
    if gateway.by_hostname || gateway.addresses.is_empty() {
        return format!("v=spf1 mx {all}");
    }
    let ours: Vec<String> = gateway.addresses.iter().map(|address| address_term(*address)).collect();
    format!("v=spf1 mx {} {all}", ours.join(" "))
}

/// What lets the relay pass.
fn relay_term(relay: &str) -> String {
    address_of(relay).map_or_else(|| format!("a:{}", host_of(relay)), address_term)
}

/// Whether it is in the own network, so that its mail leaves that as ours would.
pub(super) fn is_beside_us(relay: &str) -> bool {
    address_of(relay).is_some_and(is_inner)
}

fn address_of(relay: &str) -> Option<IpAddr> {
    host_of(relay).trim_matches(['[', ']']).parse().ok()
}

fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

fn host_of(relay: &str) -> &str {
    let host = relay.rsplit("//").next().unwrap_or(relay);
    host.rsplit_once(':').map_or(host, |(host, _)| host)
}

/// One record out of several, with `ours` before what ends it. Every term stands once; the first `all` counts, and one that
/// lets everyone pass becomes `~all`.
pub(super) fn merged(all: &[Spf], ours: &[String]) -> String {
    let mut terms: Vec<String> = Vec::new();
    let (mut last, mut redirect) = (None, None);
    for term in all.iter().flat_map(|spf| &spf.terms) {
        match &term.mechanism {
            Mechanism::All => last = last.or_else(|| Some(closing(term))),
            Mechanism::Redirect(_) => redirect = redirect.or_else(|| Some(term.text.clone())),
            Mechanism::Broken => {}
            _ if terms.iter().any(|known| known.eq_ignore_ascii_case(&term.text)) => {}
            _ => terms.push(term.text.clone()),
        }
    }
    terms.extend(ours.iter().cloned());
    // A redirect counts only where no `all` stands (RFC 7208 §6.1).
    terms.extend(last.or(redirect));
    format!("v=spf1 {}", terms.join(" ")).trim_end().to_owned()
}

fn closing(term: &Term) -> String {
    if term.qualifier == '+' { "~all".to_owned() } else { term.text.clone() }
}

/// The record with these addresses in front, where they match before anything costs a look-up.
pub(super) fn in_front(spf: &Spf, addresses: &[IpAddr]) -> String {
    let ours = addresses.iter().map(|address| address_term(*address));
    let ours: Vec<String> = ours.filter(|ours| !spf.terms.iter().any(|term| term.text == *ours)).collect();
    let theirs = spf.terms.iter().map(|term| term.text.clone());
    let terms: Vec<String> = ours.into_iter().chain(theirs).collect();
    format!("v=spf1 {}", terms.join(" "))
}

/// `ip4:192.0.2.1`.
pub(super) fn address_term(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("ip4:{v4}"),
        IpAddr::V6(v6) => format!("ip6:{v6}"),
    }
}
