//! The text forms of an alias: an address (`shop@…`), a glob (`shop-*@…`), a regular expression between slashes
//! (`/^n([0-9]+)$/@…`), or `*@…`, the catch-all. What is written is what is shown: `parse(display(x)) == x`.

use std::fmt;

use crate::mail::{AddressError, Domain, LocalPart};
use crate::policy::routing::MAX_PATTERN_OCTETS;
use crate::policy::rule::Kind;

use super::{Actor, AdminError, Form, fields};

/// Characters that make a local part a glob. A quoted local part never is one.
const GLOB_CHARS: [char; 3] = ['*', '?', '['];
/// What is said of a local part that is none, to somebody who has never read the grammar.
const WELL_FORMED: &str =
    "the part before the @ takes letters, digits, dots between them, signs such as - _ and +, and no spaces";

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
    let part = LocalPart::parse(local).map_err(|why| match why {
        AddressError::BadLocalPart => WELL_FORMED.to_owned(),
        other => other.to_string(),
    })?;
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

/// The name of a new alias: `address`, or `local_part` with `domain` (or the token's default domain).
pub(super) fn read_name(form: &mut Form<'_>, actor: &Actor) -> Option<AliasName> {
    if form.given("address").is_some() {
        let name = form.optional("address", |v| AliasName::parse(fields::text(v)?).map_err(Into::into))?;
        repeat(form, &name, ["the address is of another domain", "the address has another name before its @"]);
        return Some(name);
    }
    let domain = read_domain(form, actor)?;
    if form.given("local_part").is_none() {
        form.fault("address", "write the alias as name@your.domain");
        return None;
    }
    form.optional("local_part", |v| {
        let text = fields::text(v)?.trim();
        match text.split_once('@') {
            _ if text.is_empty() => Err("write what stands before the @".into()),
            Some((local, _)) if !local.starts_with(['"', '/']) => {
                Err(format!("write only what stands before the @: {local}").into())
            }
            _ => AliasName::parse(&format!("{text}@{domain}")).map_err(Into::into),
        }
    })
}

/// The domain of a new alias that names none itself.
pub(super) fn read_domain(form: &mut Form<'_>, actor: &Actor) -> Option<Domain> {
    if form.given("domain").is_some() {
        return form.optional("domain", fields::domain);
    }
    let default = actor.defaults.domain.as_deref().and_then(|name| Domain::parse(name).ok());
    if default.is_none() {
        form.fault(if form.has("local_part") { "domain" } else { "address" }, "write the alias as name@your.domain");
    }
    default
}

/// The name of an alias is what it is: a change may repeat it and not alter it.
pub(super) fn keep_name(form: &mut Form<'_>, name: &AliasName) {
    let same = form.optional("address", |v| AliasName::parse(fields::text(v)?).map_err(Into::into));
    if same.is_some_and(|written| written != *name) {
        form.fault("address", "the address of an alias does not change: make a new alias and remove this one");
    }
    let stays = "an alias stays on its domain: make a new alias and remove this one";
    repeat(form, name, [stays, "the address of an alias does not change: make a new alias and remove this one"]);
}

/// Beside the address, its two parts may be repeated and say nothing else; what is said where they do.
fn repeat(form: &mut Form<'_>, name: &AliasName, [of_domain, of_local]: [&str; 2]) {
    let domain = form.optional("domain", fields::domain);
    if domain.is_some_and(|domain| domain != name.domain) {
        form.fault("domain", of_domain);
    }
    let local = form.optional("local_part", |v| Ok(format!("{}@{}", fields::text(v)?.trim(), name.domain)));
    if local.is_some_and(|written| AliasName::parse(&written).as_ref() != Ok(name)) {
        form.fault("local_part", of_local);
    }
}

/// The faults of a form that cannot be read on.
pub(super) fn unfinished(form: Form<'_>) -> AdminError {
    match form.only_faults() {
        faults if faults.is_empty() => AdminError::field("address", "write the alias as name@your.domain"),
        faults => AdminError::Invalid(faults),
    }
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
