//! The task of a writer: gathers a batch, commits it, answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::Executor;
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Commit, Job, Ledger, Place, Step};
use crate::store::{Result, StoreError, file};

/// Jobs in one transaction, at most.
const MAX_BATCH_JOBS: usize = 256;
/// Octets in one transaction, at most (a last job may pass it).
const MAX_BATCH_OCTETS: usize = 4 * 1024 * 1024;

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

/// The task.
pub(super) struct Task<L: Ledger> {
    place: Place,
    ledger: L,
    waiting: mpsc::Receiver<Job<L::Entry>>,
    batch: Batch<L::Entry>,
    commits: Arc<AtomicU64>,
}

/// How a transaction ended.
enum Ended {
    Committed,
    /// Committed, and then something failed: the jobs must hear of a failure, but must not be run again.
    Unanswerable(StoreError),
    RolledBack(StoreError),
}

impl<L: Ledger> Task<L> {
    pub(super) const fn new(
        place: Place,
        ledger: L,
        waiting: mpsc::Receiver<Job<L::Entry>>,
        commits: Arc<AtomicU64>,
    ) -> Self {
        Self { place, ledger, waiting, batch: Batch::empty(), commits }
    }

    /// Writes until it is closed, or nobody is left to ask.
    pub(super) async fn run(mut self) {
        while let Some(job) = self.waiting.recv().await {
            // Whoever can ask now asks first, and shares the transaction; where nobody can, this costs nothing.
            tokio::task::yield_now().await;
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
        if let Err(error) = self.write_and_commit(batch).await {
            return Ended::RolledBack(error);
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.place.faults.pass().map_or_else(Ended::Unanswerable, |()| Ended::Committed)
    }

    async fn write_and_commit(&mut self, batch: &mut Batch<L::Entry>) -> Result<()> {
        self.place.faults.pass()?;
        if self.ledger.plan(&batch.entries) == Commit::ByStatement && batch.changes.is_empty() {
            return self.ledger.write(&mut self.place.connection, &batch.entries).await;
        }
        self.place.connection.execute("begin immediate").await?;
        self.write(batch).await?;
        self.place.connection.execute("commit").await?;
        Ok(())
    }

    async fn write(&mut self, batch: &mut Batch<L::Entry>) -> Result<()> {
        let Place { connection, faults, .. } = &mut self.place;
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
