//! Whether a pattern can be used, asked when it is saved: it compiles within the limits, and every capture that a template
//! names exists.

use std::sync::LazyLock;

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

use crate::mail::{LocalPart, Mailbox};
use crate::policy::rule::Kind;

use super::name::{AliasName, MAX_PATTERN_OCTETS};

/// Memory of one compiled regular expression.
const MAX_REGEX_OCTETS: usize = 1 << 18;

/// `$1`, `${1}`: a capture in a template.
#[expect(clippy::unwrap_used, reason = "a constant expression, compiled by every test that saves a template")]
static CAPTURE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$(?:([0-9]+)|\{([0-9]+)\})").unwrap());

/// A pattern that can be asked whether it matches a local part.
#[derive(Debug, Clone)]
pub(super) enum Matching {
    /// One local part, folded.
    Exactly(String),
    /// A glob.
    Glob(GlobMatcher),
    /// An anchored regular expression.
    Regex(Regex),
    /// Everything.
    All,
}

impl Matching {
    /// Compiles the pattern of an alias, or says why it cannot be.
    pub(super) fn of(name: &AliasName) -> Result<Self, String> {
        match name.kind {
            Kind::Address => {
                LocalPart::from_plain(&name.pattern).map(|p| Self::Exactly(p.key())).map_err(|e| e.to_string())
            }
            Kind::Glob => glob(&name.pattern).map(Self::Glob),
            Kind::Regex => regex(&name.pattern).map(Self::Regex),
            Kind::CatchAll => Ok(Self::All),
        }
    }

    /// Whether it matches.
    pub(super) fn matches(&self, local: &LocalPart) -> bool {
        let key = local.key();
        match self {
            Self::Exactly(own) => *own == key,
            Self::Glob(glob) => glob.is_match(key),
            Self::Regex(regex) => regex.is_match(&key),
            Self::All => true,
        }
    }

    /// How many captures a template may name.
    fn captures(&self) -> usize {
        match self {
            Self::Regex(regex) => regex.captures_len() - 1,
            Self::Exactly(_) | Self::Glob(_) | Self::All => 0,
        }
    }

    /// Checks a template against the captures that there are: with each replaced by a letter it must be an address.
    pub(super) fn check_template(&self, template: &str) -> Result<(), String> {
        for capture in CAPTURE.captures_iter(template) {
            let number = capture.get(1).or_else(|| capture.get(2)).map_or("", |n| n.as_str());
            if number.parse::<usize>().map_or(true, |n| n > self.captures()) {
                return Err(format!("${number} names no group of the expression, which has {}", self.captures()));
            }
        }
        let sample = CAPTURE.replace_all(template, "x");
        Mailbox::parse(&sample).map(drop).map_err(|why| format!("“{template}” gives no address: {why}"))
    }
}

/// Whether a destination is computed from captures.
pub(super) fn is_template(text: &str) -> bool {
    CAPTURE.is_match(text)
}

/// Compiles a glob over a folded local part, or over a whole address.
pub(super) fn glob(text: &str) -> Result<GlobMatcher, String> {
    if text.len() > MAX_PATTERN_OCTETS {
        return Err(format!("the pattern is longer than {MAX_PATTERN_OCTETS} octets"));
    }
    let built = GlobBuilder::new(&text.to_lowercase()).literal_separator(false).build();
    built.map(|glob| glob.compile_matcher()).map_err(|why| format!("“{text}” is no pattern: {}", why.kind()))
}

fn regex(source: &str) -> Result<Regex, String> {
    let anchored = format!("^(?:{source})$");
    RegexBuilder::new(&anchored).size_limit(MAX_REGEX_OCTETS).case_insensitive(true).build().map_err(|why| match why {
        regex::Error::CompiledTooBig(_) => "the expression is too large".to_owned(),
        other => format!("the expression cannot be read: {}", other.to_string().lines().last().unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(text: &str) -> Result<Matching, String> {
        Matching::of(&AliasName::parse(text).unwrap())
    }

    #[test]
    fn templates_name_groups_that_exist_and_give_addresses() {
        let two = matching("/^n([0-9]+)-([a-z]+)$/@my.example").unwrap();
        assert_eq!(two.check_template("$1@inbox.example"), Ok(()));
        assert_eq!(two.check_template("a+${2}@inbox.example"), Ok(()));
        assert!(two.check_template("$3@inbox.example").is_err());
        assert!(two.check_template("$1").is_err());
        assert!(matching("shop-*@my.example").unwrap().check_template("$1@inbox.example").is_err());
    }

    #[test]
    fn what_does_not_compile_or_is_too_large_is_refused() {
        for text in ["/(/@my.example", "/[a/@my.example", "/(a{1000}){1000}/@my.example", "/\\p{Nope}/@my.example"] {
            assert!(matching(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_are_anchored_and_ignore_case() {
        let local = |text: &str| LocalPart::parse(text).unwrap();
        let glob = matching("shop-*@my.example").unwrap();
        assert!(glob.matches(&local("Shop-7")) && !glob.matches(&local("my-shop-7")));
        let regex = matching("/n[0-9]|x/@my.example").unwrap();
        assert!(regex.matches(&local("N7")) && !regex.matches(&local("n77")) && !regex.matches(&local("ax")));
    }
}
