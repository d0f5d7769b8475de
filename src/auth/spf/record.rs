//! An SPF record taken apart by the grammar of RFC 7208 §12, in which whatever is wrong anywhere makes all of it wrong (§4.6).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros::MacroString;
use crate::policy::facts::SpfResult;

const VERSION: &[u8] = b"v=spf1";

/// A record without fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::auth) struct Record {
    pub(super) directives: Box<[Directive]>,
    pub(super) redirect: Option<MacroString>,
}

/// The record is one of SPF, and a broken one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) struct Malformed;

/// A mechanism, and the result that it gives where it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) result: SpfResult,
    pub(super) mechanism: Mechanism,
}

/// Where a name is `None`, the domain that is being checked is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Lengths),
    Mx(Option<MacroString>, Lengths),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, Lengths),
    Ip6(Ipv6Addr, Lengths),
    Exists(MacroString),
}

/// Bits of a network's prefix in either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

const HOST: Lengths = Lengths { v4: 32, v6: 128 };

/// Whether the text is a record of SPF, broken or not: the version, and a blank or the end behind it (§4.5).
pub(super) fn is_spf(text: &[u8]) -> bool {
    let version = text.split_at_checked(VERSION.len());
    version.is_some_and(|(version, rest)| {
        version.eq_ignore_ascii_case(VERSION) && rest.first().is_none_or(|next| *next == b' ')
    })
}

impl Record {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let terms = str::from_utf8(text).map_err(|_| Malformed)?.get(VERSION.len()..).ok_or(Malformed)?;
        let mut directives = Vec::new();
        let mut modifiers = Modifiers::default();
        for term in terms.split(' ').filter(|term| !term.is_empty()) {
            match modifier(term) {
                Some((name, value)) => modifiers.take(name, value)?,
                None => directives.push(directive(term)?),
            }
        }
        Ok(Self { directives: directives.into(), redirect: modifiers.redirect })
    }

    /// About how many octets it takes to keep.
    pub(in crate::auth) fn octets(&self) -> usize {
        self.directives.len() * 2 * size_of::<Directive>()
    }
}

#[derive(Default)]
struct Modifiers {
    redirect: Option<MacroString>,
    explanation: Option<MacroString>,
}

impl Modifiers {
    /// Either of the two known ones may stand once (§6); of others only the syntax matters. Nobody here reads explanations.
    fn take(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        let known = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.explanation,
            _ => return MacroString::parse(value).map(drop),
        };
        match known.replace(MacroString::parse_domain(value)?) {
            Some(_) => Err(Malformed),
            None => Ok(()),
        }
    }
}

/// `name "=" macro-string`, with the `=` before any `:` or `/`.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_at_checked(term.find([':', '/', '='])?)?;
    let is_rest = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(is_rest);
    value.strip_prefix('=').filter(|_| is_name).map(|value| (name, value))
}

fn directive(term: &str) -> Result<Directive, Malformed> {
    let (result, term) = qualifier(term);
    let (name, rest) = term.split_at(term.find([':', '/']).unwrap_or(term.len()));
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(named(rest)?),
        "exists" => Mechanism::Exists(named(rest)?),
        "ptr" => Mechanism::Ptr(if rest.is_empty() { None } else { Some(named(rest)?) }),
        "a" => target(rest).map(|(name, lengths)| Mechanism::A(name, lengths))?,
        "mx" => target(rest).map(|(name, lengths)| Mechanism::Mx(name, lengths))?,
        "ip4" => network(rest, HOST.v4).map(|(ip, v4)| Mechanism::Ip4(ip, Lengths { v4, ..HOST }))?,
        "ip6" => network(rest, HOST.v6).map(|(ip, v6)| Mechanism::Ip6(ip, Lengths { v6, ..HOST }))?,
        _ => return Err(Malformed),
    };
    Ok(Directive { result, mechanism })
}

fn qualifier(term: &str) -> (SpfResult, &str) {
    let qualified =
        [('+', SpfResult::Pass), ('-', SpfResult::Fail), ('~', SpfResult::SoftFail), ('?', SpfResult::Neutral)];
    let found = qualified.iter().find_map(|(sign, result)| Some((*result, term.strip_prefix(*sign)?)));
    found.unwrap_or((SpfResult::Pass, term))
}

/// `":" domain-spec`
fn named(text: &str) -> Result<MacroString, Malformed> {
    MacroString::parse_domain(text.strip_prefix(':').ok_or(Malformed)?)
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`: a name may have slashes too, so the lengths are sought from the end.
fn target(text: &str) -> Result<(Option<MacroString>, Lengths), Malformed> {
    let (text, v6) = match text.rsplit_once("//") {
        Some((before, digits)) if is_number(digits) => (before, length(digits, HOST.v6)?),
        _ => (text, HOST.v6),
    };
    let (text, v4) = match text.rsplit_once('/') {
        Some((before, digits)) if is_number(digits) => (before, length(digits, HOST.v4)?),
        _ => (text, HOST.v4),
    };
    let name = if text.is_empty() { None } else { Some(named(text)?) };
    Ok((name, Lengths { v4, v6 }))
}

/// `":" ip-network [ "/" length ]`
fn network<T: std::str::FromStr>(text: &str, most: u8) -> Result<(T, u8), Malformed> {
    let text = text.strip_prefix(':').ok_or(Malformed)?;
    let (address, bits) = match text.split_once('/') {
        Some((address, digits)) => (address, length(digits, most)?),
        None => (text, most),
    };
    Ok((address.parse().map_err(|_| Malformed)?, bits))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// Without leading zeros, and within the family (§5.6).
fn length(digits: &str, most: u8) -> Result<u8, Malformed> {
    let well_formed = is_number(digits) && (digits == "0" || !digits.starts_with('0'));
    let bits = digits.parse::<u8>().ok().filter(|bits| well_formed && *bits <= most);
    bits.ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Option<usize> {
        Record::parse(text.as_bytes()).ok().map(|record| record.directives.len())
    }

    #[test]
    fn a_version_ends_with_a_blank_or_the_record() {
        for (text, is) in [("v=spf1", true), ("V=SPF1 -all", true), ("v=spf10", false), ("v=spf", false), ("", false)] {
            assert_eq!(is_spf(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn whatever_is_wrong_anywhere_makes_all_of_it_wrong() {
        for (terms, directives) in [
            ("", Some(0)),
            ("a  MX:x.example/24//64 ~all ", Some(3)),
            ("a:foo:bar/baz.example.com", Some(1)),
            ("a:foo:bar/baz.example.com/24", Some(1)),
            ("ip4:192.0.2.0/24 ip6:2001:db8::/32 ?all", Some(3)),
            ("moo.cow-far_out=man:dog/cat -all", Some(1)),
            ("redirect=%{d}.x.example exp=e.example", Some(0)),
            ("a/24/64", None),
            ("a/33", None),
            ("a/024", None),
            ("a//129", None),
            ("a:", None),
            ("a:museum", None),
            ("a:abc.123", None),
            ("a:example.-com", None),
            ("all.", None),
            ("all/8", None),
            ("exists:mail.example/24", None),
            ("ip4:192.0.2", None),
            ("ip4:192.0.2.1:80", None),
            ("ip4:192.0.2.1//32", None),
            ("ip6::CAFE::BABE", None),
            ("-all moo", None),
            ("redirect:x.example", None),
            ("redirect=x.example redirect=x.example", None),
            ("exp=", None),
            ("foo=%abc", None),
            ("1up=foo", None),
            ("a\tmx", None),
            ("a:b\u{e9}.example", None),
        ] {
            assert_eq!(count(&format!("v=spf1 {terms}")), directives, "{terms}");
        }
    }
}
