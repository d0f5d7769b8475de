//! Backups: one tar archive of both databases and all secrets, consistent while serving. Whoever asks gets it as a stream;
//! and by the clock one is written into a folder, where the newest few are kept.

mod archive;
mod folder;
pub mod names;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::mail::Moment;
use crate::policy::checkup::{BackupFacts, DiskFacts};
use crate::policy::deeds::Deed;
use crate::policy::ids::OWNER;
use crate::store::Store;

use self::folder::{Folder, Made};
use super::{Actor, Admin, Result};

pub use archive::Archive;

/// After one that failed, the next is tried so soon.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// `[backup]` as meant, and where the parts of a backup lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// `srs.secrets_file`.
    pub srs_secrets: PathBuf,
    /// Where backups go by themselves, if any are made.
    pub dir: Option<PathBuf>,
    /// From one to the next.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
}

/// Makes backups; cheap to clone.
#[derive(Debug, Clone)]
pub struct Backups {
    settings: Arc<BackupSettings>,
    /// When the last try failed and why, if it did.
    failed: Arc<Mutex<Option<(Moment, String)>>>,
    /// One look at the folder at a time.
    looks: Arc<Semaphore>,
}

impl Backups {
    /// Sweeps away what one left behind that the process did not outlive: nobody else makes any meanwhile.
    #[must_use]
    pub fn new(settings: BackupSettings) -> Self {
        archive::sweep(&settings.data_dir);
        Self { settings: Arc::new(settings), failed: Arc::default(), looks: Arc::new(Semaphore::new(1)) }
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Moment, String)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, made: &[Made], now: Moment) -> bool {
        let every = self.settings.every;
        // One of the future was made while the clock was off.
        let last = made.iter().rev().find(|one| one.at <= now);
        let is_time = last.is_none_or(|last| now.since(last.at) >= every);
        let may_try = self.failed().as_ref().is_none_or(|(at, _)| now.since(*at) >= every.min(AGAIN) || now < *at);
        is_time && may_try
    }

    fn note(&self, now: Moment, done: io::Result<Option<String>>) {
        let mut failed = self.failed();
        match done {
            Ok(None) => {}
            Ok(Some(name)) => {
                tracing::info!(name, "a backup was made");
                *failed = None;
            }
            Err(error) => {
                if failed.is_none() {
                    tracing::error!(%error, "a backup could not be made, and will be tried again");
                }
                *failed = Some((now, error.to_string()));
            }
        }
    }
}

/// Mail comes first: a backup leaves what is kept for it.
fn want_room(disk: Option<DiskFacts>, octets: u64) -> io::Result<()> {
    match disk.and_then(|disk| disk.why_not(octets)) {
        Some(why) => Err(io::Error::new(io::ErrorKind::StorageFull, why)),
        None => Ok(()),
    }
}

impl Admin {
    /// An archive of everything, with the messages that wait if asked for; or why it cannot be put together.
    pub async fn archive(&self, actor: &Actor, queue: bool) -> Result<io::Result<Archive>> {
        actor.must_be_admin("take a backup")?;
        let archive = self.put_together(queue).await;
        if archive.is_ok() {
            self.store.accounts.audit(self.audit_plain(actor, Deed::BackupTake, "databases")).await?;
        }
        Ok(archive)
    }

    async fn put_together(&self, queue: bool) -> io::Result<Archive> {
        let octets = self.store.copy_octets(queue).await.map_err(io::Error::other)?;
        want_room(self.outside.disk(), octets)?;
        let archive = Archive::begin(&self.backups.settings, self.chance.id(self.clock.now()))?;
        self.store.copy_to(archive.copies(), queue).await.map_err(io::Error::other)?;
        Ok(archive)
    }

    /// Writes a backup into the folder, if it is time, and removes those of its own that are too many.
    pub async fn back_up_by_the_clock(&self) {
        let now = self.clock.now();
        if let Some(folder) = self.backup_folder() {
            self.backups.note(now, self.back_up(&folder, now).await);
        }
    }

    async fn back_up(&self, folder: &Folder, now: Moment) -> io::Result<Option<String>> {
        if !self.backups.is_due(&folder.made().await?, now) {
            return Ok(None);
        }
        let archive = self.archive(&Actor::upkeep(OWNER), false).await.map_err(io::Error::other)??;
        Store::check_copies(archive.copies()).await.map_err(io::Error::other)?;
        folder.write(archive, (now, self.backups.settings.keep)).await.map(Some)
    }

    /// How backups fare that are made by themselves.
    pub async fn backup_facts(&self) -> Option<BackupFacts> {
        let folder = self.backup_folder()?;
        let failure = self.backups.failed().as_ref().map(|(_, why)| why.clone());
        let (newest, unreadable) = match folder.made().await {
            Ok(mut made) => (made.pop().map(|one| (one.name, one.at)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Some(BackupFacts { dir: folder.to_string(), newest, failure: failure.or(unreadable) })
    }

    fn backup_folder(&self) -> Option<Folder> {
        let dir = self.backups.settings.dir.as_ref()?;
        Some(Folder::new(dir, &self.facts.instance.load().hostname, Arc::clone(&self.backups.looks)))
    }
}
