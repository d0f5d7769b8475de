//! A delivery that is given up: its sender is told, or its octets are kept for the owner.
//!
//! A sender wrote to an alias, and hears of its failure once: when no destination of it is left. Destinations that fail at
//! the same instant must not each leave the telling to the other, so those of one message are given up one after another,
//! and so is what a report says of one that was handed on.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use super::courier::Shared;
use super::settle::{Case, End, persist};
use super::tell_sender::{Failed, Telling, ToReturn, telling, why_with_another};
use crate::policy::status::Status;
use crate::store::activity::Row;
use crate::store::queue::{Claim, Purpose, Settlement};

/// Messages of which deliveries are given up at the same time, at most; others wait for a commit of the log.
const AT_A_TIME: usize = 64;

/// Who may give up deliveries of which message.
#[derive(Debug)]
pub(super) struct Turns([Arc<Mutex<()>>; AT_A_TIME]);

impl Turns {
    /// Nobody does.
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }

    pub(super) async fn take(&self, message: Uuid) -> OwnedMutexGuard<()> {
        let turn = message.as_u128() % AT_A_TIME as u128;
        Arc::clone(&self.0[usize::try_from(turn).unwrap_or(0)]).lock_owned().await
    }
}

/// The deliveries of a message that are given up together. To be dropped when the log says so, and not before.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    ids: Vec<Uuid>,
    turn: Option<OwnedMutexGuard<()>>,
}

/// The sender is told, or the octets are kept for the owner.
pub(super) async fn give_up(
    shared: &Shared,
    case: Case<'_>,
    told: Failed<'_>,
    (status, reason): (Status, String),
) -> End {
    let (now, id) = (shared.tools.clock.now(), case.claim.delivery.id);
    if case.claim.delivery.purpose == Purpose::Dsn {
        tracing::info!(delivery = %id, %reason, "a report could not be delivered");
    }
    if case.claim.delivery.purpose == Purpose::Notice {
        unheard(shared, case.claim).await;
    }
    if case.claim.delivery.purpose != Purpose::Forward {
        // The row in the log tells whoever asked for a verification, and a notice that nobody heard is told by another way.
        return End::new(Settlement::Done, status, reason);
    }
    if case.given_up.turn.is_none() {
        case.given_up.turn = Some(shared.turns.take(case.claim.message.id).await);
    }
    case.given_up.ids.push(id);
    let Telling { note, dsn } = match with_another(shared, case.claim, &case.given_up.ids).await {
        Some(why) => Telling::suppressed(why),
        None => telling(shared, (&case.claim.message, ToReturn::Received), &[told], now).await,
    };
    let settlement = match dsn {
        Some(_) => Settlement::Done,
        None => Settlement::Kept(now.after(shared.settings().keep_failed)),
    };
    End { dsn: Some(note), report: dsn, ..End::new(settlement, status, reason) }
}

async fn unheard(shared: &Shared, claim: &Claim) {
    let (notices, told_at) = (&shared.tools.store.notices, claim.message.received_at);
    let at = shared.tools.clock.now();
    persist(&shared.stopping, || notices.refused(told_at, (claim.delivery.recipient.to_string(), at))).await;
}

/// Why its sender is not told, where a destination of the alias that is not given up has the message, or may still get it.
async fn with_another(shared: &Shared, claim: &Claim, given_up: &[Uuid]) -> Option<&'static str> {
    let alias = claim.delivery.recipient.to_string();
    let others = |row: &&Row| row.recipient == alias && !given_up.contains(&row.id);
    match shared.tools.store.activity.transaction(claim.message.id).await {
        Ok(rows) => why_with_another(rows.iter().filter(others)),
        Err(error) => {
            tracing::warn!(%error, "it is not known whether another destination has the message; the sender is told");
            None
        }
    }
}
