//! The doctor: everything that can be looked at is looked at at once, and judged by [`checkup`].

use std::collections::HashSet;

use futures_util::future::join_all;

use crate::net::guard;
use crate::policy::checkup::{
    self, CertificateFacts, Checkup, ClientFacts, Facts, Finding, LastMail, PortFacts, Severity,
};
use crate::policy::ids::{AccountId, DomainId, OWNER};
use crate::policy::notices::causes;
use crate::policy::notices::memory::State;
use crate::policy::records::{self, Gateway, Record};
use crate::store::activity::{Query, Row};
use crate::store::rules::{DomainRow, ListQuery};

use super::found::News;
use super::{Access, Actor, Admin, AdminError, Area, Result};

/// Domains whose records are looked up, those first that are known to drift; of others it is said how they stood when they
/// were looked at last.
pub const MAX_DOMAINS: usize = 20;
/// Whoever's they are.
const ALL_DOMAINS: (Option<AccountId>, &[DomainId]) = (None, &[]);
/// Of these, so many at a time.
const DOMAINS_AT_ONCE: usize = 5;
/// Domains among which one is looked for that takes mail.
const MAX_OFFERED: u32 = 100;
/// Messages whose clients are looked at.
const LAST_MESSAGES: u32 = 100;

impl Admin {
    /// Looks at the gateway, its host and its domains; with `domain` at this one alone. Who is not the owner sees what is
    /// said of their own domain.
    pub async fn doctor(&self, actor: &Actor, domain: Option<&str>) -> Result<Checkup> {
        let domains = match domain {
            Some(name) => {
                actor.must(Area::Domains, Access::Read)?;
                let found = self.find_domain(actor, name).await;
                vec![found.map_err(|error| match error {
                    AdminError::NotFound(_) => {
                        AdminError::field("domain", format!("{name} is not one of your domains"))
                    }
                    other => other,
                })?]
            }
            None => {
                actor.must_see_all("have the gateway looked over")?;
                self.first_domains().await?
            }
        };
        if self.found.last().is_none() {
            self.found.recall(self.stood().await?);
        }
        let mut found = self.looked(actor, &domains).await?;
        if domain.is_some() {
            self.found.date(&mut found.findings, self.clock.now());
            self.date_by_notices(&mut found.findings).await?;
        } else {
            found.findings.extend(self.drifting(&domains).await?);
            self.tell(self.found.date_all(&mut found.findings, self.clock.now()));
            self.date_by_notices(&mut found.findings).await?;
            self.found.keep(of_gateway(&found.findings, &domains));
            found.findings.extend(self.noticed(actor, &found.findings).await?);
        }
        Ok(found)
    }

    /// What notices are open or about to be for, beyond what was found: what becomes of mail is told by other means.
    async fn noticed(&self, actor: &Actor, findings: &[Finding]) -> Result<Vec<Finding>> {
        let keys: Vec<_> = findings.iter().filter_map(causes::of_finding).map(|cause| cause.key()).collect();
        let mut seen = self.attention(actor).await?.causes;
        seen.retain(|cause| !causes::is_looked_for(cause.kind) && !keys.contains(&cause.key()));
        let mut noticed: Vec<_> = seen.into_iter().map(causes::as_finding).collect();
        self.date_by_notices(&mut noticed).await?;
        Ok(noticed)
    }

    /// What is a notice too began when that did, whoever looked first.
    async fn date_by_notices(&self, findings: &mut [Finding]) -> Result<()> {
        let remembered = self.store.notices.remembered().await?;
        for finding in findings {
            let key = causes::of_finding(finding).map(|cause| cause.key());
            let known = remembered.iter().find(|one| one.state != State::Over && Some(one.cause.key()) == key);
            finding.since = known.map(|one| one.cause.since.unwrap_or(one.began_at)).or(finding.since);
        }
        Ok(())
    }

    async fn looked(&self, actor: &Actor, domains: &[DomainRow]) -> Result<Checkup> {
        let gateway = self.outside.gateway(&self.facts.instance.load().hostname).await;
        if !sees_gateway(actor) {
            let (records, host) = tokio::join!(self.records_of(&gateway, domains), self.outside.host(&gateway));
            let records = records?;
            self.keep_looks(domains, &records, &records::host(&gateway, &host));
            return Ok(checkup::of_domains(&records));
        }
        let facts = self.gathered(&gateway, domains).await?;
        self.keep_looks(domains, &facts.domains, &facts.host);
        Ok(checkup::judge(&facts))
    }

    fn keep_looks(&self, domains: &[DomainRow], looked: &[(String, Vec<Record>)], host: &[Record]) {
        for (row, (_, records)) in domains.iter().zip(looked) {
            self.keep_look(row, records.clone(), host.to_vec());
        }
    }

    /// The doctor's look by the clock: whether it found no fault of the gateway itself; those of domains are looked for by
    /// other means as well, and may stand for ever. What is new, and what is over, stands in the log of the process; nothing
    /// is done.
    pub async fn look_by_the_clock(&self) -> Result<bool> {
        self.doctor(&Actor::upkeep(OWNER), None).await?;
        Ok(self.found.last().iter().flatten().all(|finding| finding.severity != Severity::Fault))
    }

    /// Waits until the doctor should look again before it is due: the gateway has another name.
    pub async fn look_is_outdated(&self) {
        self.found.outdated().await;
    }

    fn tell(&self, news: News) {
        for finding in news.began.iter().filter(|finding| finding.severity != Severity::Note) {
            tracing::warn!(id = finding.id, about = finding.subject, "{} {}", finding.what, finding.remedy);
        }
        for (id, about) in news.ended {
            tracing::info!(id, about, "what the doctor had found is over");
        }
    }

    async fn gathered(&self, gateway: &Gateway, domains: &[DomainRow]) -> Result<Facts> {
        let outside = &self.outside;
        let configured = self.facts.instance.load().abuse.dns_lists.clone();
        let (out, ports, host, domains, lists, clients, clock, backup) = tokio::join!(
            outside.way_out(),
            outside.ports(),
            outside.host(gateway),
            self.records_of(gateway, domains),
            outside.own_listings(gateway, &configured),
            self.clients(),
            outside.clock(&self.clock),
            self.backup_facts(),
        );
        Ok(Facts {
            now: self.clock.now(),
            out,
            is_laboratory: outside.is_laboratory(),
            ports: PortFacts { runs: self.courier.is_some(), ..ports },
            host: records::host(gateway, &host),
            domains: domains?,
            certificate: self.certificate_facts(&gateway.hostname),
            lists,
            clients: clients?,
            clock,
            disk: outside.disk(),
            backup,
            addresses: gateway.addresses.clone(),
            sources: outside.sources(),
        })
    }

    /// Whatever asks DNS, its answer is what counts of a domain from then on.
    async fn records_of(&self, gateway: &Gateway, domains: &[DomainRow]) -> Result<Vec<(String, Vec<Record>)>> {
        let mut all = Vec::with_capacity(domains.len());
        for some in domains.chunks(DOMAINS_AT_ONCE) {
            let looked = join_all(some.iter().map(|row| self.compared(gateway, row))).await;
            for (row, records) in some.iter().zip(looked) {
                self.note_standing(row, &records).await?;
                all.push((row.name.to_string(), records));
            }
        }
        Ok(all)
    }

    /// Of those that drift a look may find that they are mended.
    async fn first_domains(&self) -> Result<Vec<DomainRow>> {
        let limit = u32::try_from(MAX_DOMAINS).unwrap_or(u32::MAX);
        let names = self.store.rules.drifting(ALL_DOMAINS).await?.into_iter().map(|(name, _)| name.to_string());
        let drifting = ListQuery { names: Some(names.take(MAX_DOMAINS).collect()), limit, ..ListQuery::default() };
        let mut first = self.store.rules.domains(drifting).await?.items;
        let some = self.store.rules.domains(ListQuery { limit, ..ListQuery::default() }).await?.items;
        let others = some.into_iter().filter(|row| first.iter().all(|known| known.id != row.id)).collect::<Vec<_>>();
        first.extend(others);
        first.truncate(MAX_DOMAINS);
        Ok(first)
    }

    /// Domains beyond those that were looked up, which upkeep has found to drift.
    async fn drifting(&self, looked: &[DomainRow]) -> Result<Vec<checkup::Finding>> {
        let drifting = self.store.rules.drifting(ALL_DOMAINS).await?;
        let rest = drifting.iter().filter(|(name, _)| looked.iter().all(|row| row.name != *name));
        Ok(rest.map(|(name, _)| checkup::drifting(name.as_str())).collect())
    }

    pub(super) fn certificate_facts(&self, hostname: &crate::mail::Domain) -> Option<CertificateFacts> {
        let own = self.certificates.facts()?;
        Some(CertificateFacts {
            not_after: own.not_after,
            names: own.names,
            hostname: hostname.to_string(),
            self_signed: own.self_signed,
        })
    }

    async fn clients(&self) -> Result<ClientFacts> {
        let rows =
            self.store.activity.list(Query { own: Some(false), limit: LAST_MESSAGES, ..Query::default() }).await?.rows;
        // Several inboxes have a row each of one message.
        let mut counted = HashSet::new();
        let messages = rows.iter().filter(|row| counted.insert(row.transaction));
        let seen: Vec<_> = messages.map(|row| row.client.ip).collect();
        let private = seen.iter().copied().filter(|client| !guard::is_public(*client)).collect();
        // Nobody of our own network is from outside, even where mail may go there.
        let last = rows.iter().find(|row| guard::is_public(row.client.ip)).map(last_mail);
        Ok(ClientFacts { seen, private, last, offer: self.offer().await? })
    }

    /// Mail to postmaster is taken whatever the rules say.
    async fn offer(&self) -> Result<String> {
        let some = ListQuery { limit: MAX_OFFERED, ..ListQuery::default() };
        let some = self.store.rules.domains(some).await?.items;
        let hostname = self.facts.instance.load().hostname.clone();
        // A domain that nobody has proved gets no mail.
        let domain = some.into_iter().find(|row| row.verified_at.is_some()).map_or(hostname, |row| row.name);
        Ok(format!("postmaster@{domain}"))
    }
}

/// What is of the gateway, and not of domains.
fn of_gateway(findings: &[checkup::Finding], domains: &[DomainRow]) -> Vec<checkup::Finding> {
    let is_of_domain = |finding: &checkup::Finding| {
        finding.id == "domain_drift" || domains.iter().any(|row| row.name.as_str() == finding.subject)
    };
    findings.iter().filter(|finding| !is_of_domain(finding)).cloned().collect()
}

/// The gateway itself is the business of its owner and admins.
fn sees_gateway(actor: &Actor) -> bool {
    actor.oversees(Access::Read)
}

fn last_mail(row: &Row) -> LastMail {
    LastMail {
        id: row.id.to_string(),
        at: row.received_at,
        client: row.client.ip.to_string(),
        sender: row.sender.clone(),
        recipient: row.recipient.clone(),
        status: row.status.as_str().to_owned(),
    }
}
