//! What becomes of a report of ours on its way to a sender. It has no row in the log: while it waits, the queue keeps what
//! it was answered last; its end is written on the row that it is about, before the queue lets it go.

use super::courier::Shared;
use super::settle::{End, persist};
use crate::policy::status::Status;
use crate::store::activity::{Attempt, DsnNote};
use crate::store::queue::Claim;

/// Notes what a try of a report came to.
pub(super) async fn note(shared: &Shared, (claim, end): (&Claim, &End), attempts: Vec<Attempt>) {
    let (store, stop, id) = (&shared.tools.store, &shared.stopping, claim.delivery.id);
    let note = match end.status {
        Status::Deferred => {
            if let Some(last) = attempts.last() {
                persist(stop, || store.queue.answered(id, last)).await;
            }
            return;
        }
        Status::Forwarded => DsnNote::taken(id),
        _ => DsnNote::suppressed(format!("the report could not be delivered, {}", end.reason)),
    };
    if let Some(about) = claim.delivery.about {
        persist(stop, || store.activity.reported((about, id), &note)).await;
    }
}
