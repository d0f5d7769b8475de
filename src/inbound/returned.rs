//! Mail to an SRS address of ours (DESIGN section 6): read as a report, tied to a delivery, recorded there as `bounced` with
//! the remote's words, and the original sender told by a DSN of our own that names the alias.
//!
//! Promise 5 holds: only a sender who was proved when it wrote is told, once for a delivery, and only when no destination
//! of the alias is left. The remote's own message goes nowhere: it names the destination. Whatever cannot be read or tied
//! is kept for the owner, as is the report itself. A notice of ours that comes back was not heard.

mod sender;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;
use uuid::Uuid;

use self::sender::Told;
use super::Tools;
use super::arrival::Arrival;
use super::ties::{FoundBy, Return, tied};
use crate::mail::Mailbox;
use crate::mail::report::{self, FailedRecipient, MAX_READ_OCTETS, Report};
use crate::policy::admission::{Disposition, ReportTo};
use crate::policy::status::TraceStep;
use crate::store::activity::{Attempt, BOUNCED, Bounced, Row};
use crate::store::octets::Octets;
use crate::store::queue::Acceptance;
use crate::store::{Result, StoreError};

/// Reports are tied one after another, so that two about one delivery do not both tell its sender.
pub(super) type Turn = Arc<Mutex<()>>;

/// The queue has so long to write down what it gives up of the same message; else the report is to come again.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// What a report came to.
#[derive(Debug)]
pub(super) struct Returned {
    /// Our own report to the sender, to be kept in the queue with what was received.
    pub(super) dsn: Option<Acceptance>,
    bounces: Vec<Bounced>,
    /// Until all of it is written.
    _turns: [OwnedMutexGuard<()>; 2],
}

/// A row that came to nothing in the end, and what is said of it.
type Failed<'r> = (Row, &'r FailedRecipient);

/// Reads the message if it came to an SRS address of ours, and says in its trace what it is.
pub(super) async fn read(tools: &Tools, arrival: &mut Arrival) -> Result<Option<Returned>> {
    let [(_, decision)] = arrival.taken.as_slice() else { return Ok(None) };
    let Disposition::Report(ReportTo { original_sender }) = decision.disposition.clone() else { return Ok(None) };
    let octets = first_octets(&arrival.body.octets).await?;
    let host = tools.settings.load().session.hostname.clone();
    let Some(report) = report::read(&octets, &host) else {
        explain(arrival, "nothing failed", no_report(&octets[..arrival.body.header.octets.min(octets.len())]));
        return Ok(None);
    };
    let turn = Arc::clone(&tools.returns).lock_owned().await;
    let mut failed = find(tools, arrival, (&original_sender, &report)).await?;
    if failed.is_empty() {
        explain(arrival, "untied", "It reports a failure of mail that the log does not know: kept for you.");
        return Ok(None);
    }
    explain_tied(arrival, &failed);
    let in_queue = in_queue(tools, failed[0].0.transaction).await?;
    failed.retain(|(row, _)| row.bounced_at.is_none());
    note_unheard(tools, &failed).await?;
    let told = sender::tell(tools, &original_sender, &failed).await?;
    let bounces = bounces(arrival, (&report, &failed), &told);
    Ok(Some(Returned { dsn: told.telling.and_then(|telling| telling.dsn), bounces, _turns: [turn, in_queue] }))
}

fn no_report(header: &[u8]) -> &'static str {
    if report::is_automatic_answer(header) {
        "An automatic answer, not a report of failure: kept for you and not sent on."
    } else {
        "It reports no mail that failed for good: kept for you and not sent on."
    }
}

/// Until it is dropped, the queue gives up none of the message's deliveries.
async fn in_queue(tools: &Tools, transaction: Uuid) -> Result<OwnedMutexGuard<()>> {
    let turn = timeout(TURN_WITHIN, tools.courier.turn(transaction)).await;
    turn.map_err(|_| StoreError::Unwell("what the queue gives up is not written yet".to_owned()))
}

/// That a notice was not heard is written before anything says that its report was taken: whoever dies in between, or
/// cannot write it, is sent the report again.
async fn note_unheard(tools: &Tools, failed: &[Failed<'_>]) -> Result<()> {
    for (row, _) in failed.iter().filter(|(row, _)| row.domain.is_none()) {
        tools.store.notices.refused(row.received_at, (row.recipient.clone(), tools.clock.now())).await?;
    }
    Ok(())
}

/// Writes what it came to into the rows concerned; the DSN is in the queue by now.
pub(super) async fn record(tools: &Tools, arrival: &Arrival) {
    let Some(returned) = &arrival.returned else { return };
    if !returned.bounces.is_empty()
        && let Err(error) = tools.store.activity.bounced(returned.bounces.clone()).await
    {
        tools.storage_failed("writing down what a report says", &error);
    }
    if returned.dsn.is_some() {
        tools.courier.wake();
    }
}

async fn first_octets(octets: &Octets) -> Result<Vec<u8>> {
    let mut first = Vec::new();
    while first.len() < MAX_READ_OCTETS {
        let piece = octets.read(first.len() as u64).await?;
        if piece.is_empty() {
            break;
        }
        first.extend_from_slice(&piece);
    }
    Ok(first)
}

/// By our ENVID, then by the id in our own Received, then by Message-ID and recipient.
async fn find<'r>(
    tools: &Tools,
    arrival: &Arrival,
    (sender, report): (&Mailbox, &'r Report),
) -> Result<Vec<Failed<'r>>> {
    let returned = Return { address: &arrival.taken[0].0, sender };
    let ids = report.envelope_id.iter().chain(&report.original.ids).filter_map(|id| Uuid::try_parse(id).ok());
    for id in ids {
        let rows = match tools.store.activity.transaction(id).await {
            Err(StoreError::NotFound) => Vec::new(),
            rows => rows?,
        };
        let found = tied(&rows, report, (returned, FoundBy::OurId));
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let Some(id) = &report.original.message_id else { return Ok(Vec::new()) };
    let rows = tools.store.activity.of_message_id(id).await?;
    Ok(tied(&rows, report, (returned, FoundBy::MessageId)))
}

fn bounces(arrival: &Arrival, (report, failed): (&Report, &[Failed<'_>]), told: &Told) -> Vec<Bounced> {
    let said = |said: &FailedRecipient| match said.status {
        _ if !said.words.is_empty() => said.words.clone(),
        Some((class, subject, detail)) => format!("{class}.{subject}.{detail}"),
        None => "no reason was given".to_owned(),
    };
    let bounced = |(row, failed): &Failed<'_>| Bounced {
        id: row.id,
        at: arrival.received_at,
        attempt: Attempt {
            at: arrival.received_at,
            ended_at: None,
            mx: report.reporter.clone(),
            ip: None,
            tls: None,
            reply: said(failed),
            outcome: BOUNCED.to_owned(),
            fault: sender::refusal(failed).fault(),
            note: Some(format!("in the report {}", arrival.id)),
        },
        dsn: told.note(row),
    };
    failed.iter().map(bounced).collect()
}

fn explain_tied(arrival: &mut Arrival, failed: &[Failed<'_>]) {
    for (row, _) in failed {
        let destination = row.destination.as_deref().unwrap_or("its destination");
        let again = if row.bounced_at.is_some() { ", as another report had told before" } else { "" };
        let what = format!("Mail for {} did not reach {destination}{again}: see {}.", row.recipient, row.id);
        explain(arrival, "tied", &what);
    }
}

fn explain(arrival: &mut Arrival, verdict: &'static str, what: &str) {
    for (_, decision) in &mut arrival.taken {
        what.clone_into(&mut decision.reason);
        decision.trace.push(TraceStep::new("report", verdict, what));
    }
}
