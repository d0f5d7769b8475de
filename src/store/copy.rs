//! Copies of the databases, and whether they can be written.

use std::path::Path;
use std::time::Duration;

use sqlx::{ConnectOptions, Executor, SqliteConnection};

use super::queue::stock;
use super::spool::off_thread;
use super::{Result, Store, StoreError, file};

/// A write that takes longer says that storage is unwell.
const WRITABLE_WITHIN: Duration = Duration::from_secs(2);

/// Touches a page without changing what it says.
pub(super) const TOUCH_RULES: &str = "update imports set finished_at = finished_at where id = 0; \
    update accounts set version = version where id = 1";
pub(super) const TOUCH_LOG: &str = "update feeder set seq = seq where id = 1";
/// The files that a copy names.
pub(super) const FILES: &str = "select file from messages where octets is null and file is not null";
/// The queue out of a copy.
const WITHOUT_QUEUE: [&str; 3] = ["delete from deliveries", "delete from message_chunks", "delete from messages"];

impl Store {
    /// Whether both databases can be written now.
    pub async fn is_writable(&self) -> bool {
        let rules = self.queue.writer();
        let rules = rules.change((), |c, ()| Box::pin(touch(c, TOUCH_RULES)));
        let log = self.activity.writer.change((), |c, ()| Box::pin(touch(c, TOUCH_LOG)));
        let both = async { tokio::join!(rules, log) };
        matches!(tokio::time::timeout(WRITABLE_WITHIN, both).await, Ok((Ok(()), Ok(()))))
    }

    /// Waits until both writers have answered, be it that they cannot write.
    pub async fn answers(&self) {
        let rules = self.queue.writer();
        let rules = rules.change((), |c, ()| Box::pin(touch(c, TOUCH_RULES)));
        let log = self.activity.writer.change((), |c, ()| Box::pin(touch(c, TOUCH_LOG)));
        let _whatever = tokio::join!(rules, log);
    }

    /// Whether a database has failed and not proved well since: the next write has it opened anew.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.queue.writer().is_in_doubt() || self.activity.writer.is_in_doubt()
    }

    /// A consistent copy of both databases into `directory` (VACUUM INTO); with `queue` also of the files that rows of the
    /// queue name, else without those rows.
    pub async fn copy_to(&self, directory: &Path, queue: bool) -> Result<()> {
        let rules = directory.join("waypost.db");
        // What a row of the copy names must still be there when the files are copied.
        let still = if queue { Some(self.spool.hold_still().await) } else { None };
        file::copy(&self.readers.rules, &rules).await?;
        if queue {
            self.copy_files(directory, &rules).await?;
        }
        drop(still);
        file::copy(&self.readers.log, &directory.join("activity.db")).await?;
        if queue { Ok(()) } else { without_queue(&rules).await }
    }

    async fn copy_files(&self, directory: &Path, rules: &Path) -> Result<()> {
        let mut copy = open_copy(rules).await?;
        let files: Vec<String> = sqlx::query_scalar(FILES).fetch_all(&mut copy).await?;
        file::close(copy).await;
        let names = files.iter().map(|name| stock::name(name)).collect::<Result<Vec<_>>>()?;
        let (spool, to) = (self.spool.clone(), directory.join("spool"));
        let copied = off_thread(move || spool.copy_to(&to, &names)).await;
        copied.map_err(|error| StoreError::Unwell(format!("spool: {error}")))
    }
}

async fn touch(connection: &mut SqliteConnection, statement: &'static str) -> Result<()> {
    connection.execute(statement).await?;
    Ok(())
}

async fn open_copy(copy: &Path) -> Result<SqliteConnection> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(copy).foreign_keys(true);
    Ok(options.connect().await?)
}

async fn without_queue(copy: &Path) -> Result<()> {
    let mut connection = open_copy(copy).await?;
    for statement in WITHOUT_QUEUE {
        connection.execute(statement).await?;
    }
    connection.execute("vacuum").await?;
    file::close(connection).await;
    Ok(())
}
