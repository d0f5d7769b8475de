//! Takes values by the name of their key, read by what they mean; what goes wrong is said with the key and its place.

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
        Duration::from_secs(self.number(name))
    }

    /// That of a count, or octets.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.entry(name).value.number().unwrap_or(0)
    }

    pub(super) fn amount(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }
}
