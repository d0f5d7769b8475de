//! The folder that backups go to by themselves. Each is written whole under another name and then renamed; what is not named
//! as ours are is left alone.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Archive, want_room};
use crate::facts::outside::room_at;
use crate::mail::{Domain, Moment};

/// It has every secret in it.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// A folder that does not answer in this time, as one across the network, is said so.
const WITHIN: Duration = Duration::from_secs(10);
const END: &str = ".tar";
const UNFINISHED: &str = ".tar.unfinished";

/// Where they lie, and how their names begin: several gateways may share a folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    begin: String,
    looks: Arc<Semaphore>,
}

/// A backup that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) at: Moment,
}

impl Folder {
    /// As many looks at it as `looks` has permits: one that the folder does not answer holds a thread until it does.
    pub(super) fn new(path: &Path, hostname: &Domain, looks: Arc<Semaphore>) -> Self {
        Self { path: path.to_owned(), begin: format!("waypost-{hostname}-"), looks }
    }

    /// What lies there, the oldest first. A folder that is not there yet has none.
    pub(super) async fn made(&self) -> io::Result<Vec<Made>> {
        let folder = self.clone();
        let look = async move {
            let turn = Arc::clone(&folder.looks).acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                folder.list(END)
            })
            .await
        };
        match timeout(WITHIN, look).await {
            Ok(Ok(made)) => made.map_err(|error| self.about(&error)),
            Ok(Err(error)) => Err(io::Error::other(error)),
            Err(_) => Err(self.about(&io::ErrorKind::TimedOut.into())),
        }
    }

    /// Writes one, and removes the oldest beyond `keep`; gives its name.
    pub(super) async fn write(&self, archive: Archive, (at, keep): (Moment, usize)) -> io::Result<String> {
        let (folder, name) = (self.clone(), format!("{}{}", self.begin, at.compact()));
        let write = tokio::task::spawn_blocking(move || {
            folder.write_whole(archive, &name)?;
            folder.thin_out(&name, (at, keep))?;
            Ok(format!("{name}{END}"))
        });
        write.await.map_err(io::Error::other)?.map_err(|error: io::Error| self.about(&error))
    }

    fn write_whole(&self, archive: Archive, name: &str) -> io::Result<()> {
        if !self.path.is_dir() {
            DirBuilder::new().mode(FOLDER_MODE).create(&self.path)?;
        }
        for left in self.list(UNFINISHED)? {
            fs::remove_file(self.path.join(left.name))?;
        }
        want_room(room_at(&self.path), archive.octets()?)?;
        let unfinished = self.path.join(format!("{name}{UNFINISHED}"));
        let file = File::options().write(true).create_new(true).mode(FILE_MODE).open(&unfinished)?;
        let written = archive.write_to(&file).and_then(|()| file.sync_all());
        let done = written.and_then(|()| fs::rename(&unfinished, self.path.join(format!("{name}{END}"))));
        if done.is_err() {
            // What is there of it is of no use; the next one sweeps it away if this cannot.
            let _gone = fs::remove_file(&unfinished);
        }
        done.and_then(|()| File::open(&self.path)?.sync_all())
    }

    /// The one that was just made stays. Those of the future, made while the clock was off, go before any that is true.
    fn thin_out(&self, name: &str, (now, keep): (Moment, usize)) -> io::Result<()> {
        let mut others = self.list(END)?;
        let all = others.len();
        others.retain(|one| one.name.strip_suffix(END) != Some(name));
        others.sort_by_key(|one| (one.at <= now, one.at));
        for old in others.iter().take(all.saturating_sub(keep)) {
            fs::remove_file(self.path.join(&old.name))?;
        }
        Ok(())
    }

    fn list(&self, end: &str) -> io::Result<Vec<Made>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut made = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let stamp = name.strip_prefix(&self.begin).and_then(|rest| rest.strip_suffix(end));
            if let Some(at) =
                stamp.and_then(Moment::parse_compact).filter(|_| entry.file_type().is_ok_and(|t| t.is_file()))
            {
                made.push(Made { name, at });
            }
        }
        made.sort_by(|one, other| (one.at, &one.name).cmp(&(other.at, &other.name)));
        Ok(made)
    }

    fn about(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{self}: {error}"))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn folder(path: &Path, looks: usize) -> Folder {
        Folder::new(path, &Domain::parse("gw.example").unwrap(), Arc::new(Semaphore::new(looks)))
    }

    /// Each look at a folder that hangs would hold a thread until there is none left for anything else.
    #[tokio::test(start_paused = true)]
    async fn while_a_look_hangs_there_is_no_other() {
        let place = tempfile::tempdir().unwrap();
        let hanging = folder(place.path(), 0);
        let why = hanging.made().await.unwrap_err().to_string();
        assert!(why.contains("timed out"), "{why}");
        hanging.looks.add_permits(1);
        assert_eq!(hanging.made().await.unwrap(), []);
        assert_eq!(hanging.looks.available_permits(), 1, "given back");
    }

    #[test]
    fn only_its_own_are_counted_and_the_newest_stay() {
        let place = tempfile::tempdir().unwrap();
        let folder = folder(place.path(), 1);
        let strangers = [
            "waypost-gw.example-20261129T100000Z.tar.gz",
            "waypost-gw.example-before-the-move.tar",
            "waypost-other.example-20261129T100000Z.tar",
            "waypost.tar",
        ];
        let ours = |day: u8| format!("waypost-gw.example-202611{day:02}T100000Z.tar");
        for name in strangers.map(str::to_owned).into_iter().chain((20..25).map(ours)) {
            fs::write(place.path().join(name), "x").unwrap();
        }
        fs::create_dir(place.path().join(ours(19))).unwrap();
        let made = folder.list(END).unwrap();
        assert_eq!(made.iter().map(|one| one.name.clone()).collect::<Vec<_>>(), (20..25).map(ours).collect::<Vec<_>>());
        assert_eq!(made[0].at, Moment::parse_rfc3339("2026-11-20T10:00:00Z").unwrap());
        let kept = |days: &[u8]| {
            let mut all: Vec<_> =
                strangers.map(str::to_owned).into_iter().chain(days.iter().copied().map(ours)).collect();
            all.sort();
            all
        };
        let thin_out = |day: u8, keep: usize| {
            let now = Moment::parse_rfc3339(&format!("2026-11-{day:02}T10:00:00Z")).unwrap();
            folder.thin_out(ours(day).strip_suffix(END).unwrap(), (now, keep)).unwrap();
        };
        thin_out(24, 4);
        assert_eq!(names(place.path()), kept(&[19, 21, 22, 23, 24]));
        thin_out(22, 2);
        assert_eq!(names(place.path()), kept(&[19, 21, 22]), "those of the future go first");
        thin_out(21, 1);
        assert_eq!(names(place.path()), kept(&[19, 21]), "what was just made, though others say that they are newer");
    }
}
