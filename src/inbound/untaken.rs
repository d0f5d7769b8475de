//! A message that is not taken: refused, or handed back because its client left or it could not be kept, perhaps after its
//! deliveries had begun. The client still has it; the log says so, and what a next hop has of it all the same.

use super::arrival::Arrival;
use super::outgoing::Outgoing;
use super::tally::Came;
use super::{Tools, ledger, rows};
use crate::policy::status::Status;
use crate::policy::verdict::Outcome;
use crate::smtp::reply::Reply;
use crate::store::activity::Row;
use crate::store::{Result, StoreError};

/// Why it was not taken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Untaken<'a> {
    /// The client left before its answer.
    ClientLeft,
    /// It could not be kept: this is the answer.
    Unkept(&'a Reply),
}

impl Untaken<'_> {
    /// One row for each delivery, and for each recipient without a next hop.
    pub(super) fn rows(self, tools: &Tools, arrival: &Arrival, (outgoing, came): (&[Outgoing], &[Came])) -> Vec<Row> {
        let of_delivery = outgoing.iter().zip(came).map(|(delivery, came)| {
            let mut row = rows::of_delivery(tools, arrival, delivery);
            row.attempts.clone_from(&came.attempts);
            row.sha256_sent = came.sha256_sent;
            self.settle(&mut row, came);
            row
        });
        let of_recipient = ledger::without_next_hop(arrival).map(|taken| {
            let mut row = rows::of_recipient(tools, arrival, taken);
            self.close(&mut row);
            row
        });
        of_delivery.chain(of_recipient).collect()
    }

    fn settle(self, row: &mut Row, came: &Came) {
        match &came.outcome {
            Some(Outcome::Delivered { .. }) => {
                ledger::forwarded(row, came);
                row.reason = format!("Delivered; {}", self.meanwhile());
            }
            Some(Outcome::Unknown { .. }) => self.close_in_doubt(row),
            None if came.running => self.close_in_doubt(row),
            _ => self.close(row),
        }
    }

    fn close_in_doubt(self, row: &mut Row) {
        self.close(row);
        row.reason = format!("It may have been delivered; {}", self.meanwhile());
    }

    fn close(self, row: &mut Row) {
        match self {
            Self::ClientLeft => {
                row.status = Status::Abandoned;
                "The client left before its answer, and keeps the message".clone_into(&mut row.reason);
            }
            Self::Unkept(reply) => rows::refuse(row, reply),
        }
    }

    const fn meanwhile(self) -> &'static str {
        match self {
            Self::ClientLeft => "the client had left before it could be told",
            Self::Unkept(_) => "the rest could not be kept, so the client was asked to come again with all of it",
        }
    }
}

/// Refuses every recipient alike, and writes it down.
pub(super) async fn refuse_all(tools: &Tools, arrival: &Arrival, reply: Reply) -> Result<Reply> {
    tools.store.activity.record(refused(tools, arrival, &reply)).await?;
    tracing::info!(id = %arrival.id, peer = %arrival.connect.peer, %reply, "message refused");
    Ok(reply)
}

/// A row for each recipient, refused with `reply`.
pub(super) fn refused(tools: &Tools, arrival: &Arrival, reply: &Reply) -> Vec<Row> {
    let row = |taken| {
        let mut row = rows::of_recipient(tools, arrival, taken);
        rows::refuse(&mut row, reply);
        row
    };
    (0..arrival.taken.len()).map(row).collect()
}

/// Storage failed, and the client hears so: the log says what it can of it, for it may well be written still.
pub(super) async fn hand_back(tools: &Tools, rows: Vec<Row>, error: StoreError) -> StoreError {
    if let Err(unlogged) = tools.store.activity.record(rows).await {
        tracing::error!(error = %unlogged, "nor could the log be written");
    }
    error
}
