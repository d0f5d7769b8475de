//! One recipient, from the address to the decision: asks the directory, has policy decide, and follows destinations that
//! lie on hosted domains.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Facts, Pledge};
use crate::mail::{Domain, ForwardPath, Host, LocalPart, Mailbox, Moment, ReversePath};
use crate::policy::admission::reserved::{self, Reserved, Srs};
use crate::policy::admission::{self, Decision, Disposition, Failing, RecipientCase, Refusal, computed};
use crate::policy::facts::{Candidates, ConnectFacts, RecipientFacts, Usage};
use crate::policy::ids::{AccountId, AliasId, OWNER};
use crate::policy::routing::{self, Fanout, Selection};
use crate::policy::rule::{Rule, Target};
use crate::policy::senders::Levels;
use crate::policy::settings::Instance;
use crate::srs::Reversed;
use crate::store::Result;

/// What is the same for every address that one RCPT leads to.
pub(super) struct Inquiry<'a> {
    pub(super) facts: &'a Facts,
    pub(super) settings: &'a Instance,
    pub(super) connect: &'a ConnectFacts,
    pub(super) from: &'a ReversePath,
    pub(super) now: Moment,
    /// Where a message comes: what it is promised.
    pub(super) pledged: Option<&'a Mutex<Vec<Pledge>>>,
}

/// The mailbox that a forward-path means: bare `postmaster` is that of our host name.
pub(super) fn mailbox_of(path: &ForwardPath, hostname: &Domain) -> Mailbox {
    match path {
        ForwardPath::Mailbox(mailbox) => mailbox.clone(),
        ForwardPath::Postmaster => Mailbox::new(postmaster(), Host::Name(hostname.clone())),
    }
}

fn postmaster() -> LocalPart {
    LocalPart::from_plain("postmaster").unwrap_or_else(|_| unreachable!("a plain word is a local part"))
}

impl Inquiry<'_> {
    /// The whole decision.
    pub(super) async fn decide(&self, recipient: Mailbox) -> Result<Decision> {
        if let Some(claimed) = recipient.domain().filter(|name| self.facts.is_claimed(name, self.settings)) {
            let refusal = admission::unproven_domain(claimed);
            return Ok(self.unasked(recipient, refusal));
        }
        let decision = self.judge(recipient.clone()).await?;
        let is_role = reserved::is_role(recipient.local()) && self.is_ours(recipient.domain());
        let by_role = is_role && decision.rule.is_none();
        let decision = if self.leads_inside(&decision) { self.follow(decision).await? } else { decision };
        let decision = self.unless_failing(decision);
        Ok(if by_role { reserved::hold_unless_forwarded(decision, &recipient) } else { decision })
    }

    /// No rule is asked.
    pub(super) fn unasked(&self, recipient: Mailbox, refusal: Refusal) -> Decision {
        let facts = self.known(recipient);
        admission::unasked(&self.case(&facts), refusal)
    }

    fn unless_failing(&self, decision: Decision) -> Decision {
        let Disposition::Forward(legs) = &decision.disposition else { return decision };
        let known = legs.iter().filter_map(|leg| {
            let reply = self.facts.store.directory.failing(&leg.destination)?;
            Some(Failing { destination: leg.destination.clone(), reply })
        });
        let known = known.collect::<Vec<_>>();
        admission::unless_failing(decision, &known)
    }

    /// The decision on one address, its destinations not followed.
    async fn judge(&self, recipient: Mailbox) -> Result<Decision> {
        let reserved = self.facts.reserved(&recipient);
        if reserved == Some(Reserved::Reports) {
            let srs = self.srs(&recipient).await?;
            let facts = self.known(recipient);
            return Ok(reserved::report(&self.case(&facts), srs));
        }
        // Our own name is ours, whoever claims it.
        let candidates = self.facts.store.directory.candidates(&recipient).await?.filter(|known| known.domain.verified);
        let facts = RecipientFacts { candidates, ..self.bare(recipient) };
        if reserved == Some(Reserved::Contact) {
            return self.role(facts).await;
        }
        let mut trace = Vec::new();
        let selection =
            facts.candidates.as_ref().and_then(|known| routing::select(&facts.recipient, known, &mut trace));
        if selection.is_none() && facts.candidates.is_some() {
            self.facts.store.directory.usage_of_none(&facts.recipient).await?;
        }
        let (facts, usage) = self.completed(facts, selection.as_ref()).await?;
        Ok(admission::by_rules(&self.case(&facts), selection.as_ref(), usage, trace))
    }

    fn case<'c>(&'c self, facts: &'c RecipientFacts) -> RecipientCase<'c> {
        RecipientCase { settings: self.settings, connect: self.connect, reverse_path: self.from, facts }
    }

    fn bare(&self, recipient: Mailbox) -> RecipientFacts {
        let instance_senders = self.facts.store.directory.instance_senders();
        RecipientFacts { now: self.now, recipient, candidates: None, instance_senders, admitted: Vec::new() }
    }

    /// The facts without any rule: no rule speaks for an SRS address.
    fn known(&self, recipient: Mailbox) -> RecipientFacts {
        let domain = recipient.domain().and_then(|name| self.facts.store.directory.domain(name));
        let none = |domain| Candidates { domain, addresses: Vec::new(), patterns: Arc::from([]), catch_all: None };
        RecipientFacts { candidates: domain.map(none), ..self.bare(recipient) }
    }

    /// Whether mail for an address there is resolved inside. A domain that somebody merely claims is not theirs yet, and gets
    /// nothing that is on its way elsewhere.
    fn is_inside(&self, domain: Option<&Domain>) -> bool {
        domain.and_then(|name| self.facts.store.directory.domain(name)).is_some_and(|hosted| hosted.verified)
    }

    /// Hosted, our host name, or the domain of our SRS addresses.
    fn is_ours(&self, domain: Option<&Domain>) -> bool {
        self.facts.is_ours(domain, self.settings)
    }

    /// What an address that looks like SRS leads to. A valid hash is ours whichever of our domains it came by; on any
    /// other domain it is somebody else's.
    async fn srs(&self, recipient: &Mailbox) -> Result<Srs> {
        Ok(match self.facts.reverse(recipient.local()) {
            Ok(Reversed::Sender(sender) | Reversed::FirstHop(sender)) => Srs::Ours(sender),
            Ok(Reversed::Token(token)) => {
                let sender = self.facts.store.queue.token_sender(&token).await?;
                sender.map_or(Srs::TokenGone, Srs::Ours)
            }
            Err(error) => Srs::Invalid(error),
        })
    }

    /// Postmaster and abuse: an explicit alias in force wins, else the contact.
    async fn role(&self, facts: RecipientFacts) -> Result<Decision> {
        let explicit = facts.candidates.as_ref().and_then(|known| routing::explicit(&facts.recipient, known));
        let (facts, usage) = self.completed(facts, explicit.as_ref()).await?;
        let case = self.case(&facts);
        if let Some(explicit) = explicit.filter(|explicit| reserved::wins(&explicit.rule, usage, self.now)) {
            return Ok(admission::by_rules(&case, Some(&explicit), usage, Vec::new()));
        }
        let domain = facts.candidates.as_ref().map(|known| &known.domain);
        let named = domain.and_then(|domain| domain.contact.clone());
        let of_account = || self.facts.store.directory.contact_of(domain.map_or(OWNER, |domain| domain.account));
        let contact = named.or_else(of_account);
        Ok(reserved::role(&case, contact.as_ref().map(|contact| &contact.address)))
    }

    /// Asks what only some rules need: usage where one counts, and whether destinations without a row hold.
    async fn completed(
        &self,
        mut facts: RecipientFacts,
        selection: Option<&Selection>,
    ) -> Result<(RecipientFacts, Usage)> {
        let Some(selection) = selection else { return Ok((facts, Usage::default())) };
        let rule = &selection.rule;
        if self.is_closed(&facts, rule) {
            self.facts.store.directory.usage(rule).await?;
            return Ok((facts, Usage::default()));
        }
        facts.admitted = self.admitted(selection).await?;
        let usage = if counts(rule) { self.usage(rule).await? } else { Usage::default() };
        Ok((facts, if rule.expiry.idle.is_some() { self.by_time_that_passed(rule, usage) } else { usage }))
    }

    /// The pledge comes before the reading: whoever was counted meanwhile is in one of the two.
    async fn usage(&self, rule: &Rule) -> Result<Usage> {
        let pledged = if has_share(rule) { self.pledge(rule.id) } else { 0 };
        let directory = &self.facts.store.directory;
        let usage = if pledged == 0 { directory.usage(rule).await? } else { directory.usage_now(rule).await? };
        Ok(Usage { pledged, ..usage })
    }

    /// How many others a rule has promised to take when it promises this one, which counts once however often it is led there.
    fn pledge(&self, alias: AliasId) -> u64 {
        let Some(pledged) = self.pledged else { return 0 };
        let mut pledged = pledged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pledged.iter().find(|pledge| pledge.alias() == alias) {
            return known.others();
        }
        let pledge = self.facts.pledges.make(alias);
        let others = pledge.others();
        pledged.push(pledge);
        others
    }

    /// A clock that is set ahead makes no rule idle.
    fn by_time_that_passed(&self, rule: &Rule, usage: Usage) -> Usage {
        let last_mail = usage.last_mail_at.unwrap_or(rule.created_at).max(rule.created_at);
        Usage { last_mail_at: Some(self.facts.clock.passed(last_mail)), ..usage }
    }

    /// Whether the rule answers as unknown whatever else is known of it. Then its usage is asked for nothing, as that of an
    /// address without a rule is, so that both take as long as a rule whose end only counts can tell.
    fn is_closed(&self, facts: &RecipientFacts, rule: &Rule) -> bool {
        let domain = facts.candidates.as_ref().map(|known| &known.domain.senders);
        let levels = domain.map(|domain| Levels { instance: &facts.instance_senders, domain, alias: &rule.senders });
        admission::is_closed(rule, levels.as_ref(), self.from, self.now)
    }

    async fn admitted(&self, selection: &Selection) -> Result<Vec<Mailbox>> {
        let rule = &*selection.rule;
        let mut admitted: Vec<_> = self.unverified(rule).filter(|address| self.is_own(rule.account, address)).collect();
        for address in computed(selection) {
            let directory = &self.facts.store.directory;
            if self.is_own(rule.account, &address) || directory.is_verified(rule.account, &address).await? {
                admitted.push(address);
            }
        }
        Ok(admitted)
    }

    fn unverified<'r>(&self, rule: &'r Rule) -> impl Iterator<Item = Mailbox> + use<'r> {
        rule.targets.iter().filter_map(|target| match target {
            Target::Fixed(fixed) if fixed.verified_at.is_none() => Some(fixed.address.clone()),
            Target::Fixed(_) | Target::Template(_) => None,
        })
    }

    /// An alias of the same account, on whatever verified domain: it needs no proof, for no mail leaves by it alone.
    fn is_own(&self, account: AccountId, address: &Mailbox) -> bool {
        let domain = address.domain().and_then(|name| self.facts.store.directory.domain(name));
        domain.is_some_and(|domain| domain.verified && domain.account == account)
    }

    fn leads_inside(&self, decision: &Decision) -> bool {
        let Disposition::Forward(legs) = &decision.disposition else { return false };
        legs.iter().any(|leg| self.is_inside(leg.destination.domain())) || legs.len() > routing::MAX_FAN_OUT
    }

    async fn follow(&self, decision: Decision) -> Result<Decision> {
        let mut fanout = Fanout::new(decision);
        while let Some(leg) = fanout.next_leg() {
            if self.is_inside(leg.destination.domain()) {
                let inner = self.judge(leg.destination.clone()).await?;
                fanout.enters(&leg, inner);
            } else {
                fanout.leaves(leg);
            }
        }
        Ok(fanout.finish())
    }
}

/// Whether a decision on this rule reads its usage.
fn counts(rule: &Rule) -> bool {
    has_share(rule) || rule.expiry.idle.is_some()
}

/// Whether it takes only so much.
fn has_share(rule: &Rule) -> bool {
    rule.quota.is_some() || rule.expiry.messages.is_some()
}
