//! Senders who asked to hear of success (NOTIFY=SUCCESS, RFC 3461), of what was delivered while they waited.

use super::Tools;
use super::arrival::Arrival;
use super::ledger;
use super::outgoing::Outgoing;
use crate::policy::report::{Answer, Fate};
use crate::store::queue::Entry;

/// One report for all recipients that some destination has taken the message for.
pub(super) async fn tell(tools: &Tools, arrival: &Arrival, (outgoing, answer): (&[Outgoing], &Answer)) {
    let wants = |taken: usize| arrival.wishes[taken].want_success();
    if !arrival.reportable || !(0..arrival.wishes.len()).any(wants) {
        return;
    }
    let now = tools.clock.now();
    let done =
        outgoing.iter().zip(&answer.fates).filter(|(delivery, fate)| **fate == Fate::Done && wants(delivery.taken));
    let entry = (Entry::Due(now), 0);
    let served = done.map(|(delivery, _)| ledger::new_delivery(arrival, delivery, entry)).collect::<Vec<_>>();
    if !served.is_empty() {
        tools.courier.tell_success(&ledger::message(arrival), &served.iter().collect::<Vec<_>>(), now).await;
    }
}
