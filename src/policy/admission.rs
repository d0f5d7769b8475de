//! Do we want it? Sender, recipient and message, each with the facts known by then.

use super::facts::{ConnectFacts, MessageFacts, RecipientFacts, Usage};
use super::ids::{AccountId, AliasId, DomainId};
use super::routing::Selection;
use super::rule::Privacy;
use super::settings::{Instance, TlsPolicy};
use super::status::{RuleRef, TraceStep};
use crate::mail::{Mailbox, ReversePath};
use crate::smtp::reply::Reply;

/// What is done with one recipient. (`Report`, mail to an SRS address of ours, is decided before rules are asked.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Sent on along the legs (at least one).
    Forward(Vec<Leg>),
    /// Mail to an SRS address of ours: consumed.
    Report(ReportTo),
    /// Refused for good.
    Reject(Reply),
    /// Refused for now.
    Defer(Reply),
    /// Taken and thrown away, by rule.
    Discard,
    /// Taken and held for the owner: postmaster or abuse with nobody to give it to.
    Hold,
}

/// Mail to an SRS address of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportTo {
    /// Whom the report would go back to.
    pub original_sender: Mailbox,
}

/// One way on: a destination by way of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The real inbox, tag kept where the domain says so.
    pub destination: Mailbox,
    /// The alias (or chain of aliases on hosted domains) that led there, as Delivered-To names it: the recipient first.
    pub delivered_to: Vec<Mailbox>,
}

/// Recipients of one DATA must agree in this, else `452 4.5.3 send separately`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterData {
    /// Whose mail it is.
    pub account: AccountId,
    /// The effective policies that act at the end of data.
    pub spf: super::settings::Enforcement,
    /// DKIM.
    pub dkim: super::settings::Enforcement,
    /// DMARC.
    pub dmarc: super::settings::Enforcement,
    /// Neither SPF nor DKIM.
    pub unauthenticated: super::settings::Unauthenticated,
}

/// The decision on one recipient, whole.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What is done.
    pub disposition: Disposition,
    /// The rule that decided.
    pub rule: Option<RuleRef>,
    /// Its key.
    pub alias: Option<AliasId>,
    /// A catch-all that creates: the alias to make when the message is accepted.
    pub create: bool,
    /// The hosted domain.
    pub domain: Option<DomainId>,
    /// Whose mail it is.
    pub account: AccountId,
    /// What the log keeps.
    pub privacy: Privacy,
    /// What holds after DATA.
    pub after_data: AfterData,
    /// TLS towards the destination.
    pub tls: TlsPolicy,
    /// Effective X-Forwarded-To and -For.
    pub forwarded_headers: bool,
    /// One sentence for the log.
    pub reason: String,
    /// How it came to be.
    pub trace: Vec<TraceStep>,
}

/// All that a recipient is judged by.
#[derive(Debug, Clone, Copy)]
pub struct RecipientCase<'a> {
    /// The instance's settings.
    pub settings: &'a Instance,
    /// The client.
    pub connect: &'a ConnectFacts,
    /// `MAIL FROM`.
    pub reverse_path: &'a ReversePath,
    /// The recipient and its candidates.
    pub facts: &'a RecipientFacts,
}

/// The decision on a recipient that selected `selection` (or nothing), given how much the rule was used.
#[must_use]
pub fn recipient(case: &RecipientCase<'_>, selection: Option<&Selection>, usage: Usage) -> Decision {
    let _ = (case, selection, usage);
    todo!("policy")
}

/// The decision on a whole message: loops, forged senders on hosted domains. `None` lets it in.
#[must_use]
pub fn message(
    settings: &Instance,
    facts: &MessageFacts,
    recipients: &[Mailbox],
    trace: &mut Vec<TraceStep>,
) -> Option<Reply> {
    let _ = (settings, facts, recipients, trace);
    todo!("policy")
}
