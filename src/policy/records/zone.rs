//! A record as a line of a zone file (RFC 1035 §5.1).

use super::{Record, Verdict};

/// Octets of one string of a TXT record (RFC 1035 §3.3.14).
const MAX_STRING_OCTETS: usize = 255;

/// The line that publishes what is wanted, or, where nothing is, the text that is there and right; none of what is neither.
#[must_use]
pub fn zone_line(record: &Record) -> Option<String> {
    let wanted = record.wanted.as_ref().or_else(|| right(record))?;
    let value = if record.kind == "TXT" { strings(wanted) } else { wanted.clone() };
    Some(format!("{}.\tIN\t{}\t{value}", record.name, record.kind))
}

/// The lines of a zone that have to go for mail to come here.
#[must_use]
pub fn lines_to_remove(record: &Record) -> Vec<String> {
    let values = if record.id == "mx" { super::mx::to_remove(record) } else { Vec::new() };
    values.into_iter().map(|value| format!("{}. IN {} {value}", record.name, record.kind)).collect()
}

/// A zone that takes the place of another one has to have this too.
fn right(record: &Record) -> Option<&String> {
    match record.found.as_slice() {
        [only] if record.kind == "TXT" && record.verdict == Verdict::Ok => Some(only),
        _ => None,
    }
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
