//! The account with the CA: made once for each directory, its key kept beside the certificates.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use instant_acme::{Account, AccountBuilder, AccountCredentials, NewAccount};

use super::super::files;
use super::Settings;
use super::transport::Transport;
use crate::net::fetch::Fetcher;

/// How the URL of a directory usually ends.
const USUAL_PATH: &str = "/directory";

/// Opens the account of an earlier start, or makes one.
pub(super) async fn open(settings: &Settings, fetcher: &Fetcher) -> anyhow::Result<Account> {
    let name = file_name(&settings.directory);
    match kept(&settings.folder, &name)? {
        Some(credentials) => Ok(builder(fetcher).from_credentials(credentials).await?),
        None => make(settings, fetcher).await,
    }
}

/// Makes one, in place of one that the CA does not know any more: that is kept until there is another.
pub(super) async fn make(settings: &Settings, fetcher: &Fetcher) -> anyhow::Result<Account> {
    let contact = settings.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount {
        contact: &contact,
        // `tls.acme = "on"` is the owner's word; the configuration says so.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder(fetcher).create(&wanted, settings.directory.clone(), None).await?;
    let written = serde_json::to_vec(&credentials)?;
    let name = file_name(&settings.directory);
    files::keep(&settings.folder, &name, &written).context("the ACME account's key cannot be kept")?;
    tracing::info!(directory = %settings.directory, account = account.id(), "made an ACME account");
    Ok(account)
}

fn builder(fetcher: &Fetcher) -> AccountBuilder {
    Account::builder_with_http(Box::new(Transport(fetcher.clone())))
}

fn kept(folder: &Path, name: &str) -> anyhow::Result<Option<AccountCredentials>> {
    match fs::read(folder.join(name)) {
        Ok(octets) => {
            let unusable = || format!("the ACME account in {} cannot be used", folder.join(name).display());
            serde_json::from_slice(&octets).map(Some).with_context(unusable)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", folder.join(name).display())),
    }
}

/// One file for each directory: what another one calls an account is nothing to this one, be it of the same host. The
/// usual one, where a CA has no other, is named by its host alone.
fn file_name(directory: &str) -> String {
    let place = directory.split("://").nth(1).unwrap_or(directory);
    let place = place.strip_suffix(USUAL_PATH).unwrap_or(place);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    format!("account.{}.json", place.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ca_has_a_file_of_its_own() {
        assert_eq!(file_name("https://acme.example/directory"), "account.acme.example.json");
        assert_eq!(file_name("https://[::1]:14000/dir"), "account.---1--14000-dir.json");
        assert_eq!(file_name("https://ca.example/acme/one/directory"), "account.ca.example-acme-one.json");
        assert_eq!(file_name("https://ca.example/acme/two/directory"), "account.ca.example-acme-two.json");
    }
}
