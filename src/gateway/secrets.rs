//! The SRS secrets file: read, or made on first start (0600, one secret a line, the first signs).

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::chance::Chance;
use crate::config::Config;
use crate::srs::Ring;
use crate::store::Store;

/// Tells that the file is missing where it cannot be the first start, for there are domains already.
pub(super) async fn tell_if_gone(config: &Config, store: &Store) -> anyhow::Result<()> {
    let path = &config.srs.secrets_file;
    if !path.exists() && store.rules.sending_domain().await?.is_some() {
        let file = path.display();
        tracing::warn!(%file, "the SRS secrets are gone and are made anew: reports on mail of before find no way back");
    }
    Ok(())
}

/// Reads the ring, making the file when it is missing.
pub(super) fn ring(config: &Config, chance: &Chance) -> anyhow::Result<Ring> {
    let path = &config.srs.secrets_file;
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => make(path, chance)?,
        read => read.with_context(|| format!("cannot read the SRS secrets in {}", path.display()))?,
    };
    let secrets = Ring::parse_secrets(&text, config.srs.hash_length)
        .with_context(|| format!("{} holds no usable SRS secrets", path.display()))?;
    let max_age_days = config.srs.max_age.as_secs() / Duration::from_hours(24).as_secs();
    let max_age_days = i64::try_from(max_age_days).unwrap_or(i64::MAX);
    Ok(Ring { secrets, hash_length: config.srs.hash_length, max_age_days })
}

fn make(path: &Path, chance: &Chance) -> anyhow::Result<String> {
    let text = format!("{}\n", data_encoding::HEXLOWER.encode(&chance.token()));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make the SRS secrets in {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(text)
}
