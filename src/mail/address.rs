//! Mailboxes: local part and host, parsed by the grammar of RFC 5321 §4.1.2 (RFC 6531 §3.3 for UTF-8) and nothing looser.
//!
//! A local part is kept without its quoting and quoted again on the way out exactly when it must be, so `"abc"@d` and
//! `abc@d` are one mailbox. Case is kept; [`LocalPart::key`] is what is compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::domain::{Domain, DomainError};

mod host;
mod local_part;

pub use host::{AddressLiteral, Host};
pub(in crate::mail) use local_part::is_atext;
pub use local_part::{LocalPart, fold};

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
    #[error("the part before the @ is longer than {} octets", LocalPart::MAX_OCTETS)]
    LocalPartTooLong,
    /// The domain is no domain name.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The address literal is malformed.
    #[error("the address literal in brackets is malformed")]
    BadLiteral,
    /// Longer than 254 octets, as written or with its domain in A-labels.
    #[error("the address is longer than {} octets", Mailbox::MAX_OCTETS)]
    TooLong,
}

/// A mailbox: `Local-part "@" ( Domain / address-literal )`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mailbox {
    local: LocalPart,
    host: Host,
}

impl Mailbox {
    /// The longest there is: a path of 256 octets without its angle brackets (RFC 5321 §4.5.3.1.3).
    pub const MAX_OCTETS: usize = 254;

    /// Puts one together.
    #[must_use]
    pub const fn new(local: LocalPart, host: Host) -> Self {
        Self { local, host }
    }

    /// Parses the text between the angle brackets of a path.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > Self::MAX_OCTETS {
            return Err(AddressError::TooLong);
        }
        let (local, host) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        let mailbox = Self { local: LocalPart::parse(local)?, host: Host::parse(host)? };
        // A-labels are longer than the U-labels that they stand for.
        let grown = !host.is_ascii() && mailbox.local.written_octets() + 1 + mailbox.host_octets() > Self::MAX_OCTETS;
        if grown { Err(AddressError::TooLong) } else { Ok(mailbox) }
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

    fn host_octets(&self) -> usize {
        self.domain().map_or(0, |domain| domain.as_str().len())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mailbox(text: &str) -> Result<Mailbox, AddressError> {
        Mailbox::parse(text)
    }

    #[test]
    fn quoting_is_no_part_of_the_name() {
        assert_eq!(mailbox(r#""abc"@d.example"#), mailbox("abc@d.example"));
        assert_eq!(mailbox(r#""a\bc"@d.example"#), mailbox("abc@d.example"));
        assert_eq!(mailbox(r#""a b"@d.example"#).unwrap().to_string(), r#""a b"@d.example"#);
        assert_eq!(mailbox(r#"""@d.example"#).unwrap().to_string(), r#"""@d.example"#);
        assert_eq!(mailbox(r#""a\"\\"@d.example"#).unwrap().local().as_str(), r#"a"\"#);
    }

    #[test]
    fn refuses_what_the_grammar_does_not_know() {
        let wrong = [
            "",
            "@",
            "a",
            "a@",
            "@b",
            ".a@b",
            "a.@b",
            "a..b@b",
            "a b@b",
            "a@b@c",
            "(a)b@c",
            "a@b(c)",
            "a<@b",
            "a\u{0}@b",
            "\"a@b",
            "\"a\"b@c",
            "a\"b\"@c",
            "\"a\\\"@b",
            "\"a\u{7f}\"@b",
            "\"\u{85}\"@b",
            "a@[]",
            "a@[1.2.3]",
            "a@[::1]",
            "a@[IPv6:1.2.3.4]",
            "a@[1.2.3.4",
            "a@1.2.3.4]",
            "a@-b",
            "a@b_.c-",
        ];
        for text in wrong {
            assert!(mailbox(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_key_folds_ascii() {
        assert_eq!(mailbox("ShOp@D.Example").unwrap().key(), "shop@d.example");
    }

    #[test]
    fn a_domain_may_outgrow_the_address() {
        let short_as_u_labels = format!("{}@{}example", "x".repeat(64), "ü.".repeat(24));
        assert!(short_as_u_labels.len() <= Mailbox::MAX_OCTETS);
        assert_eq!(mailbox(&short_as_u_labels), Err(AddressError::TooLong));
    }

    proptest! {

        #[test]
        fn what_parses_survives_writing_and_reading(
            text in r#"([a-z.+]{1,9}|"([ -!#-\[\]-~]|\\[ -~]){0,9}"|[a-z\u{fc}\u{df}]{1,5})@([a-zA-Z0-9.-]{1,20}|[a-z\u{fc}\u{4e00}.]{1,9}|\[(IPv6:)?[0-9a-f:.]{1,20}\])"#
        ) {
            if let Ok(mailbox) = Mailbox::parse(&text) {
                prop_assert_eq!(Mailbox::parse(&mailbox.to_string()), Ok(mailbox.clone()), "{}", mailbox);
            }
        }

        #[test]
        fn no_text_is_too_odd(text in any::<String>()) {
            if let Ok(mailbox) = Mailbox::parse(&text) {
                prop_assert!(!mailbox.to_string().chars().any(char::is_control));
                prop_assert_eq!(Mailbox::parse(&mailbox.to_string()), Ok(mailbox));
            }
        }
    }
}
