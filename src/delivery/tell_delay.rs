//! Tells a sender who asked for it (NOTIFY=DELAY, RFC 3461) that its message takes long: once for a recipient, however many
//! destinations it has, and under the same rules as a report of failure.

use super::courier::Shared;
use super::tell_sender::{Asked, asked_for};
use crate::mail::dsn::Action;
use crate::policy::retry::{LONG_WAIT, Tried, given_up_at};
use crate::store::activity::Row;
use crate::store::queue::{Acceptance, Claim, Purpose};

/// The report, where it is time for it; to be kept together with the next try.
pub(super) async fn report(shared: &Shared, claim: &Claim, tried: &Tried) -> Option<Acceptance> {
    let Claim { delivery, message, .. } = claim;
    let wanted = delivery.purpose == Purpose::Forward && delivery.reportable && delivery.wishes.recipient.want_delay();
    if !wanted || tried.now.since(tried.accepted_at) < LONG_WAIT || !is_ours_to_tell(shared, claim).await {
        return None;
    }
    let asked = Asked {
        deliveries: &[delivery],
        action: Action::Delayed { until: given_up_at(tried, &shared.tools.instance.load()) },
        status: (4, 4, 7),
        reason: "The mail system of the recipient has not taken it yet.",
    };
    asked_for(shared, message, &asked, tried.now).await
}

/// Of destinations that wait for the same message to an alias the first one tells, and none where another has it. What the
/// log cannot say now it may say at the next try.
async fn is_ours_to_tell(shared: &Shared, claim: &Claim) -> bool {
    let (id, alias) = (claim.delivery.id, claim.delivery.recipient.to_string());
    let goes_before = |row: &Row| row.has_arrived() || row.id < id && row.may_arrive();
    let rows = shared.tools.store.activity.transaction(claim.message.id).await;
    rows.is_ok_and(|rows| !rows.iter().any(|row| row.recipient == alias && row.id != id && goes_before(row)))
}
