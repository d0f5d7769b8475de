//! The configuration: the file as written, then settings as meant and checked, with the place of each value.
//!
//! `keys` is the table of all keys, `written` lays file and environment over their defaults (and `current` the panel beneath), `meant` makes settings of the
//! texts, which `reader` takes and `values` and `units` understand, `unbuilt` names what this version does not act on and
//! `restart` what a running gateway does not. A mistake is one line that says where and why, and nothing starts.

mod current;
mod keys;
mod meant;
mod reader;
mod restart;
mod unbuilt;
mod units;
mod values;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::mail::{Domain, Mailbox};
use crate::net::network::Networks;
use crate::net::own;
use crate::policy::checkup::KNOWN_BY;

pub use current::Current;
pub use unbuilt::is_not_acted_on;
pub(crate) use units::parse_span;
pub use written::{ConfigError, Place};

/// Where the file is looked for, after `--config` and the environment.
const USUAL_FILES: [&str; 2] = ["waypost.toml", "/etc/waypost/waypost.toml"];

/// The settings, and where they come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// As meant.
    pub config: Config,
    /// What was set and is not acted on; a line each.
    pub warnings: Vec<String>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// Who says where the data are: the place of that key, else the file that leaves it at its default; none where nobody has
    /// configured anything of it.
    #[must_use]
    pub fn data_named_by(&self) -> Option<String> {
        let places = ["database.url", "data_dir"].map(|key| &self.config.written.get(key).place);
        let set = places.into_iter().find(|place| **place != Place::Default).map(ToString::to_string);
        set.or_else(|| self.file.as_ref().map(|file| file.display().to_string()))
    }
}

/// One key with its value and the place that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `smtp.listen`, …
    pub key: &'static str,
    /// As the API shows it.
    pub value: serde_json::Value,
    /// As TOML writes it.
    pub written: String,
    /// The file's line, the variable, or the default.
    pub place: Place,
}

/// Settings as meant. Every default is the one of INTERFACES.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name in the greeting, EHLO and Received.
    pub hostname: Domain,
    /// Databases, spool, keys, certificates.
    pub data_dir: PathBuf,
    /// The file of `database.url`.
    pub database: PathBuf,
    /// `[smtp]`.
    pub smtp: Smtp,
    /// `[http]`.
    pub http: Http,
    /// `[tls]`, if it is on.
    pub acme: Option<Acme>,
    /// `[dns] servers`.
    pub dns_servers: Vec<SocketAddr>,
    /// `[dns] timeout`.
    pub dns_timeout: Duration,
    /// `[delivery]`.
    pub delivery: crate::delivery::Settings,
    /// How the outside is looked at; only tests change what no key says.
    pub outside: crate::facts::outside::Settings,
    /// How often certificate files are looked at; no key says so.
    pub certificates_every: Duration,
    /// When the records of domains are compared with DNS; no key says so.
    pub records_pace: crate::upkeep::Pace,
    /// When the doctor looks; no key says so.
    pub doctor_pace: crate::upkeep::Pace,
    /// What decisions read.
    pub instance: crate::policy::settings::Instance,
    /// `[delivery] direct_timeout`: from the dot to the end of direct attempts.
    pub direct_timeout: Duration,
    /// How long a reply to our final dot is waited for where the queue cannot be written; no key says so.
    pub after_dot_wait: Duration,
    /// `[queue] keep_failed`.
    pub keep_failed: Duration,
    /// `[queue] max_bytes_per_domain`.
    pub max_bytes_per_domain: u64,
    /// `[srs]`.
    pub srs: Srs,
    /// `[log]`.
    pub log: Log,
    /// `[backup]`.
    pub backup: crate::admin::BackupSettings,
    /// When it is looked whether one is due; no key says so.
    pub backup_pace: crate::upkeep::Pace,
    /// `[notify]`.
    pub notify: crate::admin::Notify,
    /// When notices are looked for; no key says so.
    pub notices_pace: crate::upkeep::Pace,
    /// What tells the time; none is the machine's. Only tests have another.
    pub clock: Option<crate::clock::Clock>,
    /// As written, for when the panel says otherwise.
    written: written::Written,
}

/// `[smtp]` as meant.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Listeners.
    pub listen: Vec<SocketAddr>,
    /// Certificate and key files.
    pub tls_files: Option<(PathBuf, PathBuf)>,
    /// SIZE.
    pub max_message_bytes: u64,
    /// Recipients.
    pub max_recipients: usize,
    /// From the dot to the answer.
    pub answer_within: Duration,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections of one address.
    pub max_connections_per_ip: usize,
    /// Who may send PROXY headers.
    pub proxy_protocol_from: Networks,
}

/// `[http]` as meant.
#[derive(Debug, Clone)]
pub struct Http {
    /// Plain listeners.
    pub listen: Vec<SocketAddr>,
    /// Listeners with TLS.
    pub https_listen: Vec<SocketAddr>,
    /// Plain listeners that send browsers on to those with TLS.
    pub http_redirect_listen: Vec<SocketAddr>,
    /// Listeners of `/metrics` alone.
    pub metrics_listen: Vec<SocketAddr>,
    /// The panel's URL as people reach it.
    pub public_url: Option<String>,
    /// Names the panel answers to.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose forwarding fields count.
    pub trusted_proxies: Networks,
}

/// `[tls]` as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// The CA's directory.
    pub directory: String,
    /// Whom the CA may write to.
    pub email: Option<Mailbox>,
    /// What certificates are wanted for.
    pub names: Vec<Domain>,
    /// A file of the only roots that the CA's own certificate is judged by; it may then be in our own network.
    pub root: Option<PathBuf>,
}

/// `[srs]` as meant.
#[derive(Debug, Clone)]
pub struct Srs {
    /// Characters of a hash.
    pub hash_length: usize,
    /// Days.
    pub max_age: Duration,
    /// One secret a line; made on first start.
    pub secrets_file: PathBuf,
}

/// `[log]` as meant.
#[derive(Debug, Clone)]
pub struct Log {
    /// How long rows are kept.
    pub retention: Duration,
    /// How large the log may get.
    pub max_bytes: u64,
    /// JSON rather than text.
    pub json: bool,
    /// `info`, `debug`, …
    pub level: String,
}

impl Config {
    /// Reads file and environment, as every command does: `cli_path` is `--config`, `environment` all variables.
    pub fn load(cli_path: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
        Self::laid(find_file(cli_path, environment), environment)
    }

    /// Defaults and environment alone, whatever files there are.
    pub fn without_file(environment: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
        Self::laid(None, environment)
    }

    fn laid(file: Option<PathBuf>, environment: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
        let mut written = written::Written::defaults()?;
        if let Some(path) = &file {
            written.lay_file(path, &read_file(path)?)?;
        }
        written.lay_environment(environment)?;
        let config = meant::config(&written)?;
        Ok(Loaded { warnings: unbuilt::warnings(&written), config, file })
    }

    /// Every key with its value in service, in the order of the documentation.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let source = |key: &keys::Key| {
            let entry = self.written.get(key.name);
            let value = self.chosen(key.name).unwrap_or_else(|| entry.value.clone());
            Source { key: key.name, value: value.to_json(), written: value.to_string(), place: entry.place.clone() }
        };
        keys::KEYS.iter().map(source).collect()
    }

    /// A line for each address of `delivery.source_addresses` that is none of this machine's.
    pub fn known_by(&self) -> impl Iterator<Item = String> {
        let all = own::elsewhere(&self.delivery.source_addresses);
        all.map(|address| format!("delivery.source_addresses: {address} {KNOWN_BY}"))
    }

    /// What the HTTP part works with.
    #[must_use]
    pub fn http_settings(&self) -> crate::http::Settings {
        crate::http::Settings {
            hostname: self.hostname.clone(),
            public_url: self.http.public_url.clone(),
            allowed_hosts: self.http.allowed_hosts.clone(),
            trusted_proxies: self.http.trusted_proxies.clone(),
            serves_https: !self.http.https_listen.is_empty(),
        }
    }

    /// What the certificates' part works with.
    #[must_use]
    pub fn certificate_settings(&self) -> crate::certificates::Settings {
        crate::certificates::Settings {
            files: self.smtp.tls_files.clone(),
            data_dir: self.data_dir.clone(),
            hostname: self.hostname.clone(),
            acme: self.acme.as_ref().map(|acme| self.acme_settings(acme)),
        }
    }

    fn acme_settings(&self, acme: &Acme) -> crate::certificates::acme::Settings {
        crate::certificates::acme::Settings {
            directory: acme.directory.clone(),
            email: acme.email.clone(),
            names: acme.names.clone(),
            folder: self.data_dir.join("acme"),
        }
    }

    /// What storage works with.
    #[must_use]
    pub fn store_settings(&self) -> crate::store::Settings {
        crate::store::Settings { data_dir: self.data_dir.clone(), database: self.database.clone() }
    }

    /// What the program chose for a key that an empty text leaves to it.
    fn chosen(&self, key: &str) -> Option<written::Value> {
        Some(written::Value::Text(match key {
            "hostname" => self.hostname.to_string(),
            "database.url" => format!("sqlite:{}", self.database.display()),
            "srs.secrets_file" => self.srs.secrets_file.display().to_string(),
            _ => return None,
        }))
    }

    /// Where a running gateway answers the command line.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.data_dir.join("control.sock")
    }
}

/// This process's environment, as far as it is text.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn find_file(cli_path: Option<&Path>, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let named = environment.get(written::ENV_FILE).filter(|name| !name.is_empty()).map(PathBuf::from);
    let usual = || USUAL_FILES.iter().map(PathBuf::from).find(|path| path.exists());
    cli_path.map(Path::to_owned).or(named).or_else(usual)
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let octets = std::fs::read(path).map_err(|error| ConfigError {
        place: Place::Unread(path.to_owned()),
        reason: format!("the configuration cannot be read: {error}"),
    })?;
    String::from_utf8(octets).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|octet| **octet == b'\n').count() + 1;
        ConfigError { place: Place::File { path: path.to_owned(), line }, reason: "this is not UTF-8".to_owned() }
    })
}
