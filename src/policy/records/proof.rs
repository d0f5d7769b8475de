//! The proof that an account may speak for a domain: a TXT record whose text nobody else's account has.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Answers, Hosted, Record, Verdict, Weight, judged};
use crate::mail::Domain;
use crate::policy::ids::AccountId;

/// Octets of the digest that are shown: enough that no two accounts share a text.
const SHOWN_OCTETS: usize = 15;

/// The text, bound to the domain as one account added it (`id`). It is no secret: what it proves is who can write it into
/// the zone.
#[must_use]
pub fn proof((id, account): (Uuid, AccountId), domain: &Domain) -> String {
    let digest = Sha256::new()
        .chain_update(b"waypost-verify\0")
        .chain_update(id.as_bytes())
        .chain_update(account.0.to_be_bytes())
        .chain_update(domain.as_str())
        .finalize();
    format!("waypost-verify={}", BASE32_NOPAD.encode(&digest[..SHOWN_OCTETS]).to_ascii_lowercase())
}

/// Where it stands.
#[must_use]
pub fn proof_name(domain: &Domain) -> String {
    format!("_waypost.{domain}")
}

pub(super) fn judge(domain: &Hosted, answers: &Answers) -> Record {
    let weight = if domain.verified { Weight::Advised } else { Weight::Needed };
    let record = Record::blank(("proof", "TXT"), &proof_name(&domain.name), answers).weighing(weight);
    let record = record.wanting((!domain.verified).then(|| domain.proof.clone()));
    judged(record, answers, |record, values| by_values(record, values, domain))
}

fn by_values(record: Record, values: &[String], domain: &Hosted) -> Record {
    if values.contains(&domain.proof) {
        return record.said(Verdict::Ok, "The proof is there.");
    }
    match (domain.verified, values.is_empty()) {
        (true, _) => record.said(Verdict::Absent, "The domain is verified; its proof is not asked for any more."),
        (false, true) => {
            record.said(Verdict::Missing, "Publish it, then have the domain verified: until then it gets no mail.")
        }
        (false, false) => {
            record.said(Verdict::Differs, "There is another text, which proves nothing for this account.")
        }
    }
}
