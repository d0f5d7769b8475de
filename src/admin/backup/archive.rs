//! The archive: the databases are copied beside themselves first (`VACUUM INTO`), since a tar header says the length of what
//! follows; and with the queue the files of large messages, which delivery would remove meanwhile.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{BackupSettings, names};
use crate::admin::RELAY_PASSWORD_FILE;

/// How the folders are called that copies lie in.
const COPIES: &str = "backup-";

/// All that a backup is made of, as it was at one moment.
#[derive(Debug)]
pub struct Archive {
    copies: Copies,
    /// Each other file, by its name in the archive.
    secrets: Vec<(PathBuf, PathBuf)>,
}

impl Archive {
    pub(super) fn begin(settings: &BackupSettings, id: Uuid) -> io::Result<Self> {
        let copies = settings.data_dir.join(format!("{COPIES}{id}"));
        fs::DirBuilder::new().mode(0o700).create(&copies)?;
        let copies = Copies(copies);
        Ok(Self { secrets: secrets(settings)?, copies })
    }

    /// Where the copies of databases go.
    pub(super) fn copies(&self) -> &Path {
        &self.copies.0
    }

    /// How many octets it has, but for the heads of its files.
    pub(super) fn octets(&self) -> io::Result<u64> {
        let spool = self.copies().join("spool");
        let spooled = if spool.is_dir() { names_in(&spool)? } else { Vec::new() };
        let copies = ["waypost.db", "activity.db"].map(|name| self.copies().join(name));
        let all = copies.into_iter().chain(spooled.into_iter().map(|name| spool.join(name)));
        all.chain(self.secrets.iter().map(|(_, path)| path.clone())).map(|path| Ok(fs::metadata(path)?.len())).sum()
    }

    /// Writes it; takes a thread meanwhile.
    pub fn write_to(self, out: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        for name in ["waypost.db", "activity.db"] {
            tar.append_file(name, &mut File::open(self.copies().join(name))?)?;
        }
        let spool = self.copies().join("spool");
        for name in if spool.is_dir() { names_in(&spool)? } else { Vec::new() } {
            tar.append_file(Path::new("spool").join(&name), &mut File::open(spool.join(&name))?)?;
        }
        for (name, path) in &self.secrets {
            tar.append_file(name, &mut File::open(path)?)?;
        }
        tar.into_inner()?.flush()
    }
}

/// What does not exist is left out.
fn secrets(settings: &BackupSettings) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let data_dir = &settings.data_dir;
    let mut files = vec![(PathBuf::from("srs.secrets"), settings.srs_secrets.clone())];
    for folder in names::OF_CERTIFICATES.into_iter().filter(|folder| data_dir.join(folder).is_dir()) {
        let all = names_in(&data_dir.join(folder))?.into_iter();
        let all = all.filter_map(|file| Some(format!("{folder}/{}", file.to_str()?)));
        files.extend(all.filter(|name| names::belongs(name)).map(|name| (PathBuf::from(&name), data_dir.join(name))));
    }
    files.push((PathBuf::from(RELAY_PASSWORD_FILE), data_dir.join(RELAY_PASSWORD_FILE)));
    files.retain(|(_, path)| path.is_file());
    files.sort();
    Ok(files)
}

fn names_in(folder: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Removes copies that a killed process left behind.
pub(super) fn sweep(data_dir: &Path) {
    let names = names_in(data_dir).unwrap_or_default();
    let is_copies = |name: &OsString| {
        let id = name.to_str().and_then(|name| name.strip_prefix(COPIES));
        id.is_some_and(|id| Uuid::try_parse(id).is_ok())
    };
    names.into_iter().filter(is_copies).for_each(|name| drop(Copies(data_dir.join(name))));
}

/// A directory of our own, for the copies; gone when dropped.
#[derive(Debug)]
struct Copies(PathBuf);

impl Drop for Copies {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the copies of a backup could not be removed");
        }
    }
}
