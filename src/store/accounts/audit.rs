//! The audit log: who changed what, before and after; in the transaction of the change itself.

use sqlx::SqliteConnection;

use super::AuditEntry;
use crate::store::Result;
use crate::store::columns::json;

pub(in crate::store) const INSERT: &str = "insert into audit (at, account_id, actor, action, object, before, after) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Writes one entry.
pub(in crate::store) async fn write(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<()> {
    let insert = sqlx::query(INSERT).bind(entry.at.millis()).bind(entry.account.0).bind(entry.actor.as_str());
    let insert = insert.bind(entry.action.as_str()).bind(entry.object.as_str());
    insert.bind(entry.before.as_ref().map(json)).bind(entry.after.as_ref().map(json)).execute(connection).await?;
    Ok(())
}
