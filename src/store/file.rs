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
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{Result, StoreError};

/// Nobody else on this machine reads mail.
const FILE_MODE: u32 = 0o600;
/// Wait for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait for a free reader.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Readers of one file.
const READERS: u32 = 3;
/// Statements that a connection keeps prepared.
const PREPARED_STATEMENTS: usize = 200;
/// Page cache of the writer and of each reader, in KiB (negative is SQLite's way to say KiB).
const WRITER_CACHE: &str = "-4096";
const READER_CACHE: &str = "-1024";
/// The journal is cut back to this when it starts anew.
const JOURNAL_OCTETS: &str = "8388608";

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
        self.make().map_err(|e| StoreError::Unwell(format!("{}: {e}", self.path.display())))?;
        let mut connection = self.connect().await?;
        migrations
            .run(&mut connection)
            .await
            .map_err(|e| StoreError::Unwell(format!("{}: {e}", self.path.display())))?;
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

    /// The journal's file.
    pub(super) fn journal(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
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
            .pragma("wal_autocheckpoint", "0")
            .pragma("journal_size_limit", JOURNAL_OCTETS)
            .pragma("cache_size", cache)
            .pragma("temp_store", "memory")
            .disable_statement_logging()
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
