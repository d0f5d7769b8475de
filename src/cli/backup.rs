//! `waypost backup`: everything that a new machine needs, in one file: rules, accounts, log and secrets; consistent while the
//! gateway serves.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use axum::body::Body;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::Method;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::api::{Api, Call};

/// It has every secret in it.
const MODE: u32 = 0o600;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write (a tar archive); - for standard output
    file: PathBuf,
    /// With the messages that wait; they come back held
    #[arg(long)]
    queue: bool,
    /// In place of the file that is there
    #[arg(long)]
    replace: bool,
}

pub(super) async fn run(backup: &Backup, api: &Api) -> anyhow::Result<()> {
    let path = if backup.queue { "/control/backup?queue=true" } else { "/control/backup" };
    let call = Call { method: &Method::GET, path, accept: "application/x-tar", content: super::api::JSON };
    if backup.file.as_os_str() == "-" {
        let body = api.send(call, Body::empty()).await?.into_body();
        let output = std::io::stdout().as_fd().try_clone_to_owned().context("standard output cannot be written")?;
        return copy(body, &mut File::from_std(output.into())).await.map(drop);
    }
    let free = backup.replace || !backup.file.try_exists().unwrap_or(true);
    ensure!(free, "{} is there already; --replace writes the backup in its place", backup.file.display());
    let partial = partial_name(&backup.file);
    let mut file = create(&partial).await?;
    let written = async {
        let body = api.send(call, Body::empty()).await?.into_body();
        let octets = copy(body, &mut file).await?;
        file.sync_all().await.with_context(|| format!("{} cannot be written", partial.display()))?;
        Ok::<u64, anyhow::Error>(octets)
    };
    match written.await {
        Ok(octets) => finish(&partial, &backup.file, octets).await,
        Err(error) => {
            // What is there of it is of no use; that it may stay behind is no second error.
            let _ = tokio::fs::remove_file(&partial).await;
            Err(error)
        }
    }
}

async fn finish(partial: &Path, file: &Path, octets: u64) -> anyhow::Result<()> {
    let unfinished = || format!("{} cannot be written", file.display());
    tokio::fs::rename(partial, file).await.with_context(unfinished)?;
    eprintln!("{octets} octets are in {}. It holds every secret: keep it as one.", file.display());
    Ok(())
}

fn partial_name(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    file.with_file_name(name)
}

async fn create(path: &Path) -> anyhow::Result<File> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path).await;
    opened.with_context(|| format!("{} cannot be written", path.display()))
}

async fn copy(mut body: Body, to: &mut (impl AsyncWrite + Unpin)) -> anyhow::Result<u64> {
    let mut octets = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| anyhow::anyhow!("the backup broke off: {error}"))?;
        let Some(data) = frame.data_ref() else { continue };
        to.write_all(data).await.context("the backup cannot be written")?;
        octets += data.len() as u64;
    }
    to.flush().await.context("the backup cannot be written")?;
    Ok(octets)
}
