//! Who a message says that it is from, as people read it: the one author of its From field.
//!
//! That is a claim: whether it is true, SPF, DKIM and DMARC say. Bounded and inert, whatever was written.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::header::printable_within;
use super::{Domain, fold};

/// Octets kept of a name.
const MAX_NAME_OCTETS: usize = 256;
/// Octets of an address: more has none that is one (RFC 5321 §4.5.3.1), but for two dots in a row.
const MAX_ADDRESS_OCTETS: usize = 320;

/// What countries sell names under, as they call it.
const SHARED: [&str; 20] = [
    "ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "gv", "ltd", "mil", "ne", "net", "nhs", "nom", "or", "org",
    "plc", "police", "sch",
];

/// What stands for the domain of an author who is not told.
const AUTHORS_DOMAIN: &str = "(the author’s domain)";

/// A name, where there is one, and an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Author {
    name: Option<String>,
    address: String,
}

impl Author {
    /// Nothing where the address has nobody before its domain, or is too long to be one. A name that only repeats the address says nothing.
    #[must_use]
    pub fn new(name: Option<&str>, (local, domain): (&str, &Domain)) -> Option<Self> {
        let written = format!("{local}@{domain}");
        if local.is_empty() || written.len() > MAX_ADDRESS_OCTETS {
            return None;
        }
        let address = printable_within(&written, usize::MAX)?;
        let name = name.and_then(|name| printable_within(name, MAX_NAME_OCTETS));
        Some(Self { name: name.filter(|name| !name.eq_ignore_ascii_case(&address)), address })
    }

    /// Reads what it was written as: the address is what stands last, and has no angle brackets of its own.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let parted = text.strip_suffix('>').and_then(|rest| rest.rsplit_once(" <"));
        let (name, address) = parted.map_or((None, text), |(name, address)| (Some(name.to_owned()), address));
        Self { name, address: address.to_owned() }
    }

    /// The name, decoded.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address, its domain in A-labels.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A text without any name in the author's organisation, for whoever is not told who wrote.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        let Some(organisation) = self.organisation() else { return text.to_owned() };
        text.split_inclusive(|c| !is_of_name(c)).map(|piece| without(piece, organisation)).collect()
    }

    /// The shortest name that the author's domain lies in and that can be one organisation's, as far as names tell: no list
    /// of all that registries sell names under is kept here. A name without a dot is nobody's.
    fn organisation(&self) -> Option<&str> {
        let (_, domain) = self.address.rsplit_once('@')?;
        let parents = std::iter::successors(Some(domain), |name| name.split_once('.').map(|(_, parent)| parent));
        parents.take_while(|name| name.contains('.') && (*name == domain || !is_shared(name))).last()
    }

    /// What is compared: the folded local part and the domain.
    #[must_use]
    pub fn key(&self) -> String {
        fold(&self.address)
    }

    /// Whether this sender of an envelope is on the author's domain.
    #[must_use]
    pub fn is_of(&self, sender: &str) -> bool {
        let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        domain(sender).is_some_and(|of| domain(&self.address) == Some(of))
    }

    /// Whether it is this sender of an envelope.
    #[must_use]
    pub fn is(&self, sender: &str) -> bool {
        self.address.eq_ignore_ascii_case(sender)
    }
}

/// A piece of a text, which has one name at most, without it where it lies in this one.
fn without<'a>(piece: &'a str, organisation: &str) -> Cow<'a, str> {
    let name = piece.trim_matches(|c| c == '.' || !is_of_name(c));
    if lies_in(name, organisation) { piece.replacen(name, AUTHORS_DOMAIN, 1).into() } else { piece.into() }
}

/// Whether a registry sells names under this one, such as `co.uk`.
fn is_shared(name: &str) -> bool {
    name.split_once('.').is_some_and(|(kind, country)| country.len() == 2 && SHARED.contains(&kind))
}

const fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// Whether a name is another one, or lies in it.
fn lies_in(name: &str, other: &str) -> bool {
    let Some((before, end)) = name.len().checked_sub(other.len()).and_then(|at| name.split_at_checked(at)) else {
        return false;
    };
    end.eq_ignore_ascii_case(other) && (before.is_empty() || before.ends_with('.'))
}

impl From<String> for Author {
    fn from(text: String) -> Self {
        Self::read(&text)
    }
}

impl From<Author> for String {
    fn from(author: Author) -> Self {
        author.to_string()
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str, local: &str) -> Author {
        Author::new(Some(name), (local, &Domain::parse("author.test").unwrap())).unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        for (name, written) in [
            ("Müller", "Müller <real@author.test>"),
            ("Real@Author.test", "real@author.test"),
            ("", "real@author.test"),
            ("Boss <boss@bank.test>", "Boss <boss@bank.test> <real@author.test>"),
            ("<", "< <real@author.test>"),
            ("a\u{202e}b\r\n\u{1b}c", "a\u{fffd}b\u{fffd}c <real@author.test>"),
        ] {
            let author = author(name, "real");
            assert_eq!(author.to_string(), written);
            assert_eq!(Author::read(written), author);
            assert_eq!((author.address(), author.key().as_str()), ("real@author.test", "real@author.test"));
        }
    }

    #[test]
    fn whoever_is_not_told_the_author_is_not_told_the_domain() {
        let author = Author::read("Boss <boss@mail.bank.example>");
        let hidden =
            author.hidden_in("pass d=mail.bank.example; the policy of bank.example asks, shop.example does not");
        let (one, other) = ("pass d=(the author’s domain); ", "the policy of (the author’s domain) asks, ");
        assert_eq!(hidden, format!("{one}{other}shop.example does not"));
    }

    /// A name is hidden whole or not at all, and what registries sell names under is nobody's.
    #[test]
    fn other_names_are_left_as_they_are() {
        for (author, text, told) in [
            ("boss@bank.co.uk", "shop@my.co.uk forwards", "shop@my.co.uk forwards"),
            ("boss@mail.bank.co.uk", "d=News.Bank.co.uk s=bank.co.uk,", "d=HIDDEN s=HIDDEN,"),
            ("x@a.example", "pizza.example and a.example.", "pizza.example and HIDDEN."),
            ("x@a.example", "mx1.a.example. <b@a.example>", "HIDDEN. <b@HIDDEN>"),
            ("x@a.b.example", "a.b.example.org, b.example, bb.example", "a.b.example.org, HIDDEN, bb.example"),
            ("x@localhost", "localhost", "localhost"),
        ] {
            assert_eq!(Author::read(author).hidden_in(text), told.replace("HIDDEN", AUTHORS_DOMAIN));
        }
    }

    #[test]
    fn a_name_is_cut_and_an_address_is_not() {
        assert_eq!(author(&"é".repeat(300), "a").name().unwrap().len(), MAX_NAME_OCTETS);
        assert_eq!(author(&format!("{} y", "x".repeat(255)), "a").name().unwrap().len(), 255, "no blank at its end");
        let domain = Domain::parse("author.test").unwrap();
        assert_eq!(Author::new(None, (&"x".repeat(400), &domain)), None);
    }
}
