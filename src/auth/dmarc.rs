//! DMARC of the author's domain by the tree walk (RFC 9989 §4.10): the policy that applies, and whether SPF or DKIM passed
//! for a domain that is aligned with it.
//!
//! The rules are mail-auth's. Whom it is asked about is ours: it gets one author domain at a time, as the header scan
//! found it, and of the signatures those that pass by our judgement.

use std::time::Duration;

use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{AuthenticatedMessage, DkimOutput, DmarcOutput, Parameters, SpfOutput};
use tokio::time::{Instant, timeout_at};

use super::{Inner, spf};
use crate::mail::Domain;
use crate::mail::header::HeaderFacts;
use crate::policy::facts::{DmarcFacts, DmarcPolicy, DmarcResult, SpfFacts};

/// Author domains that are asked where one From field names several; with more, nobody is taken to know what they ask for.
const MAX_AUTHORS: usize = 4;
/// How long looking ahead for the records may take.
const AHEAD_WITHIN: Duration = Duration::from_secs(4);

/// What was found of the sender, for DMARC to align.
#[derive(Clone, Copy)]
pub(super) struct Proofs<'a> {
    pub(super) spf: Option<&'a SpfFacts>,
    pub(super) dkim: &'a [DkimOutput<'a>],
}

impl Inner {
    /// Has an author's records fetched while other answers are waited for.
    pub(super) async fn look_ahead_of(&self, author: &Domain, deadline: Instant) {
        let until = deadline.min(Instant::now() + AHEAD_WITHIN);
        let _ = timeout_at(until, self.organisational(author)).await;
    }

    /// One author domain is judged by its own policy. Of several in one field any could be the one that is shown, so that
    /// the message fails by the strictest of their policies; where they cannot be told for sure, nothing milder than
    /// reject is known to be asked for (RFC 7489 §6.6.1). Without any From nobody is impersonated, and there is nobody whose
    /// policy it could fail.
    pub(super) async fn dmarc(&self, header: &HeaderFacts, proofs: Proofs<'_>, deadline: Instant) -> DmarcFacts {
        match header.author_domains.as_deref() {
            Some([author]) => self.of_author(author, proofs, deadline).await,
            Some(authors @ [_, _, ..]) if authors.len() <= MAX_AUTHORS => {
                let mut strictest = Some(DmarcPolicy::None);
                for author in authors {
                    let policy = self.of_author(author, proofs, deadline).await.policy;
                    strictest = strictest.zip(policy).map(|(a, b)| a.max(b));
                }
                without_author(strictest, "From names authors of several domains")
            }
            _ if header.from_fields == 0 => DmarcFacts {
                result: DmarcResult::None,
                ..without_author(Some(DmarcPolicy::None), "there is no From field")
            },
            _ => without_author(Some(DmarcPolicy::Reject), "From cannot be read as authors of one domain"),
        }
    }

    async fn of_author(&self, author: &Domain, proofs: Proofs<'_>, deadline: Instant) -> DmarcFacts {
        let header = format!("From: <author@{author}>\r\n\r\n");
        let message = AuthenticatedMessage::parse(header.as_bytes()).unwrap_or_default();
        let spf = proofs.spf.map(output_of).unwrap_or_default();
        let asked = DmarcParameters::new(&message, proofs.dkim, spf.domain(), &spf);
        let asking = async {
            self.walk_ahead(author).await;
            self.verifier.verify_dmarc(Parameters::new(asked).with_cache(&self.caches)).await
        };
        match timeout_at(deadline, asking).await {
            Ok(output) => facts(author, &output),
            Err(_) => DmarcFacts {
                result: DmarcResult::TempError,
                policy: None,
                domain: author.to_string(),
                detail: "not known in time".to_owned(),
            },
        }
    }
}

fn output_of(facts: &SpfFacts) -> SpfOutput {
    SpfOutput::new(facts.domain.clone()).with_result(spf::theirs(facts.result))
}

fn without_author(policy: Option<DmarcPolicy>, detail: &str) -> DmarcFacts {
    let result = if policy.is_some() { DmarcResult::Fail } else { DmarcResult::TempError };
    DmarcFacts { result, policy, domain: String::new(), detail: detail.to_owned() }
}

fn facts(author: &Domain, output: &DmarcOutput) -> DmarcFacts {
    let (result, detail) = match output.result() {
        mail_auth::DmarcResult::Pass => (DmarcResult::Pass, String::new()),
        mail_auth::DmarcResult::None => (DmarcResult::None, String::new()),
        mail_auth::DmarcResult::Fail(_) => {
            (DmarcResult::Fail, "neither SPF nor a DKIM signature passed for its domain".to_owned())
        }
        mail_auth::DmarcResult::TempError(error) => (DmarcResult::TempError, error.to_string()),
        mail_auth::DmarcResult::PermError(error) => (DmarcResult::PermError, error.to_string()),
    };
    let asked_for = match output.policy() {
        Policy::Reject => DmarcPolicy::Reject,
        Policy::Quarantine => DmarcPolicy::Quarantine,
        Policy::None | Policy::Unspecified => DmarcPolicy::None,
    };
    // A walk that DNS cut short has no record, and then nobody knows what is asked for.
    let unknown = result == DmarcResult::TempError && output.record().is_none();
    DmarcFacts { result, policy: (!unknown).then_some(asked_for), domain: author.to_string(), detail }
}
