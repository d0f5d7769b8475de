//! All SQL. Two files: `waypost.db` holds rules, accounts, queue and octets (`synchronous=FULL`); `activity.db` the log,
//! counters and search (`synchronous=NORMAL`). Each has one writer task that owns its connection and is never cancelled,
//! and a pool of readers. One function per change of state, named for it.

pub mod accounts;
pub mod activity;
pub mod directory;
pub mod octets;
pub mod queue;
pub mod rules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chance::Chance;
use crate::clock::Clock;

/// What goes wrong in storage, as callers tell it apart.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such row.
    #[error("not found")]
    NotFound,
    /// A unique name is taken.
    #[error("{0} exists already")]
    Exists(String),
    /// Somebody else changed it first.
    #[error("it was changed by somebody else meanwhile")]
    Changed,
    /// Cannot be stored as it is; says why.
    #[error("{0}")]
    Invalid(String),
    /// Locked, full, broken: try later. The text is for the log, never for a client.
    #[error("storage failed: {0}")]
    Unwell(String),
}

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
}

impl Store {
    /// Creates what is missing, migrates, checks the pragmas, starts the writers.
    pub async fn open(settings: Settings, clock: Clock, chance: Chance) -> Result<Self> {
        let _ = (settings, clock, chance);
        todo!("store")
    }

    /// Lets the writers finish, checkpoints, closes.
    pub async fn close(&self) {
        todo!("store")
    }

    /// Whether both databases can be written now.
    pub async fn is_writable(&self) -> bool {
        todo!("store")
    }

    /// A consistent copy of both databases into `directory` (VACUUM INTO), without queue rows unless `queue`.
    pub async fn copy_to(&self, directory: &Path, queue: bool) -> Result<()> {
        let _ = (directory, queue);
        todo!("store")
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
