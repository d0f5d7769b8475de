//! The writer of one file: a task that owns the connection, takes whatever waits as one batch, commits it once, then
//! answers everybody. It is never cancelled: a change whose asker has gone is finished all the same.
//!
//! Entries are what comes often (a message, a row of the log): a [`Ledger`] writes all entries of a batch with few
//! statements. Changes are what comes seldom: each is a function over the connection. When a batch fails through the
//! fault of one of them, its jobs are tried singly; when the file is unwell, all hear so at once, and nothing is written
//! any more until the file, opened anew, has proved well ([`File::prove`]).

mod task;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};

use self::task::Task;
use super::faults::Faults;
use super::file::File;
use super::{Result, StoreError};

/// Jobs that wait, at most; who comes later waits to be let in.
const MAX_WAITING_JOBS: usize = 1024;

/// After so many octets, by and large, the checkpointer is called before its time.
const CALL_AFTER_OCTETS: u64 = 8 * 1024 * 1024;
/// What a change counts for: a few pages.
const CHANGE_OCTETS: u64 = 16 * 1024;

/// What a change runs.
pub(super) type Run<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;
/// A change: a function over the connection and what it needs, so that it can be run again.
pub(super) type Change<A, T> = for<'c> fn(&'c mut SqliteConnection, &'c A) -> Run<'c, T>;

/// How entries are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    /// Between `begin` and `commit`.
    Explicit,
    /// They are one statement, which SQLite commits by itself: that spares two ways to the connection's thread.
    ByStatement,
}

/// Writes entries together, and knows what of them lives in memory.
pub(super) trait Ledger: Send + 'static {
    /// What comes often.
    type Entry: Send + Sync + 'static;

    /// About how many octets it will write.
    fn octets(entry: &Self::Entry) -> usize;
    /// Says what writing them needs. Each plan is followed by [`Ledger::write`].
    fn plan(&mut self, _entries: &[Self::Entry]) -> Commit {
        Commit::Explicit
    }
    /// Writes them into the transaction that their plan asked for.
    fn write<'c>(&'c mut self, connection: &'c mut SqliteConnection, entries: &'c [Self::Entry]) -> Run<'c, ()>;
    /// They are committed.
    fn committed(&mut self, entries: Vec<Self::Entry>);
    /// What was written last is not committed: memory must not build on it.
    fn rolled_back(&mut self);
}

/// The way to a writer; cheap to clone.
pub(super) struct Writer<E> {
    jobs: mpsc::Sender<Job<E>>,
    seen: Arc<Seen>,
}

/// What a writer and those who ask it both see.
#[derive(Debug, Default)]
struct Seen {
    /// Transactions committed so far.
    commits: AtomicU64,
    /// Something failed: what the file holds on the disk is not sure until it has proved well.
    doubt: AtomicBool,
    /// Octets written since the checkpointer was called.
    written: AtomicU64,
    much: Notify,
}

impl Seen {
    fn committed(&self, octets: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        if self.written.fetch_add(octets, Ordering::Relaxed) + octets >= CALL_AFTER_OCTETS {
            self.written.store(0, Ordering::Relaxed);
            self.much.notify_one();
        }
    }
}

impl<E> Clone for Writer<E> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), seen: Arc::clone(&self.seen) }
    }
}

impl<E> std::fmt::Debug for Writer<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

type Answer<T> = oneshot::Sender<Result<T>>;

enum Job<E> {
    Entry(E, Answer<()>),
    Change(Box<dyn Step>),
    Checkpoint(Answer<()>),
    Shrink(Answer<bool>),
    Close(oneshot::Sender<()>),
}

impl<E: Send + Sync + 'static> Writer<E> {
    /// Starts the task.
    pub(super) fn start<L: Ledger<Entry = E>>(place: Place, ledger: L) -> Self {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING_JOBS);
        let seen = Arc::new(Seen::default());
        tokio::spawn(Task::new(place, ledger, waiting, Arc::clone(&seen)).run());
        Self { jobs, seen }
    }

    /// Writes an entry; returns after the commit.
    pub(super) async fn enter(&self, entry: E) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Entry(entry, answer)).await?;
        answered.await.map_err(|_| stopped())?
    }

    /// Runs a change in a transaction; returns after the commit.
    pub(super) async fn change<A, T>(&self, needs: A, run: Change<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Change(Box::new(Call { needs, run, gave: None, answer }))).await?;
        answered.await.map_err(|_| stopped())?
    }

    /// Transactions committed so far.
    pub(super) fn commits(&self) -> u64 {
        self.seen.commits.load(Ordering::Relaxed)
    }

    /// Waits until much has been written since it was last waited for.
    pub(super) async fn much_written(&self) {
        self.seen.much.notified().await;
    }

    /// Whether the file has failed and not proved well since.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.seen.doubt.load(Ordering::Relaxed)
    }

    /// Something beside the writer failed on the file: it is to prove well before anything is written.
    pub(super) fn doubt(&self) {
        self.seen.doubt.store(true, Ordering::Relaxed);
    }

    /// Gives a few free pages back to the disk if nobody waits; whether there are more.
    pub(super) async fn shrink(&self) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Shrink(answer)).await?;
        answered.await.map_err(|_| stopped())?
    }

    /// Checkpoints between two batches.
    pub(super) async fn checkpoint(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Checkpoint(answer)).await?;
        answered.await.map_err(|_| stopped())?
    }

    /// Finishes what waits, checkpoints, closes. Later jobs are refused.
    pub(super) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.send(Job::Close(answer)).await.is_ok() {
            let _closed = answered.await;
        }
    }

    async fn send(&self, job: Job<E>) -> Result<()> {
        self.jobs.send(job).await.map_err(|_| stopped())
    }
}

fn stopped() -> StoreError {
    StoreError::Unwell("storage has been closed".to_owned())
}

/// One change on its way, whatever it needs and gives.
trait Step: Send {
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> Run<'c, ()>;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Call<A, T> {
    needs: A,
    run: Change<A, T>,
    gave: Option<T>,
    answer: Answer<T>,
}

impl<A: Send + Sync, T: Send + Sync> Step for Call<A, T> {
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> Run<'c, ()> {
        Box::pin(async move {
            self.gave = Some((self.run)(connection, &self.needs).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { gave, answer, .. } = *self;
        // Nobody listens where the asker has gone.
        let _gone = answer.send(outcome.and_then(|()| gave.ok_or_else(stopped)));
    }
}

/// Where a writer writes.
pub(super) struct Place {
    pub(super) connection: SqliteConnection,
    pub(super) file: File,
    pub(super) faults: Faults,
}
