//! Settings as meant, and how they inherit: alias, else domain, else instance. The trace names the level.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limits::Limits;
use super::lists::DnsList;
use crate::mail::Domain;

/// Whether a check only observes or decides; the later is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Not run.
    Off,
    /// Run and shown.
    Observe,
    /// Run, and a fail refuses.
    Enforce,
}

/// What is done with mail that passes neither SPF nor aligned DKIM; the later is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unauthenticated {
    /// Taken.
    Accept,
    /// Refused.
    Reject,
}

/// TLS towards a next hop; the later is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
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

/// Settings that a domain or an alias may set for itself; what is not set is inherited.
// The database keeps it as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// What keeps abuse out.
    pub abuse: Abuse,
}

/// What keeps abuse out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Abuse {
    /// `[limits]`.
    pub limits: Limits,
    /// `[policy] dns_lists`.
    pub dns_lists: Vec<DnsList>,
    /// `[policy] greylist`.
    pub greylist: bool,
}

/// Which level said it: alias, domain or instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The alias itself.
    Alias,
    /// Its domain.
    Domain,
    /// The instance.
    Instance,
}

/// A setting in effect, and where it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited<T> {
    /// The value.
    pub value: T,
    /// Who said so.
    pub level: Level,
}

/// The settings in effect for one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// SPF.
    pub spf: Inherited<Enforcement>,
    /// DKIM.
    pub dkim: Inherited<Enforcement>,
    /// DMARC.
    pub dmarc: Inherited<Enforcement>,
    /// Neither SPF nor aligned DKIM.
    pub unauthenticated: Inherited<Unauthenticated>,
    /// TLS towards the destination.
    pub tls: Inherited<TlsPolicy>,
    /// X-Forwarded-To and -For.
    pub forwarded_headers: Inherited<bool>,
}

impl Effective {
    /// Alias, else domain, else instance.
    #[must_use]
    pub fn of(alias: Option<&Overrides>, domain: Option<&Overrides>, instance: &Instance) -> Self {
        let pick = Pick { alias, domain };
        Self {
            spf: pick.one(|level| level.spf, instance.spf),
            dkim: pick.one(|level| level.dkim, instance.dkim),
            dmarc: pick.one(|level| level.dmarc, instance.dmarc),
            unauthenticated: pick.one(|level| level.unauthenticated, instance.unauthenticated),
            tls: pick.one(|level| level.tls, instance.tls),
            forwarded_headers: pick.one(|level| level.forwarded_headers, instance.forwarded_headers),
        }
    }

    /// Whether a policy may refuse a whole message.
    #[must_use]
    pub fn may_refuse(&self) -> bool {
        let enforced = [self.spf, self.dkim, self.dmarc].iter().any(|policy| policy.value == Enforcement::Enforce);
        enforced || self.unauthenticated.value == Unauthenticated::Reject
    }

    /// For the trace: `spf observe (instance), … tls require (alias)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let yes_no = if self.forwarded_headers.value { "on" } else { "off" };
        format!(
            "spf {}, dkim {}, dmarc {}, unauthenticated {}, tls {}, forwarded headers {yes_no} ({})",
            self.spf, self.dkim, self.dmarc, self.unauthenticated, self.tls, self.forwarded_headers.level
        )
    }
}

struct Pick<'a> {
    alias: Option<&'a Overrides>,
    domain: Option<&'a Overrides>,
}

impl Pick<'_> {
    fn one<T>(&self, of: impl Fn(&Overrides) -> Option<T>, instance: T) -> Inherited<T> {
        let at = |overrides: Option<&Overrides>, level| Some(Inherited { value: of(overrides?)?, level });
        at(self.alias, Level::Alias)
            .or_else(|| at(self.domain, Level::Domain))
            .unwrap_or(Inherited { value: instance, level: Level::Instance })
    }
}

impl<T: fmt::Display> fmt::Display for Inherited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.value, self.level)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alias => "alias",
            Self::Domain => "domain",
            Self::Instance => "instance",
        })
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        })
    }
}

impl fmt::Display for Unauthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        })
    }
}

impl fmt::Display for TlsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opportunistic => "opportunistic",
            Self::Require => "require",
        })
    }
}
