//! The terms of an SPF record (RFC 7208 §12), as far as they are judged here. Each keeps its text, so that a merge changes
//! nothing that it need not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Terms of one record that are read; a name has room for no more than some fifty.
const MAX_TERMS: usize = 200;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spf {
    /// Its terms, without the version.
    pub terms: Vec<Term>,
}

/// A term as written, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As written.
    pub text: String,
    /// `+`, `-`, `~`, `?`.
    pub qualifier: char,
    /// What it is.
    pub mechanism: Mechanism,
}

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    pub(super) address: IpAddr,
    pub(super) bits: u8,
}

/// Bits that count of addresses that a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

/// What a term is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// `all`.
    All,
    /// `include:`.
    Include(String),
    /// `a`; no name is the domain itself.
    A(Option<String>, Cidr),
    /// `mx`.
    Mx(Option<String>, Cidr),
    /// `ip4:` and `ip6:`.
    Ip(Net),
    /// `ptr` and `exists:`, which are not followed.
    Unfollowed,
    /// `redirect=`.
    Redirect(String),
    /// Any other modifier.
    Modifier,
    /// None of SPF's.
    Broken,
}

impl Spf {
    /// Reads a record; what is no term is [`Mechanism::Broken`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self { terms: text.split_whitespace().skip(1).take(MAX_TERMS).map(Term::parse).collect() }
    }

    /// Whether `all` is let pass.
    #[must_use]
    pub fn lets_everyone(&self) -> bool {
        self.terms.iter().any(|term| term.mechanism == Mechanism::All && term.qualifier == '+')
    }

    /// Whether it lets pass the MX hosts of the domain itself.
    pub(super) fn has_plain_mx(&self) -> bool {
        self.terms.iter().any(|term| term.qualifier == '+' && matches!(term.mechanism, Mechanism::Mx(None, _)))
    }
}

impl Term {
    fn parse(text: &str) -> Self {
        let (qualifier, rest) = match text.chars().next() {
            Some(first @ ('+' | '-' | '~' | '?')) => (first, &text[1..]),
            _ => ('+', text),
        };
        Self { text: text.to_owned(), qualifier, mechanism: mechanism(&rest.to_ascii_lowercase()) }
    }

    /// Whether it costs a look-up (RFC 7208 §4.6.4).
    #[must_use]
    pub fn costs_lookup(&self) -> bool {
        match &self.mechanism {
            Mechanism::Include(_)
            | Mechanism::A(..)
            | Mechanism::Mx(..)
            | Mechanism::Unfollowed
            | Mechanism::Redirect(_) => true,
            Mechanism::All | Mechanism::Ip(_) | Mechanism::Modifier | Mechanism::Broken => false,
        }
    }
}

fn mechanism(text: &str) -> Mechanism {
    if let Some((name, value)) = text.split_once('=')
        && !name.contains([':', '/'])
    {
        return if name == "redirect" { Mechanism::Redirect(value.to_owned()) } else { Mechanism::Modifier };
    }
    let (name, value) = match text.find([':', '/']) {
        Some(at) if text.as_bytes()[at] == b':' => (&text[..at], Some(&text[at + 1..])),
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    match (name, value) {
        ("all", None) => Mechanism::All,
        ("include", Some(domain)) if !domain.is_empty() => Mechanism::Include(domain.to_owned()),
        ("a", value) => host(value).map_or(Mechanism::Broken, |(host, cidr)| Mechanism::A(host, cidr)),
        ("mx", value) => host(value).map_or(Mechanism::Broken, |(host, cidr)| Mechanism::Mx(host, cidr)),
        ("ip4" | "ip6", Some(net)) => self::net(name, net).map_or(Mechanism::Broken, Mechanism::Ip),
        ("ptr", _) => Mechanism::Unfollowed,
        ("exists", Some(_)) => Mechanism::Unfollowed,
        _ => Mechanism::Broken,
    }
}

/// `[host][/bits][//bits]`.
fn host(value: Option<&str>) -> Option<(Option<String>, Cidr)> {
    let whole = Cidr { v4: 32, v6: 128 };
    let Some(value) = value else { return Some((None, whole)) };
    let (host, lengths) = value.find('/').map_or((value, ""), |at| value.split_at(at));
    let (v4, v6) = lengths.split_once("//").map_or((lengths, None), |(v4, v6)| (v4, Some(v6)));
    let v4 = v4.trim_start_matches('/');
    let bits = |text: &str, most: u8| text.parse().ok().filter(|bits| *bits <= most);
    let v4 = if v4.is_empty() { whole.v4 } else { bits(v4, whole.v4)? };
    let v6 = v6.map_or(Some(whole.v6), |text| bits(text, whole.v6))?;
    Some(((!host.is_empty()).then(|| host.to_owned()), Cidr { v4, v6 }))
}

fn net(kind: &str, text: &str) -> Option<Net> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let (address, most) = match kind {
        "ip4" => (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), 32),
        _ => (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), 128),
    };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
    Some(Net { address, bits })
}

impl Net {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                shift == 32 || net.to_bits() >> shift == address.to_bits() >> shift
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                shift == 128 || net.to_bits() >> shift == address.to_bits() >> shift
            }
            _ => false,
        }
    }
}

impl Cidr {
    /// The network of these bits around `address`.
    pub(super) const fn around(self, address: IpAddr) -> Net {
        Net { address, bits: if address.is_ipv4() { self.v4 } else { self.v6 } }
    }
}
