//! Messages and deliveries as columns, there and back.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;

use super::staging::Place;
use super::stock;
use super::{Claim, Entry, LEASE, NewDelivery, NewMessage, Purpose, Queue, StoredOctets};
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::ids::{AccountId, AliasId, DomainId};
use crate::policy::settings::TlsPolicy;
use crate::store::Result;
use crate::store::columns::{Columns, broken, json, signed};
use crate::store::octets::Octets;
use crate::store::statement::{Inserts, Statement, inserts};

/// Inserts messages; the order of [`bind_message`].
pub(in crate::store) const INSERT_MESSAGES: Inserts = inserts!(
    "insert into messages (id, uuid, received_at, reverse_path, sha256, size, header_octets, eight_bit, \
     international, octets, file)",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);
/// Inserts deliveries; the order of [`bind_delivery`].
pub(in crate::store) const INSERT_DELIVERIES: Inserts = inserts!(
    "insert into deliveries (uuid, message_id, purpose, account_id, domain_id, alias_id, recipient, destination, \
     reverse_path, prefix, tls, reportable, tries, state, due_at, held_at, charged, log_row, wishes, about)",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

/// A delivery and its message, in the order of [`read_claim`]. Octets that are few come along.
macro_rules! columns {
    () => {
        "select q.id, q.state, q.due_at, q.uuid, q.purpose, q.account_id, q.domain_id, q.alias_id, q.recipient, \
         q.destination, q.reverse_path, q.prefix, q.tls, q.reportable, q.tries, q.wishes, q.about, m.id, m.size, \
         case when m.size <= 16384 then m.octets end, m.file, m.uuid, m.sha256, m.received_at, m.reverse_path, \
         m.header_octets, m.eight_bit, m.international \
         from deliveries as q join messages as m on m.id = q.message_id"
    };
}
pub(super) use columns;

pub(super) fn bind_message(statement: Statement, (key, message, octets): (i64, &NewMessage, &Place)) -> Statement {
    let (octets, file): (Option<&[u8]>, _) = match octets {
        Place::Row(octets) => (Some(octets.as_ref()), None),
        Place::File(file) => (None, Some(file.name().to_string())),
    };
    statement
        .bind(key)
        .bind(message.id.as_bytes().as_slice())
        .bind(message.received_at.millis())
        .bind(message.reverse_path.to_string())
        .bind(message.sha256.as_slice())
        .bind(signed(message.octets.len()))
        .bind(signed(message.header_octets))
        .bind(i64::from(message.eight_bit))
        .bind(i64::from(message.international))
        .bind(octets)
        .bind(file)
}

/// What stands beside a delivery in its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) message: i64,
    pub(super) charged: i64,
    pub(super) log_row: Option<&'a str>,
    /// The present, at which a lease begins.
    pub(super) now: Moment,
}

pub(super) fn bind_delivery(statement: Statement, delivery: &NewDelivery, beside: Beside<'_>) -> Statement {
    let (state, due_at) = match delivery.entry {
        Entry::Due(at) => ("due", Some(at)),
        Entry::Leased => ("leased", Some(beside.now.after(LEASE))),
        Entry::Held => ("held", None),
        Entry::Kept(until) => ("kept", Some(until)),
    };
    let held_at = (delivery.entry == Entry::Held).then_some(beside.now);
    statement
        .bind(delivery.id.as_bytes().as_slice())
        .bind(beside.message)
        .bind(purpose_word(delivery.purpose))
        .bind(delivery.account.0)
        .bind(delivery.domain.map(|d| d.0))
        .bind(delivery.alias.map(|a| a.0))
        .bind(delivery.recipient.to_string())
        .bind(delivery.destination.to_string())
        .bind(delivery.reverse_path.to_string())
        .bind(delivery.prefix.as_ref())
        .bind(tls_word(delivery.tls))
        .bind(i64::from(delivery.reportable))
        .bind(i64::from(delivery.tries))
        .bind(state)
        .bind(due_at.map(Moment::millis))
        .bind(held_at.map(Moment::millis))
        .bind(beside.charged)
        .bind(beside.log_row)
        .bind((!delivery.wishes.are_none()).then(|| json(&delivery.wishes)))
        .bind(delivery.about.map(|id| id.as_bytes().to_vec()))
}

/// What each delivery of a message charges its domain: the first of a domain all, the others nothing.
pub(super) fn charges(deliveries: &[NewDelivery], size: u64) -> Vec<i64> {
    let mut seen = HashSet::new();
    let charge = |delivery: &NewDelivery| if seen.insert(delivery.domain) { signed(size) } else { 0 };
    deliveries.iter().map(charge).collect()
}

/// Reads a delivery with its message.
pub(super) fn read_claim(row: &SqliteRow, queue: &Queue) -> Result<Claim> {
    let mut columns = Columns::of(row);
    let key = columns.take()?;
    let entry = entry(columns.take()?, columns.maybe_moment()?)?;
    let delivery = read_delivery(&mut columns, entry)?;
    let message_key = columns.take()?;
    let len = columns.count()?;
    let octets = match (columns.take::<Option<Vec<u8>>>()?, columns.take::<Option<&str>>()?) {
        (Some(octets), _) => Octets::Memory(octets.into()),
        (None, Some(file)) => Octets::File(Arc::new(queue.spool.kept(stock::name(file)?, len))),
        (None, None) => Octets::Stored(StoredOctets { len, message: message_key, queue: queue.clone() }),
    };
    let message = NewMessage {
        octets,
        id: columns.uuid()?,
        sha256: columns.hash()?.ok_or_else(|| broken("a hash"))?,
        received_at: columns.moment()?,
        reverse_path: columns.parsed("a reverse-path", |text| ReversePath::parse(text).ok())?,
        header_octets: columns.count()?,
        eight_bit: columns.flag()?,
        international: columns.flag()?,
    };
    Ok(Claim { key, delivery, message, message_key })
}

fn read_delivery(columns: &mut Columns<'_>, entry: Entry) -> Result<NewDelivery> {
    Ok(NewDelivery {
        id: columns.uuid()?,
        purpose: columns.parsed("a purpose", purpose)?,
        account: AccountId(columns.take()?),
        domain: columns.take::<Option<i64>>()?.map(DomainId),
        alias: columns.take::<Option<i64>>()?.map(AliasId),
        recipient: columns.parsed("a recipient", mailbox)?,
        destination: columns.parsed("a destination", mailbox)?,
        reverse_path: columns.parsed("a reverse-path", |text| ReversePath::parse(text).ok())?,
        prefix: columns.take::<Vec<u8>>()?.into(),
        tls: columns.parsed("a TLS policy", tls)?,
        reportable: columns.flag()?,
        tries: u32::try_from(columns.count()?).unwrap_or(u32::MAX),
        entry,
        wishes: columns.maybe_json("a sender's wishes")?.unwrap_or_default(),
        about: columns.maybe_uuid()?,
    })
}

fn entry(state: &str, at: Option<Moment>) -> Result<Entry> {
    match (state, at) {
        ("due", Some(at)) => Ok(Entry::Due(at)),
        ("kept", Some(at)) => Ok(Entry::Kept(at)),
        ("leased", _) => Ok(Entry::Leased),
        ("held", _) => Ok(Entry::Held),
        _ => Err(broken("the state of a delivery")),
    }
}

fn mailbox(text: &str) -> Option<Mailbox> {
    Mailbox::parse(text).ok()
}

pub(super) const fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Forward => "forward",
        Purpose::Dsn => "dsn",
        Purpose::Verification => "verification",
        Purpose::Notice => "notice",
        Purpose::Returned => "returned",
    }
}

pub(super) fn purpose(word: &str) -> Option<Purpose> {
    let all = [Purpose::Forward, Purpose::Dsn, Purpose::Verification, Purpose::Notice, Purpose::Returned];
    all.into_iter().find(|purpose| purpose_word(*purpose) == word)
}

const fn tls_word(tls: TlsPolicy) -> &'static str {
    match tls {
        TlsPolicy::Opportunistic => "opportunistic",
        TlsPolicy::Require => "require",
    }
}

fn tls(word: &str) -> Option<TlsPolicy> {
    [TlsPolicy::Opportunistic, TlsPolicy::Require].into_iter().find(|tls| tls_word(*tls) == word)
}
