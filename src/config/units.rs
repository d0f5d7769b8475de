//! Durations (`10s`, `5m`, `4h`, `7d`) and sizes (`4096`, `64KiB`, `50MiB`, `1GiB`), read and written alike.

use std::time::Duration;

const SPANS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads a number with one of the units `s m h d`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    with_unit(text, &SPANS).map(Duration::from_secs).ok_or_else(|| {
        format!("{text:?} is not a duration; write a number with s, m, h or d, such as \"10s\" or \"30d\"")
    })
}

/// Reads a number of octets, with or without one of the units `KiB MiB GiB`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    text.trim().parse().ok().or_else(|| with_unit(text, &SIZES)).ok_or_else(|| {
        format!("{text:?} is not a size; write octets or a number with KiB, MiB or GiB, such as \"50MiB\"")
    })
}

/// Writes a span in the largest unit that leaves no remainder.
pub(super) fn show_span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (unit, length) = largest(seconds, &SPANS).unwrap_or(("s", 1));
    format!("{}{unit}", seconds / length)
}

/// Writes a size in the largest unit that leaves no remainder.
pub(super) fn show_size(octets: u64) -> String {
    match largest(octets, &SIZES) {
        Some((unit, length)) => format!("{}{unit}", octets / length),
        None => octets.to_string(),
    }
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, length) = units.iter().find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)))?;
    number.trim_end().parse::<u64>().ok()?.checked_mul(*length)
}

fn largest(amount: u64, units: &[(&'static str, u64)]) -> Option<(&'static str, u64)> {
    units.iter().copied().find(|(_, length)| amount >= *length && amount.is_multiple_of(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_written_as_they_are_read() {
        for text in ["0s", "10s", "90s", "5m", "25h", "7d"] {
            assert_eq!(show_span(parse_span(text).unwrap()), text);
        }
        for text in ["0", "1000", "4KiB", "50MiB", "1GiB"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }

    #[test]
    fn refuses_what_has_no_unit_or_too_much_of_it() {
        for text in ["10", "s", "-1s", "1.5h", "10 weeks", "", "99999999999999999d"] {
            assert!(parse_span(text).is_err(), "{text:?}");
        }
        for text in ["10MB", "KiB", "-1", "", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text:?}");
        }
    }
}
