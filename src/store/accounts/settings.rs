//! What was set in the panel, and audit rows for changes that are not storage's own.

use serde_json::Value;
use sqlx::SqliteConnection;

use super::{Accounts, AuditEntry, audit};
use crate::store::Result;
use crate::store::columns::{Columns, json};

pub(in crate::store) const ALL: &str = "select key, value from settings order by key";
pub(in crate::store) const SET: &str = "insert into settings (key, value, changed_at) values (?1, ?2, ?3) \
    on conflict (key) do update set value = excluded.value, changed_at = excluded.changed_at";

impl Accounts {
    /// What was set in the panel.
    pub async fn settings(&self) -> Result<Vec<(String, Value)>> {
        let rows = sqlx::query(ALL).fetch_all(&self.readers).await?;
        let read = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.take()?, columns.json("a setting")?))
        });
        read.collect()
    }

    /// Sets a key.
    pub async fn set(&self, key: &str, value: &Value, audit: AuditEntry) -> Result<()> {
        self.writer.change((key.to_owned(), json(value), audit), |c, needs| Box::pin(set(c, needs))).await
    }

    /// Writes an audit row for a change that is not one of storage's own.
    pub async fn audit(&self, entry: AuditEntry) -> Result<()> {
        self.writer.change(entry, |c, entry| Box::pin(audit::write(c, entry))).await
    }
}

async fn set(connection: &mut SqliteConnection, (key, value, entry): &(String, String, AuditEntry)) -> Result<()> {
    let set = sqlx::query(SET).bind(key.as_str()).bind(value.as_str()).bind(entry.at.millis());
    set.execute(&mut *connection).await?;
    audit::write(connection, entry).await
}
