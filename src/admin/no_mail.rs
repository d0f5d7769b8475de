//! Domains of inboxes that take no mail at all: asked of the DNS for ever and when mail proves something of them, shown with the
//! destinations, told where aliases in use lead there, and never acted on.
//!
//! A domain with a next hop of its own (`delivery.routes`) and a domain of ours are not asked: their mail goes where nobody
//! looks it up. By a relay it is looked up all the same, only by somebody else, so what the DNS says counts there too; but a
//! relay may know domains of a network that the DNS does not (`corp.local`), so that there is no such domain is believed only
//! where the DNS knows what the domain lies in.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::delivery::{Courier, Proven};
use crate::mail::Domain;
use crate::net::resolver::{Dns, DnsFailure};
use crate::policy::no_mail::{NoMail, TakesNone};
use crate::store::rules::DestinationRow;

use super::{Access, Actor, Admin, Area, Result};

/// All questions about one domain together; what is not known by then is no reason to doubt.
const WITHIN: Duration = Duration::from_secs(3);

/// What the DNS says of the domain of an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// It takes mail.
    TakesMail,
    /// It takes none.
    TakesNone(NoMail),
    /// There was no answer that proves anything.
    Unknown,
    /// Its mail does not go by what the DNS says.
    NotAsked,
}

impl Admin {
    /// Asks the DNS about the domains of all destinations, one after the other. `pause` is waited for in between.
    pub async fn recheck_inboxes<F: Future<Output = ()>>(&self, mut pause: impl FnMut() -> F) -> Result<()> {
        let mut after = String::new();
        loop {
            let domains = self.store.rules.inbox_domains(&after, super::MAX_LIMIT).await?;
            let Some(last) = domains.last() else { break };
            last.clone_into(&mut after);
            for domain in &domains {
                if self.look_at(domain).await? != Looked::NotAsked {
                    pause().await;
                }
            }
        }
        Ok(self.store.rules.tidy_no_mail().await?)
    }

    /// Asks the DNS about the domain of an inbox now.
    pub async fn look_at_inbox(&self, actor: &Actor, id: &str) -> Result<Looked> {
        actor.must(Area::Destinations, Access::Read)?;
        self.look_at(domain_of(&self.find_destination(actor, id).await?)).await
    }

    /// What deliveries prove of domains, as they prove it; nothing where none are made.
    #[must_use]
    pub fn proofs(&self) -> Option<broadcast::Receiver<Proven>> {
        self.courier.as_ref().map(Courier::proofs)
    }

    /// A delivery has found that a domain takes mail, or none: the DNS is asked, if an inbox is there and that is still news.
    pub async fn look_at_proven(&self, proven: &Proven) -> Result<()> {
        let name = proven.domain.as_str();
        let is_news = self.store.directory.takes_no_mail(&proven.domain) == proven.takes_mail;
        if is_news && self.store.rules.has_inbox_on(name).await? {
            self.look_at(name).await?;
        }
        Ok(())
    }

    /// That the DNS did not answer does not wash away what it said before.
    async fn look_at(&self, name: &str) -> Result<Looked> {
        let looked = match Domain::parse(name) {
            Ok(domain) => self.ask_about(&domain).await,
            Err(_) => Looked::NotAsked,
        };
        let why = match looked {
            Looked::Unknown => return Ok(looked),
            Looked::TakesNone(why) => Some(why),
            Looked::TakesMail | Looked::NotAsked => None,
        };
        let known = self.store.rules.no_mail_among(&[name]).await?.first().map(|found| found.why);
        if known != why {
            self.store.rules.note_no_mail(name, why).await?;
        }
        Ok(looked)
    }

    /// What the DNS says of a domain.
    pub(super) async fn ask_about(&self, domain: &Domain) -> Looked {
        if !self.goes_by_dns(domain) {
            return Looked::NotAsked;
        }
        let answer = timeout(WITHIN, against(&self.outside.dns, domain)).await.unwrap_or(Looked::Unknown);
        match answer {
            Looked::TakesNone(NoMail::NoSuchDomain) if self.next_hops().has_relay() => {
                let is_public = timeout(WITHIN, is_public(&self.outside.dns, domain)).await;
                if is_public.unwrap_or(false) { answer } else { Looked::NotAsked }
            }
            other => other,
        }
    }

    fn goes_by_dns(&self, domain: &Domain) -> bool {
        self.store.directory.domain(domain).is_none() && self.next_hops().route(domain.as_str()).is_none()
    }

    /// Which of these are of domains that take no mail, by domain.
    pub(super) async fn no_mail_of(&self, rows: &[DestinationRow]) -> Result<BTreeMap<String, TakesNone>> {
        let domains: Vec<&str> = rows.iter().map(domain_of).collect();
        let found = self.no_mail_among(&domains).await?;
        Ok(found.into_iter().map(|one| (one.domain.clone(), one)).collect())
    }

    /// Which of these domains take no mail, as the DNS said last.
    pub(super) async fn no_mail_among(&self, domains: &[&str]) -> Result<Vec<TakesNone>> {
        Ok(self.still_by_dns(self.store.rules.no_mail_among(domains).await?))
    }

    /// Where aliases in use lead that this actor may see.
    pub(super) async fn no_mail_in_use(&self, actor: &Actor) -> Result<Vec<TakesNone>> {
        Ok(self.still_by_dns(self.store.rules.no_mail_in_use(actor.only_account()).await?))
    }

    /// What has got a route since, or is ours by now, was told of for the last time.
    fn still_by_dns(&self, mut found: Vec<TakesNone>) -> Vec<TakesNone> {
        found.retain(|one| Domain::parse(&one.domain).is_ok_and(|domain| self.goes_by_dns(&domain)));
        found
    }
}

/// Of `a@b` and `@b`.
pub(super) fn domain_of(row: &DestinationRow) -> &str {
    row.address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// A failure says nothing.
async fn against(dns: &Dns, domain: &Domain) -> Looked {
    match dns.mx(domain).await {
        Ok(hosts) if hosts.iter().all(|(_, host)| host.is_none()) => Looked::TakesNone(NoMail::NullMx),
        Ok(_) => Looked::TakesMail,
        Err(DnsFailure::NoSuchName) => Looked::TakesNone(NoMail::NoSuchDomain),
        Err(DnsFailure::NoData) => match dns.addresses(domain).await {
            Ok(_) => Looked::TakesMail,
            Err(DnsFailure::NoData | DnsFailure::NoSuchName) => Looked::TakesNone(NoMail::NoAddress),
            Err(DnsFailure::Temporary(_)) => Looked::Unknown,
        },
        Err(DnsFailure::Temporary(_)) => Looked::Unknown,
    }
}

/// Whether the DNS that is asked knows the top of this name, as it does of all that relays look up in it.
async fn is_public(dns: &Dns, domain: &Domain) -> bool {
    let top = domain.as_str().rsplit('.').next().and_then(|top| Domain::parse(top).ok());
    let Some(top) = top else { return false };
    matches!(dns.mx(&top).await, Ok(_) | Err(DnsFailure::NoData))
}
