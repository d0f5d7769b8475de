//! Who works on the data: a gateway or another command holds `<data_dir>/lock`, and the folder has an owner whom alone we
//! let work on it, so that no file of the gateway ever belongs to somebody else.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::config::Config;

/// How long a command waits for another one's lock.
pub(super) const WAIT: Duration = Duration::from_secs(30);
/// How often it looks again.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Whether somebody holds the lock now.
pub(super) fn is_held(config: &Config) -> anyhow::Result<bool> {
    let path = config.lock_file();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(not_ours(config)),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be opened", path.display())),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

/// What the holder wrote about itself.
pub(super) fn holder(config: &Config) -> String {
    let text = std::fs::read_to_string(config.lock_file()).unwrap_or_default();
    match text.trim() {
        "" => "another process".to_owned(),
        pid if pid.bytes().all(|octet| octet.is_ascii_digit()) => format!("process {pid}"),
        words => words.lines().next().unwrap_or_default().to_owned(),
    }
}

/// Takes the lock for ourselves, waiting for another command.
pub(super) async fn take(config: &Config) -> anyhow::Result<File> {
    let path = config.lock_file();
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.with_context(|| format!("{} cannot be opened", path.display()))?;
    let attempt = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    };
    match tokio::time::timeout(WAIT, attempt).await {
        Ok(taken) => taken.with_context(|| format!("{} cannot be locked", path.display()))?,
        Err(_) => bail!("{} is in use by {}; stop it first", config.data_dir.display(), holder(config)),
    }
    Ok(file)
}

/// Refuses to work on data that belong to another user; names the command that would do.
pub(super) fn require_owner(config: &Config) -> anyhow::Result<()> {
    match owner_of(&config.data_dir) {
        Some(owner) if owner != rustix::process::geteuid().as_raw() => Err(not_ours(config)),
        Some(_) | None => Ok(()),
    }
}

/// The error for data of another user.
pub(super) fn not_ours(config: &Config) -> anyhow::Error {
    let arguments: Vec<String> = std::env::args().skip(1).map(|argument| shell_word(&argument)).collect();
    let owner = owner_of(&config.data_dir).map_or_else(|| "OWNER".to_owned(), user_name);
    let folder = config.data_dir.display();
    anyhow::anyhow!("{folder} belongs to {owner}; run: sudo -u {owner} waypost {}", arguments.join(" "))
}

fn owner_of(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|metadata| metadata.uid())
}

/// The name of a user as /etc/passwd knows it, else `#uid`, which sudo takes too.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is_theirs = |line: &&str| line.split(':').nth(2) == Some(&uid.to_string());
    let name = users.lines().find(is_theirs).and_then(|line| line.split(':').next());
    name.map_or_else(|| format!("#{uid}"), str::to_owned)
}

/// An argument as a shell must be given it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@=:,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_in(folder: &Path) -> Config {
        let mut config = Config::load(None, &std::collections::BTreeMap::new()).unwrap().config;
        folder.clone_into(&mut config.data_dir);
        config
    }

    #[test]
    fn a_lock_shows_and_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_in(folder.path());
        assert!(!is_held(&config).unwrap());
        let file = File::create(config.lock_file()).unwrap();
        file.lock().unwrap();
        assert!(is_held(&config).unwrap());
        drop(file);
        assert!(!is_held(&config).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_in_vain_learns_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_in(folder.path());
        let file = File::create(config.lock_file()).unwrap();
        file.lock().unwrap();
        std::fs::write(config.lock_file(), "4711\n").unwrap();
        let error = take(&config).await.unwrap_err().to_string();
        assert_eq!(error, format!("{} is in use by process 4711; stop it first", folder.path().display()));
    }

    #[test]
    fn data_of_another_user_are_left_alone() {
        let ours = tempfile::tempdir().unwrap();
        require_owner(&config_in(ours.path())).unwrap();
        require_owner(&config_in(&ours.path().join("not there yet"))).unwrap();
        if rustix::process::geteuid().as_raw() == 0 {
            std::os::unix::fs::chown(ours.path(), Some(1), None).unwrap();
            let error = require_owner(&config_in(ours.path())).unwrap_err().to_string();
            assert!(error.contains("belongs to daemon; run: sudo -u daemon waypost "), "{error}");
        }
    }

    #[test]
    fn arguments_are_quoted_for_the_shell() {
        assert_eq!(shell_word("shop@my.domain"), "shop@my.domain");
        assert_eq!(shell_word("it's *"), r"'it'\''s *'");
    }
}
