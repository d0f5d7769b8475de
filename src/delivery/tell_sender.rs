//! Tells a sender that a message could not be delivered: one DSN (RFC 3464) for a delivery, and only where promise 5 allows
//! it. The DSN waits in the queue like any other mail, with the null reverse-path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use uuid::Uuid;

use super::courier::Shared;
use crate::mail::dsn::{Action, Dsn, Failure, MAX_RETURNED_HEADER_OCTETS, MAX_RETURNED_MESSAGE_OCTETS, Returned};
use crate::mail::wishes::{Returned as ReturnedWish, Wishes};
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::replies;
use crate::policy::settings::TlsPolicy;
use crate::policy::status::Status;
use crate::policy::verdict::Outcome;
use crate::smtp::reply::Reply;
use crate::store::activity::{DsnNote, Row};
use crate::store::octets::Octets;
use crate::store::queue::{Acceptance, Entry, NewDelivery, NewMessage, Purpose};

/// DSNs that one sender gets in an hour (CONFORMANCE 54).
const MAX_DSNS_AN_HOUR: u32 = 20;
/// Senders whose DSNs are counted.
const COUNTED_SENDERS: u64 = 10_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Why nobody is told of a recipient whose failure its sender wants to hear nothing of (RFC 3461 §4.1).
pub const NOT_WANTED: &str = "the sender asked for no report of failure";
/// And why of one whose mail came to nothing at one destination only, by how the best of the others stands: worst first.
const OTHERS: [&str; 3] = [
    "at that time the message was on hold for another destination of this alias",
    "at that time the message still waited for another destination of this alias",
    WITH_ANOTHER,
];
/// The best of them.
pub const WITH_ANOTHER: &str = "another destination of this alias has the message";

/// The way to a sender is looked for so long: it may be waiting for the answer to its dot.
const WAY_WITHIN: Duration = Duration::from_secs(1);

/// Why nobody is told of a delivery, by the rows of the others of its recipient: nothing where none of them has the message or
/// may still get it.
pub fn why_with_another<'r>(others: impl Iterator<Item = &'r Row>) -> Option<&'static str> {
    let rank = |row: &Row| match row.status {
        _ if row.has_arrived() => Some(2),
        Status::Held => Some(0),
        _ => row.may_arrive().then_some(1),
    };
    others.filter_map(rank).max().map(|best| OTHERS[best])
}

/// A failed delivery and what its sender may hear of the reason.
#[derive(Debug, Clone)]
pub(super) struct Failed<'a> {
    pub(super) delivery: &'a NewDelivery,
    pub(super) status: (u8, u16, u16),
    pub(super) reason: String,
}

impl<'a> Failed<'a> {
    /// A refusal, with our own reply as the reason: a DSN says no more than the session would have said.
    pub(super) fn of(delivery: &'a NewDelivery, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Refused { reply, fault, .. } => Self::as_refused(delivery, &replies::refusal(*fault, reply)),
            _ => Self { delivery, status: (5, 0, 0), reason: "the next hop refused it".to_owned() },
        }
    }

    fn as_refused(delivery: &'a NewDelivery, reply: &Reply) -> Self {
        let (subject, detail) = reply.enhanced().map_or((0, 0), |enhanced| (enhanced.subject, enhanced.detail));
        Self { delivery, status: (5, subject, detail), reason: reply.text().to_owned() }
    }
}

/// How many DSNs each sender got in the last hour.
#[derive(Debug)]
pub(super) struct Quota(Cache<String, Arc<AtomicU32>>);

impl Quota {
    /// Nobody got any.
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(COUNTED_SENDERS).time_to_live(HOUR).build())
    }

    pub(super) fn take(&self, sender: &Mailbox) -> bool {
        self.0.get_with(sender.key(), Arc::default).fetch_add(1, Ordering::Relaxed) < MAX_DSNS_AN_HOUR
    }
}

/// What is done to tell a sender.
#[derive(Debug)]
pub struct Telling {
    /// As the log keeps it.
    pub note: DsnNote,
    /// The DSN, to be kept in the queue; nobody is told before that.
    pub dsn: Option<Acceptance>,
}

impl Telling {
    pub(super) fn suppressed(why: &str) -> Self {
        Self { note: DsnNote::suppressed(why.to_owned()), dsn: None }
    }
}

/// What there is of a message to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToReturn {
    /// All that was received.
    Received,
    /// The few fields that are still known of its header, which its octets are.
    Fields,
}

/// Writes the DSN, or says why there is none.
pub(super) async fn telling(
    shared: &Shared,
    (message, to_return): (&NewMessage, ToReturn),
    failed: &[Failed<'_>],
    at: Moment,
) -> Telling {
    let Some(sender) = message.reverse_path.mailbox() else { return Telling::suppressed("there is no sender to tell") };
    let failed = failed.iter().filter(|f| f.delivery.reportable && f.delivery.purpose == Purpose::Forward);
    let mut failed = failed.collect::<Vec<_>>();
    if failed.is_empty() {
        return Telling::suppressed("the sender was not authenticated when the message came");
    }
    failed.retain(|f| f.delivery.wishes.want_failures());
    let Some(first) = failed.first() else {
        return Telling::suppressed(NOT_WANTED);
    };
    if let Some(reply) = no_way_to(shared, sender).await {
        return Telling::suppressed(&format!("there is no way to the sender: {reply}"));
    }
    if !shared.quota.take(sender) {
        return Telling::suppressed("this sender got its share of reports for this hour");
    }
    let said = Said {
        action: Action::Failed,
        failures: failed.iter().map(|f| of_recipient(f.delivery, f.status, &f.reason)).collect(),
        returned: match to_return {
            ToReturn::Received => returned(message, first.delivery.wishes.message.returned).await,
            ToReturn::Fields => Returned::Fields(header(message).await),
        },
    };
    let dsn = report(shared, message, ((sender, first.delivery), &said), at);
    Telling { note: DsnNote::sent(dsn.message.id), dsn: Some(dsn) }
}

/// Why no report can reach a sender, where that is known: nobody takes its mail, or it would come back to this gateway.
async fn no_way_to(shared: &Shared, sender: &Mailbox) -> Option<Reply> {
    let outfit = shared.outfit.load_full();
    match timeout(WAY_WITHIN, outfit.exchangers.way(sender.host())).await {
        Ok(Err(Outcome::Refused { reply, .. })) => Some(reply),
        _ => None,
    }
}

/// A report that is written only where the sender asked for it, and what it says of each of its deliveries.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) deliveries: &'a [&'a NewDelivery],
    pub(super) action: Action,
    pub(super) status: (u8, u16, u16),
    pub(super) reason: &'static str,
}

/// Writes such a report, unless the sender had its share of them.
pub(super) async fn asked_for(
    shared: &Shared,
    message: &NewMessage,
    asked: &Asked<'_>,
    at: Moment,
) -> Option<Acceptance> {
    let (sender, first) = (message.reverse_path.mailbox()?, asked.deliveries.first()?);
    if !shared.quota.take(sender) {
        tracing::info!(message = %message.id, "no report that was asked for: this sender got its share for this hour");
        return None;
    }
    let said = Said {
        action: asked.action,
        failures: asked.deliveries.iter().map(|delivery| of_recipient(delivery, asked.status, asked.reason)).collect(),
        // RET is a matter of failure: all else is told with the header alone (RFC 3461 §4.3).
        returned: Returned::Header(header(message).await),
    };
    Some(report(shared, message, ((sender, first), &said), at))
}

/// What a report says.
struct Said {
    action: Action,
    failures: Vec<Failure>,
    returned: Returned,
}

fn of_recipient(delivery: &NewDelivery, status: (u8, u16, u16), reason: &str) -> Failure {
    Failure {
        recipient: delivery.recipient.clone(),
        status,
        reason: reason.to_owned(),
        original: delivery.wishes.recipient.original.clone(),
    }
}

/// The report as the queue takes it, with the envelope id of the first delivery that it is about.
fn report(
    shared: &Shared,
    message: &NewMessage,
    ((sender, first), said): ((&Mailbox, &NewDelivery), &Said),
    at: Moment,
) -> Acceptance {
    let id = shared.tools.chance.id(at);
    let dsn = Dsn {
        host: &shared.settings().hostname,
        to: sender,
        at,
        arrived: message.received_at,
        unique: &id.to_string(),
        action: said.action,
        envelope_id: first.wishes.message.envelope_id.as_ref(),
        failures: &said.failures,
        returned: &said.returned,
    };
    to_be_queued(id, dsn.octets(), (sender, first), at)
}

/// The header as received, or the whole message where the sender asked for it and it is small: reports are no amplifier
/// (CONFORMANCE 54). A report without either is better than none.
async fn returned(message: &NewMessage, wish: Option<ReturnedWish>) -> Returned {
    let header = header(message).await;
    let small = message.octets.len() <= MAX_RETURNED_MESSAGE_OCTETS;
    if wish != Some(ReturnedWish::Full) || !small || !header.is_ascii() {
        return Returned::Header(header);
    }
    match message.octets.read(0).await {
        Ok(whole) if whole.len() as u64 == message.octets.len() => Returned::Message(whole.to_vec()),
        _ => Returned::Header(header),
    }
}

/// The header as received, as much as is ever returned of it.
async fn header(message: &NewMessage) -> Vec<u8> {
    let wanted = usize::try_from(message.header_octets).unwrap_or(usize::MAX).min(MAX_RETURNED_HEADER_OCTETS);
    match message.octets.read(0).await {
        Ok(first) => first[..wanted.min(first.len())].to_vec(),
        Err(_) => Vec::new(),
    }
}

fn to_be_queued(id: Uuid, octets: Vec<u8>, (sender, about): (&Mailbox, &NewDelivery), at: Moment) -> Acceptance {
    let header_octets = memchr::memmem::find(&octets, b"\r\n\r\n").map_or(octets.len(), |end| end + 4);
    let message = NewMessage {
        id,
        sha256: Sha256::digest(&octets).into(),
        received_at: at,
        reverse_path: ReversePath::Null,
        header_octets: header_octets as u64,
        eight_bit: !octets.is_ascii(),
        international: !octets[..header_octets].is_ascii(),
        octets: Octets::Memory(Bytes::from(octets)),
    };
    let delivery = NewDelivery {
        id,
        purpose: Purpose::Dsn,
        account: about.account,
        domain: about.domain,
        alias: None,
        recipient: about.recipient.clone(),
        destination: sender.clone(),
        reverse_path: ReversePath::Null,
        prefix: Bytes::new(),
        tls: TlsPolicy::Opportunistic,
        reportable: false,
        tries: 0,
        entry: Entry::Due(at),
        wishes: Wishes::default(),
        about: Some(about.id),
    };
    Acceptance { message, deliveries: vec![delivery], rows: Vec::new() }
}
