//! Every key of the configuration: its name, the kind of its value and its default, in the order of the documentation.
//!
//! The table drives what is accepted, from the file, the environment and the panel alike, and within what range; what a
//! value means is `meant`'s.

use std::time::Duration;

use super::units;
use super::written::Value;

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    Count,
    Size,
    Span,
    List,
    Map,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As the environment would write it; an empty text leaves the choice to the program.
    pub(super) default: &'static str,
    /// The least and the most that a number may be: itself, octets, or seconds.
    range: (u64, u64),
}

impl Key {
    /// What would be right, where a number is none that makes sense here.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        let (least, most) = self.range;
        match value.number() {
            Some(number) if !(least..=most).contains(&number) => {
                let shown = |number| self.kind.show(number);
                Err(format!("must lie between {} and {}", shown(least), shown(most)))
            }
            _ => Ok(()),
        }
    }
}

impl Kind {
    /// Writes a number as a value of this kind.
    fn show(self, number: u64) -> String {
        match self {
            Self::Size => units::show_size(number),
            Self::Span => units::show_span(Duration::from_secs(number)),
            Self::Text | Self::Flag | Self::Count | Self::List | Self::Map => number.to_string(),
        }
    }
}

const fn key(name: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { name, kind, default, range: (0, u64::MAX) }
}

const fn count(name: &'static str, default: &'static str, range: (u64, u64)) -> Key {
    Key { name, kind: Kind::Count, default, range }
}

const fn size(name: &'static str, default: &'static str, octets: (u64, u64)) -> Key {
    Key { name, kind: Kind::Size, default, range: octets }
}

const fn span(name: &'static str, default: &'static str, seconds: (u64, u64)) -> Key {
    Key { name, kind: Kind::Span, default, range: seconds }
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
const MILLION: u64 = 1_000_000;

/// All keys.
pub(super) const KEYS: &[Key] = &[
    key("hostname", Kind::Text, ""),
    key("data_dir", Kind::Text, "data"),
    key("database.url", Kind::Text, ""),
    key("smtp.listen", Kind::List, "127.0.0.1:2525"),
    key("smtp.tls_certificate", Kind::Text, ""),
    key("smtp.tls_key", Kind::Text, ""),
    // A server that all may write to takes 64 KiB and 100 recipients (RFC 5321 §4.5.3.1.7, §4.5.3.1.8); one behind another may less.
    size("smtp.max_message_bytes", "50MiB", (1, GIB)),
    count("smtp.max_recipients", "100", (1, 10_000)),
    // A client waits 10 min (RFC 5321 §4.5.3.2.6).
    span("smtp.answer_within", "10s", (1, 10 * MINUTE)),
    count("smtp.max_connections", "10000", (1, 100_000)),
    count("smtp.max_connections_per_ip", "50", (1, 100_000)),
    key("smtp.proxy_protocol_from", Kind::List, ""),
    key("http.listen", Kind::List, "127.0.0.1:8080"),
    key("http.https_listen", Kind::List, ""),
    key("http.http_redirect_listen", Kind::List, ""),
    key("http.public_url", Kind::Text, ""),
    key("http.allowed_hosts", Kind::List, ""),
    key("http.trusted_proxies", Kind::List, ""),
    key("http.metrics_listen", Kind::List, ""),
    key("http.compat", Kind::List, "addy,simplelogin,cloudflare"),
    key("tls.acme", Kind::Text, "off"),
    key("tls.acme_directory", Kind::Text, "https://acme-v02.api.letsencrypt.org/directory"),
    key("tls.acme_email", Kind::Text, ""),
    key("tls.acme_names", Kind::List, ""),
    key("tls.acme_root", Kind::Text, ""),
    key("dns.servers", Kind::List, ""),
    span("dns.timeout", "5s", (1, 10 * MINUTE)),
    count("delivery.port", "25", (1, 65_535)),
    key("delivery.relay", Kind::Text, ""),
    key("delivery.relay_username", Kind::Text, ""),
    key("delivery.relay_password_file", Kind::Text, ""),
    key("delivery.allow_private", Kind::Flag, "false"),
    key("delivery.source_addresses", Kind::List, ""),
    count("delivery.connections_per_site", "20", (1, 10_000)),
    count("delivery.messages_per_connection", "100", (1, MILLION)),
    span("delivery.direct_timeout", "8s", (1, 10 * MINUTE)),
    count("delivery.direct_per_site", "20", (0, 10_000)),
    count("delivery.direct_total", "500", (0, 100_000)),
    size("delivery.direct_max_bytes", "2MiB", (0, GIB)),
    key("delivery.custody", Kind::Text, "careful"),
    span("delivery.stop_grace", "25s", (0, 10 * MINUTE)),
    key("delivery.retry", Kind::List, "1m,5m,15m,30m,1h,2h,4h"),
    span("delivery.lifetime", "5d", (1, 365 * DAY)),
    key("delivery.tls", Kind::Text, "opportunistic"),
    key("delivery.routes", Kind::Map, ""),
    span("queue.keep_failed", "7d", (0, 365 * DAY)),
    size("queue.max_bytes_per_domain", "1GiB", (1, 1024 * GIB)),
    key("srs.domain", Kind::Text, ""),
    // Shorter ones can be guessed, a SHA-1 in base64 has no more; day stamps repeat after 1024 days.
    count("srs.hash_length", "8", (4, 27)),
    span("srs.max_age", "21d", (DAY, 1023 * DAY)),
    key("srs.secrets_file", Kind::Text, ""),
    key("policy.spf", Kind::Text, "observe"),
    key("policy.dkim", Kind::Text, "observe"),
    key("policy.dmarc", Kind::Text, "enforce"),
    key("policy.unauthenticated", Kind::Text, "accept"),
    key("policy.dns_lists", Kind::List, ""),
    key("policy.greylist", Kind::Flag, "false"),
    key("policy.arc", Kind::Text, "off"),
    key("policy.authentication_results", Kind::Flag, "true"),
    key("policy.forwarded_headers", Kind::Flag, "false"),
    count("limits.connections_per_ip_per_minute", "0", (0, MILLION)),
    count("limits.messages_per_ip_per_hour", "0", (0, MILLION)),
    count("limits.unknown_recipients_per_ip_per_hour", "0", (0, MILLION)),
    count("limits.messages_per_sender_domain_per_hour", "0", (0, MILLION)),
    count("limits.messages_per_alias_per_hour", "0", (0, MILLION)),
    count("limits.messages_per_destination_per_hour", "0", (0, MILLION)),
    span("log.retention", "30d", (1, 3650 * DAY)),
    // In less no log could keep: its own pages would not fit.
    size("log.max_bytes", "4GiB", (MIB, 16 * 1024 * GIB)),
    key("log.subjects", Kind::Flag, "true"),
    key("log.format", Kind::Text, "text"),
    key("log.level", Kind::Text, "info"),
    key("notify.to", Kind::List, ""),
    key("notify.mute", Kind::List, ""),
    key("notify.digest", Kind::Text, "weekly"),
    key("notify.heartbeat_url", Kind::Text, ""),
    key("backup.dir", Kind::Text, ""),
    span("backup.every", "1d", (1, 365 * DAY)),
    count("backup.keep", "7", (1, 1000)),
];

/// Finds a key by its full name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether `name` is a section: something is called `name.…`.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// Letters that may differ for a key to be proposed in place of an unknown one.
const MAX_SLIPS: usize = 2;

/// The key that was probably meant by an unknown one.
pub(super) fn nearest(unknown: &str) -> Option<&'static str> {
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let by_slips = KEYS.iter().map(|key| (slips(key.name, unknown), key.name)).min();
    let elsewhere = KEYS.iter().find(|key| last(key.name) == last(unknown)).map(|key| key.name);
    by_slips.filter(|(slips, _)| *slips <= MAX_SLIPS).map(|(_, name)| name).or(elsewhere)
}

/// Single-letter changes that lead from `a` to `b` (Levenshtein's distance).
fn slips(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let swapped = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = swapped.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_the_key_that_was_meant() {
        assert_eq!(nearest("smtp.lisen"), Some("smtp.listen"));
        assert_eq!(nearest("greylist"), Some("policy.greylist"));
        assert_eq!(nearest("smtp.colour"), None);
    }

    #[test]
    fn no_key_stands_twice() {
        let names: std::collections::BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn every_key_that_the_handbook_names_is_one() {
        let mut seen = 0;
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web/help")).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let is_name = |word: &str| word.split('.').all(is_word) && word.contains(['.', '_']);
            let named = text.split('`').skip(1).step_by(2).filter(|word| is_name(word) && !word.ends_with(".example"));
            for name in named {
                seen += 1;
                assert!(find(name).is_some(), "{}: there is no {name}", path.display());
            }
        }
        assert!(seen > 10, "{seen} keys were found");
    }
}
