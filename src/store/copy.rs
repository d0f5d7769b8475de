//! Copies of the databases, and whether they can be written.

use std::path::Path;
use std::time::Duration;

use sqlx::{ConnectOptions, Executor, SqliteConnection, SqlitePool};

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
/// The queue out of a copy, which nobody needs if this is cut short: no journal doubles it meanwhile.
const WITHOUT_QUEUE: [&str; 5] = [
    "pragma journal_mode = off",
    "delete from deliveries",
    "delete from message_chunks",
    "delete from messages",
    "vacuum",
];
/// What is asked of a file to know how large its copy will be.
const PAGES: &str = "pragma page_count";
const FREE_PAGES: &str = "pragma freelist_count";
const PAGE_OCTETS: &str = "pragma page_size";
/// The first damage that is found, or "ok". Indexes of the log are not compared with its rows: of millions that takes minutes.
const CHECK_RULES: &str = "pragma integrity_check(1)";
const CHECK_LOG: &str = "pragma quick_check(1)";

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

    /// Looks for damage in copies, which have whatever the databases have.
    pub async fn check_copies(directory: &Path) -> Result<()> {
        check(&directory.join("waypost.db"), CHECK_RULES).await?;
        check(&directory.join("activity.db"), CHECK_LOG).await
    }

    /// Octets that such copies take while they are made: the queue goes out of one by making it anew.
    pub async fn copy_octets(&self, queue: bool) -> Result<u64> {
        let rules = octets(&self.readers.rules).await?;
        Ok(octets(&self.readers.log).await? + if queue { rules } else { 2 * rules })
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
    file::close(connection).await;
    Ok(())
}

async fn octets(file: &SqlitePool) -> Result<u64> {
    let mut counts = [0_u64; 3];
    for (count, question) in counts.iter_mut().zip([PAGES, FREE_PAGES, PAGE_OCTETS]) {
        let answer: i64 = sqlx::query_scalar(question).fetch_one(file).await?;
        *count = u64::try_from(answer).unwrap_or_default();
    }
    let [pages, free, octets] = counts;
    Ok(pages.saturating_sub(free) * octets)
}

async fn check(copy: &Path, question: &'static str) -> Result<()> {
    let mut connection = open_copy(copy).await?;
    let found: std::result::Result<String, _> = sqlx::query_scalar(question).fetch_one(&mut connection).await;
    file::close(connection).await;
    match found?.as_str() {
        "ok" => Ok(()),
        damage => Err(StoreError::Unwell(damage.to_owned()).of_file(Path::new(copy.file_name().unwrap_or_default()))),
    }
}
