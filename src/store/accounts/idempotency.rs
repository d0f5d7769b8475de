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
/// Keys of one account: beyond, the oldest make room.
const MAX_KEYS: i64 = 5_000;
/// Octets of the answers of one account: beyond, the oldest are replaced by [`STAND_IN`].
const MAX_OCTETS: i64 = 4 << 20;
/// What is kept in place of an answer that would take too much room.
pub const STAND_IN: &str =
    "{\"done\":true,\"detail\":\"This was done already. Its answer was too large to be kept, or is too old.\"}";

pub(in crate::store) const FIND: &str = "select request, status, etag, location, body from idempotency_keys \
    where account_id = ?1 and key = ?2 and created_at > ?3";
pub(in crate::store) const CLEAR: &str = "delete from idempotency_keys where created_at <= ?1";
pub(in crate::store) const KEEP: &str = "insert into idempotency_keys \
    (account_id, key, request, status, etag, location, body, created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
    on conflict do nothing";
/// Both along `idempotency_keys_by_account`, which has what they ask for: of an account, its room, and the stand-in.
pub(in crate::store) const MAKE_ROOM: &str = "delete from idempotency_keys where account_id = ?1 and created_at <= \
    (select created_at from idempotency_keys where account_id = ?1 order by created_at desc limit 1 offset ?2)";
pub(in crate::store) const CUT: &str = "update idempotency_keys set body = ?3 where account_id = ?1 \
    and octet_length(body) > octet_length(?3) and created_at <= (select max(created_at) from (select created_at, \
        sum(octet_length(body)) over (order by created_at desc) as octets from idempotency_keys where account_id = ?1) \
        where octets > ?2)";

/// An answer that was given, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SHA-256 of the request.
    pub request: [u8; 32],
    /// Its status.
    pub status: u16,
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Location`.
    pub location: Option<String>,
    /// Its body.
    pub body: String,
}

impl Accounts {
    /// The answer that was given to this idempotency key.
    pub async fn idempotent(&self, account: AccountId, key: &str, now: Moment) -> Result<Option<Answer>> {
        let ask = sqlx::query(FIND).bind(account.0).bind(key).bind(now.before(KEPT_FOR).millis());
        let Some(row) = ask.fetch_optional(&self.readers).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        Ok(Some(Answer {
            request: columns.hash()?.ok_or_else(|| broken("a hash"))?,
            status: u16::try_from(columns.count()?).map_err(|_| broken("a status"))?,
            etag: columns.take()?,
            location: columns.take()?,
            body: columns.take()?,
        }))
    }

    /// Keeps an answer for 24 h.
    pub async fn keep_idempotent(&self, account: AccountId, key: &str, answer: Answer, now: Moment) -> Result<()> {
        self.writer.change((account, key.to_owned(), answer, now), |c, needs| Box::pin(keep(c, needs))).await
    }
}

async fn keep(
    connection: &mut SqliteConnection,
    (account, key, answer, now): &(AccountId, String, Answer, Moment),
) -> Result<()> {
    sqlx::query(CLEAR).bind(now.before(KEPT_FOR).millis()).execute(&mut *connection).await?;
    let keep = sqlx::query(KEEP).bind(account.0).bind(key.as_str()).bind(answer.request.as_slice());
    let keep = keep.bind(i64::from(answer.status)).bind(answer.etag.as_deref()).bind(answer.location.as_deref());
    keep.bind(answer.body.as_str()).bind(now.millis()).execute(&mut *connection).await?;
    sqlx::query(MAKE_ROOM).bind(account.0).bind(MAX_KEYS).execute(&mut *connection).await?;
    sqlx::query(CUT).bind(account.0).bind(MAX_OCTETS).bind(STAND_IN).execute(connection).await?;
    Ok(())
}
