//! What accounts sign in with: password, second factor, recovery codes. Nothing of it leaves storage but to be compared.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{Accounts, AuditEntry, Credentials, audit};
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::columns::{Columns, hex_hashes};
use crate::store::{Result, StoreError};
use uuid::Uuid;

macro_rules! columns {
    () => {
        "select id, password_hash, totp_secret, disabled_at is not null from accounts"
    };
}
pub(in crate::store) const BY_EMAIL: &str = concat!(columns!(), " where email = ?1");
pub(in crate::store) const BY_KEY: &str = concat!(columns!(), " where id = ?1");
pub(in crate::store) const SET_PASSWORD: &str =
    "update accounts set password_hash = ?2, version = version + 1 where id = ?1";
pub(in crate::store) const END_OTHERS: &str = "delete from sessions where account_id = ?1 and uuid is not ?2";
/// Links that were sent out or lie in browsers open nothing under the new password; those that ask an inbox are its own.
pub(in crate::store) const CLEAR_LINKS: &str = "delete from links where account_id = ?1 and address is null";
pub(in crate::store) const SET_TOTP: &str = "update accounts set totp_secret = ?2, totp_used_step = ?3, version = version + 1 \
    where id = ?1 and (?2 is null or totp_secret is null)";
pub(in crate::store) const CLEAR_CODES: &str = "delete from recovery_codes where account_id = ?1";
pub(in crate::store) const ADD_CODES: &str =
    "insert into recovery_codes (account_id, hash) select ?1, unhex(value) from json_each(?2)";
pub(in crate::store) const USE_STEP: &str = "update accounts set totp_used_step = ?2 \
    where id = ?1 and (totp_used_step is null or totp_used_step < ?2)";
pub(in crate::store) const USE_CODE: &str =
    "update recovery_codes set used_at = ?3 where account_id = ?1 and hash = ?2 and used_at is null";
pub(in crate::store) const CODES_LEFT: &str =
    "select count(*) from recovery_codes where account_id = ?1 and used_at is null";

/// A second factor as it is switched on: its secret, the step of the code that proved it, SHA-256 of recovery codes.
#[derive(Debug, Clone)]
pub struct NewTotp {
    /// The shared secret.
    pub secret: Vec<u8>,
    /// The step that is used up.
    pub used_step: u64,
    /// The codes that stand in for it.
    pub codes: Vec<[u8; 32]>,
}

impl Accounts {
    /// By the address that somebody signs in with.
    pub async fn credentials_by_email(&self, email: &str) -> Result<Credentials> {
        read(&sqlx::query(BY_EMAIL).bind(email.to_owned()).fetch_one(&self.readers).await?)
    }

    /// Of an account.
    pub async fn credentials(&self, key: AccountId) -> Result<Credentials> {
        read(&sqlx::query(BY_KEY).bind(key.0).fetch_one(&self.readers).await?)
    }

    /// Sets a password. Every session but `keep` ends, and no link of before is good any more.
    pub async fn set_password(
        &self,
        key: AccountId,
        hash: String,
        keep: Option<Uuid>,
        audit: AuditEntry,
    ) -> Result<()> {
        self.writer.change((key, hash, keep, audit), |c, needs| Box::pin(set_password(c, needs))).await
    }

    /// Switches the second factor on (with its codes), or off; `Changed` where it is to be switched on and is on.
    pub async fn set_totp(&self, key: AccountId, totp: Option<NewTotp>, audit: AuditEntry) -> Result<()> {
        self.writer.change((key, totp, audit), |c, needs| Box::pin(set_totp(c, needs))).await
    }

    /// Uses a step of the second factor up; false if it, or a later one, was used before.
    pub async fn use_totp_step(&self, key: AccountId, step: u64) -> Result<bool> {
        self.writer.change((key, step), |c, needs| Box::pin(use_step(c, *needs))).await
    }

    /// Uses a recovery code up; false if there is none such, or no more.
    pub async fn use_recovery_code(&self, key: AccountId, hash: [u8; 32], now: Moment) -> Result<bool> {
        self.writer.change((key, hash, now), |c, needs| Box::pin(use_code(c, *needs))).await
    }

    /// Recovery codes that were not used.
    pub async fn recovery_codes_left(&self, key: AccountId) -> Result<u64> {
        let left = sqlx::query(CODES_LEFT).bind(key.0).fetch_one(&self.readers).await?;
        Columns::of(&left).count()
    }
}

type Password = (AccountId, String, Option<Uuid>, AuditEntry);

pub(super) async fn set_password(connection: &mut SqliteConnection, (key, hash, keep, entry): &Password) -> Result<()> {
    let set = sqlx::query(SET_PASSWORD).bind(key.0).bind(hash.as_str());
    if set.execute(&mut *connection).await?.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    let end = sqlx::query(END_OTHERS).bind(key.0).bind(keep.map(|id| id.as_bytes().to_vec()));
    end.execute(&mut *connection).await?;
    sqlx::query(CLEAR_LINKS).bind(key.0).execute(&mut *connection).await?;
    audit::write(connection, entry).await
}

async fn set_totp(
    connection: &mut SqliteConnection,
    (key, totp, entry): &(AccountId, Option<NewTotp>, AuditEntry),
) -> Result<()> {
    let secret = totp.as_ref().map(|totp| totp.secret.clone());
    let step = totp.as_ref().map(|totp| signed_step(totp.used_step));
    let set = sqlx::query(SET_TOTP).bind(key.0).bind(secret).bind(step).execute(&mut *connection).await?;
    if set.rows_affected() == 0 {
        return Err(StoreError::Changed);
    }
    sqlx::query(CLEAR_CODES).bind(key.0).execute(&mut *connection).await?;
    let codes = totp.as_ref().map(|totp| hex_hashes(&totp.codes)).unwrap_or_else(|| "[]".to_owned());
    sqlx::query(ADD_CODES).bind(key.0).bind(codes).execute(&mut *connection).await?;
    audit::write(connection, entry).await
}

async fn use_step(connection: &mut SqliteConnection, (key, step): (AccountId, u64)) -> Result<bool> {
    let used = sqlx::query(USE_STEP).bind(key.0).bind(signed_step(step)).execute(connection).await?;
    Ok(used.rows_affected() == 1)
}

async fn use_code(connection: &mut SqliteConnection, (key, hash, now): (AccountId, [u8; 32], Moment)) -> Result<bool> {
    let used = sqlx::query(USE_CODE).bind(key.0).bind(hash.as_slice()).bind(now.millis()).execute(connection).await?;
    Ok(used.rows_affected() == 1)
}

fn signed_step(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

fn read(row: &SqliteRow) -> Result<Credentials> {
    let mut columns = Columns::of(row);
    Ok(Credentials {
        account: AccountId(columns.take()?),
        password_hash: columns.take()?,
        totp_secret: columns.take()?,
        is_disabled: columns.flag()?,
    })
}
