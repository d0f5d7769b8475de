//! DNS as delivery asks it: exchangers and addresses, with "no such name", "no data" and "failed for now" kept apart.
//! The resolver itself (servers, cache, time limits) is lent by `auth`; it follows CNAME and asks again by TCP.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};

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
    #[error("{for_now}: {0}", for_now = FOR_NOW)]
    Temporary(String),
}

/// How the words of a failure begin that proves nothing of the name.
const FOR_NOW: &str = "DNS failed for now";

/// Whether words of ours tell of such a failure.
#[must_use]
pub fn is_for_now(words: &str) -> bool {
    words.contains(FOR_NOW)
}

/// Looks up; cheap to clone.
#[derive(Clone)]
pub struct Dns {
    resolver: hickory_resolver::TokioResolver,
    timeout: Duration,
}

/// An answer and until when it may be believed.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The records.
    pub records: T,
    /// The smallest time to live among them.
    pub valid_until: Instant,
}

impl Dns {
    /// Borrows `resolver`; no look-up takes longer than `timeout`.
    #[must_use]
    pub const fn new(resolver: hickory_resolver::TokioResolver, timeout: Duration) -> Self {
        Self { resolver, timeout }
    }

    /// MX records: preference and host; a null MX (RFC 7505) is the single host `None`.
    pub async fn mx(&self, domain: &Domain) -> Result<Vec<(u16, Option<Domain>)>, DnsFailure> {
        self.exchangers(domain).await.map(|answer| answer.records)
    }

    /// [`Dns::mx`] with its time to live.
    pub async fn exchangers(&self, domain: &Domain) -> Result<Answer<Vec<(u16, Option<Domain>)>>, DnsFailure> {
        let lookup = self.lookup(domain, RecordType::MX).await?;
        let records = lookup.answers().iter().filter_map(|record| exchanger(&record.data)).collect::<Vec<_>>();
        if records.is_empty() {
            // MX records that name no host at all: something is there, and it is broken.
            return Err(DnsFailure::Temporary("the MX records name no host".to_owned()));
        }
        Ok(Answer { records, valid_until: lookup.valid_until() })
    }

    /// Addresses, IPv6 first; `NoData` only if both families have none.
    pub async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, DnsFailure> {
        let (v6, v4) = tokio::join!(self.lookup(host, RecordType::AAAA), self.lookup(host, RecordType::A));
        let found =
            [&v6, &v4].into_iter().flatten().flat_map(Lookup::answers).filter_map(|record| address(&record.data));
        let found = found.collect::<Vec<_>>();
        if found.is_empty() { Err(why_none(v6.err(), v4.err())) } else { Ok(found) }
    }

    /// IPv4 addresses, as lists answer (RFC 5782 §2.1).
    pub async fn ipv4(&self, name: &Domain) -> Result<Answer<Vec<Ipv4Addr>>, DnsFailure> {
        let lookup = self.lookup(name, RecordType::A).await?;
        let address = |record: &Record| if let RData::A(a) = &record.data { Some(a.0) } else { None };
        let records = lookup.answers().iter().filter_map(address).collect::<Vec<_>>();
        if records.is_empty() {
            Err(DnsFailure::NoData)
        } else {
            Ok(Answer { records, valid_until: lookup.valid_until() })
        }
    }

    /// The first text of a name, its strings joined.
    pub async fn text(&self, name: &Domain) -> Result<String, DnsFailure> {
        let lookup = self.lookup(name, RecordType::TXT).await?;
        let text = |record: &Record| {
            let RData::TXT(txt) = &record.data else { return None };
            let octets = txt.txt_data.iter().flat_map(|string| string.iter().copied()).collect::<Vec<u8>>();
            Some(String::from_utf8_lossy(&octets).into_owned())
        };
        lookup.answers().iter().find_map(text).ok_or(DnsFailure::NoData)
    }

    pub(super) async fn lookup(&self, name: &Domain, kind: RecordType) -> Result<Lookup, DnsFailure> {
        let mut name = Name::from_ascii(name.as_str()).map_err(|e| DnsFailure::Temporary(e.to_string()))?;
        // Fully qualified: no search list of the system is tried.
        name.set_fqdn(true);
        match tokio::time::timeout(self.timeout, self.resolver.lookup(name, kind)).await {
            // Whichever clock runs out first, the words are the same: pages that ask again stay as they are.
            Err(_) | Ok(Err(NetError::Timeout)) => {
                Err(DnsFailure::Temporary(format!("no answer within {} s", self.timeout.as_secs_f32())))
            }
            Ok(answer) => answer.map_err(|error| judge(&error)),
        }
    }
}

/// Only an answer that says so counts as "no such name" or "no data"; whatever else is wrong may be right tomorrow.
fn judge(error: &NetError) -> DnsFailure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => DnsFailure::NoSuchName,
            ResponseCode::NoError => DnsFailure::NoData,
            code => DnsFailure::Temporary(code.to_string()),
        },
        other => DnsFailure::Temporary(other.to_string()),
    }
}

/// With a family that failed for now, the other's "none" proves nothing.
fn why_none(v6: Option<DnsFailure>, v4: Option<DnsFailure>) -> DnsFailure {
    match (v6, v4) {
        (Some(temporary @ DnsFailure::Temporary(_)), _) | (_, Some(temporary @ DnsFailure::Temporary(_))) => temporary,
        (Some(DnsFailure::NoSuchName), Some(DnsFailure::NoSuchName)) => DnsFailure::NoSuchName,
        _ => DnsFailure::NoData,
    }
}

/// A host that is no domain name cannot be asked for; such a record is passed over. The root is the null MX.
fn exchanger(data: &RData) -> Option<(u16, Option<Domain>)> {
    let RData::MX(mx) = data else { return None };
    if mx.exchange.is_root() {
        return Some((mx.preference, None));
    }
    Domain::parse(&mx.exchange.to_ascii()).ok().map(|host| (mx.preference, Some(host)))
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dns")
    }
}
