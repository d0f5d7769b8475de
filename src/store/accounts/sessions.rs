//! One-time links and the sessions that they open, both kept under a SHA-256.

use sqlx::SqliteConnection;

use super::{Accounts, LinkPurpose};
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::Result;
use crate::store::columns::Columns;

pub(in crate::store) const ADD_LINK: &str =
    "insert into links (hash, purpose, account_id, expires_at) values (?1, ?2, ?3, ?4)";
pub(in crate::store) const CLEAR_LINKS: &str = "delete from links where expires_at < ?1";
pub(in crate::store) const LINK_IS_GOOD: &str =
    "select exists (select 1 from links where hash = ?1 and used_at is null and expires_at > ?2)";
pub(in crate::store) const USE_LINK: &str = "update links set used_at = ?2 \
    where hash = ?1 and used_at is null and expires_at > ?2 returning purpose, account_id";
pub(in crate::store) const ADD_SESSION: &str = "insert into sessions \
    (hash, uuid, account_id, created_at, seen_at, expires_at) values (?1, randomblob(16), ?2, ?3, ?3, ?4)";
pub(in crate::store) const CLEAR_SESSIONS: &str = "delete from sessions where expires_at < ?1";
pub(in crate::store) const SESSION: &str = "select s.account_id from sessions as s join accounts as a \
    on a.id = s.account_id where s.hash = ?1 and s.expires_at > ?2 and a.disabled_at is null";
pub(in crate::store) const END_SESSION: &str = "delete from sessions where hash = ?1";

impl Accounts {
    /// Keeps a one-time link under its SHA-256.
    pub async fn add_link(
        &self,
        hash: [u8; 32],
        purpose: LinkPurpose,
        account: AccountId,
        expires_at: Moment,
    ) -> Result<()> {
        self.writer.change((hash, purpose, account, expires_at), |c, needs| Box::pin(add_link(c, *needs))).await
    }

    /// Whether a link could be used (a GET uses none up).
    pub async fn link_is_good(&self, hash: [u8; 32], now: Moment) -> Result<bool> {
        let ask = sqlx::query_scalar(LINK_IS_GOOD).bind(hash.as_slice()).bind(now.millis());
        let good: i64 = ask.fetch_one(&self.readers).await?;
        Ok(good != 0)
    }

    /// Uses a link up.
    pub async fn use_link(&self, hash: [u8; 32], now: Moment) -> Result<(LinkPurpose, AccountId)> {
        self.writer.change((hash, now), |c, needs| Box::pin(use_link(c, *needs))).await
    }

    /// Keeps a session under its SHA-256.
    pub async fn add_session(&self, hash: [u8; 32], account: AccountId, now: Moment, expires_at: Moment) -> Result<()> {
        self.writer.change((hash, account, now, expires_at), |c, needs| Box::pin(add_session(c, *needs))).await
    }

    /// The account of a session that has not ended.
    pub async fn session(&self, hash: [u8; 32], now: Moment) -> Result<AccountId> {
        let ask = sqlx::query_scalar(SESSION).bind(hash.as_slice()).bind(now.millis());
        Ok(AccountId(ask.fetch_one(&self.readers).await?))
    }

    /// Ends a session.
    pub async fn end_session(&self, hash: [u8; 32]) -> Result<()> {
        self.writer.change(hash, |c, hash| Box::pin(end_session(c, *hash))).await
    }
}

async fn add_link(
    connection: &mut SqliteConnection,
    (hash, purpose, account, expires_at): ([u8; 32], LinkPurpose, AccountId, Moment),
) -> Result<()> {
    let add = sqlx::query(ADD_LINK).bind(hash.as_slice()).bind(word(purpose)).bind(account.0);
    add.bind(expires_at.millis()).execute(connection).await?;
    Ok(())
}

async fn use_link(
    connection: &mut SqliteConnection,
    (hash, now): ([u8; 32], Moment),
) -> Result<(LinkPurpose, AccountId)> {
    let use_up = sqlx::query(USE_LINK).bind(hash.as_slice()).bind(now.millis());
    let row = use_up.fetch_one(&mut *connection).await?;
    sqlx::query(CLEAR_LINKS).bind(now.millis()).execute(connection).await?;
    let mut columns = Columns::of(&row);
    Ok((columns.parsed("a purpose", purpose)?, AccountId(columns.take()?)))
}

async fn add_session(
    connection: &mut SqliteConnection,
    (hash, account, now, expires_at): ([u8; 32], AccountId, Moment, Moment),
) -> Result<()> {
    sqlx::query(CLEAR_SESSIONS).bind(now.millis()).execute(&mut *connection).await?;
    let add = sqlx::query(ADD_SESSION).bind(hash.as_slice()).bind(account.0).bind(now.millis());
    add.bind(expires_at.millis()).execute(connection).await?;
    Ok(())
}

async fn end_session(connection: &mut SqliteConnection, hash: [u8; 32]) -> Result<()> {
    sqlx::query(END_SESSION).bind(hash.as_slice()).execute(connection).await?;
    Ok(())
}

const fn word(purpose: LinkPurpose) -> &'static str {
    match purpose {
        LinkPurpose::SignIn => "sign_in",
        LinkPurpose::Setup => "setup",
    }
}

fn purpose(text: &str) -> Option<LinkPurpose> {
    [LinkPurpose::SignIn, LinkPurpose::Setup].into_iter().find(|purpose| word(*purpose) == text)
}
