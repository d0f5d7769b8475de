//! The names of the files in a backup: what is written into one is what is restored from one.

use uuid::Uuid;

use crate::admin::RELAY_PASSWORD_FILE;

/// What every backup has.
pub const PARTS: [&str; 3] = ["waypost.db", "activity.db", "srs.secrets"];
/// What certificates and their keys are in.
pub const OF_CERTIFICATES: [&str; 2] = ["tls", "acme"];
/// These, and the octets of large messages that wait.
pub const FOLDERS: [&str; 3] = ["tls", "acme", "spool"];

/// Whether a file of this name belongs in a backup.
#[must_use]
pub fn belongs(name: &str) -> bool {
    PARTS.contains(&name) || name == RELAY_PASSWORD_FILE || is_certificate(name) || is_message(name)
}

/// `tls/NAME` or `acme/NAME`, where the name is one that stays in the folder.
fn is_certificate(name: &str) -> bool {
    let stays =
        |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', char::REPLACEMENT_CHARACTER]);
    let plain = |name: &str| stays(name) && !name.contains(char::is_control);
    name.split_once('/').is_some_and(|(folder, name)| OF_CERTIFICATES.contains(&folder) && plain(name))
}

/// `spool/UUID`: the octets of a large message that waits.
fn is_message(name: &str) -> bool {
    name.strip_prefix("spool/").is_some_and(|name| Uuid::try_parse(name).is_ok_and(|id| id.to_string() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_name_a_certificate_belongs_and_what_leads_elsewhere_does_not() {
        for name in ["waypost.db", "relay.password", "tls/my cert.pem", "tls/sélf.pem", "acme/x@y.pem~"] {
            assert!(belongs(name), "{name}");
        }
        for name in [
            "../evil",
            "tls/../evil",
            "tls/.hidden",
            "tls/a/b",
            "tls/",
            "tls/a\nb",
            "tls/\u{fffd}",
            "spool/letter",
            "x",
        ] {
            assert!(!belongs(name), "{name}");
        }
    }
}
