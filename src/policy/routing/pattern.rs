//! Patterns: anchored globs and regular expressions over a local part, compiled once, matched in linear time.
//!
//! Both ignore the case of ASCII letters. A glob sees the folded local part (`/` is an ordinary character); a regular
//! expression sees it as written, so that a capture keeps the case for a destination that cares.

use std::borrow::Cow;
use std::sync::Arc;

use globset::GlobBuilder;
use regex::RegexBuilder;

use super::super::facts::{Compiled, Matcher, Pattern};
use super::super::rule::{Kind, Rule};
use crate::mail::fold;

/// Octets in a pattern's source.
pub const MAX_PATTERN_OCTETS: usize = 512;
/// Octets that a compiled pattern may take.
pub const MAX_COMPILED_OCTETS: usize = 1 << 20;
/// Octets that it is first compiled within; then twice as many, and so on.
const LEAST_COMPILED_OCTETS: usize = 4 << 10;
/// Octets of the automaton that matches may build, for each thread that matches.
const MAX_AUTOMATON_OCTETS: usize = 128 << 10;
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

    /// Octets that it takes, rounded up to a power of two.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// How many groups a destination may refer to, `$0` not counted; none where there are no groups at all.
    #[must_use]
    pub fn groups(&self) -> Option<usize> {
        match &self.compiled {
            Compiled::Glob(_) => None,
            Compiled::Regex(regex) => Some(regex.captures_len().saturating_sub(1)),
        }
    }

    /// Matches a local part as written; gives the captures (`$0` first; none for a glob).
    #[must_use]
    pub fn captures(&self, local: &str) -> Option<Vec<String>> {
        match &self.compiled {
            Compiled::Glob(glob) => glob.is_match(fold(local).as_bytes()).then(Vec::new),
            Compiled::Regex(regex) => {
                let found = regex.captures(&subject(local)?)?.iter().map(text_of).collect();
                Some(found)
            }
        }
    }
}

impl Pattern {
    /// Compiles the pattern of a rule of kind glob or regex.
    pub fn compile(rule: Arc<Rule>) -> Result<Self, PatternError> {
        let matcher = Arc::new(Matcher::compile(rule.kind, &rule.pattern)?);
        Ok(Self { rule, matcher })
    }
}

fn glob(source: &str) -> Result<Matcher, PatternError> {
    let glob = GlobBuilder::new(&fold(source)).literal_separator(false).backslash_escape(true).build();
    let glob = glob.map_err(|error| PatternError::Glob(error.kind().to_string()))?;
    let build = |limit| {
        let mut builder = regex::bytes::RegexBuilder::new(glob.regex());
        builder.dot_matches_new_line(true).size_limit(limit).dfa_size_limit(MAX_AUTOMATON_OCTETS).build()
    };
    let (glob, octets) = smallest(build).map_err(|error| PatternError::Glob(last_line(&error.to_string())))?;
    Ok(Matcher { compiled: Compiled::Glob(glob), octets })
}

/// The source must stand alone before it is wrapped: `a)|(b` would break out of its anchors.
fn regex(source: &str) -> Result<Matcher, PatternError> {
    let why = |error: regex::Error| PatternError::Regex(last_line(&error.to_string()));
    // It is read whole before it turns out that nothing has room for what it means.
    if let Err(malformed @ regex::Error::Syntax(_)) = build(source, 0) {
        return Err(why(malformed));
    }
    let anchored = format!("^(?:{source})$");
    let (regex, octets) = smallest(|limit| build(&anchored, limit)).map_err(why)?;
    Ok(Matcher { compiled: Compiled::Regex(regex), octets })
}

fn build(source: &str, limit: usize) -> Result<regex::Regex, regex::Error> {
    RegexBuilder::new(source)
        .case_insensitive(true)
        .size_limit(limit)
        .dfa_size_limit(MAX_AUTOMATON_OCTETS)
        .nest_limit(MAX_NESTING)
        .build()
}

/// Compiles within the least room that is enough, for a compiled pattern does not say itself how much it takes.
fn smallest<T>(build: impl Fn(usize) -> Result<T, regex::Error>) -> Result<(T, usize), regex::Error> {
    let mut octets = LEAST_COMPILED_OCTETS;
    loop {
        match build(octets) {
            Err(regex::Error::CompiledTooBig(_)) if octets < MAX_COMPILED_OCTETS => octets *= 2,
            built => return built.map(|built| (built, octets)),
        }
    }
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
        assert_eq!(matcher.groups(), Some(2));
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

    /// Case does not count, so that each letter is two; Unicode's letters are some hundred ranges.
    #[test]
    fn what_a_pattern_takes_is_known() {
        let octets = |kind, source: &str| Matcher::compile(kind, source).unwrap().octets();
        assert_eq!(octets(Kind::Regex, "shop-[0-9]+"), LEAST_COMPILED_OCTETS);
        assert_eq!(octets(Kind::Glob, "shop-*"), LEAST_COMPILED_OCTETS);
        assert!((32 << 10..=128 << 10).contains(&octets(Kind::Regex, "\\w+")));
        assert!(octets(Kind::Regex, "\\w{8}") > 4 * octets(Kind::Regex, "\\w+"));
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
