//! Writes the log: rows of a batch by multi-row statements, what they count by one statement for each table.
//!
//! Most batches are rows and nothing else: one statement, which SQLite commits by itself. What they add to the counters
//! waits in memory for the next transaction that has more to do, for somebody who wants to read the counters, or for
//! enough rows; what a crash takes of it is counted again from the rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::SqliteConnection;
use tokio::sync::broadcast;

use super::hours::Hours;
use super::progress::{self, Step};
use super::refusals::Refusals;
use super::row::{self, INSERT, Written};
use super::tally::{ADD, SHARE, TALLIED, Tally};
use super::usage::UsageCache;
use super::{Bounced, Progress, Row};
use crate::store::Result;
use crate::store::faults::Faults;
use crate::store::statement::{MAX_ROWS, Statement};
use crate::store::writer::{Commit, Ledger, Place, Run};

pub(in crate::store) const LAST_SEQ: &str = "select coalesce(max(seq), 0) from activity";

/// What comes often.
#[derive(Debug)]
pub(crate) enum Entry {
    /// New rows.
    Record(Rows),
    /// Changes of rows.
    Progress(Vec<Progress>, Absent),
    /// Reports came back for rows.
    Bounce(Vec<Bounced>),
    /// Somebody wants to read the counters: what waits in memory is to be written.
    Counts,
}

/// What is made of a change whose row is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It was dropped by retention, or a power cut took it: there is nothing left to change.
    Ignored,
    /// It may come yet: nothing is changed.
    Refused,
}

/// Rows on their way into the log, that their owner may send again where the log could not be written.
#[derive(Debug, Clone)]
pub struct Rows(Arc<Vec<Written>>);

impl Rows {
    /// Makes them ready.
    #[must_use]
    pub fn new(rows: Vec<Row>) -> Self {
        Self(Arc::new(rows.into_iter().map(Written::new).collect()))
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Rows whose counts wait at most, so that writing them holds nobody up for long.
const MAX_WAITING_ROWS: usize = 512;

/// What the ledger works with.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) live: broadcast::Sender<Arc<Row>>,
    pub(super) usage: UsageCache,
    /// Whether counts wait in memory.
    pub(super) counts_wait: Arc<AtomicBool>,
}

/// The log's ledger.
#[derive(Debug)]
pub(super) struct Log {
    last_seq: i64,
    refusals: Refusals,
    hours: Hours,
    faults: Faults,
    tools: Tools,
    /// What committed rows add to the counters and is not written yet.
    waiting: Tally,
    /// Of the planned transaction: how it is committed, where each of its rows goes (nowhere: it is only counted), and
    /// what it adds.
    commit: Commit,
    places: Vec<Option<i64>>,
    touched: Tally,
    /// Rows that it changed (only where somebody listens).
    changed: Vec<Row>,
}

impl Log {
    pub(super) async fn open(place: &mut Place, tools: Tools) -> Result<Self> {
        let connection = &mut place.connection;
        let last_seq = sqlx::query_scalar(LAST_SEQ).fetch_one(&mut *connection).await?;
        let waiting = uncounted(connection).await?;
        tools.counts_wait.store(waiting.rows() > 0, Ordering::SeqCst);
        Ok(Self {
            last_seq,
            refusals: Refusals::default(),
            hours: Hours::load(connection).await?,
            faults: place.faults.clone(),
            tools,
            waiting,
            commit: Commit::Explicit,
            places: Vec::new(),
            touched: Tally::default(),
            changed: Vec::new(),
        })
    }

    async fn write_entries(&mut self, connection: &mut SqliteConnection, entries: &[Entry]) -> Result<()> {
        let places = std::mem::take(&mut self.places);
        let planned = places.iter().zip(entries.iter().filter_map(Entry::rows).flatten());
        let rows: Vec<_> = planned.filter_map(|(seq, written)| seq.map(|seq| (seq, written))).collect();
        let changes = progress::rounds(entries);
        for some in rows.chunks(MAX_ROWS) {
            bind_rows(sqlx::query(INSERT.of(some.len())), some).execute(&mut *connection).await?;
        }
        if self.commit == Commit::ByStatement {
            return Ok(());
        }
        // Changes may be of rows of this very batch, so those are written first.
        for steps in changes {
            self.change(connection, &steps).await?;
        }
        self.faults.pass()?;
        self.count(connection).await?;
        self.hours.write(connection).await
    }

    /// Which rows are written, and where; the others are refusals that are only counted.
    fn place(&mut self, row: &Row) -> Option<i64> {
        let seq = self.last_seq + 1;
        self.touched.add(row);
        if let Some(shared) = self.refusals.fold(row, seq) {
            self.touched.share(shared, row);
            return None;
        }
        self.last_seq = seq;
        self.hours.see(row.received_at, seq);
        Some(seq)
    }

    fn is_one_statement(&self) -> bool {
        let waiting = self.waiting.rows() + self.touched.rows();
        let has_more = self.touched.shares() || self.hours.are_touched();
        !has_more && self.places.len() <= MAX_ROWS && waiting <= MAX_WAITING_ROWS
    }

    async fn change(&mut self, connection: &mut SqliteConnection, steps: &[Step<'_>]) -> Result<()> {
        let seqs = progress::write(connection, steps, &mut self.touched).await?;
        // Whether anybody listens or not: who begins to before the commit sees the row as it was, and is to hear of this.
        self.changed.extend(progress::changed(connection, &seqs).await?);
        Ok(())
    }

    async fn count(&self, connection: &mut SqliteConnection) -> Result<()> {
        self.touched.bind(sqlx::query(ADD), self.last_seq).execute(&mut *connection).await?;
        if let Some(shared) = self.touched.shared() {
            sqlx::query(SHARE).bind(shared).execute(connection).await?;
        }
        Ok(())
    }
}

/// What the rows add that were committed without their counts before a crash.
async fn uncounted(connection: &mut SqliteConnection) -> Result<Tally> {
    let tallied: i64 = sqlx::query_scalar(TALLIED).fetch_one(&mut *connection).await?;
    let mut tally = Tally::default();
    for found in &sqlx::query(row::AFTER).bind(tallied).fetch_all(connection).await? {
        tally.add(&row::read(found)?.1);
    }
    Ok(tally)
}

fn bind_rows(statement: Statement, rows: &[(i64, &Written)]) -> Statement {
    rows.iter().fold(statement, |statement, (seq, written)| written.bind(*seq, statement))
}

impl Entry {
    fn rows(&self) -> Option<&[Written]> {
        match self {
            Self::Record(rows) => Some(&rows.0),
            Self::Progress(..) | Self::Bounce(_) | Self::Counts => None,
        }
    }
}

impl Ledger for Log {
    type Entry = Entry;

    fn octets(entry: &Entry) -> usize {
        match entry {
            Entry::Record(rows) => rows.0.iter().map(Written::octets).sum(),
            Entry::Progress(changes, _) => changes.len() * PROGRESS_OCTETS,
            Entry::Bounce(bounces) => bounces.len() * PROGRESS_OCTETS,
            Entry::Counts => PROGRESS_OCTETS,
        }
    }

    fn plan(&mut self, entries: &[Entry]) -> Commit {
        self.touched = Tally::default();
        self.changed.clear();
        self.places.clear();
        for written in entries.iter().filter_map(Entry::rows).flatten() {
            let place = self.place(&written.row);
            self.places.push(place);
        }
        let is_rows = entries.iter().all(|entry| entry.rows().is_some());
        self.commit = if is_rows && self.is_one_statement() { Commit::ByStatement } else { Commit::Explicit };
        if self.commit == Commit::Explicit {
            let batch = std::mem::take(&mut self.touched);
            self.touched.absorb(&self.waiting);
            self.touched.absorb(&batch);
        }
        self.commit
    }

    fn write<'c>(&'c mut self, connection: &'c mut SqliteConnection, entries: &'c [Entry]) -> Run<'c, ()> {
        Box::pin(self.write_entries(connection, entries))
    }

    fn committed(&mut self, entries: Vec<Entry>) {
        self.touched.aliases().for_each(|alias| self.tools.usage.forget(alias));
        match self.commit {
            Commit::ByStatement => self.waiting.absorb(&self.touched),
            Commit::Explicit => self.waiting = Tally::default(),
        }
        self.tools.counts_wait.store(self.waiting.rows() > 0, Ordering::SeqCst);
        let changed = std::mem::take(&mut self.changed);
        if self.tools.live.receiver_count() == 0 {
            return;
        }
        let recorded = entries.iter().filter_map(Entry::rows).flatten().map(|written| written.row.clone());
        for row in recorded.chain(changed) {
            // Nobody may be left to hear it.
            let _unheard = self.tools.live.send(Arc::new(row));
        }
    }

    fn rolled_back(&mut self) {
        self.refusals.forget();
        self.hours.forget();
    }
}

/// About what a change of a row writes.
const PROGRESS_OCTETS: usize = 600;
