//! Who may write: block and allow entries of instance, domain and alias.
//!
//! An entry means whoever the envelope names, and is judged at RCPT; a block means the author too, whom the message's From
//! names, and is judged again when the message is whole. One with [`AUTHENTICATED`] in front means only who was
//! proved to be that sender ([`Proof`]), which shows when the message is whole: a block of that kind refuses then, and where
//! an allow of that kind may yet lift a block, the recipient is taken and the block is judged then.
//!
//! A block counts on every level. An allow overrides the blocks of its own level, and an alias's those of its domain; what
//! the instance blocks only the instance lets in, for members may tighten its abuse policy and not loosen it.

use std::sync::Arc;

use super::facts::MessageFacts;
use super::proof::{Identity, Proof};
use super::rule::{SenderLists, SenderPattern};
use super::settings::{Effective, Level};
use crate::mail::{AddressError, Author, Domain, Mailbox, ReversePath, fold};

/// Octets of an entry.
pub const MAX_ENTRY_OCTETS: usize = 320;
/// In front of an entry that means only senders who were proved.
pub const AUTHENTICATED: &str = "authenticated:";

/// Why a text is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Without an `@`, an entry would match nothing.
    #[error(
        "an entry is an address, @domain, or a pattern with * and ? that has an @; with authenticated: in front or not"
    )]
    NoAt,
    /// Over [`MAX_ENTRY_OCTETS`].
    #[error("the entry is longer than {MAX_ENTRY_OCTETS} octets")]
    TooLong,
    /// An address or a domain that is malformed.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl SenderPattern {
    /// Reads an entry as written, and folds it: an address, `@domain`, or a glob (`*` and `?`) over `local@domain`, with
    /// [`AUTHENTICATED`] in front where it is to mean only senders who were proved.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        if text.len() > MAX_ENTRY_OCTETS {
            return Err(EntryError::TooLong);
        }
        match text.split_at_checked(AUTHENTICATED.len()) {
            Some((front, entry)) if front.eq_ignore_ascii_case(AUTHENTICATED) => {
                Ok(Self(format!("{AUTHENTICATED}{}", folded(entry.trim_start())?)))
            }
            _ => folded(text).map(Self),
        }
    }

    /// Whether it means only senders who were proved.
    #[must_use]
    pub fn wants_proof(&self) -> bool {
        self.0.starts_with(AUTHENTICATED)
    }

    /// Whether it means the sender with this key ([`Mailbox::key`]), proved or not.
    #[must_use]
    pub fn matches(&self, sender: &str) -> bool {
        let entry = self.0.strip_prefix(AUTHENTICATED).unwrap_or(&self.0);
        if has_wildcard(entry) {
            return glob(entry.as_bytes(), sender.as_bytes());
        }
        match entry.strip_prefix('@') {
            Some(domain) => sender.rsplit_once('@').is_some_and(|(_, host)| host == domain),
            None => entry == sender,
        }
    }
}

fn folded(entry: &str) -> Result<String, EntryError> {
    let (local, host) = entry.rsplit_once('@').ok_or(EntryError::NoAt)?;
    if has_wildcard(entry) {
        return Ok(format!("{}@{}", fold(local), host.to_ascii_lowercase()));
    }
    if local.is_empty() {
        let domain = Domain::parse(host).map_err(AddressError::from)?;
        return Ok(format!("@{domain}"));
    }
    Ok(Mailbox::parse(entry)?.key())
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

/// By which of its names a message is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The sender of its envelope, or whom it was proved to be from.
    Sender,
    /// Its author.
    Author,
}

impl Named {
    /// As the trace has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Author => "author",
        }
    }
}

/// The entry that keeps a message out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Whose it is.
    pub level: Level,
    /// The entry.
    pub entry: &'a SenderPattern,
    /// Whom it means.
    pub named: Named,
}

/// An allow entry that means somebody who was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed<'a> {
    /// Whose it is.
    pub level: Level,
    /// The entry.
    pub entry: &'a SenderPattern,
    /// Whom it means, and what proved them.
    pub identity: &'a Identity,
}

impl<'a> Levels<'a> {
    /// Whether an entry of the alias or its domain lets this sender in, whatever else is said of it. One that wants proof
    /// says nothing before the message has come.
    #[must_use]
    pub fn let_in(&self, sender: &ReversePath) -> bool {
        let lists = [self.domain, self.alias];
        if lists.iter().all(|list| list.allow.is_empty()) {
            return false;
        }
        let sender = Sender { key: sender.mailbox().map(Mailbox::key), author: None, proof: Some(&Proof::default()) };
        lists.iter().any(|list| Match::of(list, &sender).allowed)
    }

    /// The block that holds, if any. The null sender is nobody, so no entry means it but by what was proved. Without a proof
    /// the message has not come yet, and an allow that wants one may yet let it in.
    #[must_use]
    pub fn block_of(&self, sender: &ReversePath, proof: Option<&Proof>) -> Option<Block<'a>> {
        self.block(|| Sender { key: sender.mailbox().map(Mailbox::key), author: None, proof })
    }

    /// The block that holds against the author. What lifts it is an allow for the author or for the sender of the envelope;
    /// an author lifts no block of another name.
    #[must_use]
    pub fn block_of_author(&self, (author, sender): (&Author, &ReversePath), proof: &Proof) -> Option<Block<'a>> {
        let key = sender.mailbox().map(Mailbox::key);
        self.block(|| Sender { key, author: Some(author.key()), proof: Some(proof) })
    }

    fn block<'s>(&self, sender: impl FnOnce() -> Sender<'s>) -> Option<Block<'a>> {
        let lists = [self.instance, self.domain, self.alias];
        if lists.iter().all(|list| list.block.is_empty()) {
            return None;
        }
        let sender = sender();
        let named = if sender.author.is_some() { Named::Author } else { Named::Sender };
        let [instance, domain, alias] = lists.map(|list| Match::of(list, &sender));
        let blocked =
            |level, of: Match<'a>, allowed: bool| Some(Block { level, entry: of.block.filter(|_| !allowed)?, named });
        blocked(Level::Instance, instance, instance.allowed)
            .or_else(|| blocked(Level::Domain, domain, domain.allowed || alias.allowed))
            .or_else(|| blocked(Level::Alias, alias, alias.allowed))
    }

    /// What must still be known of a rule that sends mail on when the message is whole: everything where there is a block,
    /// for its author shows only then, or where an entry wants proof; else the allows, where a policy may refuse whom they
    /// mean.
    #[must_use]
    pub fn late(&self, policies: &Effective) -> Option<Arc<Late>> {
        let lists = [self.instance, self.domain, self.alias];
        if lists.iter().all(|list| list.block.is_empty()) {
            return self.late_but_for_authors(policies);
        }
        let wants_proof = self.wants_proof();
        let [instance, domain, alias] = lists.map(SenderLists::clone);
        Some(Arc::new(Late { instance, domain, alias, wants_proof, names_authors: true }))
    }

    fn wants_proof(&self) -> bool {
        let lists = [self.instance, self.domain, self.alias];
        lists.iter().any(|list| list.allow.iter().chain(list.block.iter()).any(SenderPattern::wants_proof))
    }

    /// The same where no author is kept out: nothing is sent on, or everybody may write there.
    #[must_use]
    pub fn late_but_for_authors(&self, policies: &Effective) -> Option<Arc<Late>> {
        let lists = [self.instance, self.domain, self.alias];
        if self.wants_proof() {
            let [instance, domain, alias] = lists.map(SenderLists::clone);
            return Some(Arc::new(Late { instance, domain, alias, wants_proof: true, names_authors: false }));
        }
        if !policies.may_refuse() || lists.iter().all(|list| list.allow.is_empty()) {
            return None;
        }
        let [instance, domain, alias] =
            lists.map(|list| SenderLists { allow: list.allow.clone(), block: Arc::default() });
        Some(Arc::new(Late { instance, domain, alias, wants_proof: false, names_authors: false }))
    }
}

/// The entries of every level that count once the message is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Late {
    /// The instance's.
    pub instance: SenderLists,
    /// The domain's.
    pub domain: SenderLists,
    /// The alias's.
    pub alias: SenderLists,
    /// Whether any of them wants proof: else the sender of the envelope was judged at RCPT for good.
    pub wants_proof: bool,
    /// Whether blocks mean authors.
    pub names_authors: bool,
}

impl Late {
    /// The block that holds against what the whole message was proved to be from, or against its author.
    #[must_use]
    pub fn block_of(&self, facts: &MessageFacts, proof: &Proof) -> Option<Block<'_>> {
        let sender = || self.levels().block_of(&facts.reverse_path, Some(proof));
        let author = || self.block_of_author(facts, proof);
        self.wants_proof.then(sender).flatten().or_else(author)
    }

    /// The block that holds against its author.
    fn block_of_author(&self, facts: &MessageFacts, proof: &Proof) -> Option<Block<'_>> {
        let author = facts.header.author.as_ref().filter(|_| self.names_authors)?;
        self.levels().block_of_author((author, &facts.reverse_path), proof)
    }

    const fn levels(&self) -> Levels<'_> {
        Levels { instance: &self.instance, domain: &self.domain, alias: &self.alias }
    }

    /// The allow entry, the nearest first, that means somebody who was proved. What a message only says of itself counts
    /// for nothing here.
    #[must_use]
    pub fn allow_of<'p>(&'p self, proof: &'p Proof) -> Option<Allowed<'p>> {
        let lists = [(Level::Alias, &self.alias), (Level::Domain, &self.domain), (Level::Instance, &self.instance)];
        let entries = lists.into_iter().flat_map(|(level, list)| list.allow.iter().map(move |entry| (level, entry)));
        let meant = |(level, entry)| Some(Allowed { level, entry, identity: proof.of_entry(entry)? });
        entries.into_iter().find_map(meant)
    }
}

/// The sender as entries are compared with it.
struct Sender<'a> {
    key: Option<String>,
    /// The author, where that is whom blocks are to mean.
    author: Option<String>,
    proof: Option<&'a Proof>,
}

impl Sender<'_> {
    fn is_said(&self, entry: &SenderPattern) -> bool {
        self.key.as_deref().is_some_and(|key| entry.matches(key))
    }

    fn is_blocked_by(&self, entry: &SenderPattern) -> bool {
        if let Some(author) = &self.author {
            // What was proved is no matter of From.
            return !entry.wants_proof() && entry.matches(author);
        }
        let is_proven = || self.proof.is_some_and(|proof| proof.of_entry(entry).is_some());
        if entry.wants_proof() { is_proven() } else { self.is_said(entry) }
    }

    fn is_allowed_by(&self, entry: &SenderPattern) -> bool {
        let may_be_proven = || self.proof.is_none_or(|proof| proof.of_entry(entry).is_some());
        let is_author = || self.author.as_deref().is_some_and(|author| entry.matches(author));
        if entry.wants_proof() { may_be_proven() } else { self.is_said(entry) || is_author() }
    }
}

#[derive(Clone, Copy)]
struct Match<'a> {
    block: Option<&'a SenderPattern>,
    allowed: bool,
}

impl<'a> Match<'a> {
    fn of(list: &'a SenderLists, sender: &Sender<'_>) -> Self {
        Self {
            block: list.block.iter().find(|entry| sender.is_blocked_by(entry)),
            allowed: list.allow.iter().any(|entry| sender.is_allowed_by(entry)),
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
            ("Authenticated: @Bad.example", "x@bad.example", true),
            ("authenticated:*@*.bad.example", "x@sub.bad.example", true),
        ] {
            let entry = SenderPattern::parse(entry).unwrap();
            assert_eq!(entry.matches(&mailbox(sender).key()), expected, "{entry:?} {sender}");
        }
    }

    #[test]
    fn refuses_entries_that_could_mean_nothing() {
        assert_eq!(SenderPattern::parse("bad.example"), Err(EntryError::NoAt));
        assert_eq!(SenderPattern::parse("authenticated:"), Err(EntryError::NoAt));
        assert!(matches!(SenderPattern::parse("authenticated:a b@bad.example"), Err(EntryError::Address(_))));
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
