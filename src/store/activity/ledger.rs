//! Writes the log: rows of a batch by multi-row statements, what they count by one statement for each table.

use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::hours::Hours;
use super::progress::{self, Step};
use super::refusals::Refusals;
use super::row::{ADD_AND_INSERT, INSERT, Written};
use super::tally::{ADD, SHARE, Tally};
use super::usage::UsageCache;
use super::{Progress, Row};
use crate::mail::Moment;
use crate::store::Result;
use crate::store::faults::Faults;
use crate::store::statement::{MAX_ROWS, Statement};
use crate::store::writer::{Ledger, Place, Run};

pub(in crate::store) const LAST_SEQ: &str = "select coalesce(max(seq), 0) from activity";

/// What comes often.
#[derive(Debug)]
pub(crate) enum Entry {
    /// New rows.
    Record(Rows),
    /// Changes of rows.
    Progress(Vec<Progress>),
    /// A report came back for a row.
    Bounce(Uuid, Moment),
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

/// The log's ledger.
#[derive(Debug)]
pub(super) struct Log {
    last_seq: i64,
    refusals: Refusals,
    hours: Hours,
    faults: Faults,
    usage: UsageCache,
    live: broadcast::Sender<Arc<Row>>,
    /// Of the open transaction: aliases that it touches, rows that it changed (only where somebody listens).
    touched: Tally,
    changed: Vec<Row>,
}

impl Log {
    pub(super) async fn open(place: &mut Place, live: broadcast::Sender<Arc<Row>>, usage: UsageCache) -> Result<Self> {
        let last_seq = sqlx::query_scalar(LAST_SEQ).fetch_one(&mut place.connection).await?;
        let hours = Hours::load(&mut place.connection).await?;
        let faults = place.faults.clone();
        let (refusals, touched) = (Refusals::default(), Tally::default());
        Ok(Self { last_seq, refusals, hours, faults, usage, live, touched, changed: Vec::new() })
    }

    async fn write_entries(&mut self, connection: &mut SqliteConnection, entries: &[Entry]) -> Result<()> {
        self.touched = Tally::default();
        self.changed.clear();
        let rows = self.plan(entries);
        let changes = progress::rounds(entries);
        // Changes may be of rows of this very batch, so those are written first; else rows and counts go together.
        let (first, last) =
            if changes.is_empty() { rows.split_at(last_chunk(rows.len())) } else { (&rows[..], &[][..]) };
        for some in first.chunks(MAX_ROWS) {
            bind_rows(sqlx::query(INSERT.of(some.len())), some).execute(&mut *connection).await?;
        }
        for steps in changes {
            self.change(connection, &steps).await?;
        }
        self.faults.pass()?;
        self.count(connection, last).await?;
        self.hours.write(connection).await
    }

    /// Which rows are written, and where; the others are refusals that are only counted.
    fn plan<'e>(&mut self, entries: &'e [Entry]) -> Vec<(i64, &'e Written)> {
        let mut rows = Vec::new();
        for written in entries.iter().filter_map(Entry::rows).flatten() {
            let seq = self.last_seq + 1;
            if let Some(shared) = self.refusals.fold(&written.row, seq) {
                self.touched.share(shared, &written.row);
            } else {
                self.last_seq = seq;
                self.hours.see(written.row.received_at, seq);
                rows.push((seq, written));
            }
            self.touched.add(&written.row);
        }
        rows
    }

    async fn change(&mut self, connection: &mut SqliteConnection, steps: &[Step<'_>]) -> Result<()> {
        let seqs = progress::write(connection, steps, &mut self.touched).await?;
        if self.live.receiver_count() > 0 {
            self.changed.extend(progress::changed(connection, &seqs).await?);
        }
        Ok(())
    }

    /// Writes the counts, with the last rows.
    async fn count(&self, connection: &mut SqliteConnection, rows: &[(i64, &Written)]) -> Result<()> {
        let add = if rows.is_empty() { ADD } else { ADD_AND_INSERT.of(rows.len()) };
        bind_rows(self.touched.bind(sqlx::query(add)), rows).execute(&mut *connection).await?;
        if let Some(shared) = self.touched.shared() {
            sqlx::query(SHARE).bind(shared).execute(connection).await?;
        }
        Ok(())
    }
}

/// Where the last statement's rows begin.
const fn last_chunk(rows: usize) -> usize {
    if rows == 0 { 0 } else { (rows - 1) / MAX_ROWS * MAX_ROWS }
}

fn bind_rows(statement: Statement, rows: &[(i64, &Written)]) -> Statement {
    rows.iter().fold(statement, |statement, (seq, written)| written.bind(*seq, statement))
}

impl Entry {
    fn rows(&self) -> Option<&[Written]> {
        match self {
            Self::Record(rows) => Some(&rows.0),
            Self::Progress(_) | Self::Bounce(..) => None,
        }
    }
}

impl Ledger for Log {
    type Entry = Entry;

    fn octets(entry: &Entry) -> usize {
        match entry {
            Entry::Record(rows) => rows.0.iter().map(Written::octets).sum(),
            Entry::Progress(changes) => changes.len() * PROGRESS_OCTETS,
            Entry::Bounce(..) => PROGRESS_OCTETS,
        }
    }

    fn write<'c>(&'c mut self, connection: &'c mut SqliteConnection, entries: &'c [Entry]) -> Run<'c, ()> {
        Box::pin(self.write_entries(connection, entries))
    }

    fn committed(&mut self, entries: Vec<Entry>) {
        std::mem::take(&mut self.touched).aliases().for_each(|alias| self.usage.forget(alias));
        let changed = std::mem::take(&mut self.changed);
        if self.live.receiver_count() == 0 {
            return;
        }
        let recorded = entries.iter().filter_map(Entry::rows).flatten().map(|written| written.row.clone());
        for row in recorded.chain(changed) {
            // Nobody may be left to hear it.
            let _unheard = self.live.send(Arc::new(row));
        }
    }

    fn rolled_back(&mut self) {
        self.refusals.forget();
        self.hours.forget();
    }
}

/// About what a change of a row writes.
const PROGRESS_OCTETS: usize = 600;
