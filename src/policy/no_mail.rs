//! Why the domain of an inbox takes no mail at all, as far as the DNS proves it. That the DNS did not answer proves nothing.

use serde::Serialize;
use utoipa::ToSchema;

use crate::mail::{Moment, in_unicode};

/// What is to be done about it.
pub const REMEDY: &str = "If a letter of the address is wrong, add the right inbox and put it in the place of this one. If \
                          the domain is yours, publish its MX record. If only your own network knows the domain, name its \
                          next hop in delivery.routes.";

/// What the DNS says against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoMail {
    /// There is no such domain.
    NoSuchDomain,
    /// It says so itself (RFC 7505).
    NullMx,
    /// Nothing says where its mail would go (RFC 5321 §5.1).
    NoAddress,
}

/// A domain that takes no mail, as the DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakesNone {
    /// Which.
    pub domain: String,
    /// Why.
    pub why: NoMail,
    /// When that was found first.
    pub since: Moment,
}

impl NoMail {
    const ALL: [Self; 3] = [Self::NoSuchDomain, Self::NullMx, Self::NoAddress];

    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchDomain => "no_such_domain",
            Self::NullMx => "null_mx",
            Self::NoAddress => "no_address",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == word)
    }

    /// In words that follow the domain's name.
    #[must_use]
    pub const fn said(self) -> &'static str {
        match self {
            Self::NoSuchDomain => "is no domain that the DNS knows",
            Self::NullMx => "takes no mail, says its null MX record",
            Self::NoAddress => "has neither an MX record nor an address",
        }
    }

    /// In a sentence.
    #[must_use]
    pub fn told(self, domain: &str) -> String {
        let why = match self {
            Self::NoSuchDomain => "the DNS knows no such domain",
            Self::NullMx => "its null MX record says so",
            Self::NoAddress => "it has no MX record and no address",
        };
        format!("{} takes no mail: {why}.", in_unicode(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reads_its_own_word() {
        for why in NoMail::ALL {
            assert_eq!(NoMail::parse(why.as_str()), Some(why));
        }
        assert_eq!(NoMail::parse("refused"), None);
    }
}
