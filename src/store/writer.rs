//! The writer of one file: a task that owns the connection, takes whatever waits as one batch, commits it once, then
//! answers everybody. It is never cancelled: a change whose asker has gone is finished all the same.
//!
//! Entries are what comes often (a message, a row of the log): a [`Ledger`] writes all entries of a batch with few
//! statements. Changes are what comes seldom: each is a function over the connection. When a batch fails through the
//! fault of one of them, its jobs are tried singly; when the file is unwell, all hear so at once.

use std::pin::Pin;

use sqlx::{Executor, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::faults::Faults;
use super::file::{self, File};
use super::{Result, StoreError};

/// Jobs in one transaction, at most.
const MAX_BATCH_JOBS: usize = 256;
/// Octets in one transaction, at most (a last job may pass it).
const MAX_BATCH_OCTETS: usize = 4 * 1024 * 1024;
/// Jobs that wait, at most; who comes later waits to be let in.
const MAX_WAITING_JOBS: usize = 1024;

/// What a change runs.
pub(super) type Run<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;
/// A change: a function over the connection and what it needs, so that it can be run again.
pub(super) type Change<A, T> = for<'c> fn(&'c mut SqliteConnection, &'c A) -> Run<'c, T>;

/// Writes entries together, and knows what of them lives in memory.
pub(super) trait Ledger: Send + 'static {
    /// What comes often.
    type Entry: Send + Sync + 'static;

    /// About how many octets it will write.
    fn octets(entry: &Self::Entry) -> usize;
    /// Writes them into the open transaction.
    fn write<'c>(&'c mut self, connection: &'c mut SqliteConnection, entries: &'c [Self::Entry]) -> Run<'c, ()>;
    /// They are committed.
    fn committed(&mut self, entries: Vec<Self::Entry>);
    /// What was written last is not committed: memory must not build on it.
    fn rolled_back(&mut self);
}

/// The way to a writer; cheap to clone.
pub(super) struct Writer<E> {
    jobs: mpsc::Sender<Job<E>>,
}

impl<E> Clone for Writer<E> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone() }
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
    Close(oneshot::Sender<()>),
}

impl<E: Send + Sync + 'static> Writer<E> {
    /// Starts the task.
    pub(super) fn start<L: Ledger<Entry = E>>(place: Place, ledger: L) -> Self {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING_JOBS);
        tokio::spawn(Task { place, ledger, waiting, batch: Batch::empty() }.run());
        Self { jobs }
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

/// Jobs of one transaction.
struct Batch<E> {
    entries: Vec<E>,
    answers: Vec<Answer<()>>,
    changes: Vec<Box<dyn Step>>,
    octets: usize,
}

impl<E> Batch<E> {
    const fn empty() -> Self {
        Self { entries: Vec::new(), answers: Vec::new(), changes: Vec::new(), octets: 0 }
    }

    const fn len(&self) -> usize {
        self.entries.len() + self.changes.len()
    }

    const fn is_full(&self) -> bool {
        self.len() >= MAX_BATCH_JOBS || self.octets >= MAX_BATCH_OCTETS
    }

    /// A batch for each job.
    fn singly(self) -> impl Iterator<Item = Self> {
        let entries = self.entries.into_iter().zip(self.answers);
        let one = |(entry, answer)| Self { entries: vec![entry], answers: vec![answer], ..Self::empty() };
        let changes = self.changes.into_iter().map(|change| Self { changes: vec![change], ..Self::empty() });
        entries.map(one).chain(changes)
    }

    fn answer(self, outcome: &Result<()>) {
        for answer in self.answers {
            let _gone = answer.send(outcome.clone());
        }
        for change in self.changes {
            change.answer(outcome.clone());
        }
    }
}

struct Task<L: Ledger> {
    place: Place,
    ledger: L,
    waiting: mpsc::Receiver<Job<L::Entry>>,
    batch: Batch<L::Entry>,
}

/// How a transaction ended.
enum Ended {
    Committed,
    /// Committed, and then something failed: the jobs must hear of a failure, but must not be run again.
    Unanswerable(StoreError),
    RolledBack(StoreError),
}

impl<L: Ledger> Task<L> {
    async fn run(mut self) {
        while let Some(job) = self.waiting.recv().await {
            let mut next = Some(job);
            while let Some(job) = next.take() {
                let apart = self.gather(job);
                self.commit_all().await;
                if let Some(job) = apart {
                    match job {
                        Job::Close(answer) => return self.close(answer).await,
                        Job::Checkpoint(answer) => self.checkpoint(answer).await,
                        Job::Entry(..) | Job::Change(_) => next = Some(job),
                    }
                }
            }
        }
        file::close(self.place.connection).await;
    }

    /// Fills the batch with what is there. Gives back a job that cannot be in a transaction.
    fn gather(&mut self, first: Job<L::Entry>) -> Option<Job<L::Entry>> {
        let mut job = first;
        loop {
            match job {
                Job::Entry(entry, answer) => {
                    self.batch.octets += L::octets(&entry);
                    self.batch.entries.push(entry);
                    self.batch.answers.push(answer);
                }
                Job::Change(change) => self.batch.changes.push(change),
                apart @ (Job::Checkpoint(_) | Job::Close(_)) => return Some(apart),
            }
            if self.batch.is_full() {
                return None;
            }
            job = self.waiting.try_recv().ok()?;
        }
    }

    async fn commit_all(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Batch::empty());
        if batch.len() == 0 {
            return;
        }
        if let Some((batch, error)) = self.commit(batch).await {
            if matches!(error, StoreError::Unwell(_)) || batch.len() == 1 {
                return batch.answer(&Err(error));
            }
            for single in batch.singly() {
                if let Some((single, error)) = self.commit(single).await {
                    single.answer(&Err(error));
                }
            }
        }
    }

    /// Commits a batch and answers it; gives it back where nothing of it was committed.
    async fn commit(&mut self, mut batch: Batch<L::Entry>) -> Option<(Batch<L::Entry>, StoreError)> {
        match self.transaction(&mut batch).await {
            Ended::Committed => {
                self.ledger.committed(std::mem::take(&mut batch.entries));
                batch.answer(&Ok(()));
                None
            }
            Ended::Unanswerable(error) => {
                self.ledger.committed(std::mem::take(&mut batch.entries));
                batch.answer(&Err(error));
                None
            }
            Ended::RolledBack(error) => {
                self.roll_back().await;
                Some((batch, error))
            }
        }
    }

    async fn transaction(&mut self, batch: &mut Batch<L::Entry>) -> Ended {
        if let Err(error) = self.write(batch).await {
            return Ended::RolledBack(error);
        }
        if let Err(error) = self.place.connection.execute("commit").await {
            return Ended::RolledBack(error.into());
        }
        self.place.faults.pass().map_or_else(Ended::Unanswerable, |()| Ended::Committed)
    }

    async fn write(&mut self, batch: &mut Batch<L::Entry>) -> Result<()> {
        let Place { connection, faults, .. } = &mut self.place;
        faults.pass()?;
        connection.execute("begin immediate").await?;
        faults.pass()?;
        if !batch.entries.is_empty() {
            self.ledger.write(connection, &batch.entries).await?;
        }
        for change in &mut batch.changes {
            change.run(connection).await?;
            faults.pass()?;
        }
        faults.pass()
    }

    /// Where even this fails, the connection is of no more use and a new one takes its place.
    async fn roll_back(&mut self) {
        self.ledger.rolled_back();
        // "cannot rollback - no transaction is active" is what SQLite says when it has done so itself.
        let _undone = self.place.connection.execute("rollback").await;
        if self.place.connection.execute("select 1").await.is_err() {
            match self.place.file.connect().await {
                Ok(connection) => self.place.connection = connection,
                Err(error) => tracing::error!(%error, "the database cannot be opened again"),
            }
        }
    }

    async fn checkpoint(&mut self, answer: Answer<()>) {
        let done = self.place.connection.execute("pragma wal_checkpoint(passive)").await;
        let _gone = answer.send(done.map(drop).map_err(Into::into));
    }

    async fn close(mut self, answer: oneshot::Sender<()>) {
        self.waiting.close();
        if let Err(error) = self.place.connection.execute("pragma wal_checkpoint(truncate)").await {
            tracing::warn!(%error, "the journal was not written back on closing");
        }
        file::close(self.place.connection).await;
        let _gone = answer.send(());
    }
}
