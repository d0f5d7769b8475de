//! Copies the journal back into its database from time to time, beside the writer, so that no commit that somebody
//! waits for pays for it.
//!
//! The bulk is copied over a connection of its own while the writer goes on. Under load the writer always adds more
//! meanwhile; when the journal has grown large all the same, the little that is left is copied between two batches, and
//! the next commit starts the journal anew. When nobody writes, pages that are free go back to the disk, few at a time.

use std::time::Duration;

use sqlx::{Executor, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::file::{self, File, Sync};
use super::writer::Writer;
use super::{Result, StoreError};

/// How often the journal is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A journal larger than this is copied back.
const COPY_OVER_OCTETS: u64 = 12 * 1024 * 1024;
/// A journal larger than this is also started anew.
const RESTART_OVER_OCTETS: u64 = 32 * 1024 * 1024;
/// A smaller journal that is not empty is copied back after so many looks.
const COPY_AFTER_LOOKS: u32 = 30;
/// Steps of giving free pages back in one look that finds nothing else to do.
const SHRINK_STEPS: u32 = 32;

/// Starts the task; it ends with `stop`.
pub(super) fn start<E: Send + std::marker::Sync + 'static>(file: File, writer: Writer<E>, stop: CancellationToken) {
    let mut task = Task { file, writer, connection: None, looks: 0, copied: 0, synced: 0, seen: 0, shrunk: 0 };
    tokio::spawn(async move {
        while stop.run_until_cancelled(task.wait()).await.is_some() {
            if let Err(error) = task.look().await {
                tracing::warn!(%error, file = %task.file.path.display(), "the journal could not be copied back");
                // A kernel that could not sync says "synced" the next time: what is there must be written once more.
                task.connection = None;
                task.writer.doubt();
            }
        }
        if let Some(connection) = task.connection {
            file::close(connection).await;
        }
    });
}

struct Task<E> {
    file: File,
    writer: Writer<E>,
    connection: Option<SqliteConnection>,
    /// Looks since the journal was last copied.
    looks: u32,
    /// Commits that were copied, and synced.
    copied: u64,
    synced: u64,
    /// Commits at the last look, and when free pages were last given back.
    seen: u64,
    shrunk: u64,
}

impl<E: Send + std::marker::Sync + 'static> Task<E> {
    /// Until the next look: a moment, or less where much is written.
    async fn wait(&self) {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = self.writer.much_written() => {}
        }
    }

    async fn look(&mut self) -> Result<()> {
        let commits = self.writer.commits();
        let is_idle = commits == std::mem::replace(&mut self.seen, commits);
        if is_idle && commits != self.shrunk {
            self.shrunk = commits;
            self.shrink().await?;
        }
        self.looks += 1;
        if commits == self.copied {
            return Ok(());
        }
        let octets = tokio::fs::metadata(self.file.journal()).await.map_or(0, |journal| journal.len());
        if octets >= COPY_OVER_OCTETS || self.looks >= COPY_AFTER_LOOKS {
            self.copy().await?;
            (self.looks, self.copied, self.synced) = (0, commits, commits);
        } else if self.file.sync == Sync::Normal && commits != self.synced {
            self.sync().await?;
            self.synced = commits;
        }
        if octets > RESTART_OVER_OCTETS { self.writer.checkpoint().await } else { Ok(()) }
    }

    /// Ends as soon as somebody writes; the next idle look after that goes on.
    async fn shrink(&mut self) -> Result<()> {
        for step in 0..SHRINK_STEPS {
            let is_over = self.writer.commits() != self.shrunk || !self.writer.shrink().await?;
            if is_over {
                return if step > 0 { self.copy().await } else { Ok(()) };
            }
        }
        // More is left than one look gives back.
        self.shrunk = self.shrunk.wrapping_sub(1);
        self.copy().await
    }

    async fn copy(&mut self) -> Result<()> {
        let open = match self.connection.take() {
            Some(open) => open,
            None => self.file.connect().await?,
        };
        self.connection.insert(open).execute("pragma wal_checkpoint(passive)").await?;
        Ok(())
    }

    /// Commits that are not synced one by one are synced once a look, so that a power cut takes a second's rows at most.
    async fn sync(&self) -> Result<()> {
        let unwell = |error: std::io::Error| StoreError::Unwell(error.to_string());
        let journal = tokio::fs::File::open(self.file.journal()).await.map_err(unwell)?;
        journal.sync_data().await.map_err(unwell)
    }
}
