//! The configuration: the file as written, then settings as meant and checked, with the place of each value.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::mail::{Domain, Mailbox};

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
    /// `[dns] servers`.
    pub dns_servers: Vec<SocketAddr>,
    /// `[dns] timeout`.
    pub dns_timeout: Duration,
    /// `[delivery]`.
    pub delivery: crate::delivery::Settings,
    /// What decisions read.
    pub instance: crate::policy::settings::Instance,
    /// `[queue] keep_failed`.
    pub keep_failed: Duration,
    /// `[queue] max_bytes_per_domain`.
    pub max_bytes_per_domain: u64,
    /// `[srs]`.
    pub srs: Srs,
    /// `[log]`.
    pub log: Log,
    /// `[backup]`.
    pub backup: Backup,
    /// `[notify] to`.
    pub notify_to: Vec<Mailbox>,
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
    pub proxy_protocol_from: Vec<IpAddr>,
}

/// `[http]` as meant.
#[derive(Debug, Clone)]
pub struct Http {
    /// Plain listeners.
    pub listen: Vec<SocketAddr>,
    /// The panel's URL as people reach it.
    pub public_url: Option<String>,
    /// Names the panel answers to.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose forwarding fields count.
    pub trusted_proxies: Vec<IpAddr>,
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

/// `[backup]` as meant.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Where to; none by default.
    pub dir: Option<PathBuf>,
    /// How often.
    pub every: Duration,
    /// How many.
    pub keep: usize,
}
