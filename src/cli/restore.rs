//! `waypost restore`: makes the data folder what a backup says. It acts itself, under the lock: unpacks beside the data, opens
//! the databases there (which checks and migrates them), holds whatever waits, ends what the log says is waiting and the
//! backup has not, and only then puts the files in place.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use uuid::Uuid;

use super::owner;
use crate::admin::RELAY_PASSWORD_FILE;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{DataLock, Holder};
use crate::policy::status::Status;
use crate::store::activity::Progress;
use crate::store::queue::Waiting;
use crate::store::{Settings, Store};

/// What every backup has.
const PARTS: [&str; 3] = ["waypost.db", "activity.db", "srs.secrets"];
/// What may be there besides: certificates and their keys, and the octets of large messages.
const FOLDERS: [&str; 3] = ["tls", "acme", "spool"];
/// Of these, what certificates are in.
const OF_CERTIFICATES: [&str; 2] = ["tls", "acme"];
/// Where the backup is unpacked, within the data folder.
const STAGE: &str = "restore.unfinished";
/// Where the files of before wait until the new ones are in place.
const BEFORE: &str = "restore.before";
/// What is said of mail that waited and is not in the backup.
const GONE: &str = "it waited when a backup without the queue was made, which was restored here: what the gateway of before \
                    did with it is not known, and there is nothing left to deliver";
/// Deliveries that are held at a time.
const BATCH: u32 = 500;

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// What `waypost backup` wrote
    file: PathBuf,
    /// In place of the data that are there
    #[arg(long)]
    replace: bool,
}

pub(super) async fn run(restore: &Restore, config: &Config) -> anyhow::Result<()> {
    owner::require_owner(config)?;
    folder(&config.data_dir)?;
    let _held = DataLock::take(&config.data_dir, Holder::Command).await?;
    let there = Files::of(config).existing();
    if let Some(first) = there.first().filter(|_| !restore.replace) {
        bail!("{} is there already; --replace puts the backup in place of all data", first.display());
    }
    let stage = config.data_dir.join(STAGE);
    discard(&stage)?;
    unpack(&restore.file, &stage).or_else(|error| {
        discard(&stage)?;
        Err(error)
    })?;
    let Left { held, gone } = settle(&stage).await?;
    put_in_place(config, &stage, &there)?;
    eprintln!("{} is restored from {}.", config.data_dir.display(), restore.file.display());
    if held > 0 {
        let messages = if held == 1 { "1 message that waited is" } else { &format!("{held} messages that waited are") };
        eprintln!("{messages} held; `waypost queue list` shows them, `waypost queue release` lets them go.");
    }
    if gone > 0 {
        let messages = if gone == 1 { "1 message" } else { &format!("{gone} messages") };
        eprintln!("{messages} waited at the time of the backup and are not in it; the log shows them as cancelled.");
    }
    Ok(())
}

/// Where each part of a backup belongs.
struct Files {
    data_dir: PathBuf,
    database: PathBuf,
    secrets: PathBuf,
}

impl Files {
    fn of(config: &Config) -> Self {
        let (database, secrets) = (config.database.clone(), config.srs.secrets_file.clone());
        Self { data_dir: config.data_dir.clone(), database, secrets }
    }

    /// The place of a file of the archive; none for a name that is not of a backup.
    fn place(&self, name: &str) -> Option<PathBuf> {
        match name {
            "waypost.db" => Some(self.database.clone()),
            "activity.db" => Some(self.data_dir.join(name)),
            "srs.secrets" => Some(self.secrets.clone()),
            RELAY_PASSWORD_FILE => Some(self.data_dir.join(name)),
            _ => (is_certificate(name) || is_message(name)).then(|| self.data_dir.join(name)),
        }
    }

    /// What is there now, write-ahead logs included: they must not meet another database.
    fn existing(&self) -> Vec<PathBuf> {
        let activity = self.data_dir.join("activity.db");
        let beside = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", path.display()));
        let databases = [&self.database, &activity].into_iter();
        let all = databases.flat_map(|path| ["", "-wal", "-shm"].map(|end| beside(path, end)));
        let spool = self.data_dir.join("spool");
        let is_used = fs::read_dir(&spool).is_ok_and(|mut files| files.next().is_some());
        let certificates = OF_CERTIFICATES.map(|name| self.data_dir.join(name));
        let all = all
            .chain([self.secrets.clone(), self.data_dir.join(RELAY_PASSWORD_FILE)])
            .chain(certificates)
            .chain(is_used.then_some(spool));
        all.filter(|path| path.exists()).collect()
    }
}

/// `tls/NAME` or `acme/NAME`, where the name is one that stays in the folder.
fn is_certificate(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let stays = |name: &str| !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
    name.split_once('/').is_some_and(|(folder, name)| OF_CERTIFICATES.contains(&folder) && stays(name))
}

/// `spool/UUID`: the octets of a large message that waits.
fn is_message(name: &str) -> bool {
    name.strip_prefix("spool/").is_some_and(|name| Uuid::try_parse(name).is_ok_and(|id| id.to_string() == name))
}

fn unpack(file: &Path, stage: &Path) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be restored", file.display());
    let mut archive = tar::Archive::new(BufReader::new(File::open(file).with_context(cannot)?));
    for name in FOLDERS {
        folder(&stage.join(name))?;
    }
    for entry in archive.entries().with_context(cannot)? {
        let mut entry =
            entry.map_err(|error| anyhow!("{}: it is nothing that waypost backup wrote ({error})", cannot()))?;
        unpack_file(&mut entry, stage).with_context(cannot)?;
    }
    match PARTS.into_iter().find(|part| !stage.join(part).exists()) {
        Some(part) => bail!("{}: {part} is not in it, so this is no backup", cannot()),
        None => Ok(()),
    }
}

fn unpack_file(entry: &mut tar::Entry<'_, impl Read>, stage: &Path) -> anyhow::Result<()> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let is_part = PARTS.contains(&name.as_str()) || name == RELAY_PASSWORD_FILE;
    let belongs = is_part || is_certificate(&name) || is_message(&name);
    ensure!(belongs && entry.header().entry_type().is_file(), "{name:?} does not belong in a backup");
    let mut out = private_file(&stage.join(&name))?;
    ensure!(std::io::copy(entry, &mut out)? == entry.size(), "it is cut off within {name}");
    Ok(out.sync_all()?)
}

/// What waited at the time of the backup: how much of it is held now, and how much is not there any more.
struct Left {
    held: usize,
    gone: usize,
}

async fn settle(stage: &Path) -> anyhow::Result<Left> {
    let settings = Settings { data_dir: stage.to_owned(), database: stage.join("waypost.db") };
    let store =
        Store::open(settings, Clock::system(), Chance::system()).await.context("the backup's databases do not open")?;
    let left = async { anyhow::Ok(Left { held: hold_rows(&store).await?, gone: store.end_lost(GONE).await? }) }.await;
    store.close().await;
    left
}

/// What waited may have been delivered since: nothing goes out before a person says so.
async fn hold_rows(store: &Store) -> anyhow::Result<usize> {
    let (mut cursor, mut held) = (None, 0);
    loop {
        let rows = store.queue.list(None, cursor, BATCH).await?;
        let waiting: Vec<Uuid> = rows.iter().filter(|row| may_go_out(row)).map(|row| row.id).collect();
        for id in &waiting {
            store.queue.hold(*id).await?;
        }
        store.activity.progress(waiting.iter().copied().map(as_held).collect()).await?;
        held += waiting.len();
        match rows.last() {
            Some(last) => cursor = Some(last.id),
            None => return Ok(held),
        }
    }
}

fn may_go_out(row: &Waiting) -> bool {
    matches!(row.state, "due" | "leased")
}

fn as_held(id: Uuid) -> Progress {
    Progress {
        id,
        status: Status::Held,
        reason: "held since a backup was restored: it may have been delivered meanwhile".to_owned(),
        attempt: None,
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    }
}

fn put_in_place(config: &Config, stage: &Path, there: &[PathBuf]) -> anyhow::Result<()> {
    let before = config.data_dir.join(BEFORE);
    discard(&before)?;
    folder(&before)?;
    for path in there {
        move_file(path, &before.join(path.file_name().unwrap_or_default()))?;
    }
    let files = Files::of(config);
    let spool = config.data_dir.join("spool");
    for name in FOLDERS {
        folder(&config.data_dir.join(name))?;
    }
    for name in names_in(stage)? {
        if let Some(place) = files.place(&name) {
            move_file(&stage.join(&name), &place)?;
        }
    }
    for folder in [&spool, &config.data_dir] {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("{} cannot be synced", folder.display()))?;
    }
    discard(&before)?;
    discard(stage)
}

/// The files of the stage and of its folders; what the databases' opening left behind is not among those that have a place.
fn names_in(stage: &Path) -> anyhow::Result<Vec<String>> {
    let list = |folder: &Path, prefix: &str| -> anyhow::Result<Vec<String>> {
        let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        Ok(entries.filter_map(|entry| Some(format!("{prefix}{}", entry.ok()?.file_name().to_str()?))).collect())
    };
    let mut names = list(stage, "")?;
    for name in FOLDERS {
        names.extend(list(&stage.join(name), &format!("{name}/"))?);
    }
    Ok(names)
}

fn move_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    // Another file system: only plain files lie outside of the data folder.
    let moved = fs::copy(from, to).and_then(|_| fs::remove_file(from));
    moved.with_context(|| format!("{} cannot be moved to {}", from.display(), to.display()))
}

fn folder(path: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("{} cannot be made", path.display()))
}

fn private_file(path: &Path) -> anyhow::Result<File> {
    let opened = File::options().write(true).create_new(true).mode(0o600).open(path);
    opened.with_context(|| format!("{} cannot be written", path.display()))
}

fn discard(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, contents) in files {
            let mut header = tar::Header::new_ustar();
            // Not `set_path`, which refuses what an attacker would write.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(contents.len() as u64);
            header.set_cksum();
            tar.append(&header, *contents).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn unpacked(files: &[u8]) -> anyhow::Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        let (file, stage) = (folder.path().join("backup.tar"), folder.path().join("stage"));
        fs::write(&file, files)?;
        unpack(&file, &stage)?;
        let mut names = names_in(&stage)?;
        names.sort();
        Ok(names)
    }

    const LETTER: &str = "spool/0190c1a4-5b7e-7000-8000-000000000001";
    const SOUND: [(&str, &[u8]); 6] = [
        ("waypost.db", b"rules"),
        ("activity.db", b"log"),
        ("srs.secrets", b"secret"),
        ("tls/key.pem", b"key"),
        ("acme/gw.example.pem", b"key"),
        (LETTER, b"octets"),
    ];

    #[test]
    fn unpacks_what_belongs_in_a_backup_and_nothing_else() {
        let names = unpacked(&archive(&SOUND)).unwrap();
        let (acme, tls) = ("acme/gw.example.pem", "tls/key.pem");
        assert_eq!(names, ["acme", acme, "activity.db", "spool", LETTER, "srs.secrets", "tls", tls, "waypost.db"]);
        for evil in [
            "../evil",
            "/etc/passwd",
            "tls/../evil",
            "tls/.hidden",
            "tls/a/b",
            "waypost.toml",
            "tls/",
            "spool/../evil",
            "spool/letter",
        ] {
            let error = unpacked(&archive(&[SOUND[0], (evil, b"e")])).unwrap_err();
            assert!(format!("{error:#}").contains("does not belong in a backup"), "{evil}: {error:#}");
        }
    }

    #[test]
    fn half_a_backup_is_none() {
        let whole = archive(&SOUND[..3]);
        for cut in (0..whole.len() - 1024).step_by(50) {
            assert!(unpacked(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let error = unpacked(&archive(&SOUND[..2])).unwrap_err().to_string();
        assert!(error.ends_with("srs.secrets is not in it, so this is no backup"), "{error}");
        assert!(unpacked(&archive(&[SOUND[0], SOUND[0]])).is_err());
    }

    #[test]
    fn a_damaged_header_is_noticed() {
        let whole = archive(&SOUND);
        for at in [0, 100, 130, 300, 511] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(unpacked(&changed).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn every_file_goes_where_the_configuration_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, &std::collections::BTreeMap::new()).unwrap().config;
        config.data_dir = folder.path().join("data");
        config.database = folder.path().join("elsewhere.db");
        config.srs.secrets_file = folder.path().join("my.secrets");
        let stage = config.data_dir.join(STAGE);
        for name in FOLDERS {
            super::folder(&stage.join(name)).unwrap();
        }
        let old = config.data_dir.join("spool/old");
        super::folder(&config.data_dir.join("spool")).unwrap();
        fs::write(&old, "old").unwrap();
        for name in ["waypost.db", "activity.db", "srs.secrets", "tls/key.pem", "acme/gw.example.pem", LETTER] {
            fs::write(stage.join(name), name).unwrap();
        }
        fs::write(&config.database, "old").unwrap();
        fs::write(folder.path().join("elsewhere.db-wal"), "old").unwrap();
        put_in_place(&config, &stage, &Files::of(&config).existing()).unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(config.database.clone()), "waypost.db");
        assert_eq!(read(config.srs.secrets_file.clone()), "srs.secrets");
        for name in ["tls/key.pem", "acme/gw.example.pem"] {
            assert_eq!(read(config.data_dir.join(name)), name);
        }
        assert_eq!(read(config.data_dir.join(LETTER)), LETTER);
        assert!(!folder.path().join("elsewhere.db-wal").exists() && !old.exists());
        assert!(!stage.exists() && !config.data_dir.join(BEFORE).exists());
    }
}
