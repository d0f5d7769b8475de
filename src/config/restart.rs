//! Which settings count only after a restart: a running gateway holds on to them. All others are renewed by SIGHUP.

use super::Config;

type Differs = fn(&Config, &Config) -> bool;

/// Each key (of which only a part may be meant), and how it is told that it has changed.
const AFTER_RESTART: &[(&str, Differs)] = &[
    ("hostname (in the certificate, and towards SPF)", |old, new| old.hostname != new.hostname),
    ("data_dir", |old, new| old.data_dir != new.data_dir),
    ("database.url", |old, new| old.database != new.database),
    ("smtp.listen", |old, new| old.smtp.listen != new.smtp.listen),
    ("smtp.tls_certificate", |old, new| old.smtp.tls_files != new.smtp.tls_files),
    ("http.listen", |old, new| old.http.listen != new.http.listen),
    ("http.https_listen", |old, new| old.http.https_listen != new.http.https_listen),
    ("http.http_redirect_listen", |old, new| old.http.http_redirect_listen != new.http.http_redirect_listen),
    ("http.metrics_listen", |old, new| old.http.metrics_listen != new.http.metrics_listen),
    ("http.public_url", |old, new| old.http.public_url != new.http.public_url),
    ("http.allowed_hosts", |old, new| old.http.allowed_hosts != new.http.allowed_hosts),
    ("http.trusted_proxies", |old, new| old.http.trusted_proxies != new.http.trusted_proxies),
    ("[tls]", |old, new| old.acme != new.acme),
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
