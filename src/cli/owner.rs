//! Whose the data are: the folder's owner alone works on it, so that no file of the gateway ever belongs to somebody else.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::Config;

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
    fn data_of_another_user_are_left_alone() {
        let ours = tempfile::tempdir().unwrap();
        require_owner(&config_in(ours.path())).unwrap();
        require_owner(&config_in(&ours.path().join("not there yet"))).unwrap();
        let error = not_ours(&config_in(Path::new("/proc/1"))).to_string();
        assert!(error.starts_with("/proc/1 belongs to root; run: sudo -u root waypost"), "{error}");
    }

    #[test]
    fn an_owner_without_a_name_is_told_by_number() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(u32::MAX - 7), "#4294967288");
    }

    #[test]
    fn arguments_are_quoted_for_the_shell() {
        assert_eq!(shell_word("shop@my.domain"), "shop@my.domain");
        assert_eq!(shell_word("it's *"), r"'it'\''s *'");
    }
}
