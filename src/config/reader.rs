//! Takes values by the name of their key, read by what they mean; what goes wrong is said with the key and its place.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::values::Reading;
use super::written::{ConfigError, Entry, Value, Written};

/// All keys, ready to be taken.
pub(super) struct Reader<'a>(&'a Written);

impl<'a> Reader<'a> {
    pub(super) fn new(written: &'a Written) -> Self {
        Self(written)
    }

    pub(super) fn entry(&self, name: &str) -> &'a Entry {
        self.0.get(name)
    }

    pub(super) fn fault(&self, name: &str, reason: impl std::fmt::Display) -> ConfigError {
        ConfigError::new(&self.entry(name).place, format!("{name}: {reason}"))
    }

    pub(super) fn text(&self, name: &str) -> &'a str {
        let Value::Text(text) = &self.entry(name).value else { return "" };
        text
    }

    pub(super) fn filled(&self, name: &str) -> Result<&'a str, ConfigError> {
        Some(self.text(name)).filter(|text| !text.is_empty()).ok_or_else(|| self.fault(name, "must not be empty"))
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    pub(super) fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Reading<T>) -> Result<T, ConfigError> {
        parse(self.text(name)).map_err(|reason| self.fault(name, reason))
    }

    pub(super) fn optional<T>(&self, name: &str, parse: impl Fn(&str) -> Reading<T>) -> Result<Option<T>, ConfigError> {
        if self.text(name).is_empty() { Ok(None) } else { self.parsed(name, parse).map(Some) }
    }

    pub(super) fn list(&self, name: &str) -> &'a [String] {
        let Value::List(items) = &self.entry(name).value else { return &[] };
        items
    }

    pub(super) fn each<T>(&self, name: &str, parse: impl Fn(&str) -> Reading<T>) -> Result<Vec<T>, ConfigError> {
        self.list(name).iter().map(|item| parse(item).map_err(|reason| self.fault(name, reason))).collect()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.entry(name).value == Value::Flag(true)
    }

    pub(super) fn span(&self, name: &str) -> Duration {
        let Value::Span(span) = self.entry(name).value else { return Duration::ZERO };
        span
    }

    pub(super) fn positive_span(&self, name: &str) -> Result<Duration, ConfigError> {
        Some(self.span(name))
            .filter(|span| !span.is_zero())
            .ok_or_else(|| self.fault(name, "must be more than nothing"))
    }

    pub(super) fn seconds_within(&self, name: &str, range: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        let span = self.span(name);
        let refused = || self.fault(name, format!("must lie between {}s and {}s", range.start(), range.end()));
        Some(span).filter(|span| range.contains(&span.as_secs())).ok_or_else(refused)
    }

    pub(super) fn size(&self, name: &str) -> u64 {
        match self.entry(name).value {
            Value::Size(number) | Value::Count(number) => number,
            _ => 0,
        }
    }

    pub(super) fn positive(&self, name: &str) -> Result<u64, ConfigError> {
        Some(self.size(name)).filter(|number| *number > 0).ok_or_else(|| self.fault(name, "must be at least 1"))
    }

    pub(super) fn amount(&self, name: &str) -> Result<usize, ConfigError> {
        self.positive(name)?;
        self.amount_or_none(name)
    }

    pub(super) fn amount_or_none(&self, name: &str) -> Result<usize, ConfigError> {
        usize::try_from(self.size(name)).map_err(|_| self.fault(name, "is more than this machine can count"))
    }

    pub(super) fn amount_within(&self, name: &str, range: RangeInclusive<u64>) -> Result<usize, ConfigError> {
        if !range.contains(&self.size(name)) {
            return Err(self.fault(name, format!("must lie between {} and {}", range.start(), range.end())));
        }
        self.amount(name)
    }
}
