//! DNS as a check of records asks it: every value of a name and type in one form of writing, reverse names, and a domain's
//! own name servers, each asked by itself.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::resolver::{Dns, DnsFailure};
use crate::mail::Domain;

/// Name servers of one domain that are asked.
pub const MAX_NAME_SERVERS: usize = 4;
/// Values of one answer that are kept.
const MAX_VALUES: usize = 50;
/// Octets of one value that are kept.
const MAX_VALUE_OCTETS: usize = 8192;
/// Labels that are taken off a name to find its zone.
const MAX_PARENTS: usize = 10;
/// A name server is asked once more when no answer came.
const RETRIES: usize = 1;
/// One try at a name server.
const TRY: Duration = Duration::from_millis(1500);

/// The types that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A.
    A,
    /// AAAA.
    Aaaa,
    /// MX: `10 host.`
    Mx,
    /// TXT, its strings joined.
    Txt,
}

impl RecordKind {
    const fn asked(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Mx => RecordType::MX,
            Self::Txt => RecordType::TXT,
        }
    }
}

/// One of a domain's name servers.
#[derive(Debug, Clone)]
pub struct NameServer {
    /// Its name.
    pub name: Domain,
    /// Asks it and nobody else.
    pub dns: Dns,
}

/// How name servers are reached.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Their port; 53 but in tests.
    pub port: u16,
    /// Whether private addresses may be asked too.
    pub allow_private: bool,
}

impl Dns {
    /// Every value; none where the name or the type does not exist.
    pub async fn values(&self, name: &Domain, kind: RecordKind) -> Result<Vec<String>, DnsFailure> {
        or_none(self.lookup(name, kind.asked()).await.map(|lookup| all(&lookup, value)))
    }

    /// The names that stand for an address, and where they stand.
    pub async fn reverse(&self, address: IpAddr) -> (String, Result<Vec<String>, DnsFailure>) {
        let name = Name::from(address);
        let shown = name.to_ascii().trim_end_matches('.').to_owned();
        let asked = Domain::parse(&shown).map_err(|error| DnsFailure::Temporary(error.to_string()));
        let found = match asked {
            Ok(asked) => self.lookup(&asked, RecordType::PTR).await.map(|lookup| all(&lookup, value)),
            Err(failure) => Err(failure),
        };
        (shown, or_none(found))
    }

    /// The name servers of the zone that `domain` lies in, each to be asked by itself. Those at addresses that are never
    /// connected to are left out.
    pub async fn name_servers(&self, domain: &Domain, reach: &Reach) -> Vec<NameServer> {
        let mut zone = domain.clone();
        for _ in 0..MAX_PARENTS {
            let hosts = self.lookup(&zone, RecordType::NS).await.map(|lookup| all(&lookup, value)).unwrap_or_default();
            if !hosts.is_empty() {
                let known = hosts.iter().take(MAX_NAME_SERVERS).filter_map(|host| Domain::parse(host).ok());
                let found = join_all(known.map(|host| self.name_server(host, reach))).await;
                return found.into_iter().flatten().collect();
            }
            // The servers of a top-level domain know nothing of what is inside.
            match zone.as_str().split_once('.').filter(|(_, above)| above.contains('.')) {
                Some((_, above)) => zone = Domain::parse(above).unwrap_or(zone),
                None => return Vec::new(),
            }
        }
        Vec::new()
    }

    async fn name_server(&self, name: Domain, reach: &Reach) -> Option<NameServer> {
        let addresses = self.addresses(&name).await.ok()?;
        let may = |address: &IpAddr| reach.allow_private || super::guard::is_public(*address);
        // IPv4 reaches everybody; a machine without IPv6 would only wait for it.
        let address = addresses.iter().filter(|address| may(address)).min_by_key(|address| address.is_ipv6())?;
        let dns = asking(SocketAddr::new(*address, reach.port))?;
        Some(NameServer { name, dns })
    }
}

/// Asks one server what it knows itself; nothing is kept.
fn asking(server: SocketAddr) -> Option<Dns> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut options = ResolverOpts::default();
    options.timeout = TRY;
    options.attempts = RETRIES;
    options.cache_size = 0;
    options.edns0 = true;
    options.recursion_desired = false;
    options.use_hosts_file = ResolveHosts::Never;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
    Some(Dns::new(builder.build().ok()?, TRY * 2))
}

fn all(lookup: &Lookup, value: fn(&RData) -> Option<String>) -> Vec<String> {
    let values = lookup.answers().iter().filter_map(|record: &Record| value(&record.data));
    let mut values: Vec<String> = values.filter(|value| value.len() <= MAX_VALUE_OCTETS).take(MAX_VALUES).collect();
    values.sort();
    values.dedup();
    values
}

fn value(data: &RData) -> Option<String> {
    match data {
        RData::A(a) => Some(a.0.to_string()),
        RData::AAAA(aaaa) => Some(aaaa.0.to_string()),
        RData::MX(mx) => Some(format!("{} {}", mx.preference, mx.exchange.to_ascii())),
        RData::NS(ns) => Some(ns.0.to_ascii()),
        RData::PTR(ptr) => Some(ptr.0.to_ascii()),
        RData::TXT(txt) => {
            let octets: Vec<u8> = txt.txt_data.iter().flat_map(|string| string.iter().copied()).collect();
            Some(String::from_utf8_lossy(&octets).into_owned())
        }
        _ => None,
    }
}

fn or_none(answer: Result<Vec<String>, DnsFailure>) -> Result<Vec<String>, DnsFailure> {
    match answer {
        Err(DnsFailure::NoSuchName | DnsFailure::NoData) => Ok(Vec::new()),
        other => other,
    }
}
