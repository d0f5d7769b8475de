//! Whom a message was proved to be from, as sender entries are compared with it: the sender of the envelope, where SPF or a
//! signature stands for its domain, and the domain of each signature that passed, aligned with From or not. From alone
//! proves nothing.

use super::alignment::{signers, spf_domain};
use super::facts::{DkimResult, MessageFacts, SpfResult};
use super::rule::SenderPattern;
use crate::mail::Domain;

/// Somebody whom a message is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `local@domain`, or `@domain`; folded as entries are.
    key: String,
    /// What proved it.
    pub by: &'static str,
}

/// All whom a message was proved to be from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    proven: Vec<Identity>,
    /// What only a temporary failure of DNS stands in the way of.
    may_yet: Vec<Identity>,
}

impl Proof {
    /// What authentication found.
    #[must_use]
    pub fn of(facts: &MessageFacts) -> Self {
        let mut proof = Self::default();
        proof.note_sender(facts);
        proof.proven.extend(signers(&facts.auth, DkimResult::Pass).map(|domain| of_signer(&domain)));
        proof.may_yet.extend(signers(&facts.auth, DkimResult::TempError).map(|domain| of_signer(&domain)));
        proof
    }

    fn note_sender(&mut self, facts: &MessageFacts) {
        let Some(sender) = facts.reverse_path.mailbox() else { return };
        let identity = |by| Identity { key: sender.key(), by };
        let signed = |result| signers(&facts.auth, result).any(|signer| Some(&signer) == sender.domain());
        let spf_may_yet = facts.auth.spf.as_ref().is_some_and(|spf| spf.result == SpfResult::TempError);
        if spf_domain(&facts.reverse_path, &facts.auth).is_some() {
            self.proven.push(identity("SPF"));
        } else if signed(DkimResult::Pass) {
            self.proven.push(identity("DKIM"));
        } else if spf_may_yet || signed(DkimResult::TempError) {
            self.may_yet.push(identity("what could not be asked"));
        }
    }

    /// Whatever a message may prove of those whom it names: nothing, its sender, its author's domain, or both.
    #[must_use]
    pub fn all_as_said(facts: &MessageFacts) -> [Self; 4] {
        let sender = facts.reverse_path.mailbox().map(|sender| Identity { key: sender.key(), by: "SPF" });
        let author = facts
            .header
            .author
            .as_ref()
            .and_then(|author| author.key().rsplit_once('@').map(|(_, host)| host.to_owned()));
        let signer = author.map(|domain| Identity { key: format!("@{domain}"), by: "DKIM" });
        let some = [[None, None], [sender.clone(), None], [None, signer.clone()], [sender, signer]];
        some.map(|proven| Self { proven: proven.into_iter().flatten().collect(), may_yet: Vec::new() })
    }

    /// Whom of these an entry means.
    #[must_use]
    pub fn of_entry(&self, entry: &SenderPattern) -> Option<&Identity> {
        self.proven.iter().find(|identity| entry.matches(&identity.key))
    }

    /// The same as if DNS had answered and all had passed.
    #[must_use]
    pub fn at_best(&self) -> Self {
        Self { proven: self.proven.iter().chain(&self.may_yet).cloned().collect(), may_yet: Vec::new() }
    }
}

fn of_signer(domain: &Domain) -> Identity {
    Identity { key: format!("@{domain}"), by: "DKIM" }
}
