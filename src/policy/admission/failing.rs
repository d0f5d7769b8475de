//! Destinations that refused their mailbox a short while ago: mail that could go nowhere else is refused before it comes.

use super::super::replies;
use super::super::status::TraceStep;
use super::targets::MAX_TRACED_DESTINATIONS;
use super::{Decision, Disposition};
use crate::mail::Mailbox;
use crate::smtp::reply::Reply;

/// A destination that is remembered as failing, with the words of its next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The destination.
    pub destination: Mailbox,
    /// What was said.
    pub reply: Reply,
}

/// Refuses what leads to failing destinations only, with the answer that the session would have ended with. While one is
/// well, all are tried: each has its own outcome in the log, and one that is well again is found out.
#[must_use]
pub fn unless_failing(mut decision: Decision, failing: &[Failing]) -> Decision {
    let (Disposition::Forward(legs), [first, ..]) = (&decision.disposition, failing) else { return decision };
    let nowhere_else = legs.iter().all(|leg| failing.iter().any(|known| known.destination == leg.destination));
    let steps = failing.iter().take(MAX_TRACED_DESTINATIONS).map(|known| {
        let detail = format!("{} refused its mailbox in the last minutes: {}", known.destination, known.reply);
        TraceStep::new("destination", "failing", detail)
    });
    decision.trace.extend(steps);
    if nowhere_else {
        decision.disposition = Disposition::Reject(replies::mailbox_refused(&first.reply));
        decision.create = false;
        decision.reason = match failing {
            [only] => format!(
                "{} refused its mailbox in the last minutes, and was not asked again: {}.",
                only.destination, only.reply
            ),
            all => format!(
                "All of its {} destinations refused their mailboxes in the last minutes, and were not asked again: the \
                 trace says why.",
                all.len()
            ),
        };
    }
    decision
}
