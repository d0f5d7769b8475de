//! Reads the columns of a row from left to right, as our types; and maps what sqlx says to what callers tell apart.

use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;

use super::{Result, StoreError};
use crate::mail::Moment;

/// A row, and how far it was read.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column, as any type that sqlx knows.
    pub(super) fn take<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T> {
        let value = self.row.try_get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid> {
        Uuid::from_slice(self.take()?).map_err(|_| broken("a uuid"))
    }

    pub(super) fn maybe_uuid(&mut self) -> Result<Option<Uuid>> {
        let octets: Option<&[u8]> = self.take()?;
        octets.map(|octets| Uuid::from_slice(octets).map_err(|_| broken("a uuid"))).transpose()
    }

    pub(super) fn moment(&mut self) -> Result<Moment> {
        Ok(Moment::from_millis(self.take()?))
    }

    pub(super) fn maybe_moment(&mut self) -> Result<Option<Moment>> {
        Ok(self.take::<Option<i64>>()?.map(Moment::from_millis))
    }

    pub(super) fn count(&mut self) -> Result<u64> {
        Ok(unsigned(self.take()?))
    }

    pub(super) fn maybe_count(&mut self) -> Result<Option<u64>> {
        Ok(self.take::<Option<i64>>()?.map(unsigned))
    }

    pub(super) fn flag(&mut self) -> Result<bool> {
        Ok(self.take::<i64>()? != 0)
    }

    pub(super) fn hash(&mut self) -> Result<Option<[u8; 32]>> {
        let octets: Option<&[u8]> = self.take()?;
        octets.map(|o| o.try_into().map_err(|_| broken("a hash"))).transpose()
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(&mut self, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        parse(self.take()?).ok_or_else(|| broken(what))
    }

    /// A text of JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&mut self, what: &str) -> Result<T> {
        self.parsed(what, |text| serde_json::from_str(text).ok())
    }

    /// A text of JSON, or null.
    pub(super) fn maybe_json<T: serde::de::DeserializeOwned>(&mut self, what: &str) -> Result<Option<T>> {
        let text: Option<&str> = self.take()?;
        text.map(|text| serde_json::from_str(text).map_err(|_| broken(what))).transpose()
    }
}

/// What the database holds cannot be read as what it should be.
pub(super) fn broken(what: &str) -> StoreError {
    StoreError::Unwell(format!("the database holds {what} that cannot be read"))
}

/// A count out of a column: never negative.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A count into a column.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A value as JSON; ours always have a JSON form.
pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// Ids as a JSON array of hexadecimal texts, for `unhex(value)` over `json_each`.
pub(super) fn hex_list<'a>(ids: impl IntoIterator<Item = &'a Uuid>) -> String {
    json(&ids.into_iter().map(|id| id.simple().to_string()).collect::<Vec<_>>())
}

/// Hashes, as [`hex_list`] writes ids.
pub(super) fn hex_hashes(hashes: &[[u8; 32]]) -> String {
    json(&hashes.iter().map(|hash| data_encoding::HEXLOWER.encode(hash)).collect::<Vec<_>>())
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Exists("the row".to_owned()),
            _ => Self::Unwell(error.to_string()),
        }
    }
}
