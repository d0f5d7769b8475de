//! A time as people say it: a date, a time of RFC 3339, or how long ago.

use anyhow::bail;

use crate::clock::Clock;
use crate::config::parse_span;
use crate::mail::Moment;

/// Reads it into RFC 3339.
pub(super) fn read(text: &str) -> anyhow::Result<String> {
    match parse(text, Clock::system().now()) {
        Some(moment) => Ok(moment.rfc3339()),
        None => bail!("{text:?} is not a time; write 2026-11-22, 2026-11-22T12:00:00Z, or a span such as 2h"),
    }
}

fn parse(text: &str, now: Moment) -> Option<Moment> {
    let span = || parse_span(text).ok().map(|span| now.before(span));
    let day = || Moment::parse_rfc3339(&format!("{text}T00:00:00Z"));
    Moment::parse_rfc3339(text).or_else(day).or_else(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_times_and_spans() {
        let now = Moment::from_millis(1_795_373_784_120);
        let read = |text| parse(text, now).map(Moment::rfc3339);
        assert_eq!(read("2h").as_deref(), Some("2026-11-22T16:56:24.120Z"));
        assert_eq!(read("2026-11-01").as_deref(), Some("2026-11-01T00:00:00.000Z"));
        assert_eq!(read("2026-11-01T10:00:00+01:00").as_deref(), Some("2026-11-01T09:00:00.000Z"));
        assert_eq!(read("yesterday"), None);
    }
}
