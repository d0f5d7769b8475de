//! DNS as SPF asks it: what is there, that nothing is there, or that nobody can tell. Answers are kept parsed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::record::{Malformed, Record, is_spf};
use crate::auth::Inner;
use crate::auth::cache::Timed;

/// How long it is kept at most that there is no such record (RFC 2308 §5).
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(3600);
/// The same where the answer does not say for how long, having no SOA. Such answers are not to be kept by a cache that
/// others ask (RFC 2308 §5); nobody asks ours, and without it each message of a burst would ask the same again.
const UNSAID_NEGATIVE_TTL: Duration = Duration::from_secs(5);

/// The records of one name and type; none where there are none.
pub(in crate::auth) type Found<T> = Arc<[T]>;

/// What stands at a name, as far as SPF cares.
#[derive(Debug, Clone)]
pub(in crate::auth) enum Published {
    Nothing,
    One(Arc<Record>),
    /// Malformed, or one of several (RFC 7208 §4.5).
    Broken,
}

/// What DNS says of one name and type.
pub(in crate::auth) enum Answer {
    Records(Lookup),
    /// There is no such record, which may be kept until then.
    Nothing(Instant),
}

/// DNS failed for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) struct Unknown;

impl Inner {
    /// The SPF record of a name.
    pub(super) async fn spf_record(&self, name: &str) -> Result<Published, Unknown> {
        if let Some(known) = self.caches.spf.value(name) {
            return Ok(known);
        }
        let (published, valid_until) = match self.look_up(name, RecordType::TXT).await? {
            Answer::Records(lookup) => (published(&lookup), lookup.valid_until()),
            Answer::Nothing(valid_until) => (Published::Nothing, valid_until),
        };
        self.caches.spf.keep(name, published.clone(), valid_until);
        Ok(published)
    }

    /// Whether a name leads to this address; one of which DNS cannot tell does not.
    pub(in crate::auth) async fn confirms(&self, name: &str, peer: IpAddr) -> bool {
        self.addresses(name, peer).await.unwrap_or_default().contains(&peer)
    }

    /// The addresses of a name, of the family of `peer`.
    pub(super) async fn addresses(&self, name: &str, peer: IpAddr) -> Result<Found<IpAddr>, Unknown> {
        match peer {
            IpAddr::V4(_) => self.ipv4(name).await,
            IpAddr::V6(_) => self.records((&self.caches.ipv6, RecordType::AAAA), name, ipv6).await,
        }
    }

    pub(super) async fn ipv4(&self, name: &str) -> Result<Found<IpAddr>, Unknown> {
        self.records((&self.caches.ipv4, RecordType::A), name, ipv4).await
    }

    /// The exchangers of a name, the preferred first; the null MX names none.
    pub(super) async fn exchangers(&self, name: &str) -> Result<Found<(u16, Box<str>)>, Unknown> {
        self.records((&self.caches.mx, RecordType::MX), name, exchanger).await
    }

    /// The names that stand at the reverse name of an address, in lower case.
    pub(in crate::auth) async fn names_of(&self, peer: IpAddr) -> Result<Found<Box<str>>, Unknown> {
        let reverse = Name::from(peer).to_ascii();
        self.records((&self.caches.ptr, RecordType::PTR), &reverse, host).await
    }

    async fn records<T: Clone + Ord + Send + Sync + 'static>(
        &self,
        (cache, kind): (&Timed<Box<str>, Found<T>>, RecordType),
        name: &str,
        read: fn(&RData) -> Option<T>,
    ) -> Result<Found<T>, Unknown> {
        if let Some(known) = cache.value(name) {
            return Ok(known);
        }
        let (mut found, valid_until): (Vec<T>, _) = match self.look_up(name, kind).await? {
            Answer::Records(lookup) => {
                (lookup.answers().iter().filter_map(|record| read(&record.data)).collect(), lookup.valid_until())
            }
            Answer::Nothing(valid_until) => (Vec::new(), valid_until),
        };
        if kind == RecordType::MX {
            found.sort();
        }
        let found = Found::from(found);
        cache.keep(name, Arc::clone(&found), valid_until);
        Ok(found)
    }

    /// One question.
    pub(in crate::auth) async fn look_up(&self, name: &str, kind: RecordType) -> Result<Answer, Unknown> {
        // A name that cannot be asked for has no records (RFC 7208 §4.3, §4.8).
        let Some(name) = absolute(name) else { return Ok(nothing_for(MAX_NEGATIVE_TTL)) };
        match self.verifier.resolver().lookup(name, kind).await {
            Ok(lookup) => Ok(Answer::Records(lookup)),
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
            {
                let ttl = none.negative_ttl.map_or(UNSAID_NEGATIVE_TTL, |ttl| Duration::from_secs(ttl.into()));
                Ok(nothing_for(ttl.min(MAX_NEGATIVE_TTL)))
            }
            Err(_) => Err(Unknown),
        }
    }
}

fn nothing_for(ttl: Duration) -> Answer {
    Answer::Nothing((tokio::time::Instant::now() + ttl).into_std())
}

/// Any octets make a label, as they do in DNS, but there must be some of them, and not too many.
fn absolute(name: &str) -> Option<Name> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut name = Name::from_labels(name.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn published(lookup: &Lookup) -> Published {
    let texts = lookup.answers().iter().filter_map(|record| match &record.data {
        RData::TXT(txt) => Some(txt.txt_data.concat()),
        _ => None,
    });
    let mut records = texts.filter(|text| is_spf(text));
    match (records.next().map(|text| Record::parse(&text)), records.next()) {
        (None, _) => Published::Nothing,
        (Some(Ok(record)), None) => Published::One(Arc::new(record)),
        (Some(Err(Malformed)), _) | (_, Some(_)) => Published::Broken,
    }
}

fn ipv4(data: &RData) -> Option<IpAddr> {
    let RData::A(a) = data else { return None };
    Some(a.0.into())
}

fn ipv6(data: &RData) -> Option<IpAddr> {
    let RData::AAAA(aaaa) = data else { return None };
    Some(aaaa.0.into())
}

fn exchanger(data: &RData) -> Option<(u16, Box<str>)> {
    let RData::MX(mx) = data else { return None };
    (!mx.exchange.is_root()).then(|| (mx.preference, spelled(&mx.exchange)))
}

fn host(data: &RData) -> Option<Box<str>> {
    let RData::PTR(host) = data else { return None };
    (!host.0.is_root()).then(|| spelled(&host.0))
}

/// A name as it stands in DNS, in lower case and without a final dot; nothing is escaped.
fn spelled(name: &Name) -> Box<str> {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    labels.join(".").to_ascii_lowercase().into()
}
