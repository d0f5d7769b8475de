//! The records of a hosted domain, asked of its own name servers and of the configured resolver.

use futures_util::future::join_all;

use super::{LATE, Outside, in_time};
use crate::mail::Domain;
use crate::net::records::{NameServer, RecordKind};
use crate::policy::records::spf::{self, Spf};
use crate::policy::records::{Answers, Facts, Hosted, SELECTORS, Said, proof_name};

/// Labels above a domain at which a DMARC record is looked for (RFC 7489's successor walks eight).
const MAX_LABELS_ABOVE: usize = 8;

impl Outside {
    /// All that [`crate::policy::records::judge`] asks. What is not known in time is unknown.
    pub async fn domain(&self, domain: &Hosted) -> Facts {
        in_time(self.gathered(domain)).await.unwrap_or_else(|| Facts::unheard(LATE))
    }

    async fn gathered(&self, domain: &Hosted) -> Facts {
        let reach = self.reach();
        let (servers, of_srs) = tokio::join!(
            self.dns.name_servers(&domain.name, &reach),
            self.dns.name_servers(&domain.srs_domain, &reach)
        );
        let name = &domain.name;
        let text = async |prefix: &str| self.answers(&servers, &format!("{prefix}.{name}"), RecordKind::Txt).await;
        let proof = proof_name(name);
        let (mx, (txt, spf), dmarc, dmarc_above, proof, dkim, mta_sts, tls_rpt) = tokio::join!(
            self.answers(&servers, name.as_str(), RecordKind::Mx),
            self.spf(&of_srs, &domain.srs_domain),
            text("_dmarc"),
            self.dmarc_above(name),
            self.answers(&servers, &proof, RecordKind::Txt),
            join_all(SELECTORS.map(|selector| self.dkim(name, selector))),
            text("_mta-sts"),
            text("_smtp._tls"),
        );
        let mta_sts_policy = self.mta_sts_policy(name, &mta_sts).await;
        Facts { mx, txt, spf, dmarc, dmarc_above, proof, dkim, mta_sts, mta_sts_policy, tls_rpt }
    }

    async fn spf(&self, servers: &[NameServer], domain: &Domain) -> (Answers, spf::Tree) {
        let answers = self.answers(servers, domain.as_str(), RecordKind::Txt).await;
        let own = answers.values().unwrap_or_default().iter().filter(|text| spf::is_spf(text));
        let records: Vec<Spf> = own.map(|text| Spf::parse(text)).collect();
        let tree = self.spf_tree(domain.as_str(), &records).await;
        (answers, tree)
    }

    /// The usual selectors are only looked up by the resolver: most are not there.
    async fn dkim(&self, domain: &Domain, selector: &str) -> (String, Answers) {
        let resolver = self.resolved(&format!("{selector}._domainkey.{domain}"), RecordKind::Txt).await;
        (selector.to_owned(), Answers { servers: Vec::new(), resolver })
    }

    /// The nearest DMARC record above the domain.
    async fn dmarc_above(&self, domain: &Domain) -> Option<(String, Said)> {
        let mut rest = domain.as_str();
        for _ in 0..MAX_LABELS_ABOVE {
            rest = rest.split_once('.')?.1;
            let name = format!("_dmarc.{rest}");
            let said = self.resolved(&name, RecordKind::Txt).await;
            if said.values().is_some_and(|values| !values.is_empty()) {
                return Some((name, said));
            }
        }
        None
    }

    /// Whether the proof stands in the zone, by the mouth of any of its name servers or of the resolver.
    pub async fn has_proof(&self, domain: &Hosted) -> (bool, Answers) {
        let asking = async {
            let servers = self.dns.name_servers(&domain.name, &self.reach()).await;
            self.answers(&servers, &proof_name(&domain.name), RecordKind::Txt).await
        };
        let answers = in_time(asking).await.unwrap_or_default();
        let says = |said: &Said| said.values().is_some_and(|values| values.contains(&domain.proof));
        let is_there = says(&answers.resolver) || answers.servers.iter().any(|heard| says(&heard.said));
        (is_there, answers)
    }
}
