//! Every key of the configuration: its name, the kind of its value and its default, in the order of the documentation.
//!
//! The table drives what is accepted, from the file and from the environment alike; what a value means is `meant`'s.

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
}

const fn key(name: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { name, kind, default }
}

/// All keys.
pub(super) const KEYS: &[Key] = &[
    key("hostname", Kind::Text, ""),
    key("data_dir", Kind::Text, "data"),
    key("database.url", Kind::Text, ""),
    key("smtp.listen", Kind::List, "127.0.0.1:2525"),
    key("smtp.tls_certificate", Kind::Text, ""),
    key("smtp.tls_key", Kind::Text, ""),
    key("smtp.max_message_bytes", Kind::Size, "50MiB"),
    key("smtp.max_recipients", Kind::Count, "100"),
    key("smtp.answer_within", Kind::Span, "10s"),
    key("smtp.max_connections", Kind::Count, "10000"),
    key("smtp.max_connections_per_ip", Kind::Count, "50"),
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
    key("dns.timeout", Kind::Span, "5s"),
    key("delivery.port", Kind::Count, "25"),
    key("delivery.relay", Kind::Text, ""),
    key("delivery.relay_username", Kind::Text, ""),
    key("delivery.relay_password_file", Kind::Text, ""),
    key("delivery.allow_private", Kind::Flag, "false"),
    key("delivery.source_addresses", Kind::List, ""),
    key("delivery.connections_per_site", Kind::Count, "20"),
    key("delivery.messages_per_connection", Kind::Count, "100"),
    key("delivery.direct_timeout", Kind::Span, "8s"),
    key("delivery.direct_per_site", Kind::Count, "20"),
    key("delivery.direct_total", Kind::Count, "500"),
    key("delivery.direct_max_bytes", Kind::Size, "2MiB"),
    key("delivery.custody", Kind::Text, "careful"),
    key("delivery.stop_grace", Kind::Span, "25s"),
    key("delivery.retry", Kind::List, "1m,5m,15m,30m,1h,2h,4h"),
    key("delivery.lifetime", Kind::Span, "5d"),
    key("delivery.tls", Kind::Text, "opportunistic"),
    key("delivery.routes", Kind::Map, ""),
    key("queue.keep_failed", Kind::Span, "7d"),
    key("queue.max_bytes_per_domain", Kind::Size, "1GiB"),
    key("srs.domain", Kind::Text, ""),
    key("srs.hash_length", Kind::Count, "8"),
    key("srs.max_age", Kind::Span, "21d"),
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
    key("limits.connections_per_ip_per_minute", Kind::Count, "0"),
    key("limits.messages_per_ip_per_hour", Kind::Count, "0"),
    key("limits.unknown_recipients_per_ip_per_hour", Kind::Count, "0"),
    key("limits.messages_per_sender_domain_per_hour", Kind::Count, "0"),
    key("limits.messages_per_alias_per_hour", Kind::Count, "0"),
    key("limits.messages_per_destination_per_hour", Kind::Count, "0"),
    key("log.retention", Kind::Span, "30d"),
    key("log.max_bytes", Kind::Size, "4GiB"),
    key("log.subjects", Kind::Flag, "true"),
    key("log.format", Kind::Text, "text"),
    key("log.level", Kind::Text, "info"),
    key("notify.to", Kind::List, ""),
    key("notify.mute", Kind::List, ""),
    key("notify.digest", Kind::Text, "weekly"),
    key("notify.heartbeat_url", Kind::Text, ""),
    key("backup.dir", Kind::Text, ""),
    key("backup.every", Kind::Span, "1d"),
    key("backup.keep", Kind::Count, "7"),
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
