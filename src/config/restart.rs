//! Which settings count only after a restart: a running gateway holds on to them. All others are renewed by SIGHUP.

use std::path::{Path, PathBuf};

use super::{Acme, Config};

type Differs = fn(&Config, &Config) -> bool;

/// Each key (of which only a part may be meant), and how it is told that it has changed.
const AFTER_RESTART: &[(&str, Differs)] = &[
    ("hostname (in the certificate and the panel's address; mail has the new name at once)", |old, new| {
        old.hostname != new.hostname
    }),
    ("data_dir", |old, new| old.data_dir != new.data_dir),
    ("database.url", |old, new| old.database != new.database),
    ("smtp.listen", |old, new| old.smtp.listen != new.smtp.listen),
    ("smtp.tls_certificate", |old, new| tls_file(old, |(chain, _)| chain) != tls_file(new, |(chain, _)| chain)),
    ("smtp.tls_key", |old, new| tls_file(old, |(_, key)| key) != tls_file(new, |(_, key)| key)),
    ("http.listen", |old, new| old.http.listen != new.http.listen),
    ("http.https_listen", |old, new| old.http.https_listen != new.http.https_listen),
    ("http.http_redirect_listen", |old, new| old.http.http_redirect_listen != new.http.http_redirect_listen),
    ("http.metrics_listen", |old, new| old.http.metrics_listen != new.http.metrics_listen),
    ("http.public_url", |old, new| old.http.public_url != new.http.public_url),
    ("http.allowed_hosts", |old, new| old.http.allowed_hosts != new.http.allowed_hosts),
    ("http.trusted_proxies", |old, new| old.http.trusted_proxies != new.http.trusted_proxies),
    ("tls.acme", |old, new| old.acme.is_some() != new.acme.is_some()),
    ("tls.acme_directory", |old, new| acme_differs(old, new, |acme| &acme.directory)),
    ("tls.acme_email", |old, new| acme_differs(old, new, |acme| &acme.email)),
    ("tls.acme_names", |old, new| acme_differs(old, new, |acme| &acme.names)),
    ("tls.acme_root", |old, new| acme_differs(old, new, |acme| &acme.root)),
    ("dns.servers", |old, new| old.dns_servers != new.dns_servers),
    ("dns.timeout", |old, new| old.dns_timeout != new.dns_timeout),
    ("backup.dir", |old, new| old.backup.dir != new.backup.dir),
    ("backup.every", |old, new| old.backup.every != new.backup.every),
    ("backup.keep", |old, new| old.backup.keep != new.backup.keep),
    ("log.retention", |old, new| old.log.retention != new.log.retention),
    ("log.max_bytes", |old, new| old.log.max_bytes != new.log.max_bytes),
    ("log.format", |old, new| old.log.json != new.log.json),
    ("log.level", |old, new| old.log.level != new.log.level),
];

impl Config {
    /// Whether a gateway that was started with `self` goes on with its value of a key, where `new` has another.
    pub(super) fn is_held(&self, key: &str, new: &Self) -> bool {
        AFTER_RESTART.iter().any(|(named, differs)| named.split(' ').next() == Some(key) && differs(self, new))
    }

    /// The keys that `new` changes and that a gateway which runs with `self` goes on without.
    #[must_use]
    pub fn left_for_restart(&self, new: &Self) -> Vec<&'static str> {
        AFTER_RESTART.iter().filter(|(_, differs)| differs(self, new)).map(|(key, _)| *key).collect()
    }
}

/// Whether a key counts after a restart only.
pub(super) fn is_after_restart(key: &str) -> bool {
    AFTER_RESTART.iter().any(|(named, _)| named.split(' ').next() == Some(key))
}

/// The path of one of the two: what stands in the files is read again when it changes.
fn tls_file(config: &Config, part: impl Fn(&(PathBuf, PathBuf)) -> &PathBuf) -> Option<&Path> {
    config.smtp.tls_files.as_ref().map(|files| part(files).as_path())
}

/// Whether certificates by ACME are ordered in another way; whether they are at all is `tls.acme`'s.
fn acme_differs<T: PartialEq>(old: &Config, new: &Config, part: impl Fn(&Acme) -> &T) -> bool {
    old.acme.as_ref().zip(new.acme.as_ref()).is_some_and(|(old, new)| part(old) != part(new))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::keys;

    fn load(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(key, value)| (format!("WAYPOST_{key}"), (*value).to_owned()));
        Config::load(None, &environment.collect::<BTreeMap<_, _>>()).unwrap().config
    }

    #[test]
    fn what_counts_after_a_restart_is_a_key_each() {
        for (named, _) in AFTER_RESTART {
            let key = named.split(' ').next().unwrap();
            assert!(keys::find(key).is_some() && is_after_restart(key), "{named}");
        }
    }

    #[test]
    fn of_two_files_the_one_is_told_whose_path_has_changed() {
        let files = |chain, key| load(&[("SMTP__TLS_CERTIFICATE", chain), ("SMTP__TLS_KEY", key)]);
        let (old, none) = (files("a.pem", "a.key"), load(&[]));
        assert_eq!(old.left_for_restart(&files("a.pem", "b.key")), ["smtp.tls_key"]);
        assert_eq!(old.left_for_restart(&none), ["smtp.tls_certificate", "smtp.tls_key"]);
        assert_eq!(old.left_for_restart(&old.clone()), [""; 0]);
    }

    #[test]
    fn of_acme_what_has_changed_is_told() {
        let acme = |email| load(&[("TLS__ACME", "on"), ("HOSTNAME", "mx.my.example"), ("TLS__ACME_EMAIL", email)]);
        assert_eq!(acme("a@my.example").left_for_restart(&acme("b@my.example")), ["tls.acme_email"]);
        let off = load(&[("HOSTNAME", "mx.my.example")]);
        assert_eq!(acme("a@my.example").left_for_restart(&off), ["tls.acme"]);
    }
}
