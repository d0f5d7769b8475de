//! Bounded caches of parsed DNS answers, each kept for as long as its records live.

use std::borrow::{Borrow, Cow};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use mail_auth::{DnsCache, Mx, Negative, RecordSet, ResolverCache, TxtRecord};
use moka::Expiry;
use moka::sync::Cache;

use super::key::Terms;
use super::spf::{Found, Published};
use crate::mail::Domain;

/// Octets of parsed TXT records that are kept, about.
const MAX_TXT_OCTETS: u64 = 8 << 20;
/// Octets of other answers that are kept, about, for each kind.
const MAX_ANSWER_OCTETS: u64 = 2 << 20;
/// Domains whose judgement (open to everyone, organisational domain) is kept.
const MAX_JUDGEMENTS: u64 = 10_000;
/// How long a judgement is kept; its records may change.
const JUDGEMENT_TTL: Duration = Duration::from_secs(300);
/// Octets of an entry beside what it says, about.
const ENTRY_OCTETS: usize = 200;

/// Answers as mail-auth would keep them; it is asked for TXT records only.
type Answers<T> = Result<RecordSet<T>, Negative>;

/// All caches of one authenticator.
pub(super) struct Caches {
    pub(super) txt: Timed<Box<str>, TxtRecord>,
    pub(super) spf: Timed<Box<str>, Published>,
    pub(super) terms: Timed<Box<str>, Terms>,
    pub(super) mx: Timed<Box<str>, Found<(u16, Box<str>)>>,
    pub(super) ipv4: Timed<Box<str>, Found<IpAddr>>,
    pub(super) ipv6: Timed<Box<str>, Found<IpAddr>>,
    pub(super) ptr: Timed<Box<str>, Found<Box<str>>>,
    /// Whether a domain's SPF lets everyone pass.
    pub(super) open: Cache<Box<str>, bool>,
    /// Organisational domains; `None` where nothing is published.
    pub(super) organisational: Cache<Domain, Option<Domain>>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            txt: Timed::new(MAX_TXT_OCTETS, weigh_txt),
            spf: Timed::new(MAX_TXT_OCTETS, weigh_spf),
            terms: Timed::new(MAX_ANSWER_OCTETS, weigh_terms),
            mx: Timed::new(MAX_ANSWER_OCTETS, weigh),
            ipv4: Timed::new(MAX_ANSWER_OCTETS, weigh),
            ipv6: Timed::new(MAX_ANSWER_OCTETS, weigh),
            ptr: Timed::new(MAX_ANSWER_OCTETS, weigh),
            open: judgements(),
            organisational: judgements(),
        }
    }
}

fn judgements<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
    Cache::builder().max_capacity(MAX_JUDGEMENTS).time_to_live(JUDGEMENT_TTL).build()
}

fn weigh<K, T>(_: &K, (found, _): &(Found<T>, Instant)) -> u32 {
    // A name among the records may be as long as names get.
    let each = size_of::<T>() + if size_of::<T>() == size_of::<IpAddr>() { 0 } else { ENTRY_OCTETS };
    u32::try_from(ENTRY_OCTETS + found.len() * each).unwrap_or(u32::MAX)
}

fn weigh_spf<K: AsRef<str>>(name: &K, (published, _): &(Published, Instant)) -> u32 {
    let content = if let Published::One(record) = published { record.octets() } else { 0 };
    u32::try_from(ENTRY_OCTETS + name.as_ref().len() + content).unwrap_or(u32::MAX)
}

fn weigh_terms<K: AsRef<str>>(name: &K, _: &(Terms, Instant)) -> u32 {
    u32::try_from(ENTRY_OCTETS + name.as_ref().len()).unwrap_or(u32::MAX)
}

fn weigh_txt<K: AsRef<str>>(name: &K, (record, _): &(TxtRecord, Instant)) -> u32 {
    let content = match record {
        TxtRecord::Dmarc(dmarc) => dmarc.rua().iter().chain(dmarc.ruf()).map(|uri| uri.uri.len() + 64).sum(),
        TxtRecord::DomainKey(_) => 1024,
        _ => ENTRY_OCTETS,
    };
    u32::try_from(ENTRY_OCTETS + name.as_ref().len() + content).unwrap_or(u32::MAX)
}

/// A cache whose entries say themselves until when they are valid.
pub(super) struct Timed<K, V>(Cache<K, (V, Instant)>);

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Timed<K, V> {
    fn new(octets: u64, weigh: fn(&K, &(V, Instant)) -> u32) -> Self {
        Self(Cache::builder().max_capacity(octets).weigher(weigh).expire_after(ValidUntil).build())
    }
}

impl<V: Clone + Send + Sync + 'static> Timed<Box<str>, V> {
    /// What is kept under a name, whatever its case.
    pub(super) fn value(&self, name: &str) -> Option<V> {
        self.0.get(key(name).as_ref()).map(|(value, _)| value)
    }

    pub(super) fn keep(&self, name: &str, value: V, valid_until: Instant) {
        self.0.insert(key(name).into(), (value, valid_until));
    }
}

fn key(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|octet| octet.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

struct ValidUntil;

impl<K, V> Expiry<K, (V, Instant)> for ValidUntil {
    fn expire_after_create(&self, _: &K, (_, valid_until): &(V, Instant), now: Instant) -> Option<Duration> {
        Some(valid_until.saturating_duration_since(now))
    }

    fn expire_after_update(
        &self,
        key: &K,
        value: &(V, Instant),
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, value, now)
    }
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> ResolverCache<K, V> for Timed<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).map(|(value, _)| value)
    }

    fn remove<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.remove(name).map(|(value, _)| value)
    }

    fn insert(&self, key: K, value: V, valid_until: Instant) {
        self.0.insert(key, (value, valid_until));
    }
}

impl DnsCache for Caches {
    type Txt = Timed<Box<str>, TxtRecord>;
    type Mx = Timed<Box<str>, Answers<Mx>>;
    type Ipv4 = Timed<Box<str>, Answers<Ipv4Addr>>;
    type Ipv6 = Timed<Box<str>, Answers<Ipv6Addr>>;
    type Ptr = Timed<IpAddr, Answers<Box<str>>>;

    fn txt(&self) -> Option<&Self::Txt> {
        Some(&self.txt)
    }

    fn mx(&self) -> Option<&Self::Mx> {
        None
    }

    fn ipv4(&self) -> Option<&Self::Ipv4> {
        None
    }

    fn ipv6(&self) -> Option<&Self::Ipv6> {
        None
    }

    fn ptr(&self) -> Option<&Self::Ptr> {
        None
    }
}
