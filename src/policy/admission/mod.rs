//! Do we want it? Recipient and message, each with the facts known by then.
//!
//! [`recipient`] judges what the rules say, [`reserved`] the addresses that have no rule of their own (postmaster, abuse,
//! SRS addresses of ours), [`unless_failing`] what next hops said a short while ago, [`message`] what only the whole message
//! shows: one small file for each policy that acts then.

mod dkim;
mod dmarc;
mod entries;
mod failing;
mod listed;
mod message;
mod recipient;
pub mod reserved;
mod spf;
mod targets;
mod unauthenticated;

use std::sync::Arc;

use super::facts::{ConnectFacts, RecipientFacts};
use super::ids::{AccountId, AliasId, DomainId, OWNER};
use super::rule::{Privacy, Rule, SenderLists};
use super::senders::{Late, Levels};
use super::settings::{Effective, Instance, TlsPolicy};
use super::status::{RuleRef, TraceStep};
use crate::mail::{Domain, Mailbox, ReversePath};
use crate::smtp::reply::Reply;

pub use entries::{Unproven, kept_out_then, why_refused, without_proof};
pub use failing::{Failing, unless_failing};
pub use listed::listed;
pub use message::{MAX_RECEIVED, MAX_RECEIVED_BY_US, MessageCase, message};
pub use recipient::{Ended, REFUSES, SWITCHED_OFF, by_rules, ended, is_closed, recipient, stretch};
pub use targets::{MAX_TRACED_DESTINATIONS, NO_DESTINATION, TIME_TO_VERIFY, computed};

/// The step of the decision on a message of the gateway itself, of which nothing is checked.
pub const NOT_CHECKED: &str = "checks";

/// That step.
#[must_use]
pub fn not_checked() -> TraceStep {
    TraceStep::new(NOT_CHECKED, "not asked", "the gateway itself wrote this message")
}

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
    /// Answered like the message that it repeats, and not sent again. No rule says so: it is found at the end of data.
    Repeat,
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
    /// The sender entries that count then; mostly none.
    pub senders: Option<Arc<Late>>,
    /// What holds for the aliases on hosted domains that the mail passes on its way; mostly nothing passes any.
    pub inner: Vec<AfterData>,
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
    /// The aliases on hosted domains that the mail passes on its way.
    pub passed: Vec<(AliasId, RuleRef)>,
    /// An entry of the alias or its domain allows the sender, whatever others say of it.
    pub let_in: bool,
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
    /// The domain on which SRS addresses are wanted: the hosted domain's setting, else the shared one, else the hosted
    /// domain itself. (`alignment::rewrite` has the last word.)
    pub srs_domain: Option<Domain>,
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

/// Why a recipient is turned away whatever the rules say of it: the reply, and what the owner reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the client hears.
    pub reply: Reply,
    /// One sentence for the log.
    pub reason: String,
    /// For the trace.
    pub step: TraceStep,
}

/// What a client is told, whomever it writes to, that spoke before our greeting.
#[must_use]
pub fn early_talker() -> Refusal {
    let reason = "The client spoke before our greeting, as mail servers never do.".to_owned();
    let step = TraceStep::new("greeting", "not waited for", "the client's first octets were there before ours");
    Refusal { reply: super::replies::early_talker(), reason, step }
}

/// What whoever writes to a domain is told whose owner has not proved it.
#[must_use]
pub fn unproven_domain(name: &Domain) -> Refusal {
    let reason =
        format!("{name} is not verified: its owner has yet to publish the proof, and until then it gets no mail.");
    let step = TraceStep::new("domain", "not verified", name.to_string());
    Refusal { reply: super::replies::unproven_domain(), reason, step }
}

/// The decision on a recipient that is turned away before any rule is asked, so that nothing about it is told.
#[must_use]
pub fn unasked(case: &RecipientCase<'_>, refusal: Refusal) -> Decision {
    let mut decision = Decision::new(case, None, Ruling::reject(refusal.reply.clone(), ""));
    decision.turn_away(refusal);
    decision
}

impl Decision {
    /// Turns the recipient away after all.
    pub fn turn_away(&mut self, refusal: Refusal) {
        let Refusal { reply, reason, step } = refusal;
        self.disposition = if reply.is_transient() { Disposition::Defer(reply) } else { Disposition::Reject(reply) };
        self.create = false;
        self.reason = reason;
        self.trace.push(step);
    }

    /// Whether the recipient is taken, be it to be dropped or held.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        !matches!(self.disposition, Disposition::Reject(_) | Disposition::Defer(_))
    }

    /// The real inboxes that it is sent on to.
    pub fn destinations(&self) -> impl Iterator<Item = &Mailbox> {
        let legs = match &self.disposition {
            Disposition::Forward(legs) => legs.as_slice(),
            _ => &[],
        };
        legs.iter().map(|leg| &leg.destination)
    }

    /// The alias, and those that the mail passes behind it.
    pub fn aliases(&self) -> impl Iterator<Item = (AliasId, &RuleRef)> {
        let own = self.alias.zip(self.rule.as_ref());
        own.into_iter().chain(self.passed.iter().map(|(alias, rule)| (*alias, rule)))
    }

    /// Mail goes by way of `inner`: what is asked of mail there is asked of this.
    pub(super) fn passes(&mut self, inner: &Self) {
        let known = |passed: AliasId| self.aliases().any(|(alias, _)| alias == passed);
        if let Some(passed) = inner.alias.filter(|alias| !known(*alias)).zip(inner.rule.clone()) {
            self.passed.push(passed);
        }
        if inner.tls == TlsPolicy::Require {
            self.tls = TlsPolicy::Require;
        }
        if self.after_data.all().all(|known| *known != inner.after_data) {
            self.after_data.inner.push(inner.after_data.clone());
        }
    }

    /// The frame of a decision: everything that settings, domain and rule say, and `disposition` with its reason.
    fn new(case: &RecipientCase<'_>, rule: Option<&Rule>, ruling: Ruling) -> Self {
        let domain = case.facts.candidates.as_ref().map(|candidates| &*candidates.domain);
        let overrides = (rule.map(|rule| &rule.overrides), domain.map(|domain| &domain.overrides));
        let effective = Effective::of(overrides.0, overrides.1, case.settings);
        let account = rule.map(|rule| rule.account).or(domain.map(|domain| domain.account)).unwrap_or(OWNER);
        let late = late_senders((case, rule), &ruling.disposition, &effective);
        let own_srs = domain.map(|domain| domain.srs_domain.as_ref().or(case.settings.srs_domain.as_ref()));
        Self {
            disposition: ruling.disposition,
            rule: rule.zip(domain).map(|(rule, domain)| RuleRef::of(rule, &domain.name)),
            alias: rule.map(|rule| rule.id),
            passed: Vec::new(),
            let_in: false,
            create: false,
            domain: domain.map(|domain| domain.id),
            account,
            privacy: privacy(rule, case.settings),
            after_data: AfterData::of(account, &effective, late),
            tls: effective.tls.value,
            forwarded_headers: effective.forwarded_headers.value,
            srs_domain: own_srs.flatten().or(domain.map(|domain| &domain.name)).cloned(),
            reason: ruling.reason,
            trace: vec![TraceStep::new("settings", "in effect", effective.in_words())],
        }
    }
}

/// The sender entries of all levels, as far as they count when the message is whole. Authors are kept out of what a rule
/// sends on: everybody may write to postmaster and abuse, and what is dropped reaches nobody.
fn late_senders(
    (case, rule): (&RecipientCase<'_>, Option<&Rule>),
    disposition: &Disposition,
    effective: &Effective,
) -> Option<Arc<Late>> {
    let none = SenderLists::default();
    let domain = case.facts.candidates.as_ref().map(|candidates| &candidates.domain.senders);
    let instance = &case.facts.instance_senders;
    let alias = rule.map(|rule| &rule.senders);
    let levels = Levels { instance, domain: domain.unwrap_or(&none), alias: alias.unwrap_or(&none) };
    match disposition {
        Disposition::Forward(_) if rule.is_some() => levels.late(effective),
        _ => levels.late_but_for_authors(effective),
    }
}

/// `log.subjects` off means none for anybody.
fn privacy(rule: Option<&Rule>, settings: &Instance) -> Privacy {
    match rule.map_or(Privacy::Off, |rule| rule.privacy) {
        Privacy::Off if !settings.subjects => Privacy::Subject,
        wanted => wanted,
    }
}

impl AfterData {
    fn of(account: AccountId, effective: &Effective, senders: Option<Arc<Late>>) -> Self {
        Self {
            account,
            spf: effective.spf.value,
            dkim: effective.dkim.value,
            dmarc: effective.dmarc.value,
            unauthenticated: effective.unauthenticated.value,
            senders,
            inner: Vec::new(),
        }
    }

    /// Of the alias itself, then of those that its mail passes.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.inner)
    }

    /// Whether DMARC is to be asked, and how the strictest of all would take it.
    #[must_use]
    pub fn strictest_dmarc(&self) -> super::settings::Enforcement {
        self.all().map(|policies| policies.dmarc).max().unwrap_or(self.dmarc)
    }
}

/// A disposition with its one sentence.
#[derive(Debug)]
struct Ruling {
    disposition: Disposition,
    reason: String,
}

impl Ruling {
    fn new(disposition: Disposition, reason: impl Into<String>) -> Self {
        Self { disposition, reason: reason.into() }
    }

    fn reject(reply: Reply, reason: impl Into<String>) -> Self {
        Self::new(Disposition::Reject(reply), reason)
    }

    fn defer(reply: Reply, reason: impl Into<String>) -> Self {
        Self::new(Disposition::Defer(reply), reason)
    }
}
