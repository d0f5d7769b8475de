//! The records and failures of the small DNS, and the list of what it was asked.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// How a name fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// SERVFAIL.
    ServFail,
    /// REFUSED.
    Refused,
    /// No answer at all.
    Timeout,
    /// Octets that are no DNS message.
    Garbage,
    /// The right answer with the identifier of another question.
    WrongId,
    /// Over UDP nothing but the truncation bit; over TCP the whole answer.
    Truncate,
}

/// A question that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name, in lower case, without the final dot.
    pub name: String,
    /// The type: `MX`, `TXT`, …
    pub kind: String,
}

/// The value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Mx(u16, String),
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    /// The strings of one record.
    Txt(Vec<Vec<u8>>),
    Cname(String),
    Ptr(String),
    Ns(String),
}

/// All that the server knows.
#[derive(Debug, Default)]
pub(super) struct Zone {
    records: BTreeMap<String, Vec<Data>>,
    failures: BTreeMap<String, Failure>,
    /// Names that fail only where they have no record of the type.
    partial_failures: BTreeMap<String, Failure>,
    pub(super) asked: Vec<Asked>,
    /// Seconds that an answer may be cached.
    pub(super) ttl: u32,
    /// Whether answers without a record leave open for how long they hold.
    pub(super) is_without_soa: bool,
}

impl Zone {
    pub(super) fn add(&mut self, name: &str, data: Data) {
        self.records.entry(key(name)).or_default().push(data);
    }

    pub(super) fn fail(&mut self, name: &str, failure: Failure) {
        self.failures.insert(key(name), failure);
    }

    pub(super) fn fail_otherwise(&mut self, name: &str, failure: Failure) {
        self.partial_failures.insert(key(name), failure);
    }

    pub(super) fn clear(&mut self, name: &str) {
        self.records.remove(&key(name));
        self.recover(name);
    }

    pub(super) fn recover(&mut self, name: &str) {
        self.failures.remove(&key(name));
        self.partial_failures.remove(&key(name));
    }

    /// How a question fails to which `has_answer` says whether there are records.
    pub(super) fn failure(&self, name: &str, has_answer: impl Fn() -> bool) -> Option<Failure> {
        let whatever = self.failures.get(&key(name)).copied();
        let partial = || self.partial_failures.get(&key(name)).copied().filter(|_| !has_answer());
        whatever.or_else(partial)
    }

    pub(super) fn records(&self, name: &str) -> &[Data] {
        self.records.get(&key(name)).map_or(&[], Vec::as_slice)
    }

    /// A name exists also where only names below it have records (RFC 8020).
    pub(super) fn exists(&self, name: &str) -> bool {
        let below = format!(".{}", key(name));
        !self.records(name).is_empty() || self.records.keys().any(|other| other.ends_with(&below))
    }
}

/// Names compare in lower case and without the final dot.
pub(super) fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
