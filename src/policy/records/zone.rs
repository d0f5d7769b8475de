//! A record as a line of a zone file (RFC 1035 §5.1).

use super::Record;

/// Octets of one string of a TXT record (RFC 1035 §3.3.14).
const MAX_STRING_OCTETS: usize = 255;

/// The line that publishes what is wanted; none where nothing is.
#[must_use]
pub fn zone_line(record: &Record) -> Option<String> {
    let wanted = record.wanted.as_ref()?;
    let value = if record.kind == "TXT" { strings(wanted) } else { wanted.clone() };
    Some(format!("{}.\tIN\t{}\t{value}", record.name, record.kind))
}

/// The text in quoted strings that are no longer than they may be.
fn strings(text: &str) -> String {
    let chunks = text.as_bytes().chunks(MAX_STRING_OCTETS);
    let quoted = chunks.map(|chunk| {
        let escaped = String::from_utf8_lossy(chunk).replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    });
    quoted.collect::<Vec<_>>().join(" ")
}
