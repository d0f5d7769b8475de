//! Patterns: anchored globs and regular expressions over a local part, compiled once, matched in linear time.
//!
//! Both ignore the case of ASCII letters. A glob sees the folded local part (`/` is an ordinary character); a regular
//! expression sees it as written, so that a capture keeps the case for a destination that cares.

use std::borrow::Cow;
use std::sync::Arc;

use globset::GlobBuilder;
use regex::RegexBuilder;

use super::super::facts::{Matcher, Pattern};
use super::super::rule::{Kind, Rule};
use crate::mail::fold;

/// Octets in a pattern's source.
pub const MAX_PATTERN_OCTETS: usize = 512;
/// Octets that a compiled pattern may take.
pub const MAX_COMPILED_OCTETS: usize = 1 << 20;
/// Octets of the automaton that a match may build.
const MAX_AUTOMATON_OCTETS: usize = 1 << 20;
/// Groups within groups.
const MAX_NESTING: u32 = 32;
/// The one character outside ASCII that survives NFC and that a case-insensitive match would take for an ASCII letter
/// (`s`): a look-alike, never equal.
const LONG_S: char = '\u{017F}';

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Only globs and regular expressions are compiled.
    #[error("only a glob or a regular expression is a pattern")]
    NoPattern,
    /// Empty.
    #[error("the pattern is empty")]
    Empty,
    /// Over [`MAX_PATTERN_OCTETS`].
    #[error("the pattern is longer than {MAX_PATTERN_OCTETS} octets")]
    TooLong,
    /// The glob is malformed; says how.
    #[error("the glob is malformed: {0}")]
    Glob(String),
    /// The regular expression is malformed, or too large once compiled; says how.
    #[error("the regular expression is not usable: {0}")]
    Regex(String),
}

impl Matcher {
    /// Compiles the source of a glob or a regular expression (without the slashes).
    pub fn compile(kind: Kind, source: &str) -> Result<Self, PatternError> {
        if source.is_empty() {
            return Err(PatternError::Empty);
        }
        if source.len() > MAX_PATTERN_OCTETS {
            return Err(PatternError::TooLong);
        }
        match kind {
            Kind::Glob => glob(source),
            Kind::Regex => regex(source),
            Kind::Address | Kind::CatchAll => Err(PatternError::NoPattern),
        }
    }

    /// How many groups a destination may refer to, `$0` not counted.
    #[must_use]
    pub fn groups(&self) -> usize {
        match self {
            Self::Glob(_) => 0,
            Self::Regex(regex) => regex.captures_len().saturating_sub(1),
        }
    }

    /// Matches a local part as written; gives the captures (`$0` first; none for a glob).
    #[must_use]
    pub fn captures(&self, local: &str) -> Option<Vec<String>> {
        match self {
            Self::Glob(glob) => glob.is_match(fold(local)).then(Vec::new),
            Self::Regex(regex) => {
                let found = regex.captures(&subject(local)?)?.iter().map(text_of).collect();
                Some(found)
            }
        }
    }
}

impl Pattern {
    /// Compiles the pattern of a rule of kind glob or regex.
    pub fn compile(rule: Arc<Rule>) -> Result<Self, PatternError> {
        let matcher = Matcher::compile(rule.kind, &rule.pattern)?;
        Ok(Self { rule, matcher })
    }
}

fn glob(source: &str) -> Result<Matcher, PatternError> {
    let glob = GlobBuilder::new(&fold(source)).literal_separator(false).backslash_escape(true).build();
    glob.map(|glob| Matcher::Glob(glob.compile_matcher())).map_err(|error| PatternError::Glob(error.kind().to_string()))
}

/// The source must stand alone before it is wrapped: `a)|(b` would break out of its anchors.
fn regex(source: &str) -> Result<Matcher, PatternError> {
    build(source)?;
    build(&format!("^(?:{source})$")).map(Matcher::Regex)
}

fn build(source: &str) -> Result<regex::Regex, PatternError> {
    RegexBuilder::new(source)
        .case_insensitive(true)
        .size_limit(MAX_COMPILED_OCTETS)
        .dfa_size_limit(MAX_AUTOMATON_OCTETS)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| PatternError::Regex(last_line(&error.to_string())))
}

/// The reason; the lines before it draw where.
fn last_line(error: &str) -> String {
    error.lines().last().unwrap_or(error).trim_start_matches("error: ").to_owned()
}

/// What a regular expression sees: ASCII as written; anything else folded (NFC), for it is compared so everywhere.
fn subject(local: &str) -> Option<Cow<'_, str>> {
    if local.is_ascii() {
        return Some(Cow::Borrowed(local));
    }
    (!local.contains(LONG_S)).then(|| Cow::Owned(fold(local)))
}

fn text_of(found: Option<regex::Match<'_>>) -> String {
    found.map(|found| found.as_str().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(kind: Kind, source: &str, local: &str) -> bool {
        Matcher::compile(kind, source).unwrap().captures(local).is_some()
    }

    #[test]
    fn globs_are_anchored_and_ignore_case() {
        for (source, local, expected) in [
            ("shop-*", "shop-books", true),
            ("Shop-*", "sHOP-Books", true),
            ("shop-*", "my-shop-books", false),
            ("*-shop", "a/b-shop", true),
            ("shop-?", "shop-ab", false),
            ("{shop,store}-[0-9]", "store-7", true),
            ("b\\*", "b*", true),
            ("b\\*", "bc", false),
        ] {
            assert_eq!(matches(Kind::Glob, source, local), expected, "{source} {local}");
        }
    }

    #[test]
    fn regular_expressions_are_anchored_and_capture_as_written() {
        let matcher = Matcher::compile(Kind::Regex, "n([a-z]+)-(x)?.*").unwrap();
        assert_eq!(matcher.groups(), 2);
        assert_eq!(matcher.captures("NAnna-1").unwrap(), ["NAnna-1", "Anna", ""]);
        assert!(matcher.captures("an-anna").is_none());
        assert!(!matches(Kind::Regex, "a|b", "ab"));
    }

    #[test]
    fn a_look_alike_of_an_ascii_letter_does_not_match() {
        assert!(matches(Kind::Regex, "shop", "SHOP"));
        assert!(!matches(Kind::Regex, "shop", "\u{017F}hop"));
        assert!(!matches(Kind::Glob, "s*", "\u{017F}hop"));
    }

    #[test]
    fn beyond_ascii_the_normal_form_counts() {
        assert!(matches(Kind::Glob, "m\u{FC}ller-*", "mu\u{308}ller-1"));
        assert!(matches(Kind::Regex, "m\u{FC}ller-.", "mu\u{308}ller-1"));
    }

    #[test]
    fn refuses_what_is_no_pattern_or_too_large() {
        let refused = |kind, source: &str| Matcher::compile(kind, source).unwrap_err();
        assert_eq!(refused(Kind::Address, "shop"), PatternError::NoPattern);
        assert_eq!(refused(Kind::Glob, ""), PatternError::Empty);
        assert_eq!(refused(Kind::Regex, &"a".repeat(513)), PatternError::TooLong);
        assert!(matches!(refused(Kind::Glob, "a[b"), PatternError::Glob(_)));
        for source in ["a)|(b", "(", "(?:a{1000}){1000}", "a\\", &"(".repeat(40)] {
            assert!(matches!(refused(Kind::Regex, source), PatternError::Regex(_)), "{source}");
        }
    }
}
