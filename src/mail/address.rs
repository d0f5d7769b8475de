//! Mailboxes: local part and host, parsed by the grammar of RFC 5321 §4.1.2 (RFC 6531 §3.3 for UTF-8) and nothing looser.
//!
//! A local part is kept without its quoting and quoted again on the way out exactly when it must be, so `"abc"@d` and
//! `abc@d` are one mailbox. Case is kept; [`LocalPart::key`] is what is compared.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::domain::{Domain, DomainError};

/// Octets in a local part (RFC 5321 §4.5.3.1.1).
pub const MAX_LOCAL_OCTETS: usize = 64;
/// Octets in a path with its angle brackets (RFC 5321 §4.5.3.1.3).
pub const MAX_PATH_OCTETS: usize = 256;

/// Why a text is not a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@` that parts local part and host.
    #[error("the address has no @")]
    NoAt,
    /// The local part is empty or has characters that want quoting.
    #[error("the part before the @ is malformed")]
    BadLocalPart,
    /// The local part is longer than 64 octets.
    #[error("the part before the @ is longer than {MAX_LOCAL_OCTETS} octets")]
    LocalPartTooLong,
    /// The domain is no domain name.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The address literal is malformed.
    #[error("the address literal in brackets is malformed")]
    BadLiteral,
    /// Longer than 254 octets.
    #[error("the address is longer than {} octets", MAX_PATH_OCTETS - 2)]
    TooLong,
}

/// The part before the `@`, without quoting.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPart(Arc<str>);

impl LocalPart {
    /// Parses a Dot-string or a Quoted-string.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let plain = match text.strip_prefix('"') {
            Some(rest) => unquote(rest.strip_suffix('"').ok_or(AddressError::BadLocalPart)?)?,
            None if is_dot_string(text) => text.to_owned(),
            None => return Err(AddressError::BadLocalPart),
        };
        Self::from_plain(&plain)
    }

    /// Takes the content as it is meant, without quoting.
    pub fn from_plain(plain: &str) -> Result<Self, AddressError> {
        if plain.chars().any(char::is_control) {
            return Err(AddressError::BadLocalPart);
        }
        if plain.len() > MAX_LOCAL_OCTETS {
            return Err(AddressError::LocalPartTooLong);
        }
        Ok(Self(plain.into()))
    }

    /// The content without quoting.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is compared: ASCII in lower case, everything else after NFC with no further folding (never NFKC).
    #[must_use]
    pub fn key(&self) -> String {
        fold(&self.0)
    }

    /// Whether it needs SMTPUTF8.
    #[must_use]
    pub fn is_international(&self) -> bool {
        !self.0.is_ascii()
    }
}

/// Folds a local part, or a piece of one, for comparison.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().map(|c| c.to_ascii_lowercase()).collect()
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// Takes the content of a Quoted-string: `qtextSMTP` and `quoted-pairSMTP`, printable ASCII and UTF-8.
fn unquote(text: &str) -> Result<String, AddressError> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().filter(|c| (' '..='~').contains(c)).ok_or(AddressError::BadLocalPart)?),
            '"' => return Err(AddressError::BadLocalPart),
            c if c.is_control() => return Err(AddressError::BadLocalPart),
            c => plain.push(c),
        }
    }
    Ok(plain)
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

impl fmt::Debug for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// An address literal (RFC 5321 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressLiteral(pub IpAddr);

impl AddressLiteral {
    /// Parses the text with its brackets: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or(AddressError::BadLiteral)?;
        let address = match inner.get(..5) {
            Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse::<Ipv6Addr>().map(IpAddr::V6),
            _ => inner.parse::<Ipv4Addr>().map(IpAddr::V4),
        };
        address.map(Self).map_err(|_| AddressError::BadLiteral)
    }
}

impl fmt::Display for AddressLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(a) => write!(f, "[{a}]"),
            IpAddr::V6(a) => write!(f, "[IPv6:{a}]"),
        }
    }
}

/// What stands behind the `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A domain name.
    Name(Domain),
    /// An address literal.
    Literal(AddressLiteral),
}

impl Host {
    /// Parses a domain name or an address literal.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with('[') {
            return AddressLiteral::parse(text).map(Self::Literal);
        }
        Ok(Self::Name(Domain::parse(text)?))
    }

    /// The domain name, where it is one.
    #[must_use]
    pub fn name(&self) -> Option<&Domain> {
        match self {
            Self::Name(domain) => Some(domain),
            Self::Literal(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(domain) => domain.fmt(f),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

/// A mailbox: `Local-part "@" ( Domain / address-literal )`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mailbox {
    local: LocalPart,
    host: Host,
}

impl Mailbox {
    /// Puts one together.
    #[must_use]
    pub const fn new(local: LocalPart, host: Host) -> Self {
        Self { local, host }
    }

    /// Parses the text between the angle brackets of a path.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_PATH_OCTETS - 2 {
            return Err(AddressError::TooLong);
        }
        let at = text.rfind('@').ok_or(AddressError::NoAt)?;
        let (local, host) = (&text[..at], &text[at + 1..]);
        Ok(Self { local: LocalPart::parse(local)?, host: Host::parse(host)? })
    }

    /// The part before the `@`.
    #[must_use]
    pub const fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part behind the `@`.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The domain name, where the host is one.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        self.host.name()
    }

    /// Whether it needs SMTPUTF8 (a domain never does: it travels as A-labels).
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.local.is_international()
    }

    /// What is compared: [`LocalPart::key`] and the host.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.key(), self.host)
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Mailbox {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Mailbox> for String {
    fn from(mailbox: Mailbox) -> Self {
        mailbox.to_string()
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.host)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}
