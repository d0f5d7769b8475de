//! `waypost restore`: makes the data folder what a backup says. It acts itself, under the lock: unpacks beside the data, opens
//! the databases there (which checks and migrates them), holds whatever waits, ends what the log says is waiting and the
//! backup has not, and only then has the data of before make room.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use uuid::Uuid;

use super::{owner, progress};
use crate::admin::backup_names::{self, FOLDERS, PARTS};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{DataLock, Holder, Places, make_file, make_folder};
use crate::policy::status::Status;
use crate::store::activity::Progress;
use crate::store::{Settings, Store, StoreError};

/// What is said of mail that waited and is not in the backup.
const GONE: &str = "it waited when a backup without the queue was made, which was restored here: what the gateway of before \
                    did with it is not known, and there is nothing left to deliver";
/// Deliveries that are held at a time.
const BATCH: u32 = 500;

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// What `waypost backup` wrote
    file: PathBuf,
    /// In place of the data that are there, which are kept beside
    #[arg(long)]
    replace: bool,
}

pub(super) async fn run(restore: &Restore, config: &Config) -> anyhow::Result<()> {
    owner::require_owner(config)?;
    make_folder(&config.data_dir)?;
    let _held = DataLock::take(&config.data_dir, Holder::Command).await?;
    let places = Places::of(config);
    tell_kept(&places.finish().context("an earlier restore was cut short, and cannot be finished")?);
    if let Some(first) = places.taken()?.first().filter(|_| !restore.replace) {
        bail!("{} is there already; --replace puts the backup in place of all data", first.display());
    }
    let Left { held, gone } = match prepare(&restore.file, &places.stage()).await {
        Err(error) => return places.give_up().and(Err(error)),
        Ok(left) => left,
    };
    tell_kept(&places.replace()?);
    eprintln!("{} is restored from {}.", config.data_dir.display(), restore.file.display());
    if held > 0 {
        let messages = if held == 1 { "1 message that waited is" } else { &format!("{held} messages that waited are") };
        eprintln!("{messages} held; `waypost queue list` shows them, `waypost queue release --all` lets them go.");
    }
    if gone > 0 {
        let messages = if gone == 1 { "1 message".to_owned() } else { format!("{gone} messages") };
        let (are, them) = if gone == 1 { ("is", "it") } else { ("are", "them") };
        eprintln!(
            "{messages} waited at the time of the backup and {are} not in it; the log shows {them} as cancelled."
        );
    }
    Ok(())
}

fn tell_kept(folders: &[PathBuf]) {
    for folder in folders {
        let folder = folder.display();
        eprintln!(
            "The earlier data, with the mail that waited in them, are in {folder}: remove it when you miss nothing."
        );
    }
}

async fn prepare(file: &Path, stage: &Path) -> anyhow::Result<Left> {
    unpack(file, stage)?;
    let bar = progress::waiting("the databases are opened and checked");
    let left = settle(stage).await;
    bar.finish_and_clear();
    left
}

fn unpack(file: &Path, stage: &Path) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be restored", file.display());
    let from = File::open(file).with_context(cannot)?;
    let bar = progress::octets(from.metadata().map_or(0, |file| file.len()), "unpacking");
    let mut archive = tar::Archive::new(bar.wrap_read(BufReader::new(from)));
    for name in FOLDERS {
        make_folder(&stage.join(name))?;
    }
    for entry in archive.entries().with_context(cannot)? {
        let mut entry =
            entry.map_err(|error| anyhow!("{}: it is nothing that waypost backup wrote ({error})", cannot()))?;
        unpack_file(&mut entry, stage).with_context(cannot)?;
    }
    bar.finish_and_clear();
    match PARTS.into_iter().find(|part| !stage.join(part).exists()) {
        Some(part) => bail!("{}: {part} is not in it, so this is no backup", cannot()),
        None => Ok(()),
    }
}

fn unpack_file(entry: &mut tar::Entry<'_, impl Read>, stage: &Path) -> anyhow::Result<()> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let is_file = entry.header().entry_type().is_file();
    ensure!(backup_names::belongs(&name) && is_file, "{name:?} does not belong in a backup");
    let mut out = make_file(&stage.join(&name))?;
    ensure!(std::io::copy(entry, &mut out)? == entry.size(), "it is cut off within {name}");
    Ok(())
}

/// What waited at the time of the backup: how much of it is held now, and how much is not there any more.
struct Left {
    held: usize,
    gone: usize,
}

async fn settle(stage: &Path) -> anyhow::Result<Left> {
    let settings = Settings { data_dir: stage.to_owned(), database: stage.join("waypost.db") };
    let store = Store::open(settings, Clock::system(), Chance::system()).await.map_err(|error| match error {
        StoreError::Newer(_) => anyhow!("the backup is of a newer Waypost: restore it with that one"),
        other => anyhow!(other).context("the backup's databases do not open"),
    })?;
    let left = async { anyhow::Ok(Left { held: hold_rows(&store).await?, gone: store.end_lost(GONE).await? }) }.await;
    store.close().await;
    let left = left?;
    // Journals stay behind: what is not in the databases yet would be lost with them.
    for journal in ["waypost.db-wal", "activity.db-wal"] {
        let octets = fs::metadata(stage.join(journal)).map_or(0, |journal| journal.len());
        ensure!(octets == 0, "{journal} could not be written back into its database");
    }
    Ok(left)
}

/// What waited may have been delivered since: nothing goes out before a person says so.
async fn hold_rows(store: &Store) -> anyhow::Result<usize> {
    // Who was delivering at the time of the backup is not here.
    let now = Clock::system().now();
    store.queue.lapse_all(now).await?;
    let (mut cursor, mut held) = (None, 0);
    loop {
        let rows = store.queue.list(None, cursor, BATCH).await?;
        let waiting: Vec<Uuid> = rows.iter().filter(|row| row.state == "due").map(|row| row.id).collect();
        for id in &waiting {
            store.queue.hold(*id, now).await?;
        }
        store.activity.progress(waiting.iter().copied().map(as_held).collect()).await?;
        held += waiting.len();
        match rows.last() {
            Some(last) => cursor = Some(last.id),
            None => return Ok(held),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::names_in;

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
        assert_eq!(names, [acme, "activity.db", LETTER, "srs.secrets", tls, "waypost.db"]);
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
}
