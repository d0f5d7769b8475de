//! Tells a sender who asked for it (NOTIFY=SUCCESS, RFC 3461) that its message was handed on: one report for a recipient,
//! however many destinations it has, and under the same rules as a report of failure.
//!
//! It says `relayed` and not `delivered`: a next hop is asked to report failure to us and nothing else, so that no report of
//! success from there can show the sender a destination.

use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::courier::Shared;
use super::tell_sender::{header, to_be_queued};
use crate::mail::Moment;
use crate::mail::dsn::{Action, Dsn, Failure, Returned};
use crate::policy::verdict::Outcome;
use crate::store::queue::{Claim, NewDelivery, NewMessage, Purpose};

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

/// Of deliveries that were claimed and have ended; the message is there still.
pub(super) async fn of_claims(shared: &Shared, claims: &[Claim], outcomes: &[(Uuid, Outcome)]) {
    for Claim { delivery, message, .. } in claims.iter().filter(|claim| wants(&claim.delivery)) {
        let has_it = |(id, outcome): &(_, _)| *id == delivery.id && matches!(outcome, Outcome::Delivered { .. });
        if outcomes.iter().any(has_it) {
            tell(shared, message, &[delivery], shared.tools.clock.now()).await;
        }
    }
}

/// Writes the report, where its sender may be told and wants to be.
pub(super) async fn tell(shared: &Shared, message: &NewMessage, served: &[&NewDelivery], at: Moment) {
    let served = served.iter().copied().filter(|served| wants(served) && shared.told.is_first(message, served));
    let served = served.collect::<Vec<_>>();
    let (Some(sender), Some(first)) = (message.reverse_path.mailbox(), served.first()) else { return };
    if !shared.quota.take(sender) {
        return tracing::info!(message = %message.id, "no report of success: this sender got its share for this hour");
    }
    let id = shared.tools.chance.id(at);
    let dsn = Dsn {
        host: &shared.settings().hostname,
        to: sender,
        at,
        arrived: message.received_at,
        unique: &id.to_string(),
        action: Action::Relayed,
        envelope_id: first.wishes.message.envelope_id.as_ref(),
        failures: &served.iter().map(|delivery| of_recipient(delivery)).collect::<Vec<_>>(),
        // RET is a matter of failure: a success is told with the header alone (RFC 3461 §4.3).
        returned: &Returned::Header(header(message).await),
    };
    let (dsn, delivery) = to_be_queued(id, dsn.octets(), (sender, first), at);
    match shared.tools.store.queue.accept(dsn, vec![delivery], Vec::new()).await {
        Ok(()) => shared.due_at(at),
        Err(error) => tracing::error!(%error, message = %message.id, "a report of success could not be stored"),
    }
}

/// Promise 5 holds here as well.
fn wants(delivery: &NewDelivery) -> bool {
    delivery.purpose == Purpose::Forward && delivery.reportable && delivery.wishes.recipient.want_success()
}

fn of_recipient(delivery: &NewDelivery) -> Failure {
    Failure {
        recipient: delivery.recipient.clone(),
        status: (2, 0, 0),
        reason: "It was handed on to the mail system of the recipient.".to_owned(),
        original: delivery.wishes.recipient.original.clone(),
    }
}
