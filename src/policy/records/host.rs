//! The records of the gateway's own host: its addresses, their reverse names, and what stands in the way of mail to it.

use std::net::IpAddr;

use super::{Answers, Gateway, Record, Said, Verdict, Weight, judged};

/// What DNS says of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// A and AAAA of the host name.
    pub addresses: Answers,
    /// MX of the host name.
    pub mx: Answers,
    /// Each address that mail leaves by.
    pub reverse: Vec<Reverse>,
}

impl HostFacts {
    /// Nothing is known, for this reason.
    #[must_use]
    pub fn unheard(why: &str) -> Self {
        Self { addresses: Answers::unheard(why), mx: Answers::unheard(why), reverse: Vec::new() }
    }
}

/// The reverse name of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverse {
    /// The address.
    pub address: IpAddr,
    /// Where its PTR record stands.
    pub name: String,
    /// The PTR records.
    pub ptr: Said,
    /// The addresses of each name among them.
    pub forward: Vec<(String, Said)>,
}

/// Judges the host's records.
#[must_use]
pub fn host(gateway: &Gateway, facts: &HostFacts) -> Vec<Record> {
    let mut records = vec![addresses(gateway, &facts.addresses), mx(gateway, &facts.mx)];
    records.extend(facts.reverse.iter().map(|reverse| ptr(gateway, reverse)));
    records
}

fn addresses(gateway: &Gateway, answers: &Answers) -> Record {
    let kind = if gateway.addresses.iter().any(IpAddr::is_ipv4) || gateway.addresses.is_empty() { "A" } else { "AAAA" };
    let record = Record::blank(("address", kind), gateway.hostname.as_str(), answers);
    let first = gateway.addresses.iter().find(|address| (kind == "A") == address.is_ipv4());
    let record = record.wanting(first.map(ToString::to_string));
    judged(record, answers, |record, values| {
        let is_there = |address: &&IpAddr| values.contains(&address.to_string());
        let missing: Vec<String> = gateway.addresses.iter().filter(|a| !is_there(a)).map(ToString::to_string).collect();
        if values.is_empty() {
            return record.said(Verdict::Missing, "The host name has no address: nobody finds this gateway.");
        }
        if missing.is_empty() {
            return record.said(Verdict::Ok, "The host name leads here.");
        }
        let detail = format!("Mail leaves by {}, which is no address of the host name.", missing.join(", "));
        record.said(Verdict::Differs, detail)
    })
}

/// A host needs no MX of its own; one that leads elsewhere takes the mail to its postmaster with it.
fn mx(gateway: &Gateway, answers: &Answers) -> Record {
    let record = Record::blank(("host_mx", "MX"), gateway.hostname.as_str(), answers).weighing(Weight::Optional);
    judged(record, answers, |record, values| {
        let is_ours = |value: &String| value.trim_end_matches('.').ends_with(&format!(" {}", gateway.hostname));
        if values.is_empty() {
            return record.said(Verdict::Absent, "It has none and needs none: its address is enough.");
        }
        if values.iter().any(is_ours) {
            return record.said(Verdict::Ok, "Mail to the host itself comes here.");
        }
        record
            .said(Verdict::Differs, "Mail to postmaster at the host name goes elsewhere. Remove it, or name the host.")
    })
}

/// Forward-confirmed: the address has a name, and the name has the address. Best is the host name itself.
fn ptr(gateway: &Gateway, reverse: &Reverse) -> Record {
    let answers = Answers { servers: Vec::new(), resolver: reverse.ptr.clone() };
    let record = Record::blank(("ptr", "PTR"), &reverse.name, &answers);
    let record = record.wanting(Some(format!("{}.", gateway.hostname)));
    judged(record, &answers, |record, values| {
        let address = reverse.address;
        let is_ours = |name: &str| name.eq_ignore_ascii_case(gateway.hostname.as_str());
        let leads_back = |said: &Said| said.values().is_some_and(|values| values.contains(&address.to_string()));
        let confirmed = reverse.forward.iter().filter(|(_, said)| leads_back(said)).map(|(name, _)| bare(name));
        let confirmed: Vec<&str> = confirmed.collect();
        match (values, confirmed.first()) {
            ([], _) => record.because(if address.is_ipv6() { "ipv6_without_ptr" } else { "ptr_missing" }).said(
                Verdict::Missing,
                format!("{address} has no reverse name: many systems refuse its mail. The hoster of the address sets it."),
            ),
            (_, Some(_)) if confirmed.iter().any(|name| is_ours(name)) => {
                record.said(Verdict::Ok, format!("{address} has the host name as its reverse name."))
            }
            (_, Some(other)) => record.said(
                Verdict::Extra,
                format!("{address} is called {other}, which leads back to it; the host name would be better."),
            ),
            ([first, ..], None) => record.because("ptr_wrong").said(
                Verdict::Differs,
                format!("{address} is called {}, which does not lead back to it: many systems refuse its mail. The hoster of the address sets it.", bare(first)),
            ),
        }
    })
}

/// A name in a sentence, without the dot that ends it in a zone.
fn bare(name: &str) -> &str {
    name.trim_end_matches('.')
}
