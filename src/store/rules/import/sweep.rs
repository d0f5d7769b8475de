//! Deletes what imports that failed have left, aliases first, then the destinations that they added, in steps that let
//! others write in between.

use sqlx::SqliteConnection;

use super::Import;
use crate::policy::ids::AccountId;
use crate::store::Result;
use crate::store::columns::{Columns, json};
use crate::store::queue::ledger::Entry;
use crate::store::writer::Writer;

pub(in crate::store) const LEFT: &str = "select account_id, first_alias_id, started_at from imports \
    where id = ?1 and finished_at is null";
pub(in crate::store) const SOME: &str = "select id from aliases where id >= ?2 and import_id = ?1 limit 1000";
pub(in crate::store) const DELETE: &str = "delete from aliases where id in (select value from json_each(?1))";
pub(in crate::store) const SOME_DESTINATIONS: &str =
    "select max(id) from (select id from destinations where id > ?1 order by id limit 1000)";
pub(in crate::store) const DELETE_DESTINATIONS: &str = "delete from destinations where id > ?1 and id <= ?2 \
    and account_id = ?3 and created_at = ?4 and verified_at is null and version = 1 \
    and not exists (select 1 from alias_destinations where destination_id = destinations.id)";
pub(in crate::store) const FORGET: &str = "delete from imports where id = ?1";

/// Deletes what these imports have left, in steps.
pub(super) async fn sweep_all(writer: &Writer<Entry>, imports: Vec<i64>) -> Result<()> {
    for id in imports {
        while writer.change(id, |c, id| Box::pin(sweep_some(c, *id))).await? {}
        let mut behind = Some(0);
        while let Some(last) = behind {
            behind = writer.change((id, last), |c, needs| Box::pin(sweep_destinations(c, *needs))).await?;
        }
    }
    Ok(())
}

pub(super) fn report(swept: Result<()>) {
    if let Err(error) = swept {
        tracing::warn!(%error, "the aliases of a failed import are not all deleted yet");
    }
}

/// One step; whether there is more to do.
async fn sweep_some(connection: &mut SqliteConnection, id: i64) -> Result<bool> {
    let Some((import, first)) = left(connection, id).await? else { return Ok(false) };
    let aliases: Vec<i64> = sqlx::query_scalar(SOME).bind(import.id).bind(first).fetch_all(&mut *connection).await?;
    sqlx::query(DELETE).bind(json(&aliases)).execute(connection).await?;
    Ok(!aliases.is_empty())
}

/// One step over the destinations that it added and nobody uses, and with the last step the import itself; gives how far
/// it came while there is more to do.
async fn sweep_destinations(connection: &mut SqliteConnection, (id, behind): (i64, i64)) -> Result<Option<i64>> {
    let Some((import, _)) = left(connection, id).await? else { return Ok(None) };
    let last: Option<i64> = sqlx::query_scalar(SOME_DESTINATIONS).bind(behind).fetch_one(&mut *connection).await?;
    match last {
        None => sqlx::query(FORGET).bind(id).execute(connection).await?,
        Some(last) => {
            let delete = sqlx::query(DELETE_DESTINATIONS).bind(behind).bind(last).bind(import.account.0);
            delete.bind(import.started_at.millis()).execute(connection).await?
        }
    };
    Ok(last)
}

/// An import that has not finished, and the id of its first alias.
async fn left(connection: &mut SqliteConnection, id: i64) -> Result<Option<(Import, i64)>> {
    let Some(row) = sqlx::query(LEFT).bind(id).fetch_optional(connection).await? else { return Ok(None) };
    let mut columns = Columns::of(&row);
    let (account, first, started_at) = (AccountId(columns.take()?), columns.take()?, columns.moment()?);
    Ok(Some((Import { id, account, started_at }, first)))
}
