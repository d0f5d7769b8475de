//! Messages that wait, and their deliveries. Group commit; claims write their lease and next try in one transaction, so a
//! crash only delays.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::Result;
use super::activity::Row;
use super::octets::Octets;
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::ids::{AccountId, AliasId, DomainId};
use crate::policy::settings::TlsPolicy;

/// A lease lapses so long after its last heartbeat.
pub const LEASE: Duration = Duration::from_secs(120);
/// Bodies over this are staged in chunk rows by earlier, unsynced transactions.
pub const STAGE_OVER_OCTETS: u64 = 256 * 1024;

/// Octets that lie in the queue.
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
}

/// The queue; cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {}

impl Queue {
    /// Keeps a message with its deliveries: one transaction, synced, then returns. Grouped with what else waits.
    /// `rows` are the activity rows of the deliveries, kept beside them so that a crash between the two commits loses
    /// no row (they are recorded again on start where missing).
    pub async fn accept(&self, message: NewMessage, deliveries: Vec<NewDelivery>, rows: Vec<Row>) -> Result<()> {
        let _ = (message, deliveries, rows);
        todo!("store")
    }

    /// Claims up to `limit` deliveries that are due, oldest first, leasing them from `now`. Writing the next try in the
    /// same transaction is what makes a crash harmless.
    pub async fn claim(&self, now: Moment, limit: u32) -> Result<Vec<Claim>> {
        let _ = (now, limit);
        todo!("store")
    }

    /// Renews the leases of these activity ids.
    pub async fn renew(&self, ids: Vec<Uuid>, now: Moment) -> Result<()> {
        let _ = (ids, now);
        todo!("store")
    }

    /// Gives back leases of attempts that were never made (stop, no slot): due at the moment, tries unchanged.
    pub async fn give_back(&self, ids: Vec<Uuid>, due: Moment) -> Result<()> {
        let _ = (ids, due);
        todo!("store")
    }

    /// Ends claims. A `Done` of the last delivery deletes the message.
    pub async fn settle(&self, settlements: Vec<(Uuid, Settlement)>) -> Result<()> {
        let _ = settlements;
        todo!("store")
    }

    /// On start: all earlier leases lapse.
    pub async fn lapse_all(&self, now: Moment) -> Result<u64> {
        let _ = now;
        todo!("store")
    }

    /// Activity rows of deliveries in the queue that the log lacks (after a crash between the two commits).
    pub async fn rows_to_restore(&self) -> Result<Vec<Row>> {
        todo!("store")
    }

    /// When the next delivery is due.
    pub async fn next_due(&self) -> Result<Option<Moment>> {
        todo!("store")
    }

    /// Lists, oldest first; `cursor` is the last id seen.
    pub async fn list(&self, account: Option<AccountId>, cursor: Option<Uuid>, limit: u32) -> Result<Vec<Waiting>> {
        let _ = (account, cursor, limit);
        todo!("store")
    }

    /// One waiting or kept delivery with its message, whatever its state.
    pub async fn get(&self, id: Uuid) -> Result<Claim> {
        let _ = id;
        todo!("store")
    }

    /// Due at once (from due, held or kept).
    pub async fn retry(&self, id: Uuid, now: Moment) -> Result<()> {
        let _ = (id, now);
        todo!("store")
    }

    /// Held until released.
    pub async fn hold(&self, id: Uuid) -> Result<()> {
        let _ = id;
        todo!("store")
    }

    /// Taken out of the queue.
    pub async fn cancel(&self, id: Uuid) -> Result<()> {
        let _ = id;
        todo!("store")
    }

    /// Another destination, due at once.
    pub async fn redirect(&self, id: Uuid, destination: Mailbox, now: Moment) -> Result<()> {
        let _ = (id, destination, now);
        todo!("store")
    }

    /// Deletes kept deliveries whose time is over, and messages nobody wants. Returns how many deliveries.
    pub async fn drop_kept(&self, now: Moment) -> Result<u64> {
        let _ = now;
        todo!("store")
    }

    /// Keeps a sender under a token for an SRS address (synced; at most `MAX_TOKENS_PER_DOMAIN` a sender domain).
    pub async fn store_token(&self, sender: &Mailbox, now: Moment) -> Result<String> {
        let _ = (sender, now);
        todo!("store")
    }

    /// The sender behind a token.
    pub async fn token_sender(&self, token: &str) -> Result<Option<Mailbox>> {
        let _ = token;
        todo!("store")
    }

    /// Octets kept for a domain, against `queue.max_bytes_per_domain`.
    pub async fn bytes_of(&self, domain: DomainId) -> Result<u64> {
        let _ = domain;
        todo!("store")
    }
}
