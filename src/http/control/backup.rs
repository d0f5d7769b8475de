//! `GET /control/backup?queue=`: one tar archive of both databases and all secrets, consistent while serving.
//!
//! The databases are copied beside themselves first (`VACUUM INTO`), since a tar header says the length of what follows;
//! and with the queue the files of large messages, which delivery would remove meanwhile.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc;

use crate::admin::RELAY_PASSWORD_FILE;
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::http::problem::Problem;

/// Pieces that wait for the reader.
const PIECES: usize = 8;
/// Octets of a piece.
const PIECE_OCTETS: usize = 64 * 1024;

/// Streams the archive.
pub(super) async fn stream(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    actor.must_be_admin("take a backup")?;
    let queue = ask.flag("queue")?.unwrap_or(false);
    let work = WorkDir::make(&site.settings.data_dir, &site.admin).map_err(|error| unwell(&error))?;
    site.admin.copy_databases(&actor, &work.0, queue).await?;
    let secrets = secrets(&site).map_err(|error| unwell(&error))?;
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = archive(&work, &secrets, Pieces { sender: sender.clone(), held: Vec::new() }) {
            let _ = sender.blocking_send(Err(error));
        }
    });
    let fields = [
        (header::CONTENT_TYPE, "application/x-tar"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"waypost-backup.tar\""),
    ];
    Ok((fields, pieces(receiver)).into_response())
}

fn pieces(receiver: mpsc::Receiver<io::Result<Bytes>>) -> Body {
    Body::from_stream(stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }))
}

/// Each file that is part of a backup, by its name in the archive; what does not exist is left out.
fn secrets(site: &Site) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut files = vec![(PathBuf::from("srs.secrets"), site.settings.srs_secrets.clone())];
    for name in ["tls", "acme"] {
        let folder = site.settings.data_dir.join(name);
        if folder.is_dir() {
            files.extend(names_in(&folder)?.into_iter().map(|file| (Path::new(name).join(&file), folder.join(&file))));
        }
    }
    files.push((PathBuf::from(RELAY_PASSWORD_FILE), site.settings.data_dir.join(RELAY_PASSWORD_FILE)));
    files.retain(|(_, path)| path.is_file());
    files.sort();
    Ok(files)
}

fn names_in(folder: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn archive(work: &WorkDir, secrets: &[(PathBuf, PathBuf)], out: Pieces) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    for name in ["waypost.db", "activity.db"] {
        tar.append_file(name, &mut File::open(work.0.join(name))?)?;
    }
    let spool = work.0.join("spool");
    for name in if spool.is_dir() { names_in(&spool)? } else { Vec::new() } {
        tar.append_file(Path::new("spool").join(&name), &mut File::open(spool.join(&name))?)?;
    }
    for (name, path) in secrets {
        tar.append_file(name, &mut File::open(path)?)?;
    }
    tar.into_inner()?.flush()
}

/// Hands what is written to the body, a piece at a time. A reader that has gone is an error, which ends the work.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    held: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(octets);
        if self.held.len() >= PIECE_OCTETS {
            self.flush()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.held));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// A directory of our own, for the copies; gone when dropped.
struct WorkDir(PathBuf);

impl WorkDir {
    fn make(data_dir: &Path, admin: &crate::admin::Admin) -> io::Result<Self> {
        let name = format!("backup-{}", admin.chance.id(admin.clock.now()));
        let path = data_dir.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the copies of a backup could not be removed");
        }
    }
}

fn unwell(error: &io::Error) -> Problem {
    tracing::error!(%error, "a backup failed");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("The backup cannot be put together: {error}."))
}
