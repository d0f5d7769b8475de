//! Answers by idempotency key, so that a request that is sent twice is done once.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::Accounts;
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::Result;
use crate::store::columns::{Columns, broken};

/// Answers are kept so long.
const KEPT_FOR: Duration = Duration::from_secs(86_400);

pub(in crate::store) const FIND: &str =
    "select request, status, body from idempotency_keys where account_id = ?1 and key = ?2 and created_at > ?3";
pub(in crate::store) const CLEAR: &str = "delete from idempotency_keys where created_at <= ?1";
pub(in crate::store) const KEEP: &str = "insert into idempotency_keys \
    (account_id, key, request, status, body, created_at) values (?1, ?2, ?3, ?4, ?5, ?6) on conflict do nothing";

/// The request's hash, the answer's status and body.
type Answer = ([u8; 32], u16, String);

impl Accounts {
    /// An answer that was given to this idempotency key: the request's hash, status and body.
    pub async fn idempotent(&self, account: AccountId, key: &str, now: Moment) -> Result<Option<Answer>> {
        let ask = sqlx::query(FIND).bind(account.0).bind(key).bind(now.before(KEPT_FOR).millis());
        let Some(row) = ask.fetch_optional(&self.readers).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let hash = columns.hash()?.ok_or_else(|| broken("a hash"))?;
        let status = u16::try_from(columns.count()?).map_err(|_| broken("a status"))?;
        Ok(Some((hash, status, columns.take()?)))
    }

    /// Keeps an answer for 24 h.
    pub async fn keep_idempotent(&self, account: AccountId, key: &str, answer: Answer, now: Moment) -> Result<()> {
        self.writer.change((account, key.to_owned(), answer, now), |c, needs| Box::pin(keep(c, needs))).await
    }
}

async fn keep(
    connection: &mut SqliteConnection,
    (account, key, (hash, status, body), now): &(AccountId, String, Answer, Moment),
) -> Result<()> {
    sqlx::query(CLEAR).bind(now.before(KEPT_FOR).millis()).execute(&mut *connection).await?;
    let keep = sqlx::query(KEEP).bind(account.0).bind(key.as_str()).bind(hash.as_slice()).bind(i64::from(*status));
    keep.bind(body.as_str()).bind(now.millis()).execute(connection).await?;
    Ok(())
}
