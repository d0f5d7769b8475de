//! The text forms of an alias: an address (`shop@…`), a glob (`shop-*@…`), a regular expression between slashes
//! (`/^n([0-9]+)$/@…`), or `*@…`, the catch-all. What is written is what is shown: `parse(display(x)) == x`.

use std::fmt;

use crate::mail::{Domain, LocalPart};
use crate::policy::routing::MAX_PATTERN_OCTETS;
use crate::policy::rule::Kind;

/// Characters that make a local part a glob. A quoted local part never is one.
const GLOB_CHARS: [char; 3] = ['*', '?', '['];

/// An alias as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasName {
    /// How the pattern is read.
    pub kind: Kind,
    /// A local part without quoting (case kept), a glob, the source of a regular expression, or `*`.
    pub pattern: String,
    /// The hosted domain.
    pub domain: Domain,
}

impl AliasName {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let at = text.rfind('@').ok_or_else(|| format!("“{text}” has no @: write it as name@your.domain"))?;
        let domain = Domain::parse(&text[at + 1..]).map_err(|why| why.to_string())?;
        let (kind, pattern) = read_local(&text[..at])?;
        Ok(Self { kind, pattern, domain })
    }

    /// Puts one together from a stored kind and pattern.
    #[must_use]
    pub const fn new(kind: Kind, pattern: String, domain: Domain) -> Self {
        Self { kind, pattern, domain }
    }
}

fn read_local(local: &str) -> Result<(Kind, String), String> {
    if local == "*" {
        return Ok((Kind::CatchAll, local.to_owned()));
    }
    if let Some(source) = local.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        return bounded(source).map(|source| (Kind::Regex, source));
    }
    if local.contains(GLOB_CHARS) && !local.starts_with('"') {
        return bounded(local).map(|glob| (Kind::Glob, glob));
    }
    let part = LocalPart::parse(local).map_err(|why| why.to_string())?;
    if part.as_str().is_empty() {
        return Err("the part before the @ is empty".to_owned());
    }
    Ok((Kind::Address, part.as_str().to_owned()))
}

fn bounded(pattern: &str) -> Result<String, String> {
    if pattern.is_empty() {
        return Err("the pattern is empty".to_owned());
    }
    if pattern.len() > MAX_PATTERN_OCTETS {
        return Err(format!("the pattern is longer than {MAX_PATTERN_OCTETS} octets"));
    }
    if pattern.chars().any(char::is_control) {
        return Err("the pattern has control characters in it".to_owned());
    }
    Ok(pattern.to_owned())
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Regex => write!(f, "/{}/", self.pattern)?,
            Kind::Glob | Kind::CatchAll => f.write_str(&self.pattern)?,
            Kind::Address => write_local(f, &self.pattern)?,
        }
        write!(f, "@{}", self.domain)
    }
}

/// Quotes what would else be read as a pattern.
fn write_local(f: &mut fmt::Formatter<'_>, plain: &str) -> fmt::Result {
    let Ok(part) = LocalPart::from_plain(plain) else { return f.write_str(plain) };
    let text = part.to_string();
    let is_slashed = text.len() > 1 && text.starts_with('/') && text.ends_with('/');
    if text.starts_with('"') || (!text.contains(GLOB_CHARS) && !is_slashed) {
        return f.write_str(&text);
    }
    write!(f, "\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_kind_and_is_shown_as_written() {
        for (text, kind) in [
            ("shop@my.example", Kind::Address),
            ("Shop.Name+x@my.example", Kind::Address),
            ("shop-*@my.example", Kind::Glob),
            ("/^n([0-9]+)$/@my.example", Kind::Regex),
            ("/a@b/@my.example", Kind::Regex),
            ("*@my.example", Kind::CatchAll),
            ("\"a b\"@my.example", Kind::Address),
            ("\"what?\"@my.example", Kind::Address),
            ("\"*\"@my.example", Kind::Address),
            ("\"/x/\"@my.example", Kind::Address),
        ] {
            let name = AliasName::parse(text).unwrap();
            assert_eq!(name.kind, kind, "{text}");
            assert_eq!(name.to_string(), text);
            assert_eq!(AliasName::parse(&name.to_string()), Ok(name), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = format!("{}*@my.example", "x".repeat(MAX_PATTERN_OCTETS));
        for text in
            ["shop", "@my.example", "a..b@my.example", "//@my.example", "a b@my.example", "x@-", "\"\"@a.b", &long]
        {
            assert!(AliasName::parse(text).is_err(), "{text}");
        }
    }
}
