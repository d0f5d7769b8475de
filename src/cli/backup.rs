//! `waypost backup`: everything that a new machine needs, in one file: rules, accounts, log and secrets; consistent while the
//! gateway serves.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::Method;
use indicatif::ProgressBar;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::api::{Api, Call};
use super::progress;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::facts::outside::room_at;
use crate::policy::checkup::DiskFacts;

/// It has every secret in it.
const MODE: u32 = 0o600;

/// What is said of what is in it and what is not.
const SECRETS: &str = "It holds the gateway's secrets: keep it as one. Not in it are the configuration and the files that \
                       this names, as a relay's password or a certificate of your own.";

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
        let output = std::io::stdout().as_fd().try_clone_to_owned().context("standard output cannot be written")?;
        return copy(begin(api, call).await?, &mut File::from_std(output.into()), || Ok(())).await.map(drop);
    }
    let free = backup.replace || !backup.file.try_exists().unwrap_or(true);
    ensure!(free, "{} is there already; --replace writes the backup in its place", backup.file.display());
    let partial = Partial::of(&backup.file);
    let octets = partial.write(begin(api, call).await?).await?;
    partial.become_whole(&backup.file)?;
    eprintln!("{octets} octets are in {}. {SECRETS}", backup.file.display());
    Ok(())
}

/// A backup on its way, and how far it is.
struct Coming {
    body: Body,
    bar: ProgressBar,
}

async fn begin(api: &Api, call: Call<'_>) -> anyhow::Result<Coming> {
    let bar = progress::waiting("the databases are copied");
    let body = api.send(call, Body::empty()).await?.into_body();
    progress::count_octets(&bar, "the backup is written:");
    Ok(Coming { body, bar })
}

/// What is there of the file, under a name of its own beside it; gone when dropped, unless it has become whole.
struct Partial(PathBuf);

impl Partial {
    fn of(file: &Path) -> Self {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", Chance::system().id(Clock::system().now())));
        Self(file.with_file_name(name))
    }

    async fn write(&self, backup: Coming) -> anyhow::Result<u64> {
        let unfinished = || format!("{} cannot be written", self.0.display());
        let opened = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&self.0).await;
        let mut file = opened.with_context(unfinished)?;
        let octets = copy(backup, &mut file, || keep_room(&self.0)).await?;
        file.sync_all().await.with_context(unfinished)?;
        Ok(octets)
    }

    fn become_whole(&self, file: &Path) -> anyhow::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let renamed = fs::rename(&self.0, file).and_then(|()| fs::File::open(folder)?.sync_all());
        renamed.with_context(|| format!("{} cannot be written", file.display()))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Once it is whole, nothing is there under this name any more.
        let _gone = fs::remove_file(&self.0);
    }
}

/// Mail comes first, which may be on the same disk.
fn keep_room(file: &Path) -> anyhow::Result<()> {
    let disk = room_at(file).filter(DiskFacts::is_refusing);
    disk.map_or(Ok(()), |disk| {
        bail!("the disk has {} MiB free, which are kept for mail: make room first", disk.free >> 20)
    })
}

async fn copy(
    Coming { mut body, bar }: Coming,
    to: &mut (impl AsyncWrite + Unpin),
    may_go_on: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut octets = 0;
    while let Some(frame) = body.frame().await {
        may_go_on()?;
        let frame = frame.map_err(|error| anyhow::anyhow!("the backup broke off: {error}"))?;
        let Some(data) = frame.data_ref() else { continue };
        to.write_all(data).await.context("the backup cannot be written")?;
        octets += data.len() as u64;
        bar.set_position(octets);
    }
    to.flush().await.context("the backup cannot be written")?;
    bar.finish_and_clear();
    Ok(octets)
}
