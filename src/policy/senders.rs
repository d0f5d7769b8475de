//! Who may write: block and allow entries of instance, domain and alias.
//!
//! A block counts on every level. An allow overrides the blocks of its own level, and an alias's those of its domain; what
//! the instance blocks only the instance lets in, for members may tighten its abuse policy and not loosen it.

use super::rule::{SenderLists, SenderPattern};
use super::settings::Level;
use crate::mail::{AddressError, Domain, Mailbox, ReversePath, fold};

/// Octets of an entry.
pub const MAX_ENTRY_OCTETS: usize = 320;

/// Why a text is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Without an `@`, an entry would match nothing.
    #[error("an entry is an address, @domain, or a pattern with * and ? that has an @")]
    NoAt,
    /// Over [`MAX_ENTRY_OCTETS`].
    #[error("the entry is longer than {MAX_ENTRY_OCTETS} octets")]
    TooLong,
    /// An address or a domain that is malformed.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl SenderPattern {
    /// Reads an entry as written, and folds it: an address, `@domain`, or a glob (`*` and `?`) over `local@domain`.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        if text.len() > MAX_ENTRY_OCTETS {
            return Err(EntryError::TooLong);
        }
        let (local, host) = text.rsplit_once('@').ok_or(EntryError::NoAt)?;
        if has_wildcard(text) {
            return Ok(Self(format!("{}@{}", fold(local), host.to_ascii_lowercase())));
        }
        if local.is_empty() {
            let domain = Domain::parse(host).map_err(AddressError::from)?;
            return Ok(Self(format!("@{domain}")));
        }
        Ok(Self(Mailbox::parse(text)?.key()))
    }

    /// Whether it means the sender with this key ([`Mailbox::key`]).
    #[must_use]
    pub fn matches(&self, sender: &str) -> bool {
        if has_wildcard(&self.0) {
            return glob(self.0.as_bytes(), sender.as_bytes());
        }
        match self.0.strip_prefix('@') {
            Some(domain) => sender.rsplit_once('@').is_some_and(|(_, host)| host == domain),
            None => self.0 == sender,
        }
    }
}

/// The entries of every level that a rule is subject to.
#[derive(Debug, Clone, Copy)]
pub struct Levels<'a> {
    /// The instance's.
    pub instance: &'a SenderLists,
    /// The domain's.
    pub domain: &'a SenderLists,
    /// The alias's.
    pub alias: &'a SenderLists,
}

/// The entry that keeps a sender out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Whose it is.
    pub level: Level,
    /// The entry.
    pub entry: &'a SenderPattern,
}

impl<'a> Levels<'a> {
    /// Whether an entry of the alias or its domain lets this sender in, whatever else is said of it.
    #[must_use]
    pub fn let_in(&self, sender: &ReversePath) -> bool {
        let lists = [self.domain, self.alias];
        if lists.iter().all(|list| list.allow.is_empty()) {
            return false;
        }
        let sender = sender.mailbox().map(Mailbox::key);
        sender.is_some_and(|sender| lists.iter().any(|list| Match::of(list, &sender).allowed))
    }

    /// The block that holds, if any. The null sender is nobody, so no entry means it.
    #[must_use]
    pub fn block_of(&self, sender: &ReversePath) -> Option<Block<'a>> {
        let lists = [self.instance, self.domain, self.alias];
        if lists.iter().all(|list| list.block.is_empty()) {
            return None;
        }
        let sender = sender.mailbox()?.key();
        let [instance, domain, alias] = lists.map(|list| Match::of(list, &sender));
        let blocked =
            |level, of: Match<'a>, allowed: bool| Some(Block { level, entry: of.block.filter(|_| !allowed)? });
        blocked(Level::Instance, instance, instance.allowed)
            .or_else(|| blocked(Level::Domain, domain, domain.allowed || alias.allowed))
            .or_else(|| blocked(Level::Alias, alias, alias.allowed))
    }
}

#[derive(Clone, Copy)]
struct Match<'a> {
    block: Option<&'a SenderPattern>,
    allowed: bool,
}

impl<'a> Match<'a> {
    fn of(list: &'a SenderLists, sender: &str) -> Self {
        Self {
            block: list.block.iter().find(|entry| entry.matches(sender)),
            allowed: list.allow.iter().any(|entry| entry.matches(sender)),
        }
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// `*` is any run of octets, `?` any one. Goes back only to the last `*`, so it never takes more than the product of the
/// two lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(octet) if *octet == b'?' || *octet == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|octet| *octet == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples::mailbox;

    #[test]
    fn entries_mean_addresses_domains_and_globs() {
        for (entry, sender, expected) in [
            ("Spam@Bad.example", "sPAM@bad.EXAMPLE", true),
            ("spam@bad.example", "spam2@bad.example", false),
            ("@bad.example", "x@bad.example", true),
            ("@bad.example", "x@sub.bad.example", false),
            ("*@*.bad.example", "x@sub.bad.example", true),
            ("*@*.bad.example", "x@bad.example", false),
            ("*@bad.example", "x@bad.example", true),
            ("news-?@*", "News-7@any.example", true),
            ("news-?@*", "news-77@any.example", false),
            ("@b\u{FC}cher.example", "x@xn--bcher-kva.example", true),
        ] {
            let entry = SenderPattern::parse(entry).unwrap();
            assert_eq!(entry.matches(&mailbox(sender).key()), expected, "{entry:?} {sender}");
        }
    }

    #[test]
    fn refuses_entries_that_could_mean_nothing() {
        assert_eq!(SenderPattern::parse("bad.example"), Err(EntryError::NoAt));
        assert_eq!(SenderPattern::parse(&format!("@{}", "x".repeat(320))), Err(EntryError::TooLong));
        assert!(matches!(SenderPattern::parse("a b@bad.example"), Err(EntryError::Address(_))));
        assert!(matches!(SenderPattern::parse("@-bad"), Err(EntryError::Address(_))));
    }

    #[test]
    fn a_glob_of_many_stars_ends() {
        let pattern = "*a".repeat(100) + "b@*";
        assert!(!glob(pattern.as_bytes(), "a".repeat(300).as_bytes()));
        assert!(glob(b"***", b""));
    }
}
