//! The DNS records of domains: compared with what DNS says, proven by them, and looked at again for ever. What they say is
//! shown and told, and never acted on.

use crate::policy::checkup;
use crate::policy::deeds::Deed;
use crate::policy::records::{self, Gateway, HostFacts, Hosted, Record, Standing};
use crate::store::rules::{DomainRow, ListQuery};

use super::looks::{KnownRecords, LookAge, LookedAt};
use super::shapes::{DomainShape, RecordShape, RecordsShape};
use super::{Access, Actor, Admin, AdminError, Area, Reach, Result};

impl Admin {
    /// The records that a domain wants, with what DNS says of each.
    pub async fn domain_records(&self, actor: &Actor, name: &str) -> Result<RecordsShape> {
        actor.must(Area::Domains, Access::Read)?;
        let row = self.find_domain(actor, name).await?;
        let (shape, host) = self.look_up(&row).await?;
        self.found.drop(|finding| checkup::is_past(finding, &host));
        Ok(shape)
    }

    /// Asks DNS of a domain, and keeps what it said; gives the records of the host by themselves too.
    async fn look_up(&self, row: &DomainRow) -> Result<(RecordsShape, Vec<Record>)> {
        let gateway = self.outside.gateway(&self.facts.instance.load().hostname).await;
        let (records, host) = tokio::join!(self.compared(&gateway, row), self.outside.host(&gateway));
        self.note_standing(row, &records).await?;
        let host = records::host(&gateway, &host);
        Ok((self.keep_look(row, records, host.clone()), host))
    }

    /// Whoever asked DNS, each page shows what it said.
    pub(super) fn keep_look(&self, row: &DomainRow, records: Vec<Record>, host: Vec<Record>) -> RecordsShape {
        let shape = self.shape_of(row, records, host);
        self.found.looks.keep(self.looked_at(row), shape.clone());
        shape
    }

    /// The same as somebody saw it last, at once: DNS is not asked. Where nobody has looked, what is wanted.
    pub async fn known_records(&self, actor: &Actor, name: &str) -> Result<KnownRecords> {
        actor.must(Area::Domains, Access::Read)?;
        Ok(self.known_of(self.find_domain(actor, name).await?))
    }

    pub(super) fn known_of(&self, row: DomainRow) -> KnownRecords {
        let last = self.found.looks.last(&self.looked_at(&row), self.clock.now());
        let (records, age) = last.unwrap_or_else(|| (self.unasked(&row), LookAge::None));
        KnownRecords { records, age, wrong: row.dns_wrong }
    }

    /// That the mail of a domain does not come here, in the words of its last look; nothing where nobody has looked.
    pub async fn mx_trouble(&self, actor: &Actor, name: &str) -> Result<Option<String>> {
        actor.must(Area::Domains, Access::Read)?;
        let row = self.find_domain(actor, name).await?;
        let of_mx = format!("MX of {}: ", row.name);
        Ok(row.dns_wrong.iter().find_map(|wrong| wrong.strip_prefix(&of_mx)).map(str::to_owned))
    }

    fn unasked(&self, row: &DomainRow) -> RecordsShape {
        const WHY: &str = "it was not asked yet";
        let gateway = self.outside.gateway_unasked(&self.facts.instance.load().hostname);
        let records = records::judge(&gateway, &self.hosted(row), &records::Facts::unheard(WHY));
        self.shape_of(row, records, records::host(&gateway, &HostFacts::unheard(WHY)))
    }

    fn shape_of(&self, row: &DomainRow, records: Vec<Record>, host: Vec<Record>) -> RecordsShape {
        let shapes = |records: Vec<Record>| records.into_iter().map(RecordShape::from).collect();
        RecordsShape {
            domain: row.name.to_string(),
            dns: records::standing(&records),
            checked_at: self.clock.now(),
            records: shapes(records),
            host: shapes(host),
        }
    }

    fn looked_at(&self, row: &DomainRow) -> LookedAt {
        LookedAt { id: row.id, version: row.version, hostname: self.facts.instance.load().hostname.clone() }
    }

    /// Verifies a domain: by the word of the gateway's owner, else by the proof in the domain's own zone.
    pub async fn verify_domain(&self, actor: &Actor, name: &str) -> Result<DomainShape> {
        actor.must(Area::Domains, Access::Write)?;
        let before = self.domain_within(actor, name, Reach::Own).await?;
        if before.verified_at.is_some() {
            return self.domain_shape(&before).await;
        }
        if !actor.is_admin() {
            self.must_be_proven(&before).await?;
        }
        let after = DomainRow { verified_at: Some(self.clock.now()), ..before.clone() };
        let row = self.store_domain_change(actor, Deed::DomainVerify, (&before, &after)).await?;
        self.domain_shape(&row).await
    }

    /// Refuses a domain whose proof does not stand in its zone, with what to publish.
    pub(super) async fn must_be_proven(&self, row: &DomainRow) -> Result<()> {
        let hosted = self.hosted(row);
        let (is_there, answers) = self.outside.has_proof(&hosted).await;
        if is_there {
            return Ok(());
        }
        let said = match answers.values() {
            Ok([]) => "DNS knows no such record yet.".to_owned(),
            Ok(values) => format!("DNS says {} there.", values.join(", ")),
            Err(why) => format!("DNS gave no answer: {why}."),
        };
        let name = records::proof_name(&row.name);
        let text = format!("Publish the TXT record {name} with the text {} and try again. {said}", hosted.proof);
        Err(AdminError::Conflict(text))
    }

    /// Compares every domain with DNS, one after the other, and tells what has changed. `pause` is waited for in between.
    pub async fn recheck_domains<F: Future<Output = ()>>(&self, mut pause: impl FnMut() -> F) -> Result<()> {
        let mut cursor = None;
        loop {
            let query = ListQuery { cursor, limit: super::MAX_LIMIT, ..ListQuery::default() };
            let page = self.store.rules.domains(query).await?;
            for row in &page.items {
                self.recheck(row).await?;
                pause().await;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn recheck(&self, row: &DomainRow) -> Result<()> {
        self.look_up(row).await.map(drop)
    }

    pub(super) async fn compared(&self, gateway: &Gateway, row: &DomainRow) -> Vec<Record> {
        let hosted = self.hosted(row);
        let facts = self.outside.domain(&hosted).await;
        records::judge(gateway, &hosted, &facts)
    }

    fn hosted(&self, row: &DomainRow) -> Hosted {
        let shared = || self.facts.instance.load().srs_domain.clone();
        let srs_domain = row.srs_domain.clone().or_else(shared).unwrap_or_else(|| row.name.clone());
        Hosted {
            proof: records::proof((row.id, row.account), &row.name),
            name: row.name.clone(),
            srs_domain,
            verified: row.verified_at.is_some(),
        }
    }

    /// Keeps how the domain stands, and what is wrong. That DNS did not answer does not wash away what it said before.
    pub(super) async fn note_standing(&self, row: &DomainRow, all: &[Record]) -> Result<()> {
        let standing = records::standing(all);
        let wrong: Vec<_> = all.iter().filter(|record| record.is_drift()).map(Record::in_words).collect();
        let is_known = standing.as_str() == row.dns && wrong == row.dns_wrong;
        if is_known || (standing == Standing::Unknown && row.dns == Standing::Drift.as_str()) {
            return Ok(());
        }
        self.store.rules.note_dns(row.key, standing.as_str(), &wrong).await?;
        if standing.as_str() != row.dns {
            tell_standing(row, standing, all);
        }
        Ok(())
    }
}

fn tell_standing(row: &DomainRow, standing: Standing, all: &[Record]) {
    match standing {
        Standing::Drift => {
            let wrong = all.iter().filter(|record| record.is_drift());
            let wrong: Vec<_> = wrong.map(|record| format!("{} of {}", record.kind, record.name)).collect();
            tracing::warn!(domain = %row.name, records = wrong.join(", "), "the records of a domain are not as they must be; waypost dns shows them");
        }
        Standing::Ok => tracing::info!(domain = %row.name, "the records of a domain are as they must be"),
        Standing::Unknown => {
            tracing::info!(domain = %row.name, "DNS does not say how the records of a domain stand")
        }
    }
}
