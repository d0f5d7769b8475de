//! Claims: what is due is leased in one transaction that also writes when the lease lapses, so a crash only delays.

use std::time::Duration;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::delivery::{columns, read_claim};
use super::{Claim, LEASE, Queue};
use crate::mail::Moment;
use crate::store::Result;
use crate::store::activity::Row;
use crate::store::columns::{Columns, broken, hex_list, json};

pub(in crate::store) const DUE: &str = "select id from deliveries \
    where state in ('due', 'leased') and due_at <= ?1 order by due_at limit ?2";
pub(in crate::store) const LEASE_THEM: &str = "update deliveries set state = 'leased', due_at = ?2, node_id = ?3 \
    where id in (select value from json_each(?1))";
pub(in crate::store) const BY_KEYS: &str =
    concat!(columns!(), " where q.id in (select value from json_each(?1)) order by q.id");
pub(in crate::store) const RENEW: &str = "update deliveries set due_at = ?2 \
    where state = 'leased' and uuid in (select unhex(value) from json_each(?1))";
pub(in crate::store) const GIVE_BACK: &str = "update deliveries set state = 'due', due_at = ?2, node_id = null \
    where state = 'leased' and uuid in (select unhex(value) from json_each(?1))";
pub(in crate::store) const LAPSE_ALL: &str =
    "update deliveries set state = 'due', due_at = ?1, node_id = null where state = 'leased'";
pub(in crate::store) const BRING_NEAR: &str = "update deliveries set due_at = max(?1, due_at - ?2) \
    where state in ('due', 'leased') and due_at > ?1";
pub(in crate::store) const NOT_AFTER: &str = "update deliveries set due_at = ?1 where state = 'due' and due_at > ?1";
pub(in crate::store) const NEXT_DUE: &str = "select min(due_at) from deliveries where state in ('due', 'leased')";
pub(in crate::store) const LOG_ROWS: &str =
    "select id, uuid, log_row from deliveries where id > ?1 and log_row is not null order by id limit 1000";

/// Deliveries of one claim at most.
pub const MAX_CLAIMED: u32 = 1000;
/// This gateway, where several share a database; one does not need a name.
const NODE: &str = "";

impl Queue {
    /// Claims up to `limit` deliveries that are due, oldest first, leasing them from `now`. Writing the next try in the
    /// same transaction is what makes a crash harmless.
    pub async fn claim(&self, now: Moment, limit: u32) -> Result<Vec<Claim>> {
        let limit = limit.min(MAX_CLAIMED);
        let keys = self.writer.change((now, limit), |c, (now, limit)| Box::pin(lease(c, *now, *limit))).await?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(BY_KEYS).bind(json(&keys)).fetch_all(&self.readers).await?;
        // One row that cannot be read must not stop the others.
        let readable = |row| read_claim(row, self).inspect_err(|error| tracing::error!(%error, "a delivery is broken"));
        let mut claims = rows.iter().filter_map(|row| readable(row).ok()).collect::<Vec<_>>();
        claims.sort_by_key(|claim| keys.iter().position(|key| *key == claim.key));
        Ok(claims)
    }

    /// Renews the leases of these activity ids.
    pub async fn renew(&self, ids: Vec<Uuid>, now: Moment) -> Result<()> {
        let until = now.after(LEASE);
        self.writer.change((ids, until), |c, needs| Box::pin(set_due(c, RENEW, needs))).await
    }

    /// Gives back leases of attempts that were never made (stop, no slot): due at the moment, tries unchanged.
    pub async fn give_back(&self, ids: Vec<Uuid>, due: Moment) -> Result<()> {
        self.writer.change((ids, due), |c, needs| Box::pin(set_due(c, GIVE_BACK, needs))).await
    }

    /// On start: all earlier leases lapse.
    pub async fn lapse_all(&self, now: Moment) -> Result<u64> {
        self.writer.change(now, |c, now| Box::pin(lapse_all(c, *now))).await
    }

    /// The clock was set back `by` so much: what is to come comes as much earlier, but not before `now`.
    pub async fn bring_near(&self, by: Duration, now: Moment) -> Result<u64> {
        self.writer.change((by, now), |c, (by, now)| Box::pin(bring_near(c, *by, *now))).await
    }

    /// On start: nothing is due after `latest`. The clock may have been set back while nobody ran.
    pub async fn not_after(&self, latest: Moment) -> Result<u64> {
        self.writer.change(latest, |c, latest| Box::pin(not_after(c, *latest))).await
    }

    /// When the next delivery is due.
    pub async fn next_due(&self) -> Result<Option<Moment>> {
        let row = sqlx::query(NEXT_DUE).fetch_one(&self.readers).await?;
        Columns::of(&row).maybe_moment()
    }

    /// Activity rows of deliveries in the queue that the log lacks (after a crash between the two commits).
    pub async fn rows_to_restore(&self) -> Result<Vec<Row>> {
        let (mut last, mut lost) = (0_i64, Vec::new());
        loop {
            let rows = sqlx::query(LOG_ROWS).bind(last).fetch_all(&self.readers).await?;
            let mut kept = Vec::with_capacity(rows.len());
            for row in &rows {
                let mut columns = Columns::of(row);
                last = columns.take()?;
                kept.push((columns.uuid()?, columns.take::<String>()?));
            }
            if kept.is_empty() {
                return Ok(lost);
            }
            let known = self.activity.known(kept.iter().map(|(id, _)| id)).await?;
            for (_, row) in kept.iter().filter(|(id, _)| !known.contains(id)) {
                lost.push(serde_json::from_str(row).map_err(|_| broken("a row of the log"))?);
            }
        }
    }
}

async fn lease(connection: &mut SqliteConnection, now: Moment, limit: u32) -> Result<Vec<i64>> {
    let keys: Vec<i64> = sqlx::query_scalar(DUE).bind(now.millis()).bind(limit).fetch_all(&mut *connection).await?;
    if !keys.is_empty() {
        let lease = sqlx::query(LEASE_THEM).bind(json(&keys)).bind(now.after(LEASE).millis()).bind(NODE);
        lease.execute(connection).await?;
    }
    Ok(keys)
}

async fn set_due(
    connection: &mut SqliteConnection,
    statement: &'static str,
    (ids, due): &(Vec<Uuid>, Moment),
) -> Result<()> {
    sqlx::query(statement).bind(hex_list(ids)).bind(due.millis()).execute(connection).await?;
    Ok(())
}

async fn bring_near(connection: &mut SqliteConnection, by: Duration, now: Moment) -> Result<u64> {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Ok(sqlx::query(BRING_NEAR).bind(now.millis()).bind(by).execute(connection).await?.rows_affected())
}

async fn not_after(connection: &mut SqliteConnection, latest: Moment) -> Result<u64> {
    Ok(sqlx::query(NOT_AFTER).bind(latest.millis()).execute(connection).await?.rows_affected())
}

async fn lapse_all(connection: &mut SqliteConnection, now: Moment) -> Result<u64> {
    Ok(sqlx::query(LAPSE_ALL).bind(now.millis()).execute(connection).await?.rows_affected())
}
