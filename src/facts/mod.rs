//! Gathers what policy asks (directory, SPF, DKIM, usage), for inbound and the simulator alike, and hands it over.
//!
//! The common recipient (one exact alias, one verified destination, nothing that counts) costs one question to the
//! directory. What a decision needs beyond that is asked only where its rule needs it.

mod counts;
mod lists;
pub mod outside;
mod pledges;
mod recipient;
mod reports;
mod trials;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::mail::header::HeaderFacts;
use crate::mail::{Domain, ForwardPath, LocalPart, Mailbox, Moment, ReversePath};
use crate::policy::admission::reserved::{Reserved, is_role};
use crate::policy::admission::{Decision, Refusal};
use crate::policy::alignment;
use crate::policy::facts::{AuthFacts, ConnectFacts, MessageFacts, SpfFacts};
use crate::policy::lists::Finding;
use crate::policy::settings::Instance;
use crate::srs::{Reversed, Ring, SrsError, looks_like_srs};
use crate::store::{Result, Store};

pub use counts::{Asker, Counted, Counts, Inquest, Key, Table};
pub use lists::Lists;
pub use pledges::{Pledge, Pledges};
use recipient::{Inquiry, mailbox_of};
pub use reports::{MAX_REPORTS_PER_ADDRESS, ReportCounter};
pub use trials::Trials;

/// All that is asked; cheap to clone.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Storage.
    pub store: Store,
    /// Verdicts.
    pub auth: Authenticator,
    /// The clock.
    pub clock: Clock,
    /// The instance's settings.
    pub instance: Arc<ArcSwap<Instance>>,
    /// The SRS secrets.
    pub ring: Arc<ArcSwap<Ring>>,
    /// Reports that SRS addresses of ours have taken.
    pub reports: ReportCounter,
    /// What clients, senders and addresses did lately.
    pub counts: Arc<Counts>,
    /// DNS lists.
    pub lists: Lists,
    /// What the gateway itself brings to its own door.
    pub trials: Trials,
    /// What rules with a share were promised at RCPT.
    pub pledges: Pledges,
}

impl Facts {
    /// What an SRS address of ours leads to. It lives by each day that the clock has shown: those made before it was set, and
    /// while it was wrong, do not die of it.
    pub fn reverse(&self, local: &LocalPart) -> std::result::Result<Reversed, SrsError> {
        let ring = self.ring.load();
        let reversed = ring.reverse(local, self.clock.now().day());
        if reversed != Err(SrsError::Expired) {
            return reversed;
        }
        let days = self.clock.presents().map(Moment::day);
        days.map(|day| ring.reverse(local, day)).into_iter().find(|back| back.is_ok()).unwrap_or(reversed)
    }

    /// The decision on one recipient: SRS addresses of ours, then postmaster and abuse, then rules, following destinations
    /// on hosted domains (depth 8, fan-out 100, cycles 554 5.4.6). The very same for RCPT, the simulator and the API.
    pub async fn recipient(&self, connect: &ConnectFacts, from: &ReversePath, to: &ForwardPath) -> Result<Decision> {
        let settings = self.instance.load_full();
        let recipient = mailbox_of(to, &settings.hostname);
        self.inquiry(&settings, (connect, from), None).decide(recipient).await
    }

    /// The same for a message that comes. What rules with a share promise it stands in `pledged`, with what it was promised
    /// before.
    pub async fn recipient_at_door(
        &self,
        (connect, from): (&ConnectFacts, &ReversePath),
        to: &ForwardPath,
        pledged: &mut Vec<Pledge>,
    ) -> Result<Decision> {
        let settings = self.instance.load_full();
        let recipient = mailbox_of(to, &settings.hostname);
        let all = Mutex::new(std::mem::take(pledged));
        let decision = self.inquiry(&settings, (connect, from), Some(&all)).decide(recipient).await;
        *pledged = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        decision
    }

    fn inquiry<'a>(
        &'a self,
        settings: &'a Instance,
        (connect, from): (&'a ConnectFacts, &'a ReversePath),
        pledged: Option<&'a Mutex<Vec<Pledge>>>,
    ) -> Inquiry<'a> {
        Inquiry { facts: self, settings, connect, from, now: self.clock.now(), pledged }
    }

    /// What a recipient is for where no pattern speaks for it.
    #[must_use]
    pub fn reserved(&self, recipient: &Mailbox) -> Option<Reserved> {
        let is_srs = || looks_like_srs(recipient.local()) && self.reverse(recipient.local()) != Err(SrsError::NotSrs);
        if !self.is_ours(recipient.domain(), &self.instance.load()) {
            return None;
        }
        if is_srs() { Some(Reserved::Reports) } else { is_role(recipient.local()).then_some(Reserved::Contact) }
    }

    /// The decision on a recipient that is turned away before any rule is asked: all recipients are told the same.
    pub fn turned_away(
        &self,
        (connect, from): (&ConnectFacts, &ReversePath),
        to: &ForwardPath,
        refusal: Refusal,
    ) -> Decision {
        let settings = self.instance.load_full();
        let recipient = mailbox_of(to, &settings.hostname);
        let inquiry = self.inquiry(&settings, (connect, from), None);
        inquiry.unasked(recipient, refusal)
    }

    /// Counts a report to an SRS address of ours that is about to be taken; false when it has had its share, and the
    /// recipient is refused.
    #[must_use]
    pub fn count_report(&self, address: &Mailbox) -> bool {
        self.reports.count(address)
    }

    /// What DNS lists say of a client; nothing where none is configured.
    pub async fn listings_of(&self, client: IpAddr) -> Vec<Finding> {
        let settings = self.instance.load_full();
        self.lists.about_client(&settings.abuse.dns_lists, client).await
    }

    /// What DNS lists say of a sender's domain.
    pub async fn listings_of_sender(&self, from: &ReversePath) -> Vec<Finding> {
        let settings = self.instance.load_full();
        match from.domain() {
            Some(domain) => self.lists.about_domain(&settings.abuse.dns_lists, domain).await,
            None => Vec::new(),
        }
    }

    /// Asks SPF.
    pub async fn spf(&self, peer: IpAddr, helo: &str, from: &ReversePath) -> SpfFacts {
        self.auth.spf(peer, helo, from).await
    }

    /// Gathers what is judged at the end of data. Organisational domains are asked only where author and SRS domains
    /// could share one (two labels in common), and only until `until`: one that is not known by then counts as shared.
    pub async fn message<'a>(
        &self,
        from: &ReversePath,
        header: HeaderFacts,
        (auth, until): (AuthFacts, Instant),
        decisions: impl Iterator<Item = &'a Decision>,
    ) -> MessageFacts {
        let settings = self.instance.load_full();
        let ours = srs_domains(&settings, decisions);
        let sender = from.domain();
        let mut facts = MessageFacts {
            now: self.clock.now(),
            reverse_path: from.clone(),
            header,
            auth,
            sender_is_hosted: self.is_proven(sender, &settings) || sender.is_some_and(|name| ours.contains(name)),
            organisational: Vec::new(),
        };
        facts.organisational = self.organisational(alignment::questions(&facts, &ours), until).await;
        facts
    }

    async fn organisational(&self, names: Vec<Domain>, until: Instant) -> Vec<(Domain, Domain)> {
        let ask = async |name: Domain| {
            let found = timeout_at(until, self.auth.organisational(&name)).await.ok().flatten()?;
            Some((name, found))
        };
        join_all(names.into_iter().map(ask)).await.into_iter().flatten().collect()
    }

    /// The same, but for domains that somebody merely claims: nobody's mail is refused for a claim.
    fn is_proven(&self, domain: Option<&Domain>, settings: &Instance) -> bool {
        self.is_ours(domain, settings) && !domain.is_some_and(|name| self.is_claimed(name, settings))
    }

    /// Whether somebody has added this domain and not proved that it is theirs; what is ours by configuration is nobody's to
    /// claim.
    #[must_use]
    pub fn is_claimed(&self, name: &Domain, settings: &Instance) -> bool {
        let is_own = *name == settings.hostname || settings.srs_domain.as_ref() == Some(name);
        !is_own && self.store.directory.domain(name).is_some_and(|hosted| !hosted.verified)
    }

    /// Hosted, our host name, or the domain of our SRS addresses: our address is in the SPF of each of them.
    fn is_ours(&self, domain: Option<&Domain>, settings: &Instance) -> bool {
        domain.is_some_and(|name| {
            *name == settings.hostname
                || settings.srs_domain.as_ref() == Some(name)
                || self.store.directory.domain(name).is_some()
        })
    }
}

/// The domains that the reverse-path of this message could be rewritten to.
fn srs_domains<'a>(settings: &Instance, decisions: impl Iterator<Item = &'a Decision>) -> Vec<Domain> {
    let wanted = decisions.filter_map(|decision| decision.srs_domain.as_ref());
    let mut domains: Vec<Domain> = Vec::new();
    for domain in wanted.chain(&settings.srs_domain) {
        if !domains.contains(domain) {
            domains.push(domain.clone());
        }
    }
    domains
}
