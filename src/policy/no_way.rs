//! Why there is no way to a destination at all, in our words: delivery says it, and whoever reads the log knows it again. No
//! server was asked then, whatever was found of it before.

/// How these words name the domain of an inbox, which no sender is told.
pub const ITS_DOMAIN: &str = "the destination's domain";

/// Why no server can be asked, today or tomorrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWay {
    /// The DNS knows no such domain.
    NoDomain,
    /// It says so itself (RFC 7505).
    NullMx,
    /// Nothing says where its mail would go (RFC 5321 §5.1).
    NoHost,
    /// Its mail would come to this gateway again.
    ComesBack,
    /// Its host is in a network that is never connected to.
    Forbidden,
}

impl NoWay {
    const ALL: [Self; 5] = [Self::NoDomain, Self::NullMx, Self::NoHost, Self::ComesBack, Self::Forbidden];

    /// In our words; of a host that is never connected to, how they begin.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoDomain => "the destination's domain does not exist",
            Self::NullMx => "the destination's domain takes no mail (null MX)",
            Self::NoHost => "the destination's domain has no mail host",
            Self::ComesBack => "mail for the destination's domain would come back to this gateway",
            Self::Forbidden => "the destination's mail host has",
        }
    }

    /// Which of them words of ours tell.
    #[must_use]
    pub fn of(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| words.contains(why.words()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_again_and_names_the_domain_where_it_is_about_that() {
        for why in NoWay::ALL {
            assert_eq!(NoWay::of(&format!("There is no way to the destination: 550 5.1.2 {}", why.words())), Some(why));
            assert_eq!(why.words().contains(ITS_DOMAIN), why != NoWay::Forbidden);
        }
        assert_eq!(NoWay::of("connection refused"), None);
    }
}
