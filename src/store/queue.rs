//! Messages that wait, and their deliveries. Group commit; claims write their lease and next try in one transaction, so a
//! crash only delays.

pub(super) mod claims;
pub(super) mod delivery;
pub(super) mod handling;
pub(super) mod ledger;
pub(super) mod shares;
pub(super) mod staging;
pub(super) mod stays;
pub(super) mod stock;
pub(super) mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sqlx::SqlitePool;
use uuid::Uuid;

pub use self::claims::MAX_CLAIMED;
use self::shares::Shares;
pub use self::stays::{InStock, Stays, Waits};
pub use self::tokens::MAX_TOKENS_PER_DOMAIN;
use super::Result;
use super::activity::{Activity, Attempt, Row};
use super::notices::Noted;
use super::octets::Octets;
use super::spool::Spool;
use super::writer::{Place, Writer};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::mail::wishes::Wishes;
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::ids::{AccountId, AliasId, DomainId};
use crate::policy::settings::TlsPolicy;

/// A lease lapses so long after its last heartbeat.
pub const LEASE: Duration = Duration::from_secs(120);
/// Bodies over this lie in files of the spool: no database has to carry them there and back.
pub const STAGE_OVER_OCTETS: u64 = 256 * 1024;

/// Octets that lie in a message's row.
#[derive(Debug, Clone)]
pub struct StoredOctets {
    /// How many.
    pub len: u64,
    /// Whose.
    pub message: i64,
    /// Read by this pool.
    pub queue: Queue,
}

/// A message to be kept.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The transaction's id.
    pub id: Uuid,
    /// The octets as received.
    pub octets: Octets,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// When it came.
    pub received_at: Moment,
    /// The original reverse-path.
    pub reverse_path: ReversePath,
    /// Octets of the header.
    pub header_octets: u64,
    /// BODY=8BITMIME was declared, or octets over 127 are in it.
    pub eight_bit: bool,
    /// SMTPUTF8 was declared and is needed (an international path or header).
    pub international: bool,
}

/// What a delivery is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Mail of a sender, on its way to a destination.
    Forward,
    /// A DSN of ours, on its way to a sender; has no activity row.
    Dsn,
    /// Mail of ours that asks an inbox whether it wants mail. It holds a link that nobody else may read or redirect.
    Verification,
    /// Mail of ours that tells the owner something.
    Notice,
    /// A report that came back to an SRS address of ours: it was read, and goes nowhere by itself.
    Returned,
}

/// In what state a delivery enters the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Due at a moment.
    Due(Moment),
    /// Leased to an attempt that runs in this process already.
    Leased,
    /// Held for the owner.
    Held,
    /// Not to be sent: its octets are kept for the owner until the moment (failed, consumed).
    Kept(Moment),
}

/// A delivery to be kept.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// The activity row's id (a fresh one for a DSN).
    pub id: Uuid,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose.
    pub account: AccountId,
    /// The hosted domain.
    pub domain: Option<DomainId>,
    /// The alias.
    pub alias: Option<AliasId>,
    /// The alias address, as the sender knows it.
    pub recipient: Mailbox,
    /// Where to.
    pub destination: Mailbox,
    /// The reverse-path as rewritten, once and for all.
    pub reverse_path: ReversePath,
    /// The prefix.
    pub prefix: Bytes,
    /// TLS.
    pub tls: TlsPolicy,
    /// Whether the sender may be told.
    pub reportable: bool,
    /// Tries so far.
    pub tries: u32,
    /// Its state.
    pub entry: Entry,
    /// What the sender wants to hear of it.
    pub wishes: Wishes,
    /// Of a report of ours, the activity row that it is about.
    pub about: Option<Uuid>,
}

/// A message with its deliveries, as it enters the queue.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// The message.
    pub message: NewMessage,
    /// Its deliveries.
    pub deliveries: Vec<NewDelivery>,
    /// The activity rows of the deliveries, kept beside them so that a crash between the two commits loses no row (they
    /// are recorded again on start where missing).
    pub rows: Vec<Row>,
}

/// A delivery claimed for an attempt.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The row.
    pub key: i64,
    /// The delivery as it was accepted (`tries` counts those before this one).
    pub delivery: NewDelivery,
    /// The message.
    pub message: NewMessage,
    /// The message's key in the queue.
    pub message_key: i64,
}

/// How a claim ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Delivered (or consumed, cancelled): the delivery goes, and the message with its last one.
    Done,
    /// Tried in vain: due again.
    Again(Moment),
    /// The same, and its sender was told that it takes long, which is not told twice.
    Told(Moment),
    /// Failed: kept for the owner until the moment.
    Kept(Moment),
}

/// One waiting delivery, as people see it.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The activity row's id.
    pub id: Uuid,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose.
    pub account: AccountId,
    /// The alias address.
    pub recipient: String,
    /// Where to.
    pub destination: String,
    /// `due`, `leased`, `held`, `kept`.
    pub state: &'static str,
    /// Octets.
    pub size: u64,
    /// Tries so far.
    pub tries: u32,
    /// When it came.
    pub received_at: Moment,
    /// The next try, or until when it is kept.
    pub due_at: Option<Moment>,
    /// Of a report of ours, the activity row that it is about.
    pub about: Option<Uuid>,
    /// Of a report of ours, what its last try came to.
    pub answer: Option<Attempt>,
}

/// A delivery in one line: what is to be known of each by whoever looks at all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The activity row's id.
    pub id: Uuid,
    /// Where to.
    pub destination: String,
    /// `due`, `leased`, `held`, `kept`.
    pub state: &'static str,
    /// The next try, or until when it is kept.
    pub due_at: Option<Moment>,
}

/// Which deliveries to list, oldest first.
#[derive(Debug, Clone, Default)]
pub struct WaitingQuery {
    /// Only this account's (`None`: all, for the owner).
    pub account: Option<AccountId>,
    /// And what came for these domains, whosever they are.
    pub beside: Vec<DomainId>,
    /// Only what came for this domain.
    pub domain: Option<DomainId>,
    /// Only what is for this inbox.
    pub destination: Option<String>,
    /// Behind this id.
    pub cursor: Option<Uuid>,
    /// At most so many (1 to 500).
    pub limit: u32,
}

/// The queue; cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    writer: Writer<ledger::Entry>,
    readers: SqlitePool,
    activity: Activity,
    shares: Shares,
    spool: Spool,
    /// The next message's key; never given out twice.
    next_message: Arc<AtomicI64>,
    chance: Chance,
}

/// What the queue is made of.
pub(super) struct Parts {
    pub(super) readers: SqlitePool,
    pub(super) activity: Activity,
    pub(super) clock: Clock,
    pub(super) chance: Chance,
    pub(super) spool: Spool,
}

impl Queue {
    /// Starts the writer of `waypost.db`, after taking stock of what is there.
    pub(super) async fn start(mut place: Place, parts: Parts) -> Result<Self> {
        let Parts { readers, activity, clock, chance, spool } = parts;
        let held = stock::take(&mut place.connection, &spool, clock.now()).await?;
        if !held.is_empty() {
            activity.progress(held).await?;
        }
        let next_message: i64 = sqlx::query_scalar(staging::NEXT_KEY).fetch_one(&mut place.connection).await?;
        let shares = Shares::load(&mut place.connection).await?;
        let ledger = ledger::QueueLedger::new((shares.clone(), spool.clone()), clock, place.faults.clone());
        let writer = Writer::start(place, ledger);
        let next_message = Arc::new(AtomicI64::new(next_message));
        Ok(Self { writer, readers, activity, shares, spool, next_message, chance })
    }

    /// The writer, for what else lies in the file.
    pub(super) fn writer(&self) -> Writer<ledger::Entry> {
        self.writer.clone()
    }

    /// Keeps a message with its deliveries: one transaction, synced, then returns. Grouped with what else waits.
    pub async fn accept(&self, message: NewMessage, deliveries: Vec<NewDelivery>, rows: Vec<Row>) -> Result<()> {
        self.accept_together(vec![Acceptance { message, deliveries, rows }]).await
    }

    /// Keeps several messages: all of them, or none.
    pub async fn accept_together(&self, all: Vec<Acceptance>) -> Result<()> {
        self.writer.enter(ledger::Entry { accepted: self.staged(all).await?, ..ledger::Entry::default() }).await
    }

    /// Keeps mails of our own with the note that they are sent: all of it, or nothing.
    pub async fn accept_noting(&self, all: Vec<Acceptance>, noted: Noted) -> Result<()> {
        let accepted = self.staged(all).await?;
        self.writer.enter(ledger::Entry { accepted, noted: Some(noted), ..ledger::Entry::default() }).await
    }

    async fn staged(&self, all: Vec<Acceptance>) -> Result<Vec<ledger::Accepted>> {
        let mut accepted = Vec::with_capacity(all.len());
        for Acceptance { message, deliveries, rows } in all {
            let key = self.next_message.fetch_add(1, Ordering::Relaxed);
            let octets = self.stage(&message).await?;
            accepted.push(ledger::Accepted::new(key, message, octets, (deliveries, &rows)));
        }
        Ok(accepted)
    }

    /// Ends claims. A `Done` of the last delivery deletes the message.
    pub async fn settle(&self, settlements: Vec<(Uuid, Settlement)>) -> Result<()> {
        self.settle_and_tell(settlements, Vec::new()).await
    }

    /// Ends claims, and keeps the reports that speak of them: all of it, or nothing, so that nobody is told twice.
    pub async fn settle_and_tell(&self, settled: Vec<(Uuid, Settlement)>, reports: Vec<Acceptance>) -> Result<()> {
        if settled.is_empty() && reports.is_empty() {
            return Ok(());
        }
        self.writer.enter(ledger::Entry { accepted: self.staged(reports).await?, settled, noted: None }).await
    }

    /// Octets kept for a domain, or for none, against `queue.max_bytes_per_domain`.
    #[expect(clippy::unused_async, reason = "a database that several gateways share would be asked")]
    pub async fn bytes_of(&self, domain: Option<DomainId>) -> Result<u64> {
        Ok(self.shares.of(domain))
    }
}
