//! The ledger of one message: the queue entries and log rows that say what each delivery came to.
//!
//! Every recipient of the transaction ends in exactly one row for each of its destinations, whatever happened.

use std::collections::HashSet;

use super::Tools;
use super::arrival::Arrival;
use super::outgoing::Outgoing;
use super::rows;
use super::tally::Came;
use crate::chance::Pace;
use crate::delivery::{NOT_WANTED, Telling, ToReturn, WITH_ANOTHER, why_with_another};
use crate::mail::wishes::Wishes;
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::admission::{Decision, Disposition, ReportTo};
use crate::policy::report::{Answer, Fate, Standing};
use crate::policy::retry::{self, Next, Tried};
use crate::policy::settings::TlsPolicy;
use crate::policy::status::{Status, TraceStep};
use crate::policy::verdict::{Outcome, Stage};
use crate::store::activity::{DsnNote, Row};
use crate::store::queue::{Acceptance, Entry, NewDelivery, NewMessage, Purpose};

/// What is to be committed before the answer.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// For the queue, in one transaction: the message with its deliveries, and the report on those that failed.
    pub(super) kept: Vec<Acceptance>,
    /// For the log.
    pub(super) rows: Vec<Row>,
}

/// A delivery that failed for good while others of its transaction did not: its place among the rows, and its fate.
struct Failure<'a> {
    row: usize,
    fate: Fate,
    kept: NewDelivery,
    outcome: &'a Outcome,
}

/// Writes down each delivery by its fate, then the recipients that have no next hop, then whom the sender is told of.
pub(super) async fn write(
    tools: &Tools,
    arrival: &Arrival,
    (outgoing, came): (&[Outgoing], &[Came]),
    answer: &Answer,
) -> Entries {
    let (mut deliveries, mut rows) = (Vec::new(), Vec::with_capacity(outgoing.len()));
    let mut failures = Vec::new();
    let pace = tools.chance.pace(tools.clock.now());
    for ((delivery, came), fate) in outgoing.iter().zip(came).zip(&answer.fates) {
        let mut row = rows::of_delivery(tools, arrival, delivery);
        row.attempts.clone_from(&came.attempts);
        row.sha256_sent = came.sha256_sent;
        match (fate, &came.outcome) {
            (Fate::Fail | Fate::Keep, Some(outcome)) => {
                let kept = failed(tools, arrival, (delivery, outcome), &mut row);
                failures.push(Failure { row: rows.len(), fate: *fate, kept, outcome });
            }
            (Fate::Done, _) => forwarded(&mut row, came),
            (Fate::Refuse, outcome) => {
                answer.refusal.iter().for_each(|reply| rows::refuse(&mut row, reply));
                row.reason.extend(outcome.iter().filter_map(cause));
            }
            _ => deliveries.push(queued(tools, arrival, (delivery, came, pace), &mut row)),
        }
        rows.push(row);
    }
    let report = tell_sender(tools, arrival, &failures, &mut rows).await;
    let untold = failures.into_iter().filter(|failure| !is_told(&rows[failure.row]));
    deliveries.extend(untold.map(|failure| failure.kept));
    for taken in without_next_hop(arrival) {
        let (row, kept) = kept_here(tools, arrival, taken);
        rows.push(row);
        deliveries.extend(kept);
    }
    let told = arrival.returned.iter().filter_map(|returned| returned.dsn.clone());
    let kept = kept(arrival, deliveries, &rows).into_iter().chain(report).chain(told).collect();
    Entries { kept, rows }
}

/// The message with what the queue keeps of it, if anything, and the rows of that beside it.
fn kept(arrival: &Arrival, deliveries: Vec<NewDelivery>, rows: &[Row]) -> Option<Acceptance> {
    if deliveries.is_empty() {
        return None;
    }
    let rows = if deliveries.len() == rows.len() {
        rows.to_vec()
    } else {
        let ids = deliveries.iter().map(|delivery| delivery.id).collect::<HashSet<_>>();
        rows.iter().filter(|row| ids.contains(&row.id)).cloned().collect()
    };
    Some(Acceptance { message: message(arrival), deliveries, rows })
}

/// One report on every recipient that failed, whatever the number of its destinations. Where another destination of the
/// recipient took the message, or may still, the sender has nothing to be told.
async fn tell_sender(
    tools: &Tools,
    arrival: &Arrival,
    failures: &[Failure<'_>],
    rows: &mut [Row],
) -> Option<Acceptance> {
    let mut refused: Vec<(&NewDelivery, &Outcome)> = Vec::new();
    for failure in failures.iter().filter(|failure| failure.fate == Fate::Fail) {
        if refused.iter().all(|(known, _)| known.recipient != failure.kept.recipient) {
            refused.push((&failure.kept, failure.outcome));
        }
    }
    let telling = match refused.as_slice() {
        [] => None,
        refused => {
            let message = message(arrival);
            Some(tools.courier.telling((&message, ToReturn::Received), refused, tools.clock.now()).await)
        }
    };
    for failure in failures {
        let note = note(failure, rows, telling.as_ref());
        rows[failure.row].dsn = Some(note);
    }
    telling.and_then(|telling| telling.dsn)
}

/// What the sender hears of one of those that failed.
fn note(failure: &Failure<'_>, rows: &[Row], telling: Option<&Telling>) -> DsnNote {
    match telling.filter(|_| failure.fate == Fate::Fail) {
        None => {
            let others = rows.iter().filter(|row| row.recipient == rows[failure.row].recipient);
            DsnNote::suppressed(why_with_another(others).unwrap_or(WITH_ANOTHER).to_owned())
        }
        Some(Telling { dsn: Some(_), .. }) if !failure.kept.wishes.want_failures() => {
            DsnNote::suppressed(NOT_WANTED.to_owned())
        }
        Some(telling) => telling.note.clone(),
    }
}

/// What its sender was told of, the sender can send again: the owner keeps no octets of it.
fn is_told(row: &Row) -> bool {
    row.dsn.as_ref().is_some_and(|note| note.in_queue().is_some())
}

/// The recipients whose mail has no next hop: dropped, held, consumed, or a repeat.
pub(super) fn without_next_hop(arrival: &Arrival) -> impl Iterator<Item = usize> {
    use Disposition::{Discard, Hold, Repeat, Report};
    let stays = |d: &Disposition| matches!(d, Discard | Hold | Repeat | Report(_));
    arrival.taken.iter().enumerate().filter(move |(_, taken)| stays(&taken.1.disposition)).map(|(index, _)| index)
}

/// Whether the octets of some recipient's mail stay here: held, or consumed.
pub(super) fn keeps(arrival: &Arrival) -> bool {
    let is_kept = |d: &Disposition| matches!(d, Disposition::Hold | Disposition::Report(_));
    arrival.taken.iter().any(|(_, decision)| is_kept(&decision.disposition))
}

/// How they stand.
pub(super) fn standings_without_next_hop(arrival: &Arrival) -> impl Iterator<Item = (usize, Standing)> {
    without_next_hop(arrival).map(|taken| (taken, Standing::Taken))
}

/// The message as the queue keeps it.
pub(super) fn message(arrival: &Arrival) -> NewMessage {
    NewMessage {
        id: arrival.id,
        octets: arrival.body.octets.clone(),
        sha256: arrival.body.sha256,
        received_at: arrival.received_at,
        reverse_path: arrival.from().clone(),
        header_octets: arrival.facts.header.octets as u64,
        eight_bit: arrival.mail.eight_bit || arrival.body.eight_bit,
        international: arrival.is_international(),
    }
}

/// What the owner is to know beside the answer that the sender had.
fn cause(outcome: &Outcome) -> Option<String> {
    let Outcome::Refused { stage, reply, .. } = outcome else { return None };
    Some(match (stage, outcome.not_offered()) {
        (Stage::Resolve | Stage::Connect, _) => format!(": there is no way to the destination ({reply})"),
        (_, Some(why)) => format!(": not offered to the next hop ({why})"),
        (_, None) => format!(": the next hop said {reply}"),
    })
}

pub(super) fn forwarded(row: &mut Row, came: &Came) {
    row.status = Status::Forwarded;
    "Delivered while the sender waited".clone_into(&mut row.reason);
    if came.crlf_added {
        row.trace.push(TraceStep::new("octets", "CRLF added", "The message did not end with CRLF, as DATA demands"));
    }
}

fn queued(
    tools: &Tools,
    arrival: &Arrival,
    (delivery, came, pace): (&Outgoing, &Came, Pace),
    row: &mut Row,
) -> NewDelivery {
    let now = arrival.received_at;
    let (entry, tries) = match &came.outcome {
        None if came.running => (Entry::Leased, 0),
        None => (Entry::Due(now), 0),
        Some(outcome) => (Entry::Due(next_try(tools, arrival, (outcome, pace))), 1),
    };
    row.status = if tries == 0 { Status::Queued } else { Status::Deferred };
    row.reason = match &came.outcome {
        None if came.running => "Still being delivered when the sender had to be answered".to_owned(),
        None => "Waits for its first try".to_owned(),
        Some(outcome) => outcome.to_string(),
    };
    row.next_attempt_at = match entry {
        Entry::Due(at) => Some(at),
        _ => None,
    };
    new_delivery(arrival, delivery, (entry, tries))
}

fn next_try(tools: &Tools, arrival: &Arrival, (outcome, pace): (&Outcome, Pace)) -> Moment {
    let tried = Tried {
        tries: 1,
        accepted_at: arrival.received_at,
        now: pace.now,
        null_sender: arrival.from().is_null(),
        unknown: matches!(outcome, Outcome::Unknown { .. }),
        frozen: false,
    };
    match retry::next(&tried, &tools.facts.instance.load()) {
        Next::Wait(wait) => pace.after(wait, if tried.unknown { wait } else { wait / 2 }),
        Next::Expire => tried.now,
    }
}

/// Others of the transaction were taken: the owner keeps the octets, unless the sender is told.
fn failed(tools: &Tools, arrival: &Arrival, (delivery, outcome): (&Outgoing, &Outcome), row: &mut Row) -> NewDelivery {
    let until = tools.clock.now().after(tools.settings.load().keep_failed);
    row.status = Status::Failed;
    row.reason = outcome.to_string();
    new_delivery(arrival, delivery, (Entry::Kept(until), 1))
}

pub(super) fn new_delivery(arrival: &Arrival, delivery: &Outgoing, (entry, tries): (Entry, u32)) -> NewDelivery {
    let (recipient, decision) = &arrival.taken[delivery.taken];
    NewDelivery {
        id: delivery.id,
        purpose: Purpose::Forward,
        account: decision.account,
        domain: decision.domain,
        alias: decision.alias,
        recipient: recipient.clone(),
        destination: delivery.destination.clone(),
        reverse_path: delivery.reverse_path.clone(),
        prefix: delivery.prefix.clone(),
        tls: delivery.tls,
        reportable: arrival.reportable,
        tries,
        entry,
        wishes: arrival.wishes(delivery.taken),
        about: None,
    }
}

/// Dropped by rule: a row and nothing else. Held or consumed: the octets are kept for the owner.
fn kept_here(tools: &Tools, arrival: &Arrival, taken: usize) -> (Row, Option<NewDelivery>) {
    let mut row = rows::of_recipient(tools, arrival, taken);
    let until = arrival.received_at.after(tools.settings.load().keep_failed);
    let (recipient, decision) = &arrival.taken[taken];
    let (status, kept) = match &decision.disposition {
        Disposition::Hold => (Status::Held, Some((Purpose::Forward, Entry::Held, recipient))),
        Disposition::Report(ReportTo { original_sender }) => {
            (Status::Consumed, Some((Purpose::Returned, Entry::Kept(until), original_sender)))
        }
        Disposition::Repeat => (Status::Duplicate, None),
        _ => (Status::Dropped, None),
    };
    row.status = status;
    let kept = kept.map(|kept| kept_delivery(row.id, &arrival.taken[taken], kept));
    (row, kept)
}

fn kept_delivery(
    id: uuid::Uuid,
    (recipient, decision): &(Mailbox, Decision),
    (purpose, entry, to): (Purpose, Entry, &Mailbox),
) -> NewDelivery {
    NewDelivery {
        id,
        purpose,
        account: decision.account,
        domain: decision.domain,
        alias: decision.alias,
        recipient: recipient.clone(),
        destination: to.clone(),
        reverse_path: ReversePath::Null,
        prefix: bytes::Bytes::new(),
        tls: TlsPolicy::Opportunistic,
        reportable: false,
        tries: 0,
        entry,
        wishes: Wishes::default(),
        about: None,
    }
}
