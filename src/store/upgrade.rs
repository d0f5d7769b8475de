//! Before a release changes a database of an earlier one, it leaves a copy of it beside: going back is then renaming a
//! file. One such copy is kept, the last.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;

use super::{Result, StoreError};

/// Nobody else on this machine reads mail.
const FILE_MODE: u32 = 0o600;
/// What the name of a copy ends with, before the number of the last migration that it has.
const COPY: &str = ".before-upgrade-";
const UNFINISHED: &str = ".unfinished";

const HAS_VERSION: &str = "select count(*) from sqlite_schema where name = '_sqlx_migrations'";
const VERSION: &str = "select max(version) from _sqlx_migrations";

/// Copies a database that `migrations` are about to change; whether they are. Refuses one of a newer release.
pub(super) async fn keep_before(path: &Path, connection: &mut SqliteConnection, migrations: &Migrator) -> Result<bool> {
    let newest = migrations.iter().map(|migration| migration.version).max();
    let Some(version) = version(connection).await? else { return Ok(false) };
    if Some(version) > newest {
        return Err(StoreError::Newer(path.to_owned()));
    }
    if Some(version) == newest {
        return Ok(false);
    }
    let copy = beside(path, &format!("{COPY}{version}"));
    tracing::info!(file = %path.display(), copy = %copy.display(), "an earlier release's database is upgraded");
    let unfinished = beside(&copy, UNFINISHED);
    make_empty(&unfinished).map_err(|error| unwell(&unfinished, &error))?;
    let to = unfinished.to_str().ok_or_else(|| StoreError::Invalid("the path is not UTF-8".to_owned()))?;
    sqlx::query("vacuum into ?1").bind(to).execute(connection).await?;
    finish(&unfinished, &copy).map_err(|error| unwell(&copy, &error))?;
    Ok(true)
}

/// The number of the last migration; none for a file that is new.
async fn version(connection: &mut SqliteConnection) -> Result<Option<i64>> {
    let tables: i64 = sqlx::query_scalar(HAS_VERSION).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    Ok(sqlx::query_scalar(VERSION).fetch_one(connection).await?)
}

/// SQLite copies into a file that is empty, with the rights that it has.
fn make_empty(path: &Path) -> io::Result<()> {
    let opened = File::options().write(true).create(true).truncate(true).mode(FILE_MODE).open(path);
    opened.map(drop)
}

/// The copy gets its name when it is whole on the disk, and those of earlier upgrades go.
fn finish(unfinished: &Path, copy: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    std::fs::rename(unfinished, copy)?;
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    for earlier in earlier_copies(folder, copy)? {
        std::fs::remove_file(earlier)?;
    }
    Ok(())
}

fn earlier_copies(folder: &Path, copy: &Path) -> io::Result<Vec<PathBuf>> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let kept = name(copy);
    let stem = kept.rfind(COPY).map_or(kept.as_str(), |at| &kept[..at + COPY.len()]);
    let is_earlier = |path: &PathBuf| {
        let name = name(path);
        let version = name.strip_prefix(stem).unwrap_or_default();
        !version.is_empty() && version.chars().all(|c| c.is_ascii_digit()) && name != kept
    };
    let entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(is_earlier).collect())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn unwell(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unwell(format!("{}: {error}", path.display()))
}
