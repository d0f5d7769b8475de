//! One database file: how it is opened, what its PRAGMAs must be, its pool of readers, and its checkpoints.
//!
//! WAL with automatic checkpoints off: a checkpointer of ours copies pages back beside the writer, so that no commit
//! that somebody waits for pays for it.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};

use super::{Result, StoreError, upgrade};

/// Nobody else on this machine reads mail.
const FILE_MODE: u32 = 0o600;
/// Wait for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait for a free reader.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Readers of one file.
const READERS: u32 = 3;
/// Rows that a statement's thread may read before they are asked for: with few it waits for its reader at every turn.
const ROWS_AHEAD: usize = 1000;
/// Statements that a connection keeps prepared.
const PREPARED_STATEMENTS: usize = 200;
/// Page cache of the writer and of each reader, in KiB (negative is SQLite's way to say KiB).
const WRITER_CACHE: &str = "-4096";
const READER_CACHE: &str = "-1024";
/// The journal is cut back to this when it starts anew.
const JOURNAL_OCTETS: &str = "8388608";
/// A file of before that cannot give pages back is made anew at start if it is no larger than this; a larger one when it
/// is upgraded.
const REMAKE_UP_TO_OCTETS: i64 = 64 * 1024 * 1024;
/// `pragma auto_vacuum`: free pages can be given back step by step.
const INCREMENTAL: i64 = 2;

/// How commits are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// Each commit (the queue: a 250 is kept over a power cut).
    Full,
    /// At checkpoints (the log: kept over a crash of ours).
    Normal,
}

/// What a file is.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) sync: Sync,
}

impl File {
    /// Opens the writing connection, creating and migrating the file, and checks its PRAGMAs.
    pub(super) async fn open(&self, migrations: &Migrator) -> Result<SqliteConnection> {
        self.opened(migrations).await.map_err(|error| error.of_file(&self.path))
    }

    async fn opened(&self, migrations: &Migrator) -> Result<SqliteConnection> {
        self.make().map_err(|error| StoreError::Unwell(error.to_string()))?;
        let mut connection = self.connect().await?;
        let is_upgraded = upgrade::keep_before(&self.path, &mut connection, migrations).await?;
        migrations.run(&mut connection).await.map_err(|error| StoreError::Unwell(error.to_string()))?;
        if let Err(error) = make_shrinkable(&mut connection, is_upgraded).await {
            tracing::warn!(%error, file = %self.path.display(), "free pages cannot be given back; they are used again");
        }
        self.check(&mut connection).await?;
        Ok(connection)
    }

    /// A file that is not there yet is made for its owner only: it will hold mail, and SQLite gives its journal the same
    /// rights.
    fn make(&self) -> io::Result<()> {
        match std::fs::File::options().write(true).create_new(true).mode(FILE_MODE).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map(drop),
        }
    }

    /// Another connection that may write (the checkpointer's, or the writer's after a failure).
    pub(super) async fn connect(&self) -> Result<SqliteConnection> {
        let opened = self.options(WRITER_CACHE).create_if_missing(true).connect().await;
        opened.map_err(|e| StoreError::Unwell(format!("{}: {e}", self.path.display())))
    }

    /// A connection that only reads.
    pub(super) async fn reader(&self) -> Result<SqliteConnection> {
        let opened = self.options(READER_CACHE).read_only(true).connect().await;
        opened.map_err(|e| StoreError::Unwell(format!("{}: {e}", self.path.display())))
    }

    /// The readers; opened as they are needed.
    pub(super) fn readers(&self) -> SqlitePool {
        SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(self.options(READER_CACHE).read_only(true))
    }

    /// The journal's file: beside that of the database, to which a link may lead.
    pub(super) fn journal(&self) -> PathBuf {
        let mut name = self.path.canonicalize().unwrap_or_else(|_| self.path.clone()).into_os_string();
        name.push("-wal");
        PathBuf::from(name)
    }

    fn options(&self, cache: &'static str) -> SqliteConnectOptions {
        let synchronous = match self.sync {
            Sync::Full => SqliteSynchronous::Full,
            Sync::Normal => SqliteSynchronous::Normal,
        };
        SqliteConnectOptions::new()
            .filename(&self.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(PREPARED_STATEMENTS)
            .row_buffer_size(ROWS_AHEAD)
            .pragma("wal_autocheckpoint", "0")
            .pragma("journal_size_limit", JOURNAL_OCTETS)
            .pragma("cache_size", cache)
            .pragma("temp_store", "memory")
            .disable_statement_logging()
    }

    /// Shows after a failure that the file can be written and synced: a page is written and committed, and then the whole
    /// journal is copied back, synced, and begun anew, so that nothing rests on what an earlier sync did not do.
    pub(super) async fn prove(&self, connection: &mut SqliteConnection) -> Result<()> {
        self.check(connection).await?;
        connection.execute("pragma user_version = 0").await?;
        let busy: i64 = sqlx::query_scalar("pragma wal_checkpoint(truncate)").fetch_one(connection).await?;
        if busy == 0 { Ok(()) } else { Err(StoreError::Unwell("the journal could not be copied back".to_owned())) }
    }

    /// A setting that did not take is a promise that would not hold.
    async fn check(&self, connection: &mut SqliteConnection) -> Result<()> {
        let journal: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut *connection).await?;
        let mut faults = if journal == "wal" { Vec::new() } else { vec![format!("journal_mode is {journal}")] };
        for (pragma, wanted) in [
            ("pragma synchronous", if self.sync == Sync::Full { 2 } else { 1 }),
            ("pragma foreign_keys", 1),
            ("pragma wal_autocheckpoint", 0),
            ("pragma busy_timeout", i64::try_from(BUSY_TIMEOUT.as_millis()).unwrap_or(i64::MAX)),
        ] {
            let found: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *connection).await?;
            if found != wanted {
                faults.push(format!("{pragma} is {found}, not {wanted}"));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(StoreError::Unwell(format!("{} does not take its settings: {}", self.path.display(), faults.join(", "))))
    }
}

/// Has free pages given back step by step. That is settled when a file is made; one of before is made anew.
async fn make_shrinkable(connection: &mut SqliteConnection, is_upgraded: bool) -> Result<()> {
    let mode: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut *connection).await?;
    if mode == INCREMENTAL {
        return Ok(());
    }
    let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&mut *connection).await?;
    let page: i64 = sqlx::query_scalar("pragma page_size").fetch_one(&mut *connection).await?;
    if is_upgraded || pages * page <= REMAKE_UP_TO_OCTETS {
        connection.execute("pragma auto_vacuum = incremental").await?;
        connection.execute("vacuum").await?;
    }
    Ok(())
}

/// Copies the whole database into a new file, consistent, while others go on writing.
pub(super) async fn copy(from: &SqlitePool, to: &Path) -> Result<()> {
    let to = to.to_str().ok_or_else(|| StoreError::Invalid("the path is not UTF-8".to_owned()))?;
    sqlx::query("vacuum into ?1").bind(to).execute(from).await?;
    Ok(())
}

/// Closes a connection, letting SQLite tidy up.
pub(super) async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a database connection did not close cleanly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_journal_of_a_database_elsewhere_is_found_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = File { path: folder.path().join("activity.db"), sync: Sync::Normal };
        std::fs::create_dir(folder.path().join("large")).unwrap();
        std::fs::File::create(folder.path().join("large/activity.db")).unwrap();
        std::os::unix::fs::symlink("large/activity.db", &file.path).unwrap();
        let mut connection = file.connect().await.unwrap();
        connection.execute("create table entries (seq integer)").await.unwrap();
        assert!(file.journal().exists(), "{}", file.journal().display());
        close(connection).await;
    }
}
