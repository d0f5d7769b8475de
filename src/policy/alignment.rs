//! The alignment guard, which is not a setting (DESIGN section 6): a reverse-path may leave us on domain D only if no
//! author domain in From shares D's organisational domain, or the message proved that author domain on entry.
//!
//! Our address is in the SPF of the domains that we rewrite to. Without the guard, mail with a forged From of such a
//! domain would leave us with an aligned SPF pass, blessed by us.

use super::facts::{AuthFacts, DkimResult, MessageFacts, SpfResult};
use crate::mail::{Domain, ReversePath};
use crate::srs;

/// Organisational domains that are asked for one message.
pub const MAX_QUESTIONS: usize = 16;

/// On which domain the reverse-path may be rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// SRS on this domain.
    On(Domain),
    /// Left as it is; it fails SPF at the next hop as it should.
    Leave,
}

/// Chooses between the wanted SRS domain (the alias's own, or the shared one), the shared one, and leaving it.
#[must_use]
pub fn rewrite(facts: &MessageFacts, wanted: &Domain, shared: Option<&Domain>) -> Rewrite {
    let Some(sender) = facts.reverse_path.mailbox() else { return Rewrite::Leave };
    if facts.sender_is_hosted && srs::looks_like_srs(sender.local()) {
        return Rewrite::Leave; // Ours already.
    }
    match std::iter::once(wanted).chain(shared).find(|domain| may_leave_on(facts, domain)) {
        // The owner's own mail, proven on entry, needs no rewriting: our address is in that domain's SPF.
        Some(domain) if sender.domain() == Some(domain) => Rewrite::Leave,
        Some(domain) => Rewrite::On(domain.clone()),
        None => Rewrite::Leave,
    }
}

/// Whether every author that a pass on `domain` would bless has proven itself. Several From fields, none, or one that
/// does not parse could name anybody.
fn may_leave_on(facts: &MessageFacts, domain: &Domain) -> bool {
    let authors = facts.header.author_domains.as_deref().unwrap_or_default();
    !authors.is_empty() && authors.iter().all(|author| !may_align(facts, author, domain) || is_proven(facts, author))
}

/// Whether a receiver may find the two aligned. Where an organisational domain is unknown, it is taken that it will,
/// unless the names do not even share their last two labels: an organisational domain has at least two labels, so names
/// that differ within these cannot lie in the same one.
fn may_align(facts: &MessageFacts, a: &Domain, b: &Domain) -> bool {
    match (organisational(facts, a), organisational(facts, b)) {
        (Some(a), Some(b)) => a == b,
        _ => share_two_labels(a, b),
    }
}

/// Whether the two are aligned for certain, as a proof needs it: what is unknown proves nothing.
#[must_use]
pub fn is_aligned(facts: &MessageFacts, a: &Domain, b: &Domain) -> bool {
    let same = || Some(organisational(facts, a)? == organisational(facts, b)?);
    a == b || same().unwrap_or(false)
}

/// Whether SPF of MAIL FROM or a DKIM signature proved this author domain on entry.
#[must_use]
pub fn is_proven(facts: &MessageFacts, author: &Domain) -> bool {
    spf_domain(&facts.reverse_path, &facts.auth).is_some_and(|domain| is_aligned(facts, &domain, author))
        || signers(&facts.auth, DkimResult::Pass).any(|domain| is_aligned(facts, &domain, author))
}

/// Whether SPF of MAIL FROM or a DKIM signature passed for just this domain, which no organisational domain is needed for.
#[must_use]
pub fn is_proven_by_name(facts: &MessageFacts, author: &Domain) -> bool {
    spf_domain(&facts.reverse_path, &facts.auth).as_ref() == Some(author)
        || signers(&facts.auth, DkimResult::Pass).any(|domain| domain == *author)
}

/// The domain that SPF authorised this client for, by a record that says more than `+all`. The null path has none: that
/// its HELO name passed says nothing about any author.
#[must_use]
pub fn spf_domain(reverse_path: &ReversePath, auth: &AuthFacts) -> Option<Domain> {
    let spf = auth.spf.as_ref().filter(|spf| spf.result == SpfResult::Pass && !spf.by_plus_all)?;
    reverse_path.domain().filter(|domain| Domain::parse(&spf.domain).as_ref() == Ok(*domain)).cloned()
}

/// The domain that has proved that the message is its own: that of the reverse-path by SPF, else that of a signature which
/// is aligned with the reverse-path or with an author.
#[must_use]
pub fn authenticated_sender(facts: &MessageFacts) -> Option<Domain> {
    let authors = facts.header.author_domains.iter().flatten();
    let claimed: Vec<_> = facts.reverse_path.domain().into_iter().chain(authors).collect();
    let aligned = |signer: &Domain| claimed.iter().any(|domain| is_aligned(facts, signer, domain));
    spf_domain(&facts.reverse_path, &facts.auth).or_else(|| signers(&facts.auth, DkimResult::Pass).find(aligned))
}

/// The domains of signatures with this result.
pub fn signers(auth: &AuthFacts, result: DkimResult) -> impl Iterator<Item = Domain> {
    auth.dkim.iter().filter(move |dkim| dkim.result == result).filter_map(|dkim| Domain::parse(&dkim.domain).ok())
}

/// The names whose organisational domains decide something about this message, at most [`MAX_QUESTIONS`]; what is not
/// asked stays unknown, and the guard takes the unknown for aligned. `ours` are the domains that a rewritten reverse-path
/// could lie on. Most messages need none.
#[must_use]
pub fn questions(facts: &MessageFacts, ours: &[Domain]) -> Vec<Domain> {
    let mut questions = Questions::default();
    let proofs: Vec<_> = spf_domain(&facts.reverse_path, &facts.auth).into_iter().collect();
    let signers: Vec<_> =
        signers(&facts.auth, DkimResult::Pass).chain(signers(&facts.auth, DkimResult::TempError)).collect();
    let threatened = |author: &&Domain| ours.iter().any(|domain| share_two_labels(author, domain));
    for author in facts.header.author_domains.iter().flatten().filter(threatened) {
        questions.of(author, ours.iter().chain(&proofs).chain(&signers));
    }
    if let Some(sender) = facts.reverse_path.domain() {
        questions.of(sender, signers.iter());
    }
    questions.0
}

#[derive(Default)]
struct Questions(Vec<Domain>);

impl Questions {
    /// Asks for both names of each pair that could be one organisation and is not simply equal.
    fn of<'a>(&mut self, name: &Domain, others: impl Iterator<Item = &'a Domain>) {
        for other in others.filter(|other| *other != name && share_two_labels(name, other)) {
            self.add(name);
            self.add(other);
        }
    }

    fn add(&mut self, name: &Domain) {
        if self.0.len() < MAX_QUESTIONS && !self.0.contains(name) {
            self.0.push(name.clone());
        }
    }
}

/// Whether two names could lie in one organisational domain at all.
#[must_use]
pub fn share_two_labels(a: &Domain, b: &Domain) -> bool {
    last_two_labels(a) == last_two_labels(b)
}

fn last_two_labels(domain: &Domain) -> &str {
    let name = domain.as_str();
    name.rmatch_indices('.').nth(1).map_or(name, |(at, _)| &name[at + 1..])
}

fn organisational<'a>(facts: &'a MessageFacts, domain: &Domain) -> Option<&'a Domain> {
    facts.organisational.iter().find(|(name, _)| name == domain).map(|(_, organisation)| organisation)
}
