//! Settings as meant, and how they inherit: alias, else domain, else instance. The trace names the level.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::Domain;

/// Whether a check only observes or decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Not run.
    Off,
    /// Run and shown.
    Observe,
    /// Run, and a fail refuses.
    Enforce,
}

/// What is done with mail that passes neither SPF nor aligned DKIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unauthenticated {
    /// Taken.
    Accept,
    /// Refused.
    Reject,
}

/// TLS towards a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsPolicy {
    /// Where offered and working.
    Opportunistic,
    /// Else deferred.
    Require,
}

/// What is done with a 4yz after our final dot when the sender cannot be told later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Custody {
    /// Passed on as 451: the client keeps the message.
    Careful,
    /// Queued all the same.
    Always,
}

/// Settings that a domain or an alias may set for itself; `None` inherits. Kept as JSON in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// SPF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spf: Option<Enforcement>,
    /// DKIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim: Option<Enforcement>,
    /// DMARC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<Enforcement>,
    /// Neither SPF nor aligned DKIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unauthenticated: Option<Unauthenticated>,
    /// TLS towards the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsPolicy>,
    /// X-Forwarded-To and -For.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded_headers: Option<bool>,
}

/// The instance's settings that decisions read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Our host name.
    pub hostname: Domain,
    /// `srs.domain`: the shared domain of SRS addresses; `None` is the alias's own.
    pub srs_domain: Option<Domain>,
    /// `[policy]`.
    pub spf: Enforcement,
    /// `[policy]`.
    pub dkim: Enforcement,
    /// `[policy]`.
    pub dmarc: Enforcement,
    /// `[policy]`.
    pub unauthenticated: Unauthenticated,
    /// `[policy] authentication_results`.
    pub authentication_results: bool,
    /// `[policy] forwarded_headers`.
    pub forwarded_headers: bool,
    /// `[delivery] tls`.
    pub tls: TlsPolicy,
    /// `[delivery] custody`.
    pub custody: Custody,
    /// `[delivery] retry`, at least one.
    pub retry: Vec<Duration>,
    /// `[delivery] lifetime`.
    pub lifetime: Duration,
    /// `[delivery] direct_max_bytes`.
    pub direct_max_bytes: u64,
    /// `[delivery] direct_per_site`.
    pub direct_per_site: usize,
    /// `[delivery] direct_total`.
    pub direct_total: usize,
    /// `[log] subjects`.
    pub subjects: bool,
}
