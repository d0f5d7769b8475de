//! All SQL. Two files: `waypost.db` holds rules, accounts and the queue (`synchronous=FULL`); `activity.db` the log, counters
//! and search (`synchronous=NORMAL`). Octets of large messages lie beside them, in files that rows of the queue name. Each has one writer task that owns its connection and is never cancelled,
//! and a pool of readers. One function per change of state, named for it.

pub mod accounts;
pub mod activity;
mod checkpoints;
mod columns;
mod copy;
pub mod directory;
mod error;
pub mod faults;
mod file;
mod ids;
mod lost;
pub mod matchers;
pub mod notices;
pub mod octets;
mod places;
pub mod queue;
pub mod rules;
pub mod spool;
mod statement;
#[cfg(test)]
mod statements;
mod upgrade;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;

use self::directory::Readers;
use self::faults::Faults;
use self::file::{File, Sync};
use self::spool::Spool;
use self::writer::Place;
use crate::chance::Chance;
use crate::clock::Clock;

pub use error::StoreError;

static WAYPOST: Migrator = sqlx::migrate!("migrations/waypost");
static ACTIVITY: Migrator = sqlx::migrate!("migrations/activity");

/// Result of storage.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Where and how to store.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// `database.url`'s file; `<data_dir>/waypost.db` by default. `activity.db` lies in `data_dir`.
    pub database: PathBuf,
}

/// All of storage; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    /// Rules as RCPT reads them.
    pub directory: directory::Directory,
    /// Rules as people read and change them.
    pub rules: rules::Rules,
    /// Messages and deliveries.
    pub queue: queue::Queue,
    /// The log, counters and search.
    pub activity: activity::Activity,
    /// Accounts, tokens, sessions, settings, audit.
    pub accounts: accounts::Accounts,
    /// What the owner is told.
    pub notices: notices::Notices,
    /// Patterns, compiled.
    pub matchers: matchers::Matchers,
    /// Files of large messages.
    pub spool: Spool,
    readers: Readers,
    checkpoints: CancellationToken,
}

impl Store {
    /// Creates what is missing, migrates, checks the pragmas, starts the writers.
    pub async fn open(settings: Settings, clock: Clock, chance: Chance) -> Result<Self> {
        Self::open_failing(settings, (clock, chance), Faults::default()).await
    }

    /// The same, with faults that tests ask for.
    pub async fn open_failing(settings: Settings, (clock, chance): (Clock, Chance), faults: Faults) -> Result<Self> {
        std::fs::create_dir_all(&settings.data_dir)
            .map_err(|error| StoreError::Unwell(format!("{}: {error}", settings.data_dir.display())))?;
        let spool = Spool::open(&settings.data_dir, faults.clone())
            .map_err(|error| StoreError::Unwell(format!("{}: {error}", settings.data_dir.display())))?;
        let rules = File { path: settings.database, sync: Sync::Full };
        let log = File { path: settings.data_dir.join("activity.db"), sync: Sync::Normal };
        let rules_place =
            Place { connection: rules.open(&WAYPOST).await?, file: rules.clone(), faults: faults.clone() };
        let log_place = Place { connection: log.open(&ACTIVITY).await?, file: log.clone(), faults };
        let readers = Readers { rules: rules.readers(), log: log.readers() };
        let (of_rules, of_log) = (|e: StoreError| e.of_file(&rules.path), |e: StoreError| e.of_file(&log.path));
        let activity =
            activity::Activity::start(log_place, readers.log.clone(), clock.clone()).await.map_err(of_log)?;
        let parts = queue::Parts {
            readers: readers.rules.clone(),
            activity: activity.clone(),
            clock: clock.clone(),
            chance: chance.clone(),
            spool: spool.clone(),
        };
        let queue = queue::Queue::start(rules_place, parts).await.map_err(of_rules)?;
        let readable = (rules.clone(), readers.rules.clone());
        let matchers = matchers::Matchers::default();
        let kept = (activity.clone(), matchers.clone());
        let directory = directory::Directory::open(readable, kept, clock.clone()).await.map_err(of_rules)?;
        let writer = queue.writer();
        let accounts = accounts::Accounts::new(writer.clone(), readers.rules.clone());
        let notices = notices::Notices::new(writer.clone(), readers.rules.clone());
        let rules_api = rules::Rules::new(rules::Parts {
            writer: writer.clone(),
            readers: readers.rules.clone(),
            activity: activity.clone(),
            directory: directory.clone(),
            matchers: matchers.clone(),
            clock,
            chance,
        });
        rules_api.sweep_domains().await?;
        rules_api.sweep_imports().await?;
        rules_api.resume_replacing().await?;
        let checkpoints = CancellationToken::new();
        checkpoints::start(rules, writer, checkpoints.clone());
        checkpoints::start(log, activity.writer.clone(), checkpoints.clone());
        Ok(Self {
            directory,
            rules: rules_api,
            queue,
            activity,
            accounts,
            notices,
            matchers,
            spool,
            readers,
            checkpoints,
        })
    }

    /// Lets the writers finish, checkpoints, closes.
    pub async fn close(&self) {
        self.checkpoints.cancel();
        self.queue.writer().close().await;
        self.spool.close().await;
        self.activity.writer.close().await;
        self.readers.rules.close().await;
        self.readers.log.close().await;
    }
}

/// A change that others want to hear of, announced after its commit.
#[derive(Debug, Clone)]
pub enum Change {
    /// Rules changed.
    Rules,
    /// An activity row was written or changed.
    Activity(Arc<activity::Row>),
}
