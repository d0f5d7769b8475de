//! Local parts: a Dot-string or a Quoted-string in, the name that is meant inside, quoted again only where it must be.

use std::fmt;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use super::AddressError;

/// The part before the `@`, without quoting.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPart(Arc<str>);

impl LocalPart {
    /// The longest there is, as it is written (RFC 5321 §4.5.3.1.1).
    pub const MAX_OCTETS: usize = 64;

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
        // What is longer than it may be written cannot be meant; only then is it worth counting its quotes.
        if plain.len() > Self::MAX_OCTETS || written_octets(plain) > Self::MAX_OCTETS {
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

    /// Octets with the quoting that it needs.
    pub(super) fn written_octets(&self) -> usize {
        written_octets(&self.0)
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

/// RFC 5322 §3.2.3, with what RFC 6532 adds.
pub(in crate::mail) fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// Octets of a local part with the quoting that it needs.
fn written_octets(plain: &str) -> usize {
    if is_dot_string(plain) {
        return plain.len();
    }
    let escapes = plain.bytes().filter(|o| matches!(o, b'"' | b'\\')).count();
    plain.len() + escapes + 2
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_fold_ascii_and_nothing_else() {
        assert_eq!(fold("GRÜN"), "grÜn");
        assert_eq!(fold("u\u{308}"), "\u{fc}", "NFC composes");
        assert_ne!(fold("\u{fb01}"), "fi", "NFKC would fold the ligature");
        assert_ne!(fold("\u{ff21}"), "a", "NFKC would fold the fullwidth letter");
    }

    #[test]
    fn lengths_are_of_what_is_written() {
        assert!(LocalPart::from_plain(&"x".repeat(64)).is_ok());
        assert_eq!(LocalPart::from_plain(&" ".repeat(63)), Err(AddressError::LocalPartTooLong));
        assert!(LocalPart::from_plain(&"\"".repeat(31)).is_ok());
        assert_eq!(LocalPart::from_plain(&"\"".repeat(32)), Err(AddressError::LocalPartTooLong));
    }

    proptest! {
        #[test]
        fn a_local_part_survives_writing_and_reading(plain in "[ -~é\u{4e00}\u{1f600}]{0,30}") {
            let local = LocalPart::from_plain(&plain);
            prop_assume!(local.is_ok());
            let local = local.unwrap();
            prop_assert_eq!(local.as_str(), &plain);
            prop_assert_eq!(LocalPart::parse(&local.to_string()), Ok(local));
        }
    }
}
