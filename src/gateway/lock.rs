//! `<data_dir>/lock`: one process at a time works on the data, and says who it is.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::clock::Clock;

/// A command's lock is waited for so long.
const WAIT_FOR_COMMAND: Duration = Duration::from_secs(30);
/// A gateway's lock is tried again for so long: it may be stopping, or somebody only looks whether it is held.
const WAIT_FOR_GATEWAY: Duration = Duration::from_secs(1);
/// How often it is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// What holds the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// `waypost serve`.
    Gateway,
    /// Another command, for a moment.
    Command,
}

impl Holder {
    const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Command => "command",
        }
    }
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock; waits for a command that holds it, and names the gateway that holds it.
    pub async fn take(data_dir: &Path, holder: Holder) -> anyhow::Result<Self> {
        let path = data_dir.join("lock");
        let mut waited = Duration::ZERO;
        loop {
            match try_take(&path, holder)? {
                Ok(lock) => return Ok(lock),
                Err(other) if waited < patience_with(&other) => {
                    tokio::time::sleep(TRY_EVERY).await;
                    waited += TRY_EVERY;
                }
                Err(other) => {
                    bail!(
                        "{} is in use by a running {other}: stop that one first (SIGTERM), or choose another data_dir",
                        data_dir.display()
                    )
                }
            }
        }
    }
}

fn patience_with(other: &str) -> Duration {
    if other.starts_with(Holder::Command.word()) { WAIT_FOR_COMMAND } else { WAIT_FOR_GATEWAY }
}

/// The lock, or who holds it.
fn try_take(path: &PathBuf, holder: Holder) -> anyhow::Result<Result<DataLock, String>> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut other = String::new();
            file.read_to_string(&mut other)?;
            let other = other.trim();
            return Ok(Err(if other.is_empty() { "command (starting)".to_owned() } else { other.to_owned() }));
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    let since = Clock::system().now().rfc3339();
    writeln!(file, "{} (process {}, since {since})", holder.word(), std::process::id())?;
    Ok(Ok(DataLock { _file: file }))
}

/// Whether a gateway holds the data now (then commands go through its control socket).
#[must_use]
pub fn gateway_runs(data_dir: &Path) -> bool {
    let path = data_dir.join("lock");
    let Ok(mut file) = File::open(&path) else { return false };
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return false;
    }
    let mut holder = String::new();
    file.read_to_string(&mut holder).is_ok() && holder.starts_with(Holder::Gateway.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_gateway_hears_who_holds_the_data() {
        let data = tempfile::tempdir().unwrap();
        let held = DataLock::take(data.path(), Holder::Gateway).await.unwrap();
        assert!(gateway_runs(data.path()));
        let refused = DataLock::take(data.path(), Holder::Gateway).await.unwrap_err().to_string();
        let says = format!("is in use by a running gateway (process {}, since 20", std::process::id());
        assert!(
            refused.contains(&says) && refused.ends_with("stop that one first (SIGTERM), or choose another data_dir")
        );
        drop(held);
        assert!(!gateway_runs(data.path()));
        DataLock::take(data.path(), Holder::Command).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_is_waited_for() {
        let data = tempfile::tempdir().unwrap();
        let held = DataLock::take(data.path(), Holder::Command).await.unwrap();
        let waiting = DataLock::take(data.path(), Holder::Gateway);
        let (taken, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(held);
        });
        taken.unwrap();
    }
}
