//! `queue.max_bytes_per_domain`: how much of the queue one domain takes.
//!
//! Who is refused comes again, and what a next hop has taken meanwhile would arrive twice. So a message is refused only as
//! long as nobody has it, and where the share of a domain is used up each recipient comes alone.

use super::arrival::Arrival;
use super::transaction::Transaction;
use super::{Tools, ledger};
use crate::policy::admission::Decision;
use crate::policy::ids::DomainId;
use crate::policy::report::{Answer, Fate};
use crate::store::Result;

/// Whether a recipient may share its message with those taken before. What cannot be asked is found out at the dot.
pub(super) async fn may_join(tools: &Tools, transaction: &Transaction, decision: &Decision) -> bool {
    let Some((_, first)) = transaction.taken.first() else { return true };
    let octets = transaction.mail.size.unwrap_or(0);
    is_room(tools, [first.domain, decision.domain].into_iter(), octets).await.unwrap_or(true)
}

/// Whether a message is too much for a domain of its recipients; asked only when something is to be queued or kept and no
/// next hop has the message.
pub(super) async fn is_passed(tools: &Tools, arrival: &Arrival, answer: &Answer) -> Result<bool> {
    if answer.fates.iter().all(|fate| *fate == Fate::Done) && !ledger::keeps(arrival) {
        return Ok(false);
    }
    let domains = arrival.taken.iter().map(|(_, decision)| decision.domain);
    Ok(!is_room(tools, domains, arrival.body.octets.len()).await?)
}

async fn is_room(tools: &Tools, domains: impl Iterator<Item = Option<DomainId>>, octets: u64) -> Result<bool> {
    let most = tools.settings.load().max_bytes_per_domain;
    for domain in domains {
        if tools.store.queue.bytes_of(domain).await?.saturating_add(octets) > most {
            return Ok(false);
        }
    }
    Ok(true)
}
