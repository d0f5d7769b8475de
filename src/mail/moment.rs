//! A moment: milliseconds of UTC since 1970, as a value. Who asks for the present asks `clock`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

const MILLIS_PER_DAY: i64 = 86_400_000;
const COMPACT: &str = "%Y%m%dT%H%M%SZ";

/// A point in time, in UTC milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(i64);

/// How long something took, as people say it: `0.8 s`, `42 s`, `4 min`, `2 h`.
#[must_use]
pub fn span_in_words(length: Duration) -> String {
    match length.as_secs() {
        0 if length.as_millis() < 100 => "under 0.1 s".to_owned(),
        0..10 => format!("{}.{} s", length.as_secs(), length.subsec_millis() / 100),
        secs @ 10..60 => format!("{secs} s"),
        secs @ 60..3600 => format!("{} min", secs / 60),
        secs => format!("{} h", secs / 3600),
    }
}

impl Moment {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since 1970, clamped to the years that can be written (-9999 to 9999).
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond()))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole days since 1970, as SRS stamps count them.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(MILLIS_PER_DAY)
    }

    /// Later by `wait`.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Earlier by `span`.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As names of files have it, to the second: `20261122T185624Z` (ISO 8601, basic).
    #[must_use]
    pub fn compact(self) -> String {
        self.timestamp().strftime(COMPACT).to_string()
    }

    /// Reads what [`Moment::compact`] writes, and nothing else.
    #[must_use]
    pub fn parse_compact(text: &str) -> Option<Self> {
        let read = jiff::civil::DateTime::strptime(COMPACT, text).ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        let moment = Self(read.timestamp().as_millisecond());
        (moment.compact() == text).then_some(moment)
    }

    /// The first moment of its month, UTC.
    #[must_use]
    pub fn start_of_month(self) -> Self {
        let month = self.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
        month.to_zoned(jiff::tz::TimeZone::UTC).map_or(self, |start| Self(start.timestamp().as_millisecond()))
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default()
    }

    /// As header fields write it: `Sun, 22 Nov 2026 18:56:24 +0000` (RFC 5322 §3.3).
    #[must_use]
    pub fn rfc5322(self) -> String {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }

    /// As the API writes it: `2026-11-22T18:56:24.120Z` (RFC 3339), always with milliseconds.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// As people read it: `22 Nov 2026, 18:56:24 UTC`.
    #[must_use]
    pub fn in_words(self) -> String {
        self.timestamp().strftime("%d %b %Y, %H:%M:%S UTC").to_string()
    }

    /// Reads RFC 3339.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl ToSchema for Moment {}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let text = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
        text.description(Some("A time of RFC 3339, in UTC.")).into()
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("not a time of RFC 3339"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_people_do() {
        let told = [0, 99, 850, 9_990, 59_900, 300_000, 7_200_000].map(|ms| span_in_words(Duration::from_millis(ms)));
        assert_eq!(told, ["under 0.1 s", "under 0.1 s", "0.8 s", "9.9 s", "59 s", "5 min", "2 h"]);
    }

    #[test]
    fn a_month_begins_at_midnight_of_its_first_day() {
        let moment = Moment::from_millis(1_795_373_784_120);
        assert_eq!(moment.start_of_month().rfc3339(), "2026-11-01T00:00:00.000Z");
        assert_eq!(moment.start_of_month().start_of_month(), moment.start_of_month());
    }

    #[test]
    fn writes_and_reads_its_forms() {
        let moment = Moment::from_millis(1_795_373_784_120);
        assert_eq!(moment.rfc5322(), "Sun, 22 Nov 2026 18:56:24 +0000");
        assert_eq!(moment.rfc3339(), "2026-11-22T18:56:24.120Z");
        assert_eq!(Moment::parse_rfc3339("2026-11-22T19:56:24.120+01:00"), Some(moment));
    }
}
