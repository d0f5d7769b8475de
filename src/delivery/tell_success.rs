//! Tells a sender who asked for it (NOTIFY=SUCCESS, RFC 3461) that its message was handed on: one report for a recipient,
//! however many destinations it has, and under the same rules as a report of failure.
//!
//! It says `relayed` and not `delivered`: a next hop is asked to report failure to us and nothing else, so that no report of
//! success from there can show the sender a destination.

use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::courier::Shared;
use super::tell_sender::{Asked, asked_for};
use crate::mail::Moment;
use crate::mail::dsn::Action;
use crate::policy::verdict::Outcome;
use crate::store::queue::{Acceptance, Claim, NewDelivery, NewMessage, Purpose};

/// Recipients whose success is remembered as told, and for how long: longer than a message waits.
const REMEMBERED: u64 = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(6 * 86_400);

/// Which recipients of which messages were told of.
#[derive(Debug)]
pub(super) struct Told(Cache<(Uuid, String), ()>);

impl Told {
    /// None.
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build())
    }

    /// Whether this is the first destination of a recipient that has the message.
    fn is_first(&self, message: &NewMessage, delivery: &NewDelivery) -> bool {
        self.0.entry((message.id, delivery.recipient.key())).or_insert(()).is_fresh()
    }
}

/// Of deliveries that were claimed and have ended; to be kept when they go.
pub(super) async fn of_claims(shared: &Shared, claims: &[Claim], outcomes: &[(Uuid, Outcome)]) -> Vec<Acceptance> {
    let mut reports = Vec::new();
    for Claim { delivery, message, .. } in claims.iter().filter(|claim| wants(&claim.delivery)) {
        let has_it = |(id, outcome): &(_, _)| *id == delivery.id && matches!(outcome, Outcome::Delivered { .. });
        if outcomes.iter().any(has_it) {
            reports.extend(report(shared, message, &[delivery], shared.tools.clock.now()).await);
        }
    }
    reports
}

/// Writes the report and keeps it in the queue.
pub(super) async fn tell(shared: &Shared, message: &NewMessage, served: &[&NewDelivery], at: Moment) {
    let Some(report) = report(shared, message, served, at).await else { return };
    match shared.tools.store.queue.accept_together(vec![report]).await {
        Ok(()) => shared.due_at(at),
        Err(error) => tracing::error!(%error, message = %message.id, "a report of success could not be stored"),
    }
}

/// Where its sender may be told and wants to be.
async fn report(shared: &Shared, message: &NewMessage, served: &[&NewDelivery], at: Moment) -> Option<Acceptance> {
    let served = served.iter().copied().filter(|served| wants(served) && shared.told.is_first(message, served));
    let asked = Asked {
        deliveries: &served.collect::<Vec<_>>(),
        action: Action::Relayed,
        status: (2, 0, 0),
        reason: "It was handed on to the mail system of the recipient.",
    };
    asked_for(shared, message, &asked, at).await
}

/// Promise 5 holds here as well.
fn wants(delivery: &NewDelivery) -> bool {
    delivery.purpose == Purpose::Forward && delivery.reportable && delivery.wishes.recipient.want_success()
}
