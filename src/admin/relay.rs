//! The password at the relay, as it is set in the panel: kept in a file of its own beside the databases (0600), so that it
//! stands in no list of settings, no audit row and no copy of the database alone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::settings::SettingPlace;
use super::{Admin, AdminError, Fault, Result};

/// The file, in the data directory.
pub const RELAY_PASSWORD_FILE: &str = "relay.password";
/// The field of a change that has it.
pub(super) const RELAY_PASSWORD: &str = "delivery.relay_password";
/// The setting that it goes with.
pub(super) const RELAY_USERNAME: &str = "delivery.relay_username";
/// Octets of a password.
const MAX_OCTETS: usize = 1024;

impl Admin {
    /// Why a password cannot be kept.
    pub(super) fn refused_relay_password(&self, password: Option<&Value>) -> Option<Fault> {
        let fault = |why: &str| Some(Fault::new(RELAY_PASSWORD, why));
        match password? {
            Value::Null => None,
            Value::String(text) if text.len() > MAX_OCTETS => fault("this is longer than any password"),
            Value::String(text) if text.is_empty() || text.chars().any(char::is_control) => {
                fault("write the password that the relay gave you, on one line")
            }
            Value::String(_) => self.is_from_elsewhere().then(|| {
                Fault::new(
                    RELAY_PASSWORD,
                    "the sign-in is set in the configuration file or the environment: change it there",
                )
            }),
            _ => fault("write a text"),
        }
    }

    fn is_from_elsewhere(&self) -> bool {
        let is_set = |place| matches!(place, SettingPlace::File | SettingPlace::Environment);
        let of_relay = [RELAY_USERNAME, "delivery.relay_password_file"];
        self.settings.list().iter().any(|setting| of_relay.contains(&setting.key) && is_set(setting.place))
    }

    /// Keeps a new password; without a name to go with, there is none to keep.
    pub(super) async fn keep_relay_password(&self, new: Option<&str>, has_name: bool) -> Result<()> {
        let folder = self.outside.settings.data_dir.clone();
        let path = folder.join(RELAY_PASSWORD_FILE);
        if has_name && new.is_none() {
            let is_there = tokio::fs::try_exists(&path).await.unwrap_or(false) || self.is_from_elsewhere();
            let missing = || AdminError::field(RELAY_PASSWORD, "write the password that goes with the name");
            return if is_there { Ok(()) } else { Err(missing()) };
        }
        if !has_name && new.is_some() {
            return Err(AdminError::field(RELAY_USERNAME, "write the name that goes with the password"));
        }
        let text = new.map(|text| format!("{text}\n"));
        let kept = tokio::task::spawn_blocking(move || match text {
            Some(text) => write(&folder, &text),
            None => forget(&path),
        });
        match kept.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(AdminError::Conflict(format!("The password cannot be kept: {error}."))),
            Err(_) => Err(AdminError::Unwell),
        }
    }
}

/// Written beside and put in place, so that a connection finds the old one or the new one.
fn write(folder: &Path, text: &str) -> io::Result<()> {
    let draft = folder.join(format!("{RELAY_PASSWORD_FILE}.new"));
    forget(&draft)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(RELAY_PASSWORD_FILE))
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_is_kept_for_us_alone_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RELAY_PASSWORD_FILE);
        for text in ["one\n", "another\n"] {
            write(folder.path(), text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        forget(&path).unwrap();
        forget(&path).unwrap();
        assert!(!path.exists());
    }
}
