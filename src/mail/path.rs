//! Paths: what stands in `MAIL FROM:<…>` and `RCPT TO:<…>` (RFC 5321 §4.1.2).
//!
//! A source route (`<@a,@b:user@domain>`) is accepted and dropped (§3.6.1, appendix F.2); nothing relays along it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::{AddressError, Mailbox};
use super::domain::Domain;

/// The sender of the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReversePath {
    /// `<>`: reports and other mail that must not be answered.
    Null,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Parses the text between the angle brackets; an empty one is the null path.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Ok(Self::Null);
        }
        Mailbox::parse(without_source_route(text)).map(Self::Mailbox)
    }

    /// The mailbox, unless null.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// The domain name, if there is one.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        self.mailbox().and_then(Mailbox::domain)
    }

    /// Whether this is `<>`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl fmt::Display for ReversePath {
    /// Without the angle brackets; the null path is the empty text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mailbox().map_or(Ok(()), |mailbox| mailbox.fmt(f))
    }
}

impl FromStr for ReversePath {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ReversePath {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<ReversePath> for String {
    fn from(path: ReversePath) -> Self {
        path.to_string()
    }
}

/// A recipient of the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain, in any case (RFC 5321 §4.1.1.3).
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// Parses the text between the angle brackets.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        Mailbox::parse(without_source_route(text)).map(Self::Mailbox)
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

/// `A-d-l ":"` in front is dropped when every element is `"@" Domain`; anything else stays for the mailbox parser to refuse.
fn without_source_route(text: &str) -> &str {
    if !text.starts_with('@') {
        return text;
    }
    let Some((route, rest)) = text.split_once(':') else { return text };
    let is_route = route.split(',').all(|hop| hop.strip_prefix('@').is_some_and(|d| Domain::parse(d).is_ok()));
    if is_route { rest } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_source_route_is_dropped() {
        let plain = ReversePath::parse("u@d.example");
        assert_eq!(ReversePath::parse("@a.example:u@d.example"), plain);
        assert_eq!(ReversePath::parse("@a.example,@b.example:u@d.example"), plain);
    }

    #[test]
    fn what_is_no_source_route_is_no_path() {
        for text in
            ["@a.example", "@a.example:", "@:u@d", "a:u@d", "@a,b:u@d", "@a,:u@d", "@a b:u@d", ":u@d", "@a::u@d"]
        {
            assert!(ReversePath::parse(text).is_err(), "{text:?}");
            assert!(ForwardPath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_the_reverse_path_may_be_null() {
        assert_eq!(ReversePath::parse(""), Ok(ReversePath::Null));
        assert!(ForwardPath::parse("").is_err());
    }

    #[test]
    fn only_postmaster_may_lack_a_domain() {
        assert_eq!(ForwardPath::parse("PostMaster"), Ok(ForwardPath::Postmaster));
        assert!(ForwardPath::parse("abuse").is_err());
        assert!(ReversePath::parse("postmaster").is_err());
    }

    proptest! {
        #[test]
        fn paths_survive_writing_and_reading(text in r#"(@[a-z]{1,3}(,@[a-z]{1,3})?:)?("[ -!#-~]{0,5}"|[a-z.]{0,6})(@[a-z.]{0,6})?"#) {
            if let Ok(path) = ReversePath::parse(&text) {
                prop_assert_eq!(ReversePath::parse(&path.to_string()), Ok(path));
            }
            if let Ok(path) = ForwardPath::parse(&text) {
                prop_assert_eq!(ForwardPath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
