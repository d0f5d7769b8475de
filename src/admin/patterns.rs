//! Whether a pattern can be used, asked when it is saved: it compiles within the limits of `policy`, and every group that a
//! template names exists.

use std::sync::Arc;

use crate::mail::LocalPart;
use crate::policy::facts::Matcher;
use crate::policy::routing;
use crate::policy::rule::Kind;
use crate::store::matchers::Matchers;

use super::name::AliasName;

/// An alias that can be asked whether it matches a local part.
#[derive(Debug, Clone)]
pub(super) enum Matching {
    /// One local part, folded.
    Exactly(String),
    /// A glob or a regular expression.
    Pattern(Arc<Matcher>),
    /// Everything.
    All,
}

impl Matching {
    /// Compiles the pattern of an alias, or says why it cannot be.
    pub(super) async fn of(name: &AliasName, matchers: &Matchers) -> Result<Self, String> {
        let pattern = &name.pattern;
        match name.kind {
            Kind::Address => LocalPart::from_plain(pattern).map(|l| Self::Exactly(l.key())).map_err(|e| e.to_string()),
            Kind::Glob | Kind::Regex => {
                matchers.compile(name.kind, pattern).await.map(Self::Pattern).map_err(|why| why.to_string())
            }
            Kind::CatchAll => Ok(Self::All),
        }
    }

    /// Octets that its compiled pattern takes.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Pattern(matcher) => matcher.octets(),
            Self::Exactly(_) | Self::All => 0,
        }
    }

    /// Whether it matches.
    pub(super) fn matches(&self, local: &LocalPart) -> bool {
        match self {
            Self::Exactly(own) => *own == local.key(),
            Self::Pattern(matcher) => matcher.captures(local.as_str()).is_some(),
            Self::All => true,
        }
    }

    /// Checks a destination that is computed from captures.
    pub(super) fn check_template(&self, template: &str) -> Result<(), String> {
        let groups = match self {
            Self::Pattern(matcher) => matcher.groups(),
            Self::Exactly(_) | Self::All => None,
        };
        let none =
            || format!("“{template}” is computed from the groups of a regular expression, and this alias is none");
        routing::check_template(template, groups.ok_or_else(none)?).map_err(|why| format!("“{template}”: {why}"))
    }
}

/// Whether a destination of an alias of `kind` is computed from captures, or written as if it were.
pub(super) fn is_template(kind: Kind, text: &str) -> bool {
    let refers = |rest: &str| kind == Kind::Regex || rest.starts_with(|c: char| c.is_ascii_digit() || c == '{');
    text.split('$').skip(1).any(refers)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn matching(text: &str) -> Result<Matching, String> {
        Matching::of(&AliasName::parse(text).unwrap(), &Matchers::default()).await
    }

    #[tokio::test]
    async fn templates_name_groups_that_exist() {
        let two = matching("/^n([0-9]+)-([a-z]+)$/@my.example").await.unwrap();
        assert_eq!(two.check_template("$1@inbox.example"), Ok(()));
        assert_eq!(two.check_template("a+${2}@inbox.example"), Ok(()));
        assert!(two.check_template("$3@inbox.example").is_err());
        assert!(matching("shop-*@my.example").await.unwrap().check_template("$1@inbox.example").is_err());
    }

    #[test]
    fn a_dollar_is_a_template_only_with_a_regular_expression() {
        assert!(is_template(Kind::Regex, "$1@inbox.example"));
        assert!(!is_template(Kind::Address, "a$b@inbox.example"));
        assert!(!is_template(Kind::Regex, "a@inbox.example"));
    }

    #[tokio::test]
    async fn what_does_not_compile_is_refused() {
        for text in ["/(/@my.example", "/[a/@my.example", "/(a{1000}){1000}/@my.example", "a[*@my.example"] {
            assert!(matching(text).await.is_err(), "{text}");
        }
    }
}
