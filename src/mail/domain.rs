//! Domain names as mail uses them: stored as lower-case A-labels, shown as U-labels (RFC 5321 §2.3.5, RFC 5890 §2.3.2.1).
//!
//! A [`Domain`] is always valid: at most 255 octets, labels of 1 to 63 letters, digits and hyphens. It is cheap to clone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

/// Octets in one label (RFC 1035 §2.3.4).
const MAX_LABEL_OCTETS: usize = 63;

/// A domain name in lower-case A-labels, without a final dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(Arc<str>);

/// Why a text is not a domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Nothing there.
    #[error("a domain name is missing")]
    Empty,
    /// Longer than 255 octets.
    #[error("the domain name is longer than {} octets", Domain::MAX_OCTETS)]
    TooLong,
    /// A character that no domain name has.
    #[error("a domain name has no {0:?}, only letters, digits and hyphens, with dots between its parts")]
    Foreign(char),
    /// A label is empty, too long, or begins or ends with a hyphen.
    #[error("between the dots of a domain name stand 1 to {MAX_LABEL_OCTETS} characters, and no hyphen first or last")]
    BadLabel,
    /// The name is not valid under IDNA (UTS 46).
    #[error("the domain name is not valid in international form")]
    BadInternational,
}

impl Domain {
    /// The longest there is (RFC 5321 §4.5.3.1.2).
    pub const MAX_OCTETS: usize = 255;

    /// Parses A-labels or U-labels, with or without one final dot.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_ascii() && !has_punycode(text) {
            check_labels(text)?;
            let is_lower = !text.bytes().any(|octet| octet.is_ascii_uppercase());
            return Ok(Self(if is_lower { text.into() } else { text.to_ascii_lowercase().into() }));
        }
        // Which ASCII a label may have is for us to say: records of an international domain stand at `_dmarc` below it.
        let ascii = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Check, DnsLength::Verify)
            .map_err(|_| DomainError::BadInternational)?;
        check_labels(&ascii)?;
        Ok(Self(ascii.into()))
    }

    /// The name that is nobody's (RFC 2606 §2): it stands where one could not be read.
    #[must_use]
    pub fn invalid() -> Self {
        Self("invalid".into())
    }

    /// The A-label form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The U-label form, for people.
    #[must_use]
    pub fn unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }

    /// Whether this is `other` or a name below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_suffix(other.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// A domain, or what is written at one (an address, a pattern), with the domain as people read it: in U-labels, and where
/// one of them mixes scripts, so that it may look like another, in A-labels beside.
#[must_use]
pub fn in_unicode(text: &str) -> String {
    let (at, name) = text.rfind('@').map_or(("", text), |at| text.split_at(at + 1));
    let may_be_one = name.len() <= Domain::MAX_OCTETS && has_punycode(name);
    let Some(domain) = Some(name).filter(|_| may_be_one).and_then(|name| Domain::parse(name).ok()) else {
        return text.to_owned();
    };
    let shown = domain.unicode();
    if shown.split('.').any(mixes_scripts) { format!("{at}{shown} ({domain})") } else { format!("{at}{shown}") }
}

/// A sentence with each domain in it as people read it. Names that begin with an underscore are those of records, which stay
/// as they are published; what stands before an @ is no domain.
#[must_use]
pub fn told_in_unicode(sentence: &str) -> String {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let (mut told, mut rest) = (String::with_capacity(sentence.len()), sentence);
    while let Some(start) = rest.find(is_of_name) {
        let (before, from) = rest.split_at(start);
        let (run, behind) = from.split_at(from.find(|c| !is_of_name(c)).unwrap_or(from.len()));
        let name = run.trim_end_matches('.');
        let stays = name.starts_with('_') || behind.starts_with('@');
        told.push_str(before);
        told.push_str(&if stays { name.to_owned() } else { in_unicode(name) });
        told.push_str(&run[name.len()..]);
        rest = behind;
    }
    told + rest
}

/// Whether letters of Latin stand beside others in one label.
fn mixes_scripts(label: &str) -> bool {
    let is_latin = |c: char| matches!(c, 'a'..='z' | '\u{df}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
    let mut letters = label.chars().filter(|c| c.is_alphabetic()).map(is_latin);
    letters.next().is_some_and(|first| letters.any(|other| other != first))
}

fn has_punycode(text: &str) -> bool {
    text.split('.').any(|label| label.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("xn--")))
}

fn check_labels(text: &str) -> Result<(), DomainError> {
    if text.is_empty() {
        return Err(DomainError::Empty);
    }
    if text.len() > Domain::MAX_OCTETS {
        return Err(DomainError::TooLong);
    }
    if text.split('.').all(is_label) {
        return Ok(());
    }
    let foreign = text.chars().find(|c| *c != '.' && !u8::try_from(*c).is_ok_and(is_inner));
    Err(foreign.map_or(DomainError::BadLabel, DomainError::Foreign))
}

/// `sub-domain = Let-dig [Ldh-str]` (RFC 5321 §4.1.2); an underscore is let through inside, since such hosts exist.
fn is_label(label: &str) -> bool {
    let octets = label.as_bytes();
    (1..=MAX_LABEL_OCTETS).contains(&octets.len())
        && octets.iter().copied().all(is_inner)
        && octets.first() != Some(&b'-')
        && octets.last() != Some(&b'-')
}

const fn is_inner(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_'
}

impl FromStr for Domain {
    type Err = DomainError;
    fn from_str(text: &str) -> Result<Self, DomainError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Domain {
    type Error = DomainError;
    fn try_from(text: String) -> Result<Self, DomainError> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.as_str().to_owned()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folds_case_and_the_final_dot() {
        assert_eq!(Domain::parse("Example.ORG.").unwrap().as_str(), "example.org");
    }

    #[test]
    fn u_labels_become_a_labels() {
        let domain = Domain::parse("Bücher.example").unwrap();
        assert_eq!(domain.as_str(), "xn--bcher-kva.example");
        assert_eq!(domain.unicode(), "bücher.example");
        for (written, read) in [
            ("xn--bcher-kva.example", "bücher.example"),
            ("/^n([0-9]+)$/@xn--bcher-kva.example", "/^n([0-9]+)$/@bücher.example"),
            ("@xn--bcher-kva.example", "@bücher.example"),
            ("xn--a@my.example", "xn--a@my.example"),
            ("xn-- is no domain", "xn-- is no domain"),
            // Cyrillic as a whole, and with one Latin letter in it.
            ("shop@xn--e1afmkfd.example", "shop@пример.example"),
            ("xn--pp-nlclup.example", "пpимеp.example (xn--pp-nlclup.example)"),
        ] {
            assert_eq!(in_unicode(written), read);
        }
    }

    #[test]
    fn records_of_an_international_domain_have_names() {
        for text in ["_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example", "s1._domainkey.xn--bcher-kva.example"] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), text.replace("bücher", "xn--bcher-kva"));
        }
    }

    #[test]
    fn a_sentence_names_domains_as_people_read_them() {
        for (written, read) in [
            ("xn--bcher-kva.example exists already.", "bücher.example exists already."),
            ("Mail to x@xn--bcher-kva.example.", "Mail to x@bücher.example."),
            ("“xn--bcher-kva.example”: no, a.xn--bcher-kva.example!", "“bücher.example”: no, a.bücher.example!"),
            (
                "Publish the TXT record _waypost.xn--bcher-kva.example.",
                "Publish the TXT record _waypost.xn--bcher-kva.example.",
            ),
            ("xn--bcher-kva@my.example", "xn--bcher-kva@my.example"),
            ("Nothing of it. Grüße …", "Nothing of it. Grüße …"),
            ("", ""),
        ] {
            assert_eq!(told_in_unicode(written), read);
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        let disguised =
            ["bü cher.example", "bü@cher.example", "bü\u{fe6b}cher.example", "bü/cher.example", "bü\0.example"];
        for text in disguised {
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
        for text in ["", ".", "a..b", "-a.b", "a-.b", "a b", "a@b", &"x".repeat(64), &"a.".repeat(140)] {
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_name_is_told() {
        for (text, why) in [
            ("mx example,org", DomainError::Foreign(' ')),
            ("mx.example,org", DomainError::Foreign(',')),
            ("a..b", DomainError::BadLabel),
            ("-a.b", DomainError::BadLabel),
        ] {
            assert_eq!(Domain::parse(text), Err(why), "{text}");
        }
        let told = DomainError::Foreign(',').to_string();
        assert_eq!(told, "a domain name has no ',', only letters, digits and hyphens, with dots between its parts");
    }

    #[test]
    fn within_is_by_label() {
        let parent = Domain::parse("b.example").unwrap();
        assert!(Domain::parse("a.b.example").unwrap().is_within(&parent));
        assert!(parent.is_within(&parent));
        assert!(!Domain::parse("ab.example").unwrap().is_within(&parent));
    }

    proptest! {
        #[test]
        fn what_parses_survives_writing_and_reading(text in "[a-zA-Z0-9ü\u{df}\u{4e00}\u{3002}_-]{1,12}(\\.[a-zA-Zxn-]{1,8}){0,3}") {
            if let Ok(domain) = Domain::parse(&text) {
                prop_assert!(domain.as_str().is_ascii());
                prop_assert_eq!(Domain::parse(domain.as_str()), Ok(domain.clone()));
                // Its U-label form names the same domain.
                prop_assert_eq!(Domain::parse(&domain.unicode()), Ok(domain));
            }
        }
    }
}
