//! Tokens of the API, kept under their SHA-256.

use std::net::IpAddr;
use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Accounts, AuditEntry, TokenRow, audit};
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::columns::{Columns, json};
use crate::store::{Result, StoreError};

/// The last use is noted at most so often.
const NOTED_EVERY: Duration = Duration::from_secs(60);

pub(in crate::store) const INSERT: &str = "insert into tokens (uuid, account_id, name, hash, prefix, scopes, domains, \
    default_domain, alias_format, default_destination, expires_at, created_at) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
macro_rules! columns {
    () => {
        "select t.uuid, t.account_id, t.name, t.prefix, t.scopes, t.domains, t.default_domain, t.alias_format, \
         t.default_destination, t.expires_at, t.last_used_at, t.first_used_at, t.first_used_from, t.created_at from tokens as t"
    };
}
pub(in crate::store) const BY_HASH: &str = concat!(
    columns!(),
    " join accounts as a on a.id = t.account_id where t.hash = ?1 and a.disabled_at is null \
     and (t.expires_at is null or t.expires_at > ?2)"
);
pub(in crate::store) const BY_ID: &str = concat!(
    columns!(),
    " join accounts as a on a.id = t.account_id where t.uuid = ?1 and a.disabled_at is null \
     and (t.expires_at is null or t.expires_at > ?2)"
);
pub(in crate::store) const OF_ACCOUNT: &str = concat!(columns!(), " where t.account_id = ?1 order by t.id");
pub(in crate::store) const USED: &str = "update tokens set last_used_at = ?2 where hash = ?1";
pub(in crate::store) const SERVED: &str =
    "update tokens set first_used_at = ?2, first_used_from = ?3 where uuid = ?1 and first_used_at is null";
pub(in crate::store) const REVOKE: &str = "delete from tokens where uuid = ?1";

impl Accounts {
    /// Keeps a token under its SHA-256.
    pub async fn add_token(&self, token: &TokenRow, hash: [u8; 32], audit: AuditEntry) -> Result<()> {
        self.writer.change((token.clone(), hash, audit), |c, needs| Box::pin(insert(c, needs))).await
    }

    /// The token of this hash, unless expired or revoked; its last use is noted at most once a minute.
    pub async fn token_by_hash(&self, hash: [u8; 32], now: Moment) -> Result<TokenRow> {
        let ask = sqlx::query(BY_HASH).bind(hash.as_slice()).bind(now.millis());
        let token = read(&ask.fetch_one(&self.readers).await?)?;
        if token.last_used_at.is_none_or(|last| now.since(last) >= NOTED_EVERY) {
            let writer = self.writer.clone();
            // A caller does not wait for what is only a note.
            tokio::spawn(async move { writer.change((hash, now), |c, needs| Box::pin(used(c, *needs))).await });
        }
        Ok(token)
    }

    /// The token of this id, unless expired or revoked; that somebody looks is no use of it.
    pub async fn token(&self, id: Uuid, now: Moment) -> Result<TokenRow> {
        read(&sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).bind(now.millis()).fetch_one(&self.readers).await?)
    }

    /// Notes when and from where the first call came that was served.
    pub async fn token_was_served(&self, id: Uuid, (now, from): (Moment, IpAddr)) -> Result<()> {
        self.writer.change((id, now, from), |c, needs| Box::pin(served(c, *needs))).await
    }

    /// An account's tokens.
    pub async fn tokens(&self, account: AccountId) -> Result<Vec<TokenRow>> {
        let rows = sqlx::query(OF_ACCOUNT).bind(account.0).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// Revokes one.
    pub async fn revoke_token(&self, id: Uuid, audit: AuditEntry) -> Result<()> {
        self.writer.change((id, audit), |c, (id, audit)| Box::pin(revoke(c, *id, audit))).await
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    (token, hash, entry): &(TokenRow, [u8; 32], AuditEntry),
) -> Result<()> {
    let insert = sqlx::query(INSERT).bind(token.id.as_bytes().as_slice()).bind(token.account.0);
    let insert = insert.bind(token.name.as_str()).bind(hash.as_slice()).bind(token.prefix.as_str());
    let insert = insert.bind(json(&token.scopes)).bind(json(&token.domains)).bind(token.default_domain.as_deref());
    let insert = insert.bind(token.alias_format.as_deref()).bind(token.default_destination.as_deref());
    let insert = insert.bind(token.expires_at.map(Moment::millis)).bind(token.created_at.millis());
    insert.execute(&mut *connection).await?;
    audit::write(connection, entry).await
}

async fn used(connection: &mut SqliteConnection, (hash, now): ([u8; 32], Moment)) -> Result<()> {
    sqlx::query(USED).bind(hash.as_slice()).bind(now.millis()).execute(connection).await?;
    Ok(())
}

async fn served(connection: &mut SqliteConnection, (id, now, from): (Uuid, Moment, IpAddr)) -> Result<()> {
    let served = sqlx::query(SERVED).bind(id.as_bytes().as_slice()).bind(now.millis()).bind(from.to_string());
    served.execute(connection).await?;
    Ok(())
}

async fn revoke(connection: &mut SqliteConnection, id: Uuid, entry: &AuditEntry) -> Result<()> {
    let revoked = sqlx::query(REVOKE).bind(id.as_bytes().as_slice()).execute(&mut *connection).await?;
    if revoked.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    audit::write(connection, entry).await
}

fn read(row: &SqliteRow) -> Result<TokenRow> {
    let mut columns = Columns::of(row);
    Ok(TokenRow {
        id: columns.uuid()?,
        account: AccountId(columns.take()?),
        name: columns.take()?,
        prefix: columns.take()?,
        scopes: columns.json("scopes")?,
        domains: columns.json("domains")?,
        default_domain: columns.take()?,
        alias_format: columns.take()?,
        default_destination: columns.take()?,
        expires_at: columns.maybe_moment()?,
        last_used_at: columns.maybe_moment()?,
        first_used_at: columns.maybe_moment()?,
        first_used_from: columns.take()?,
        created_at: columns.moment()?,
    })
}
