//! What was set in the panel, and audit rows for changes that are not storage's own.

use serde_json::Value;
use sqlx::SqliteConnection;

use super::{Accounts, AuditEntry, audit};
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::Result;
use crate::store::columns::{Columns, json};

pub(in crate::store) const ALL: &str = "select key, value from settings order by key";
pub(in crate::store) const SET: &str = "insert into settings (key, value, changed_at) values (?1, ?2, ?3) \
    on conflict (key) do update set value = excluded.value, changed_at = excluded.changed_at";
pub(in crate::store) const UNSET: &str = "delete from settings where key = ?1";

/// Entries that are looked at for each that is counted.
const LOOKED_AT: u32 = 4;

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

    /// Sets keys, all of them or none; without a value one is taken back.
    pub async fn set(&self, changes: Vec<(String, Option<Value>)>, audit: AuditEntry) -> Result<()> {
        self.writer.change((changes, audit), |c, needs| Box::pin(set(c, needs))).await
    }

    /// How often an account did something since then, as far as its newest `limit` entries tell.
    pub async fn made_since(&self, account: AccountId, action: &str, (since, limit): (Moment, u32)) -> Result<u32> {
        let ask = sqlx::query_scalar(audit::MADE_SINCE).bind(account.0).bind(action.to_owned());
        Ok(ask.bind(since.millis()).bind(limit.saturating_mul(LOOKED_AT)).fetch_one(&self.readers).await?)
    }

    /// Writes an audit row for a change that is not one of storage's own.
    pub async fn audit(&self, entry: AuditEntry) -> Result<()> {
        self.writer.change(entry, |c, entry| Box::pin(audit::write(c, entry))).await
    }
}

async fn set(
    connection: &mut SqliteConnection,
    (changes, entry): &(Vec<(String, Option<Value>)>, AuditEntry),
) -> Result<()> {
    for (key, value) in changes {
        let change = match value {
            Some(value) => sqlx::query(SET).bind(key.as_str()).bind(json(value)).bind(entry.at.millis()),
            None => sqlx::query(UNSET).bind(key.as_str()),
        };
        change.execute(&mut *connection).await?;
    }
    audit::write(connection, entry).await
}
