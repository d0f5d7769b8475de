//! The log: one row per recipient and destination, its counters, its search index, and their retention.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub(super) mod busy;
pub(super) mod feeder;
pub(in crate::store) mod first_mail;
pub(super) mod found_words;
pub(super) mod greylist;
pub(super) mod hours;
pub(super) mod inboxes;
pub(super) mod latest;
pub(super) mod ledger;
pub(super) mod list;
pub(super) mod progress;
pub mod recipients;
pub(super) mod redirect;
mod refusals;
pub(super) mod repeats;
pub(super) mod reported;
pub(super) mod retention;
pub(super) mod row;
pub mod stats;
pub(super) mod tally;
pub(super) mod usage;
pub(super) mod ways;

use sqlx::SqlitePool;
use tokio::sync::{broadcast, watch};

pub use self::first_mail::FirstMail;
pub use self::greylist::MAX_TRIPLETS;
pub use self::inboxes::FailingInbox;
pub use self::ledger::Rows;
pub use self::refusals::ROWS_PER_NETWORK_AND_HOUR;
use self::repeats::Doubts;
pub use self::repeats::{RECOGNISED_FOR, Sending};
use self::usage::UsageCache;
use super::Result;
use super::writer::{Place, Writer};
use crate::clock::Clock;
use crate::mail::wishes::Wishes;
use crate::mail::{Author, Envelope, Moment};
use crate::policy::facts::{TlsFacts, Usage};
use crate::policy::ids::{AccountId, AliasId, DomainId};
use crate::policy::status::{OwnMail, RuleRef, Status, TraceStep};
use crate::policy::verdict::Fault;

/// The client of a transaction, as a row shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Client {
    /// Its address.
    #[schema(value_type = String)]
    pub ip: IpAddr,
    /// Its name by reverse DNS, where it was asked.
    pub name: Option<String>,
    /// What it called itself.
    pub helo: String,
    /// Its TLS.
    pub tls: Option<TlsFacts>,
}

/// Authentication, as a row shows it: results by their RFC 8601 words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Auth {
    /// `pass`, …
    pub spf: Option<String>,
    /// `pass mail.example.org`: SPF of the greeting name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf_helo: Option<String>,
    /// `pass d=example.org s=mail`, one each.
    pub dkim: Vec<String>,
    /// `fail p=reject d=example.org`.
    pub dmarc: Option<String>,
    /// `pass (i=2 sealed by example.org)`; nothing where there is no chain.
    pub arc: Option<String>,
    /// Whether the sender was proved when it wrote, so that it may be told of a failure that shows later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reportable: bool,
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// When it began.
    pub at: Moment,
    /// When it had its outcome; unknown of attempts that an earlier release made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// The MX host.
    pub mx: Option<String>,
    /// Its address.
    #[schema(value_type = Option<String>)]
    pub ip: Option<IpAddr>,
    /// TLS of the leg; `None` is plain.
    pub tls: Option<TlsFacts>,
    /// The remote's own words, or ours where it said nothing. The owner's to see, never a sender's.
    pub reply: String,
    /// `delivered`, `refused`, `deferred`, `unknown`; `bounced` is no attempt but the report that came back.
    pub outcome: String,
    /// Of a refusal, whose fault it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What else happened: `handshake failed, sent without TLS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The envelope before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopePair {
    /// As received: one recipient.
    pub before: Envelope,
    /// As sent on; `None` where nothing was.
    pub after: Option<Envelope>,
}

/// What became of a DSN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub struct DsnNote {
    /// `sent` or `suppressed`.
    pub dsn: String,
    /// Why.
    pub why: String,
}

/// One row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The row's id everywhere.
    pub id: Uuid,
    /// The transaction's.
    pub transaction: Uuid,
    /// When.
    pub received_at: Moment,
    /// Whose.
    pub account: AccountId,
    /// The hosted domain.
    pub domain: Option<DomainId>,
    /// The alias.
    pub alias: Option<AliasId>,
    /// The aliases that it passes on its way, for which it counts too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<AliasId>,
    /// What it is for, where the gateway itself wrote it: then it came from nowhere, and is in no counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnMail>,
    /// What became of it.
    pub status: Status,
    /// The reverse-path, as privacy allows.
    pub sender: String,
    /// The alias address as the client wrote it.
    pub recipient: String,
    /// The real inbox.
    pub destination: Option<String>,
    /// Who the message says that it is from, where its subject is kept too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// As privacy allows.
    pub subject: Option<String>,
    /// The header field.
    pub message_id: Option<String>,
    /// Octets as received.
    pub size: u64,
    /// One sentence.
    pub reason: String,
    /// The rule.
    pub rule: Option<RuleRef>,
    /// The client.
    pub client: Client,
    /// Authentication.
    pub auth: Auth,
    /// What the sender wants to hear of it, and by which names it knows it, for a report that is due later.
    #[serde(default, skip_serializing_if = "Wishes::are_none")]
    pub wishes: Wishes,
    /// SHA-256 of the octets as received.
    pub sha256_received: Option<[u8; 32]>,
    /// SHA-256 of the octets as handed over, minus the prefix.
    pub sha256_sent: Option<[u8; 32]>,
    /// The attempts so far.
    pub attempts: Vec<Attempt>,
    /// The next one.
    pub next_attempt_at: Option<Moment>,
    /// The envelope.
    pub envelope: EnvelopePair,
    /// The decision.
    pub trace: Vec<TraceStep>,
    /// The DSN, where one was due.
    pub dsn: Option<DsnNote>,
    /// When a report came back.
    pub bounced_at: Option<Moment>,
    /// How many events this row counts (refusals beyond the limit share one row).
    pub count: u64,
}

impl Row {
    /// Whether its destination has the message: what came back it has not.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.status == Status::Forwarded && self.bounced_at.is_none()
    }

    /// Whether its destination may still get it.
    #[must_use]
    pub const fn may_arrive(&self) -> bool {
        matches!(self.status, Status::Queued | Status::Deferred | Status::Held)
    }
}

/// A change to a row after it was written.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Which row.
    pub id: Uuid,
    /// What became of it now.
    pub status: Status,
    /// One sentence.
    pub reason: String,
    /// The attempt that led here.
    pub attempt: Option<Attempt>,
    /// The next one.
    pub next_attempt_at: Option<Moment>,
    /// After a delivery.
    pub sha256_sent: Option<[u8; 32]>,
    /// After a failure.
    pub dsn: Option<DsnNote>,
}

/// A report that came back for a row that was forwarded.
#[derive(Debug, Clone)]
pub struct Bounced {
    /// Which row.
    pub id: Uuid,
    /// When it came.
    pub at: Moment,
    /// Who says so, and what.
    pub attempt: Attempt,
    /// What was done to tell the sender.
    pub dsn: DsnNote,
}

/// What a forwarded row counts as once a report came back, and the word of [`Attempt::outcome`] for that report.
pub const BOUNCED: &str = "bounced";

/// Which rows to list; newest first.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only this account's (`None`: all, for the owner).
    pub account: Option<AccountId>,
    /// And those of these domains, whosever they are.
    pub beside: Vec<DomainId>,
    /// The account that asks, which is told all of its own.
    pub asker: Option<AccountId>,
    /// Domains of others whose subjects and authors it is not told: what is not told is not searched for it either.
    pub blind: Vec<DomainId>,
    /// Only this domain's.
    pub domain: Option<DomainId>,
    /// Only this alias's.
    pub alias: Option<AliasId>,
    /// Only these statuses as they are shown (empty: all): what was forwarded and came back is none of them.
    pub statuses: Vec<Status>,
    /// And what was forwarded and came back (`bounced`).
    pub bounced: bool,
    /// Only what the gateway itself wrote, or only the rest.
    pub own: Option<bool>,
    /// Words: an address, domain, or id (exact or prefix), or words of author, subject and reply.
    pub search: Option<String>,
    /// Only of this reverse-path (in lower case).
    pub sender: Option<String>,
    /// Only for this alias address (in lower case).
    pub recipient: Option<String>,
    /// Only to this inbox (in lower case).
    pub destination: Option<String>,
    /// Not before.
    pub since: Option<Moment>,
    /// Before.
    pub until: Option<Moment>,
    /// Rows behind this cursor.
    pub cursor: Option<String>,
    /// At most so many (1 to 500).
    pub limit: u32,
}

/// A page of rows.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// An alias's counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Sent on.
    pub forwarded: u64,
    /// Refused.
    pub refused: u64,
    /// Dropped by rule.
    pub dropped: u64,
    /// Failed or expired after acceptance.
    pub failed: u64,
    /// Returned.
    pub bounced: u64,
}

/// What an alias has had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Had {
    /// Messages accepted in all.
    pub messages: u64,
    /// When the last one came.
    pub last_mail_at: Option<Moment>,
    /// What became of them, and of those that were not accepted.
    pub counts: Counts,
}

/// What a row came to at last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastSaid {
    /// What was said: by the next hop, or in our words.
    pub words: String,
    /// When it was tried last.
    pub at: Option<Moment>,
    /// What is known of the report to its sender: why there is none, or as what it was sent.
    pub of_report: Option<String>,
}

/// The log; cheap to clone.
#[derive(Clone, Debug)]
pub struct Activity {
    pub(super) writer: Writer<ledger::Entry>,
    pub(super) readers: SqlitePool,
    live: broadcast::Sender<Arc<Row>>,
    usage: UsageCache,
    days: stats::Days,
    counts_wait: Arc<AtomicBool>,
    owed: Arc<watch::Sender<usize>>,
    doubts: Doubts,
    clock: Clock,
}

/// Rows that the log is owed, as long as this is kept.
#[derive(Debug)]
pub struct Owed(Arc<watch::Sender<usize>>);

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.send_modify(|owed| *owed -= 1);
    }
}

/// Rows that a slow listener may lag behind before it misses some.
const LIVE_ROWS: usize = 1024;

impl Activity {
    /// Starts the writer of the log.
    pub(super) async fn start(mut place: Place, readers: SqlitePool, clock: Clock) -> Result<Self> {
        let (live, _) = broadcast::channel(LIVE_ROWS);
        let (usage, counts_wait) = (UsageCache::new(), Arc::new(AtomicBool::new(false)));
        let tools = ledger::Tools { live: live.clone(), usage: usage.clone(), counts_wait: Arc::clone(&counts_wait) };
        let ledger = ledger::Log::open(&mut place, tools).await?;
        let doubts = Doubts::load(&readers, clock.now()).await?;
        let (writer, owed) = (Writer::start(place, ledger), Arc::new(watch::Sender::new(0)));
        let days = stats::Days::new();
        Ok(Self { writer, readers, live, usage, days, counts_wait, owed, doubts, clock })
    }

    /// How much mail an alias has had.
    pub(super) async fn usage(&self, alias: AliasId) -> Result<Usage> {
        if let Some(usage) = self.usage.get(alias) {
            return Ok(usage);
        }
        self.usage_now(alias).await
    }

    /// The same for whoever looks at the alias.
    pub(super) async fn usage_shown(&self, alias: AliasId) -> Result<Usage> {
        self.settle_counts().await?;
        self.usage.look(alias, self.clock.now(), &self.readers).await
    }

    /// The same, read anew.
    pub(super) async fn usage_now(&self, alias: AliasId) -> Result<Usage> {
        self.settle_counts().await?;
        self.usage.load(alias, self.clock.now(), &self.readers).await
    }

    /// How often the database was asked for usage.
    pub(super) fn usage_asked(&self) -> u64 {
        self.usage.asked()
    }

    /// Writes the counts that wait in memory, for whoever is going to read them.
    pub(super) async fn settle_counts(&self) -> Result<()> {
        if self.counts_wait.load(Ordering::SeqCst) { self.writer.enter(ledger::Entry::Counts).await } else { Ok(()) }
    }

    /// Writes rows; they count from then on. Returns after the commit. Batched with whatever else waits. Refusals beyond 50 an
    /// hour from one /24 or /64 are counted on one row.
    pub async fn record(&self, rows: Vec<Row>) -> Result<()> {
        self.record_rows(&Rows::new(rows)).await
    }

    /// The same for rows that can be sent again.
    pub async fn record_rows(&self, rows: &Rows) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.writer.enter(ledger::Entry::Record(rows.clone())).await
    }

    /// Rows that could not be written are owed until this is dropped: what becomes of them is to be written behind them.
    #[must_use]
    pub fn owe(&self) -> Owed {
        self.owed.send_modify(|owed| *owed += 1);
        Owed(Arc::clone(&self.owed))
    }

    /// Waits until no rows are owed.
    pub async fn is_paid(&self) {
        // The sender lives as long as we do.
        let mut owed = self.owed.subscribe();
        let _paid = owed.wait_for(|owed| *owed == 0).await;
    }

    /// Changes rows; returns after the commit.
    pub async fn progress(&self, changes: Vec<Progress>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.writer.enter(ledger::Entry::Progress(changes, ledger::Absent::Ignored)).await
    }

    /// The same, but nothing is changed where a row is missing ([`super::StoreError::NotFound`]): it may be on its way.
    pub async fn progress_of_all(&self, changes: Vec<Progress>) -> Result<()> {
        self.writer.enter(ledger::Entry::Progress(changes, ledger::Absent::Refused)).await
    }

    /// Reports came back for rows that were forwarded: they are shown as `bounced` from now on. A row bounces once.
    pub async fn bounced(&self, bounces: Vec<Bounced>) -> Result<()> {
        self.writer.enter(ledger::Entry::Bounce(bounces)).await
    }

    /// Hears of every row written or changed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Row>> {
        self.live.subscribe()
    }
}
