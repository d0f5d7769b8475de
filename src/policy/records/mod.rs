//! The DNS records of a hosted domain and of the gateway's own host: which are wanted, what is to be said of those that are
//! there, and the exact text to publish.
//!
//! Everything here is data in, data out: `facts` asks the name servers. What the domain's own name servers say counts; the
//! configured resolver is heard where they are silent, and where it differs it only lags behind.

mod dkim;
mod dmarc;
mod host;
mod mta_sts;
mod mx;
mod proof;
mod said;
pub mod spf;
mod zone;

use serde::Serialize;
use utoipa::ToSchema;

use crate::mail::Domain;

pub use dkim::SELECTORS;
pub use host::{HostFacts, Reverse, host};
pub use mta_sts::{Policy as MtaStsPolicy, announces_mta_sts, policy_url};
pub use proof::{proof, proof_name};
pub use said::{Answers, Heard, Said};
pub use zone::{lines_to_remove, zone_line};

/// Values that are quoted of a record that is wrong.
const MAX_QUOTED: usize = 3;
/// And characters of each.
const MAX_QUOTED_CHARS: usize = 200;

/// What is to be said of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As wanted.
    Ok,
    /// Wanted, and not there.
    Missing,
    /// There, and not as it must be.
    Differs,
    /// As wanted, with others beside it that do no harm by themselves.
    Extra,
    /// Not there, and nobody asks for it.
    Absent,
    /// DNS gave no answer that could be judged.
    Unknown,
}

/// How much a record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Mail is lost or refused without it.
    Needed,
    /// Mail fares better with it.
    Advised,
    /// Judged where it exists.
    Optional,
}

/// One record, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Record {
    /// `mx`, `spf`, `dmarc`, `proof`, `dkim`, `mta_sts`, `tls_rpt`, `address`, `ptr`, `host_mx`.
    pub id: &'static str,
    /// Where it stands.
    pub name: String,
    /// `MX`, `TXT`, `A`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// How much it matters.
    pub weight: Weight,
    /// The value to publish, as DNS shows it; none where nothing is asked for.
    pub wanted: Option<String>,
    /// What counts of what is there.
    pub found: Vec<String>,
    /// What each name server says.
    pub servers: Vec<Heard>,
    /// What the configured resolver says.
    pub resolver: Said,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict in words, and what to do.
    pub detail: String,
    /// A word for what is wrong that stays the same, where there are several ways to be wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
}

/// How a domain's records stand in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing that is needed is missing, nothing that is there is wrong.
    Ok,
    /// Something is missing or wrong.
    Drift,
    /// DNS did not say enough.
    Unknown,
}

impl Standing {
    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Drift => "drift",
            Self::Unknown => "unknown",
        }
    }
}

/// The gateway, as its domains' records speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its host name.
    pub hostname: Domain,
    /// The addresses that mail leaves by; none where they are not known.
    pub addresses: Vec<std::net::IpAddr>,
    /// Whether these are addresses of the host name, so that `mx` covers them.
    pub by_hostname: bool,
    /// The relay that all mail goes to, if any: then its addresses are what SPF must cover.
    pub relay: Option<String>,
}

/// A hosted domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosted {
    /// Its name.
    pub name: Domain,
    /// The domain that its rewritten senders stand on: SPF is wanted there.
    pub srs_domain: Domain,
    /// The text of its proof.
    pub proof: String,
    /// Whether it has been proven, or somebody's word stands for it.
    pub verified: bool,
}

/// What DNS says of a hosted domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// MX of the domain.
    pub mx: Answers,
    /// TXT of the SRS domain.
    pub txt: Answers,
    /// What its SPF records lead to.
    pub spf: spf::Tree,
    /// TXT of `_dmarc`.
    pub dmarc: Answers,
    /// TXT of the next `_dmarc` above, and its name.
    pub dmarc_above: Option<(String, Said)>,
    /// TXT of the proof's name.
    pub proof: Answers,
    /// TXT below `_domainkey`, by selector; the usual ones only, for nobody can list them.
    pub dkim: Vec<(String, Answers)>,
    /// TXT of `_mta-sts`.
    pub mta_sts: Answers,
    /// The policy behind it: the file, or why it could not be fetched.
    pub mta_sts_policy: Option<Result<String, String>>,
    /// TXT of `_smtp._tls`.
    pub tls_rpt: Answers,
}

impl Facts {
    /// Nothing that matters is known, for this reason.
    #[must_use]
    pub fn unheard(why: &str) -> Self {
        let unheard = || Answers::unheard(why);
        Self { mx: unheard(), txt: unheard(), dmarc: unheard(), proof: unheard(), ..Self::default() }
    }
}

/// Judges every record of a domain.
#[must_use]
pub fn judge(gateway: &Gateway, domain: &Hosted, facts: &Facts) -> Vec<Record> {
    let mut records = vec![
        mx::judge(gateway, domain, &facts.mx),
        spf::judge(gateway, domain, (&facts.txt, &facts.spf)),
        dmarc::judge(domain, &facts.dmarc, facts.dmarc_above.as_ref()),
        proof::judge(domain, &facts.proof),
    ];
    records.extend(dkim::judge(domain, &facts.dkim));
    records.push(mta_sts::judge(gateway, domain, facts));
    records.push(mta_sts::judge_reports(domain, &facts.tls_rpt));
    records
}

/// The whole from its parts: what is wrong outweighs what is unknown.
#[must_use]
pub fn standing(records: &[Record]) -> Standing {
    if records.iter().any(Record::is_drift) {
        return Standing::Drift;
    }
    let is_unknown = |record: &Record| record.weight == Weight::Needed && record.verdict == Verdict::Unknown;
    if records.iter().any(is_unknown) { Standing::Unknown } else { Standing::Ok }
}

impl Record {
    /// The record, what is wrong with it, what is there, and of MX and SPF what is wanted in place of that: a few sentences
    /// for somebody who is elsewhere.
    #[must_use]
    pub fn in_words(&self) -> String {
        let quoted = |value: &String| bare(self.kind, value).chars().take(MAX_QUOTED_CHARS).collect::<String>();
        let found: Vec<_> = self.found.iter().take(MAX_QUOTED).map(quoted).collect();
        let there = if found.is_empty() { String::new() } else { format!(" DNS says: {}", ended(&found.join(", "))) };
        let wanted =
            self.wanted.as_ref().filter(|_| ["mx", "spf"].contains(&self.id) && self.verdict == Verdict::Differs);
        let wanted = wanted.map(|text| format!(" Wanted: “{text}”.")).unwrap_or_default();
        format!("{} of {}: {}{there}{wanted}", self.kind, self.name, self.detail)
    }

    /// Whether it is told to somebody: needed and missing, or there and wrong.
    #[must_use]
    pub fn is_drift(&self) -> bool {
        match self.verdict {
            Verdict::Differs => true,
            Verdict::Missing => self.weight == Weight::Needed,
            Verdict::Ok | Verdict::Extra | Verdict::Absent | Verdict::Unknown => false,
        }
    }

    /// Whether others take the mail before it comes here.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.cause == Some(mx::SHARED)
    }

    /// A record of which nothing is said yet.
    fn blank((id, kind): (&'static str, &'static str), name: &str, answers: &Answers) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind,
            weight: Weight::Needed,
            wanted: None,
            found: answers.values().map(<[String]>::to_vec).unwrap_or_default(),
            servers: answers.servers.clone(),
            resolver: answers.resolver.clone(),
            verdict: Verdict::Unknown,
            detail: String::new(),
            cause: None,
        }
    }

    fn weighing(self, weight: Weight) -> Self {
        Self { weight, ..self }
    }

    fn wanting(self, wanted: Option<String>) -> Self {
        Self { wanted, ..self }
    }

    fn because(self, cause: &'static str) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// With its verdict in words.
    fn said(self, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into(), ..self }
    }
}

/// A name in a sentence has no dot of its own at its end, unless it is nothing but that.
fn bare<'v>(kind: &str, value: &'v str) -> &'v str {
    let without = value.strip_suffix('.').filter(|bare| kind != "TXT" && !bare.ends_with(' '));
    without.unwrap_or(value)
}

/// Words of others at the end of a sentence, which may have brought its dot.
fn ended(words: &str) -> String {
    format!("{}.", words.trim_end_matches('.'))
}

/// Why there is no answer, by the resolver's words, which say that there is none as well.
fn unanswered(why: &str) -> String {
    let why = ended(why.strip_prefix("DNS failed for now: ").unwrap_or(why));
    match why.strip_prefix("no answer ") {
        Some(rest) => format!("DNS gave no answer {rest}"),
        None => format!("DNS gave no answer: {why}"),
    }
}

/// Judges `record` by `judge` if DNS gave an answer, and says why not otherwise.
fn judged(record: Record, answers: &Answers, judge: impl FnOnce(Record, &[String]) -> Record) -> Record {
    match answers.values() {
        Err(why) => record.said(Verdict::Unknown, format!("{} It is asked again by itself.", unanswered(why))),
        Ok(values) => {
            let mut record = judge(record, values);
            if let Some(remark) = answers.remark() {
                record.detail = format!("{} {remark}", record.detail);
            }
            record
        }
    }
}

#[cfg(test)]
mod tests;
