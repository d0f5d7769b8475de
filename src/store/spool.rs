//! Files for messages that are too large for memory, or for a row: under `data_dir/spool`, named by a UUID, for their owner
//! only. A file goes with its last holder, unless a message's row has come to name it; then it goes after that row.
//!
//! A power cut may take what is not synced, so a file and its name are synced before the row that names it is committed.
//! A kernel that could not sync a folder may say "synced" the next time: names made before a failure are never trusted.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, RwLock, RwLockWriteGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::faults::Faults;
use super::octets::CHUNK_OCTETS;

/// Nobody else on this machine reads mail.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The folder of such files; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    faults: Faults,
    /// Syncs of the folder that were asked for, and how many of them those that were made have answered.
    asked: AtomicU64,
    answered: Mutex<u64>,
    /// Syncs of the folder that failed.
    failed: AtomicU64,
    /// Shared by those who remove what no row names any more; whoever copies has it alone.
    still: RwLock<()>,
    removing: TaskTracker,
}

/// One such file.
#[derive(Debug)]
pub struct SpoolFile {
    spool: Spool,
    name: Uuid,
    /// Opened when it is first read, where a row names it.
    file: OnceLock<File>,
    len: AtomicU64,
    /// A message that is being accepted has it.
    is_taken: AtomicBool,
    /// The row of that message is committed.
    is_kept: AtomicBool,
    /// Syncs of the folder that had failed when it was made.
    failed: u64,
}

impl Spool {
    /// In this folder, which is there.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self::failing(folder, Faults::default())
    }

    fn failing(folder: PathBuf, faults: Faults) -> Self {
        Self(Arc::new(Inner {
            folder,
            faults,
            asked: AtomicU64::default(),
            answered: Mutex::default(),
            failed: AtomicU64::default(),
            still: RwLock::default(),
            removing: TaskTracker::new(),
        }))
    }

    /// The folder within `data_dir`, made if it is missing, its name synced.
    pub(super) fn open(data_dir: &Path, faults: Faults) -> io::Result<Self> {
        let folder = data_dir.join("spool");
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder)?;
            File::open(data_dir)?.sync_all()?;
        }
        Ok(Self::failing(folder, faults))
    }

    /// Makes an empty file. Blocks.
    pub fn create(&self, name: Uuid) -> io::Result<SpoolFile> {
        self.pass()?;
        let failed = self.0.failed.load(Ordering::SeqCst);
        let made = File::options().read(true).write(true).create_new(true).mode(FILE_MODE).open(self.path(name))?;
        Ok(SpoolFile {
            spool: self.clone(),
            name,
            file: OnceLock::from(made),
            len: AtomicU64::new(0),
            is_taken: AtomicBool::new(false),
            is_kept: AtomicBool::new(false),
            failed,
        })
    }

    /// A file that a row names.
    pub(super) fn kept(&self, name: Uuid, len: u64) -> SpoolFile {
        SpoolFile {
            spool: self.clone(),
            name,
            file: OnceLock::new(),
            len: AtomicU64::new(len),
            is_taken: AtomicBool::new(true),
            is_kept: AtomicBool::new(true),
            failed: 0,
        }
    }

    /// Syncs a file and its name: then a row may name it.
    pub(super) async fn sync(&self, file: &Arc<SpoolFile>) -> io::Result<()> {
        let contents = Arc::clone(file);
        let (contents, name) = tokio::join!(off_thread(move || contents.sync()), self.sync_name(file.failed));
        contents.and(name)
    }

    /// One sync of the folder answers all who asked before it began.
    async fn sync_name(&self, failed_before: u64) -> io::Result<()> {
        let mine = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut answered = self.0.answered.lock().await;
        if self.0.failed.load(Ordering::SeqCst) != failed_before {
            return Err(io::Error::other("a sync of the spool has failed since the file was made"));
        }
        if *answered >= mine {
            return Ok(());
        }
        let upto = self.0.asked.load(Ordering::SeqCst);
        let spool = self.clone();
        let synced = off_thread(move || spool.sync_folder()).await;
        match &synced {
            Ok(()) => *answered = upto,
            Err(_) => {
                self.0.failed.fetch_add(1, Ordering::SeqCst);
            }
        }
        synced
    }

    pub(super) fn sync_folder(&self) -> io::Result<()> {
        self.pass()?;
        File::open(&self.0.folder)?.sync_all()
    }

    /// Removes files that no row names any more; not while they are copied.
    pub(super) fn remove(&self, names: Vec<Uuid>) {
        if names.is_empty() {
            return;
        }
        let spool = self.clone();
        self.0.removing.spawn(async move {
            let _shared = spool.0.still.read().await;
            let removing = spool.clone();
            let _done = off_thread(move || {
                names.into_iter().for_each(|name| removing.remove_now(name));
                Ok(())
            })
            .await;
        });
    }

    /// What cannot be removed is removed at the next start.
    pub(super) fn remove_now(&self, name: Uuid) {
        let removed = self.pass().and_then(|()| std::fs::remove_file(self.path(name)));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %self.path(name).display(), "a file of the spool stays until the next start");
        }
    }

    /// Until it is dropped, no file that a row names is removed.
    pub(super) async fn hold_still(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.still.write().await
    }

    /// Puts files that rows name into another folder as well. Blocks.
    pub(super) fn copy_to(&self, folder: &Path, names: &[Uuid]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        for name in names {
            let (from, to) = (self.path(*name), folder.join(name.to_string()));
            match std::fs::hard_link(&from, &to).or_else(|_| std::fs::copy(&from, &to).map(drop)) {
                // Its deliveries are held for that since the last start.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => copied?,
            }
        }
        Ok(())
    }

    /// All files of ours that are there, with their octets; what is named otherwise is somebody else's. Blocks.
    pub(super) fn list(&self) -> io::Result<Vec<(Uuid, u64)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.0.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_str().and_then(|name| Uuid::try_parse(name).ok());
            if let Some(name) = name.filter(|name| entry.file_name() == name.to_string().as_str()) {
                files.push((name, entry.metadata()?.len()));
            }
        }
        Ok(files)
    }

    /// Waits for what is being removed.
    pub(super) async fn close(&self) {
        self.0.removing.close();
        self.0.removing.wait().await;
    }

    pub(super) fn path(&self, name: Uuid) -> PathBuf {
        self.0.folder.join(name.to_string())
    }

    fn pass(&self) -> io::Result<()> {
        self.0.faults.pass().map_err(io::Error::other)
    }
}

impl SpoolFile {
    /// How many octets it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) const fn name(&self) -> Uuid {
        self.name
    }

    /// Writes more octets at its end. Blocks.
    pub fn append(&self, octets: &[u8]) -> io::Result<()> {
        self.spool.pass()?;
        let mut file = self.opened()?;
        file.write_all(octets)?;
        self.len.fetch_add(octets.len() as u64, Ordering::Release);
        Ok(())
    }

    /// At most [`CHUNK_OCTETS`] from `offset`, at a place of its own, so that many may read at once. Blocks.
    pub(super) fn read(&self, offset: u64) -> io::Result<Bytes> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut octets = vec![0; left.min(CHUNK_OCTETS)];
        self.opened()?.read_exact_at(&mut octets, offset)?;
        Ok(octets.into())
    }

    /// Takes it for a message that is being accepted; false if another has it: one row names it, no more.
    pub(super) fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::SeqCst)
    }

    /// The row that names it is committed.
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::SeqCst);
    }

    fn sync(&self) -> io::Result<()> {
        self.spool.pass()?;
        self.opened()?.sync_all()
    }

    fn opened(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let opened = File::open(self.spool.path(self.name))?;
        Ok(self.file.get_or_init(|| opened))
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if self.is_kept.load(Ordering::SeqCst) {
            return;
        }
        let (spool, name, file) = (self.spool.clone(), self.name, self.file.take());
        let remove = move || {
            spool.remove_now(name);
            // Only now the disk has its room back, which takes a while for a large file.
            drop(file);
        };
        match Handle::try_current() {
            Ok(runtime) => drop(self.spool.0.removing.spawn_blocking_on(remove, &runtime)),
            Err(_) => remove(),
        }
    }
}

/// Runs what blocks off the async threads.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn a_file_goes_with_its_last_holder_unless_a_row_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::at(folder.path().to_owned());
        let (lost, kept) = (spool.create(Uuid::from_u128(1)).unwrap(), spool.create(Uuid::from_u128(2)).unwrap());
        kept.append(b"octets").unwrap();
        assert!(kept.take() && !kept.take());
        kept.keep();
        drop((lost, kept));
        spool.close().await;
        assert_eq!(spool.list().unwrap(), [(Uuid::from_u128(2), 6)]);
        assert_eq!(&spool.kept(Uuid::from_u128(2), 6).read(3).unwrap()[..], b"ets");
        assert!(spool.create(Uuid::from_u128(2)).is_err(), "no name is used twice");
    }

    #[tokio::test]
    async fn nothing_is_removed_while_files_are_copied() {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let spool = Spool::at(folder.path().to_owned());
        let name = Uuid::from_u128(1);
        spool.create(name).unwrap().keep();
        let held = spool.hold_still().await;
        spool.remove(vec![name]);
        tokio::task::yield_now().await;
        spool.copy_to(copy.path(), &[name, Uuid::from_u128(2)]).unwrap();
        drop(held);
        spool.close().await;
        assert_eq!((files(folder.path()), files(copy.path())), (0, 1));
    }

    #[tokio::test]
    async fn one_sync_of_the_folder_answers_all_who_wait_and_a_failed_one_none() {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::armed();
        let spool = Spool::failing(folder.path().to_owned(), faults.clone());
        faults.fail_at(1000);
        let files = (0..50).map(|number| Arc::new(spool.create(Uuid::from_u128(number)).unwrap())).collect::<Vec<_>>();
        for synced in futures_util::future::join_all(files.iter().map(|file| spool.sync(file))).await {
            synced.unwrap();
        }
        // A point for each file made and each file synced; the rest are syncs of the folder: once for the first who asked,
        // and again for those who asked meanwhile.
        let folder_syncs = 1000 - faults.left() - 2 * 50;
        assert!((1..10).contains(&folder_syncs), "{folder_syncs}");
        let before = Arc::new(spool.create(Uuid::from_u128(100)).unwrap());
        faults.fail_at(1);
        assert!(spool.sync_name(before.failed).await.is_err());
        assert!(spool.sync(&before).await.is_err(), "its name may be lost although the kernel says otherwise");
        let after = Arc::new(spool.create(Uuid::from_u128(101)).unwrap());
        spool.sync(&after).await.unwrap();
    }

    #[test]
    fn what_is_named_otherwise_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lost+found")).unwrap();
        std::fs::write(folder.path().join("00000000000000000000000000000001"), "not as we write it").unwrap();
        let spool = Spool::at(folder.path().to_owned());
        assert!(spool.list().unwrap().is_empty());
        drop(spool.create(Uuid::from_u128(1)).unwrap());
        assert_eq!(files(folder.path()), 2);
    }
}
