//! Copies the journal back into its database from time to time, beside the writer, so that no commit that somebody
//! waits for pays for it.
//!
//! The bulk is copied over a connection of its own while the writer goes on. Under load the writer always adds more
//! meanwhile; when the journal has grown large all the same, the little that is left is copied between two batches, and
//! the next commit starts the journal anew.

use std::time::Duration;

use sqlx::{Executor, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::Result;
use super::file::{self, File};
use super::writer::Writer;

/// How often the journal is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A journal larger than this is copied back.
const COPY_OVER_OCTETS: u64 = 12 * 1024 * 1024;
/// A journal larger than this is also started anew.
const RESTART_OVER_OCTETS: u64 = 32 * 1024 * 1024;
/// A smaller journal that is not empty is copied back after so many looks.
const COPY_AFTER_LOOKS: u32 = 30;

/// Starts the task; it ends with `stop`.
pub(super) fn start<E: Send + std::marker::Sync + 'static>(file: File, writer: Writer<E>, stop: CancellationToken) {
    tokio::spawn(async move {
        let mut connection = None;
        let (mut looks, mut last) = (0, 0);
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let octets = journal_octets(&file).await;
            looks = if octets == last { 0 } else { looks + 1 };
            if octets < COPY_OVER_OCTETS && looks < COPY_AFTER_LOOKS {
                continue;
            }
            (looks, last) = (0, octets);
            if let Err(error) = checkpoint(&file, &mut connection, octets, &writer).await {
                tracing::warn!(%error, file = %file.path.display(), "the journal could not be copied back");
            }
        }
        if let Some(connection) = connection {
            file::close(connection).await;
        }
    });
}

async fn checkpoint<E: Send + std::marker::Sync + 'static>(
    file: &File,
    connection: &mut Option<SqliteConnection>,
    octets: u64,
    writer: &Writer<E>,
) -> Result<()> {
    let open = match connection.take() {
        Some(open) => open,
        None => file.connect().await?,
    };
    connection.insert(open).execute("pragma wal_checkpoint(passive)").await?;
    if octets > RESTART_OVER_OCTETS { writer.checkpoint().await } else { Ok(()) }
}

async fn journal_octets(file: &File) -> u64 {
    tokio::fs::metadata(file.journal()).await.map_or(0, |journal| journal.len())
}
