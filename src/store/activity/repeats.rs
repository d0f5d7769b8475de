//! The duplicate ledger (DESIGN section 4): messages whose 250 may never have reached their client, so that a repeat of one
//! is answered 250 and not sent a second time.
//!
//! Only doubt makes an entry: the client had left before its answer, the answer could not be written, the connection broke
//! or fell silent before the client said anything more, or the process was killed within moments of writing the row. Who
//! heard its 250 and sends the same octets once more means it, and is served. An entry answers one repeat and is then used
//! up; if that answer goes astray too, it is noted again. All of it is made from rows of the log, which are there before
//! any answer (promise 3), so a message costs nothing here: as long as nobody is in doubt, not even a digest.
//!
//! Recipients of which some destination has not got the message are left out: better twice than not at all.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::tally::is_accepted;
use super::{Activity, Row, row};
use crate::mail::Moment;
use crate::policy::status::Status;
use crate::store::Result;
use crate::store::columns::{Columns, broken, json};

/// A repeat is recognised for so long.
pub const RECOGNISED_FOR: Duration = Duration::from_secs(86_400);
/// Messages in doubt at the same time; beyond, a repeat is sent again.
const MAX_ENTRIES: usize = 100_000;
/// Of a killed process, answers given in its last moments are in doubt: an answer follows its row at once, and is on its
/// way for no longer than this.
const LAST_MOMENTS: Duration = Duration::from_secs(10);

pub(in crate::store) const LOAD: &str =
    "select digest, transaction_id, expires_at from duplicates where expires_at > ?1 limit 100000";
pub(in crate::store) const NOTE: &str = "insert into duplicates (digest, transaction_id, expires_at) select \
    unhex(value ->> 0), unhex(value ->> 1), value ->> 2 from json_each(?1) where true on conflict (digest) do update set \
    transaction_id = excluded.transaction_id, expires_at = excluded.expires_at";
pub(in crate::store) const FORGET: &str =
    "delete from duplicates where digest in (select unhex(value) from json_each(?1))";
pub(in crate::store) const LAST_ROWS: &str = concat!(
    "select ",
    row::columns!(),
    " from activity where seq > (select seq from answered where id = 1) order by seq desc limit 1000"
);
pub(in crate::store) const ANSWERED: &str =
    "update answered set seq = (select coalesce(max(seq), 0) from activity) where id = 1";

/// One message to one recipient, by what a repeat has in common with it: octets, reverse-path and recipient, as the log
/// shows them.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// SHA-256 of the octets as received.
    pub sha256: &'a [u8; 32],
    /// The reverse-path, as privacy allows.
    pub sender: &'a str,
    /// The recipient.
    pub recipient: &'a str,
}

type Digest = [u8; 32];

impl Sending<'_> {
    fn digest(&self) -> Digest {
        let lengths = [self.sender.len(), self.recipient.len()].map(|octets| (octets as u64).to_be_bytes());
        let hash = Sha256::new().chain_update(self.sha256).chain_update(lengths.as_flattened());
        hash.chain_update(self.sender).chain_update(self.recipient).finalize().into()
    }
}

/// A message in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    transaction: Uuid,
    expires_at: Moment,
}

/// The entries in memory; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubts {
    entries: Arc<Mutex<HashMap<Digest, Entry>>>,
    /// How many there are, so that nobody takes the lock where there is none.
    count: Arc<AtomicUsize>,
}

impl Doubts {
    /// Those that were noted before this start.
    pub(super) async fn load(readers: &SqlitePool, now: Moment) -> Result<Self> {
        let doubts = Self::default();
        let rows = sqlx::query(LOAD).bind(now.millis()).fetch_all(readers).await?;
        let entries = rows.iter().map(|found| {
            let mut columns = Columns::of(found);
            let digest = columns.hash()?.ok_or_else(|| broken("a digest"))?;
            Ok((digest, Entry { transaction: columns.uuid()?, expires_at: columns.moment()? }))
        });
        doubts.change(|known| known.extend(entries.flat_map(|entry: Result<_>| entry.ok())));
        Ok(doubts)
    }

    fn find(&self, sending: &Sending<'_>, now: Moment) -> Option<Uuid> {
        let entry = *self.lock().get(&sending.digest())?;
        (entry.expires_at > now).then_some(entry.transaction)
    }

    fn add(&self, entries: &[(Digest, Entry)], now: Moment) {
        self.change(|known| {
            known.retain(|_, entry| entry.expires_at > now);
            let room = MAX_ENTRIES.saturating_sub(known.len());
            known.extend(entries.iter().take(room).copied());
        });
    }

    fn remove(&self, digests: &[Digest]) {
        self.change(|known| known.retain(|digest, _| !digests.contains(digest)));
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<Digest, Entry>)) {
        let mut entries = self.lock();
        change(&mut entries);
        self.count.store(entries.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Activity {
    /// Whether any message is in doubt: where none is, nobody has to be looked for.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.doubts.count.load(Ordering::Relaxed) > 0
    }

    /// The transaction that this repeats, where its answer may not have reached the client within the last day.
    #[must_use]
    pub fn repeats(&self, sending: &Sending<'_>) -> Option<Uuid> {
        self.doubts.find(sending, self.clock.now())
    }

    /// Repeats were answered: the next one of the same kind is meant.
    pub async fn repeats_answered(&self, sendings: &[Sending<'_>]) -> Result<()> {
        let digests: Vec<Digest> = sendings.iter().map(Sending::digest).collect();
        self.doubts.remove(&digests);
        let list = json(&digests.iter().map(|digest| data_encoding::HEXLOWER.encode(digest)).collect::<Vec<_>>());
        self.writer.change(list, |c, list| Box::pin(run(c, FORGET, list))).await
    }

    /// The answers to these transactions may not have reached their client.
    pub async fn unheard(&self, transactions: &[Uuid]) -> Result<()> {
        let mut rows = Vec::new();
        for id in transactions {
            rows.extend(self.transaction(*id).await?);
        }
        self.note(&rows).await
    }

    /// On start: the answers that a killed process gave in its last moments. Says how many messages are in doubt by it.
    pub async fn recall_unheard(&self) -> Result<usize> {
        let found = sqlx::query(LAST_ROWS).fetch_all(&self.readers).await?;
        let mut rows = found.iter().map(|found| Ok(row::read(found)?.1)).collect::<Result<Vec<Row>>>()?;
        let end = rows.iter().map(written_at).max();
        rows.retain(|row| end.is_some_and(|end| end.since(written_at(row)) <= LAST_MOMENTS));
        self.note(&rows).await?;
        self.all_heard().await?;
        Ok(rows.len())
    }

    /// In an orderly stop, once every session has ended: nobody waits for an answer.
    pub async fn all_heard(&self) -> Result<()> {
        self.writer.change((), |c, ()| Box::pin(run_bare(c, ANSWERED))).await
    }

    async fn note(&self, rows: &[Row]) -> Result<()> {
        let now = self.clock.now();
        let entries = in_doubt(rows, now.after(RECOGNISED_FOR));
        if entries.is_empty() {
            return Ok(());
        }
        let hex = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
        let written = entries
            .iter()
            .map(|(digest, entry)| (hex(digest), hex(entry.transaction.as_bytes()), entry.expires_at.millis()));
        let list = json(&written.collect::<Vec<_>>());
        // In memory first: the repeat may come at once.
        self.doubts.add(&entries, now);
        self.writer.change(list, |c, list| Box::pin(run(c, NOTE, list))).await
    }
}

/// An entry for each recipient of which every destination has its message, or will.
fn in_doubt(rows: &[Row], expires_at: Moment) -> Vec<(Digest, Entry)> {
    let mut recipients = BTreeMap::<(Uuid, &str), Option<Digest>>::new();
    for row in rows {
        let digest = || {
            let sha256 = row.sha256_received.as_ref()?;
            Some(Sending { sha256, sender: &row.sender, recipient: &row.recipient }.digest())
        };
        let is_ours = is_accepted(row.status) || row.status == Status::Duplicate;
        let known = recipients.entry((row.transaction, &row.recipient)).or_insert_with(digest);
        *known = known.filter(|_| is_ours);
    }
    let entry = |((transaction, _), digest): ((Uuid, &str), Option<Digest>)| {
        digest.map(|digest| (digest, Entry { transaction, expires_at }))
    };
    recipients.into_iter().filter_map(entry).collect()
}

/// About when a row was written: after its transaction had begun and its attempts had ended.
fn written_at(row: &Row) -> Moment {
    let ended = row.attempts.iter().filter_map(|attempt| attempt.ended_at).max();
    ended.map_or(row.received_at, |ended| ended.max(row.received_at))
}

async fn run(connection: &mut SqliteConnection, statement: &'static str, list: &str) -> Result<()> {
    sqlx::query(statement).bind(list).execute(connection).await?;
    Ok(())
}

async fn run_bare(connection: &mut SqliteConnection, statement: &'static str) -> Result<()> {
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}
