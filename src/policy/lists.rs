//! DNS lists (RFC 5782): how they are written in the configuration, what they are asked, and what their answers mean.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::mail::{Domain, DomainError};

/// Lists that may be configured: each costs a look-up for every client, or every sender.
pub const MAX_LISTS: usize = 16;
/// What stands in front of a list of domains.
const OF_DOMAINS: &str = "domain:";
/// Answers of this network speak of the question and not of what was asked about: too many questions, or by way of an
/// open resolver. Spamhaus, SURBL and others use it so.
const MAY_NOT_ASK: [u8; 3] = [127, 255, 255];

/// What a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// Clients (RFC 5782 §2.1, §2.4).
    Addresses,
    /// Sender domains (RFC 5782 §3).
    Domains,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsList {
    /// What it is about.
    pub about: About,
    /// The zone that is asked.
    pub zone: Domain,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is on the list.
    Listed,
    /// We may not ask this list, so it says nothing.
    MayNotAsk,
    /// No answer of a list: its zone may have been given up, and answers everything with the address of a web site.
    Foreign,
}

/// What was found out about a client or a sender on one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The list.
    pub list: DnsList,
    /// What it says.
    pub verdict: Verdict,
}

/// What a list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    NotListed,
    /// It is listed, with the list's own words where it has some.
    Listed(Option<String>),
    /// See [`Answer::MayNotAsk`].
    MayNotAsk,
    /// It could not be asked: why.
    Unknown(String),
}

impl DnsList {
    /// Reads `zen.example`, a list of addresses, or `domain:dbl.example`, a list of domains.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let (about, zone) = match text.strip_prefix(OF_DOMAINS) {
            Some(zone) => (About::Domains, zone),
            None => (About::Addresses, text),
        };
        Ok(Self { about, zone: Domain::parse(zone.trim())? })
    }

    /// The name to ask for about a client: its octets, or its nibbles, in reverse order in front of the zone.
    #[must_use]
    pub fn question_about(&self, client: IpAddr) -> Option<Domain> {
        let reversed = match client.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}")
            }
            IpAddr::V6(v6) => {
                let nibbles = v6.octets().into_iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
                nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
            }
        };
        Domain::parse(&format!("{reversed}.{}", self.zone)).ok()
    }

    /// The name to ask for about a sender's domain; none where it would be too long for DNS.
    #[must_use]
    pub fn question_about_domain(&self, domain: &Domain) -> Option<Domain> {
        Domain::parse(&format!("{domain}.{}", self.zone)).ok()
    }
}

impl fmt::Display for DnsList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.about == About::Domains { OF_DOMAINS } else { "" };
        write!(f, "{about}{}", self.zone)
    }
}

impl Answer {
    /// Reads the addresses that a list answers with, at least one.
    #[must_use]
    pub fn read(addresses: &[Ipv4Addr]) -> Self {
        let may_not = |address: &Ipv4Addr| address.octets()[..3] == MAY_NOT_ASK;
        if addresses.iter().any(may_not) {
            Self::MayNotAsk
        } else if addresses.iter().any(Ipv4Addr::is_loopback) {
            Self::Listed
        } else {
            Self::Foreign
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples::domain;

    #[test]
    fn a_list_is_written_by_its_zone() {
        for (written, about) in [("zen.example", About::Addresses), ("domain:dbl.example", About::Domains)] {
            let list = DnsList::parse(written).unwrap();
            assert_eq!((list.about, list.to_string().as_str()), (about, written));
        }
        for wrong in ["", "domain:", "zen example", "address:zen.example"] {
            assert!(DnsList::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// RFC 5782 §2.1, §2.4, §3.1.
    #[test]
    fn clients_are_asked_for_backwards_and_domains_as_they_stand() {
        let list = DnsList::parse("bad.example.com").unwrap();
        let about = |client: &str| list.question_about(client.parse().unwrap()).unwrap().to_string();
        assert_eq!(about("192.0.2.99"), "99.2.0.192.bad.example.com");
        assert_eq!(about("::ffff:192.0.2.99"), "99.2.0.192.bad.example.com");
        assert_eq!(
            about("2001:db8:1:2:3:4:567:89ab"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bad.example.com"
        );
        let about = |name: &str| list.question_about_domain(&domain(name));
        assert_eq!(about("spam.example").unwrap().to_string(), "spam.example.bad.example.com");
        assert_eq!(about(&["x"; 124].join(".")), None, "too long to be asked for");
    }

    #[test]
    fn only_answers_of_a_list_list() {
        for (answers, expected) in [
            (&["127.0.0.2"][..], Answer::Listed),
            (&["127.0.0.4", "127.0.0.11"], Answer::Listed),
            (&["127.255.255.254"], Answer::MayNotAsk),
            (&["127.0.0.2", "127.255.255.252"], Answer::MayNotAsk),
            (&["203.0.113.80"], Answer::Foreign),
        ] {
            let addresses: Vec<Ipv4Addr> = answers.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(Answer::read(&addresses), expected, "{answers:?}");
        }
    }
}
