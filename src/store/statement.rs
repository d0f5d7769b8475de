//! Constant statements over many rows.
//!
//! A statement over `N` rows of values serves any number up to `N`: what is not bound is null, and rows whose first
//! column is null are passed over. So a handful of prepared statements carries batches of every size, and nothing is
//! ever put together at run time.

use serde::de::DeserializeOwned;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqlitePool};

use super::Result;
use super::columns::Columns;

/// A statement that takes its values.
///
/// A constant may hold several statements, which then cost one way to the connection's thread and back. Such a one
/// writes its values as plain `?`, each in its turn: with numbers that leave gaps some would stay unbound.
pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// What a statement gives as one JSON array: hundreds of rows are handed over far quicker so than one by one, for which two
/// threads wait for each other.
pub(super) async fn whole<T: DeserializeOwned>(ask: Statement, readers: &SqlitePool, what: &str) -> Result<Vec<T>> {
    Columns::of(&ask.fetch_one(readers).await?).json(what)
}

/// Rows that the largest of the three statements takes.
pub(super) const MAX_ROWS: usize = 32;

/// The same insert for one row, for up to 8, and for up to [`MAX_ROWS`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Inserts {
    pub(super) one: &'static str,
    pub(super) eight: &'static str,
    pub(super) many: &'static str,
}

impl Inserts {
    /// The smallest statement that takes so many rows.
    pub(super) const fn of(&self, rows: usize) -> &'static str {
        match rows {
            0 | 1 => self.one,
            2..=8 => self.eight,
            _ => self.many,
        }
    }

    /// All of them.
    #[cfg(test)]
    pub(super) const fn all(&self) -> [&'static str; 3] {
        [self.one, self.eight, self.many]
    }
}

/// `inserts!("insert into t (a, b)", "(?, ?)")`.
macro_rules! inserts {
    ($into:expr, $row:literal) => {
        $crate::store::statement::Inserts {
            one: concat!($into, " values ", $row),
            eight: $crate::store::statement::inserts!(@ $into, $crate::store::statement::inserts!(@8 $row)),
            many: $crate::store::statement::inserts!(@ $into, $crate::store::statement::inserts!(@32 $row)),
        }
    };
    (@ $into:expr, $rows:expr) => {
        concat!($into, " select * from (values ", $rows, ") where column1 is not null")
    };
    (@8 $row:literal) => {
        concat!($row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row, ",", $row)
    };
    (@32 $row:literal) => {
        concat!(
            $crate::store::statement::inserts!(@8 $row), ",", $crate::store::statement::inserts!(@8 $row), ",",
            $crate::store::statement::inserts!(@8 $row), ",", $crate::store::statement::inserts!(@8 $row)
        )
    };
}
pub(super) use inserts;
