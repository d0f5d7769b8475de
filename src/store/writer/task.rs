//! The task of a writer: gathers a batch, commits it, answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::Executor;
use tokio::sync::{mpsc, oneshot};

use super::{Answer, CHANGE_OCTETS, Commit, Job, Ledger, Place, Seen, Step};
use crate::store::{Result, StoreError, file};

/// Jobs in one transaction, at most.
const MAX_BATCH_JOBS: usize = 256;
/// Rounds in which others are let go before a transaction, at most, and those in which nobody came that end it.
const MAX_ROUNDS: usize = 64;
const IDLE_ROUNDS: usize = 4;
/// Octets in one transaction, at most (a last job may pass it).
const MAX_BATCH_OCTETS: usize = 4 * 1024 * 1024;
/// Free pages that a file keeps for what comes next.
const FREE_PAGES_KEPT: i64 = 1024;
/// Gives 64 free pages back: some milliseconds, which a commit that comes meanwhile may wait.
const SHRINK: &str = "pragma incremental_vacuum(64)";

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
    seen: Arc<Seen>,
}

/// How a transaction ended.
enum Ended {
    Committed,
    /// Committed, and then something failed: the jobs must hear of a failure, but must not be run again.
    Unanswerable(StoreError),
    RolledBack(StoreError),
}

impl<L: Ledger> Task<L> {
    pub(super) const fn new(place: Place, ledger: L, waiting: mpsc::Receiver<Job<L::Entry>>, seen: Arc<Seen>) -> Self {
        Self { place, ledger, waiting, batch: Batch::empty(), seen }
    }

    /// Writes until it is closed, or nobody is left to ask.
    pub(super) async fn run(mut self) {
        while let Some(job) = self.waiting.recv().await {
            let mut next = Some(job);
            while let Some(job) = next.take() {
                let apart = self.gather_all(job).await;
                self.commit_all().await;
                if let Some(job) = apart {
                    match job {
                        Job::Close(answer) => return self.close(answer).await,
                        Job::Checkpoint(answer) => self.checkpoint(answer).await,
                        Job::Shrink(answer) => drop(answer.send(self.shrink().await)),
                        Job::Entry(..) | Job::Change(_) => next = Some(job),
                    }
                }
            }
        }
        file::close(self.place.connection).await;
    }

    /// Fills the batch with what is there, and with what comes while others are let go first: whoever can ask now asks
    /// first, and shares the transaction. Where nobody can, this costs two looks at the sockets and no waiting.
    async fn gather_all(&mut self, first: Job<L::Entry>) -> Option<Job<L::Entry>> {
        let mut next = Some(first);
        let mut idle = 0;
        for _ in 0..MAX_ROUNDS {
            match next.take().or_else(|| self.waiting.try_recv().ok()) {
                Some(job) => {
                    if let Some(apart) = self.gather(job) {
                        return Some(apart);
                    }
                    idle = 0;
                }
                None => idle += 1,
            }
            if self.batch.is_full() || idle >= IDLE_ROUNDS {
                break;
            }
            tokio::task::yield_now().await;
        }
        None
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
                apart @ (Job::Checkpoint(_) | Job::Shrink(_) | Job::Close(_)) => return Some(apart),
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
        if let Err(error) = self.be_sure().await {
            return batch.answer(&Err(error.of_file(&self.place.file.path)));
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
                self.roll_back(&error).await;
                Some((batch, error.of_file(&self.place.file.path)))
            }
        }
    }

    async fn transaction(&mut self, batch: &mut Batch<L::Entry>) -> Ended {
        if let Err(error) = self.write_and_commit(batch).await {
            return Ended::RolledBack(error);
        }
        self.seen.committed(batch.octets as u64 + batch.changes.len() as u64 * CHANGE_OCTETS);
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

    async fn roll_back(&mut self, error: &StoreError) {
        self.ledger.rolled_back();
        // "cannot rollback - no transaction is active" is what SQLite says when it has done so itself.
        let _undone = self.place.connection.execute("rollback").await;
        let is_unwell =
            matches!(error, StoreError::Unwell(_)) || self.place.connection.execute("select 1").await.is_err();
        if is_unwell && !self.seen.doubt.swap(true, Ordering::Relaxed) {
            let file = self.place.file.path.display();
            tracing::error!(%error, %file, "a database failed; nothing is taken until it has proved well");
        }
    }

    /// After a failure, opens the file anew and has it prove well: a kernel that could not sync forgets what it had to
    /// write and says "synced" the next time it is asked.
    async fn be_sure(&mut self) -> Result<()> {
        if !self.seen.doubt.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Place { connection, file, .. } = &mut self.place;
        *connection = file.connect().await?;
        file.prove(connection).await?;
        self.seen.doubt.store(false, Ordering::Relaxed);
        tracing::info!(file = %file.path.display(), "the database is well again");
        Ok(())
    }

    async fn shrink(&mut self) -> Result<bool> {
        if !self.waiting.is_empty() || self.seen.doubt.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let connection = &mut self.place.connection;
        let free: i64 = sqlx::query_scalar("pragma freelist_count").fetch_one(&mut *connection).await?;
        if free > FREE_PAGES_KEPT {
            connection.execute(SHRINK).await?;
        }
        Ok(free > FREE_PAGES_KEPT)
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
