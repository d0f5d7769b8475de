//! Writes the queue: messages and deliveries of a batch by multi-row statements, settlements by a few.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::delivery::{Beside, INSERT_DELIVERIES, INSERT_MESSAGES, bind_delivery, bind_message, charges};
use super::shares::Shares;
use super::staging::Place;
use super::stock;
use super::{NewDelivery, NewMessage, Settlement};
use crate::clock::Clock;
use crate::policy::ids::DomainId;
use crate::store::Result;
use crate::store::activity::Row;
use crate::store::columns::{Columns, hex_list, json};
use crate::store::faults::Faults;
use crate::store::notices::{self, Noted};
use crate::store::spool::Spool;
use crate::store::statement::MAX_ROWS;
use crate::store::writer::{Ledger, Run};

pub(in crate::store) const DELETE: &str = "delete from deliveries where uuid in \
    (select unhex(value) from json_each(?1)) returning message_id, domain_id, charged";
pub(in crate::store) const SWEEP: &str = "delete from messages where id in (select value from json_each(?1)) \
    and not exists (select 1 from deliveries where message_id = messages.id) returning id, file";
pub(in crate::store) const PASS_ON: &str = "update deliveries set charged = gone.charged from \
    (select value ->> 0 as message, value ->> 1 as domain, value ->> 2 as charged from json_each(?1)) as gone \
    where deliveries.id = (select min(d.id) from deliveries as d where d.message_id = gone.message \
    and d.domain_id is gone.domain) returning message_id, domain_id";
pub(in crate::store) const PUT_BACK: &str = "update deliveries set state = d.state, due_at = d.due_at, \
    tries = tries + 1, node_id = null from (select unhex(value ->> 0) as uuid, value ->> 1 as state, \
    value ->> 2 as due_at from json_each(?1)) as d where deliveries.uuid = d.uuid";
pub(in crate::store) const TOLD: &str = "update deliveries set wishes = json_remove(wishes, '$.notify.of.delay') \
    where uuid in (select unhex(value) from json_each(?1))";

/// A message on its way into the queue.
#[derive(Debug)]
pub(crate) struct Accepted {
    key: i64,
    message: NewMessage,
    octets: Place,
    deliveries: Vec<NewDelivery>,
    charges: Vec<i64>,
    log_rows: Vec<Option<String>>,
}

impl Accepted {
    pub(super) fn new(
        key: i64,
        message: NewMessage,
        octets: Place,
        (deliveries, rows): (Vec<NewDelivery>, &[Row]),
    ) -> Self {
        let rows: HashMap<Uuid, &Row> = rows.iter().map(|row| (row.id, row)).collect();
        let log_rows = deliveries.iter().map(|delivery| rows.get(&delivery.id).map(json)).collect();
        let charges = charges(&deliveries, message.octets.len());
        Self { key, message, octets, deliveries, charges, log_rows }
    }

    fn octets(&self) -> usize {
        let deliveries = self.deliveries.iter().zip(&self.log_rows);
        let beside = deliveries.map(|(d, row)| FIXED_OCTETS + d.prefix.len() + row.as_ref().map_or(0, String::len));
        let octets = match &self.octets {
            Place::Row(octets) => octets.len(),
            Place::File(_) => 0,
        };
        octets + beside.sum::<usize>()
    }

    fn beside(&self, number: usize) -> (Option<&str>, i64) {
        (self.log_rows[number].as_deref(), self.charges[number])
    }
}

/// Octets of a delivery's plain columns, roughly.
const FIXED_OCTETS: usize = 300;

/// What comes often: all of it is kept, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Messages with their deliveries.
    pub(super) accepted: Vec<Accepted>,
    /// What of notices the mails among them tell.
    pub(super) noted: Option<Noted>,
    /// Ends of claims.
    pub(super) settled: Vec<(Uuid, Settlement)>,
}

/// What deliveries leave behind that are deleted.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// What they charged their domains.
    pub(super) freed: Vec<(Option<DomainId>, i64)>,
    /// Files of messages that went with them.
    pub(super) files: Vec<Uuid>,
}

/// The queue's ledger.
#[derive(Debug)]
pub(super) struct QueueLedger {
    shares: Shares,
    spool: Spool,
    clock: Clock,
    faults: Faults,
    /// What the open transaction takes away.
    gone: Gone,
}

impl QueueLedger {
    pub(super) fn new((shares, spool): (Shares, Spool), clock: Clock, faults: Faults) -> Self {
        Self { shares, spool, clock, faults, gone: Gone::default() }
    }

    async fn write_entries(&mut self, connection: &mut SqliteConnection, entries: &[Entry]) -> Result<()> {
        self.gone = Gone::default();
        let accepted: Vec<&Accepted> = entries.iter().flat_map(|entry| &entry.accepted).collect();
        insert_messages(connection, &accepted).await?;
        self.faults.pass()?;
        self.insert_deliveries(connection, &accepted).await?;
        for noted in entries.iter().filter_map(|entry| entry.noted.as_ref()) {
            self.faults.pass()?;
            notices::note(connection, noted).await?;
        }
        let settled: Vec<_> = entries.iter().flat_map(|entry| &entry.settled).collect();
        if settled.is_empty() {
            return Ok(());
        }
        put_back(connection, &settled).await?;
        self.faults.pass()?;
        self.delete_done(connection, &settled).await
    }

    async fn insert_deliveries(&self, connection: &mut SqliteConnection, accepted: &[&Accepted]) -> Result<()> {
        let now = self.clock.now();
        let all: Vec<_> = accepted.iter().flat_map(|a| a.deliveries.iter().enumerate().map(move |d| (a, d))).collect();
        for some in all.chunks(MAX_ROWS) {
            let insert = sqlx::query(INSERT_DELIVERIES.of(some.len()));
            let insert = some.iter().fold(insert, |insert, (accepted, (number, delivery))| {
                let (log_row, charged) = accepted.beside(*number);
                bind_delivery(insert, delivery, Beside { message: accepted.key, charged, log_row, now })
            });
            insert.execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn delete_done(&mut self, connection: &mut SqliteConnection, settled: &[&(Uuid, Settlement)]) -> Result<()> {
        let done = settled.iter().filter(|(_, end)| *end == Settlement::Done).map(|(id, _)| *id).collect::<Vec<_>>();
        if !done.is_empty() {
            self.gone = delete(connection, &done).await?;
        }
        Ok(())
    }
}

async fn insert_messages(connection: &mut SqliteConnection, accepted: &[&Accepted]) -> Result<()> {
    for some in accepted.chunks(MAX_ROWS) {
        let insert = sqlx::query(INSERT_MESSAGES.of(some.len()));
        let insert = some.iter().fold(insert, |insert, a| bind_message(insert, (a.key, &a.message, &a.octets)));
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Deliveries that stay: due again, or kept for the owner.
async fn put_back(connection: &mut SqliteConnection, settled: &[&(Uuid, Settlement)]) -> Result<()> {
    let back = settled.iter().filter_map(|(id, end)| match end {
        Settlement::Done => None,
        Settlement::Again(at) | Settlement::Told(at) => Some((id.simple().to_string(), "due", at.millis())),
        Settlement::Kept(until) => Some((id.simple().to_string(), "kept", until.millis())),
    });
    let back: Vec<_> = back.collect();
    if !back.is_empty() {
        sqlx::query(PUT_BACK).bind(json(&back)).execute(&mut *connection).await?;
    }
    let told = settled.iter().filter(|(_, end)| matches!(end, Settlement::Told(_))).map(|(id, _)| *id);
    let told: Vec<_> = told.collect();
    if !told.is_empty() {
        sqlx::query(TOLD).bind(hex_list(&told)).execute(connection).await?;
    }
    Ok(())
}

/// Message, domain, and what is charged to it.
type Charge = (i64, Option<i64>, i64);

/// Deletes deliveries, and messages with their last one.
pub(super) async fn delete(connection: &mut SqliteConnection, ids: &[Uuid]) -> Result<Gone> {
    let mut gone: Vec<Charge> = sqlx::query_as(DELETE).bind(hex_list(ids)).fetch_all(&mut *connection).await?;
    let messages = gone.iter().map(|(message, ..)| *message).collect::<Vec<_>>();
    let swept = sqlx::query(SWEEP).bind(json(&messages)).fetch_all(&mut *connection).await?;
    let (mut swept_away, mut files) = (HashSet::new(), Vec::new());
    for row in &swept {
        let mut columns = Columns::of(row);
        swept_away.insert(columns.take::<i64>()?);
        files.extend(columns.take::<Option<&str>>()?.map(stock::name).transpose()?);
    }
    let stay = gone.iter_mut().filter(|(message, _, charged)| *charged != 0 && !swept_away.contains(message));
    pass_on(connection, stay.collect()).await?;
    let freed = gone.into_iter().map(|(_, domain, charged)| (domain.map(DomainId), charged)).collect();
    Ok(Gone { freed, files })
}

/// What a domain is charged for a message stays with what the message still has there.
async fn pass_on(connection: &mut SqliteConnection, gone: Vec<&mut Charge>) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let ask = sqlx::query_as::<_, (i64, Option<i64>)>(PASS_ON).bind(json(&gone));
    let heirs: HashSet<_> = ask.fetch_all(connection).await?.into_iter().collect();
    for (message, domain, charged) in gone {
        if heirs.contains(&(*message, *domain)) {
            *charged = 0;
        }
    }
    Ok(())
}

impl Ledger for QueueLedger {
    type Entry = Entry;

    fn octets(entry: &Entry) -> usize {
        let noted = entry.noted.as_ref().map_or(0, |noted| noted.changed.len());
        let accepted: usize = entry.accepted.iter().map(Accepted::octets).sum();
        accepted + (entry.settled.len() + noted) * FIXED_OCTETS
    }

    fn write<'c>(&'c mut self, connection: &'c mut SqliteConnection, entries: &'c [Entry]) -> Run<'c, ()> {
        Box::pin(self.write_entries(connection, entries))
    }

    fn committed(&mut self, entries: Vec<Entry>) {
        for accepted in entries.iter().flat_map(|entry| &entry.accepted) {
            if let Place::File(file) = &accepted.octets {
                file.keep();
            }
            for (delivery, charge) in accepted.deliveries.iter().zip(&accepted.charges) {
                self.shares.add(delivery.domain, *charge);
            }
        }
        let Gone { freed, files } = std::mem::take(&mut self.gone);
        for (domain, octets) in freed {
            self.shares.add(domain, -octets);
        }
        self.spool.remove(files);
    }

    fn rolled_back(&mut self) {
        self.gone = Gone::default();
    }
}
