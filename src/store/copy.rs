//! Copies of the databases, and whether they can be written.

use std::path::Path;
use std::time::Duration;

use sqlx::{ConnectOptions, Executor, SqliteConnection};

use super::{Result, Store, StoreError, file};

/// A write that takes longer says that storage is unwell.
const WRITABLE_WITHIN: Duration = Duration::from_secs(2);

/// Touches a page without changing what it says.
pub(super) const TOUCH_RULES: &str = "update imports set finished_at = finished_at where id = 0; \
    update accounts set version = version where id = 1";
pub(super) const TOUCH_LOG: &str = "update feeder set seq = seq where id = 1";
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

    /// A consistent copy of both databases into `directory` (VACUUM INTO), without queue rows unless `queue`.
    pub async fn copy_to(&self, directory: &Path, queue: bool) -> Result<()> {
        let rules = directory.join("waypost.db");
        file::copy(&self.readers.rules, &rules).await?;
        file::copy(&self.readers.log, &directory.join("activity.db")).await?;
        if queue { Ok(()) } else { without_queue(&rules).await }
    }
}

async fn touch(connection: &mut SqliteConnection, statement: &'static str) -> Result<()> {
    connection.execute(statement).await?;
    Ok(())
}

async fn without_queue(copy: &Path) -> Result<()> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(copy).foreign_keys(true);
    let mut connection = options.connect().await.map_err(StoreError::from)?;
    for statement in WITHOUT_QUEUE {
        connection.execute(statement).await?;
    }
    connection.execute("vacuum").await?;
    file::close(connection).await;
    Ok(())
}
