//! DNS as delivery asks it: exchangers and addresses, with "no such name", "no data" and "failed for now" kept apart.
//! The resolver itself (servers, cache, time limits) is lent by `auth`.

use std::net::IpAddr;
use std::time::Duration;

use crate::mail::Domain;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// NXDOMAIN.
    #[error("the domain does not exist")]
    NoSuchName,
    /// The name exists, and has no record of the type.
    #[error("there is no such record")]
    NoData,
    /// Timed out, SERVFAIL, REFUSED, garbage.
    #[error("DNS failed for now: {0}")]
    Temporary(String),
}

/// Looks up; cheap to clone.
#[derive(Clone)]
pub struct Dns {
    resolver: hickory_resolver::TokioResolver,
    timeout: Duration,
}

impl Dns {
    /// Borrows `resolver`; no look-up takes longer than `timeout`.
    #[must_use]
    pub const fn new(resolver: hickory_resolver::TokioResolver, timeout: Duration) -> Self {
        Self { resolver, timeout }
    }

    /// MX records: preference and host; a null MX (RFC 7505) is the single host `None`.
    pub async fn mx(&self, domain: &Domain) -> Result<Vec<(u16, Option<Domain>)>, DnsFailure> {
        let _ = (domain, &self.resolver, self.timeout);
        todo!("delivery")
    }

    /// Addresses, IPv6 first; `NoData` only if both families have none.
    pub async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, DnsFailure> {
        let _ = host;
        todo!("delivery")
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dns")
    }
}
