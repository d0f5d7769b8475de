//! One-time links and the sessions that they open, both kept under a SHA-256.

use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Accounts, AuditEntry, LinkPurpose, NewSession, SessionRow, audit};
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::columns::Columns;
use crate::store::{Result, StoreError};

/// Without a request for so long a session ends.
pub const IDLE_FOR: Duration = Duration::from_secs(7 * 86_400);
/// That a session was used is noted at most so often.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// A link that has run out is remembered so long, so that whoever opens it hears that it has.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

pub(in crate::store) const ADD_LINK: &str =
    "insert into links (hash, purpose, account_id, expires_at) values (?1, ?2, ?3, ?4)";
pub(in crate::store) const CLEAR_LINKS: &str = "delete from links where expires_at < ?1";
pub(in crate::store) const LINK: &str =
    "select account_id from links where hash = ?1 and purpose = ?2 and used_at is null and expires_at > ?3";
pub(in crate::store) const USE_LINK: &str = "update links set used_at = ?3 \
    where hash = ?1 and purpose = ?2 and used_at is null and expires_at > ?3 returning account_id";
pub(in crate::store) const ADD_SESSION: &str = "insert into sessions \
    (hash, uuid, account_id, created_at, seen_at, expires_at, ip, agent) values (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)";
pub(in crate::store) const CLEAR_SESSIONS: &str = "delete from sessions where expires_at < ?1 or seen_at < ?2";
macro_rules! columns {
    () => {
        "select s.uuid, s.account_id, s.created_at, s.seen_at, s.expires_at, s.ip, s.agent from sessions as s"
    };
}
pub(in crate::store) const SESSION: &str = concat!(
    columns!(),
    " join accounts as a on a.id = s.account_id \
     where s.hash = ?1 and s.expires_at > ?2 and s.seen_at > ?3 and a.disabled_at is null"
);
pub(in crate::store) const BY_ID: &str = concat!(
    columns!(),
    " join accounts as a on a.id = s.account_id \
     where s.uuid = ?1 and s.expires_at > ?2 and s.seen_at > ?3 and a.disabled_at is null"
);
pub(in crate::store) const OF_ACCOUNT: &str = concat!(
    columns!(),
    " where s.account_id = ?1 and s.expires_at > ?2 and s.seen_at > ?3 order by s.seen_at desc limit 500"
);
pub(in crate::store) const SEEN: &str = "update sessions set seen_at = ?2 where hash = ?1";
pub(in crate::store) const END_SESSION: &str = "delete from sessions where hash = ?1";
pub(in crate::store) const END_BY_ID: &str = "delete from sessions where uuid = ?1 and account_id = ?2";

impl Accounts {
    /// Keeps a one-time link under its SHA-256.
    pub async fn add_link(
        &self,
        hash: [u8; 32],
        purpose: LinkPurpose,
        account: AccountId,
        (now, expires_at): (Moment, Moment),
    ) -> Result<()> {
        let needs = (hash, purpose, account, now, expires_at);
        self.writer.change(needs, |c, needs| Box::pin(add_link(c, *needs))).await
    }

    /// Whose link this is, if it is good for `purpose`; looking uses none up.
    pub async fn link(&self, hash: [u8; 32], purpose: LinkPurpose, now: Moment) -> Result<AccountId> {
        let ask = sqlx::query_scalar(LINK).bind(hash.as_slice()).bind(purpose.as_str()).bind(now.millis());
        Ok(AccountId(ask.fetch_one(&self.readers).await?))
    }

    /// Uses a link up.
    pub async fn use_link(&self, hash: [u8; 32], purpose: LinkPurpose, now: Moment) -> Result<AccountId> {
        self.writer.change((hash, purpose, now), |c, needs| Box::pin(use_link(c, *needs))).await
    }

    /// Keeps a session under its SHA-256.
    pub async fn add_session(&self, session: NewSession, audit: AuditEntry) -> Result<()> {
        self.writer.change((session, audit), |c, needs| Box::pin(add_session(c, needs))).await
    }

    /// A session that has not ended; that it was used is noted.
    pub async fn session(&self, hash: [u8; 32], now: Moment) -> Result<SessionRow> {
        let ask = sqlx::query(SESSION).bind(hash.as_slice()).bind(now.millis());
        let session = read(&ask.bind(now.before(IDLE_FOR).millis()).fetch_one(&self.readers).await?)?;
        if now.since(session.seen_at) >= NOTED_EVERY {
            let writer = self.writer.clone();
            // A caller does not wait for what is only a note.
            tokio::spawn(async move { writer.change((hash, now), |c, needs| Box::pin(seen(c, *needs))).await });
        }
        Ok(session)
    }

    /// The session of this id, if it has not ended; that somebody looks is no use of it.
    pub async fn session_by_id(&self, id: Uuid, now: Moment) -> Result<SessionRow> {
        let ask = sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).bind(now.millis());
        read(&ask.bind(now.before(IDLE_FOR).millis()).fetch_one(&self.readers).await?)
    }

    /// An account's sessions, the last used first.
    pub async fn sessions(&self, account: AccountId, now: Moment) -> Result<Vec<SessionRow>> {
        let ask = sqlx::query(OF_ACCOUNT).bind(account.0).bind(now.millis()).bind(now.before(IDLE_FOR).millis());
        ask.fetch_all(&self.readers).await?.iter().map(read).collect()
    }

    /// Ends the session of this secret; false where there is none.
    pub async fn end_session(&self, hash: [u8; 32]) -> Result<bool> {
        self.writer.change(hash, |c, hash| Box::pin(end_session(c, *hash))).await
    }

    /// Ends one of an account's sessions.
    pub async fn end_session_by_id(&self, account: AccountId, id: Uuid, audit: AuditEntry) -> Result<()> {
        self.writer.change((account, id, audit), |c, needs| Box::pin(end_by_id(c, needs))).await
    }
}

type Link = ([u8; 32], LinkPurpose, AccountId, Moment, Moment);

async fn add_link(connection: &mut SqliteConnection, (hash, purpose, account, now, expires_at): Link) -> Result<()> {
    clear_links(connection, now).await?;
    let add = sqlx::query(ADD_LINK).bind(hash.as_slice()).bind(purpose.as_str()).bind(account.0);
    add.bind(expires_at.millis()).execute(connection).await?;
    Ok(())
}

/// Forgets links that ran out long ago.
pub(in crate::store) async fn clear_links(connection: &mut SqliteConnection, now: Moment) -> Result<()> {
    sqlx::query(CLEAR_LINKS).bind(now.before(REMEMBERED).millis()).execute(connection).await?;
    Ok(())
}

pub(super) async fn use_link(
    connection: &mut SqliteConnection,
    (hash, purpose, now): ([u8; 32], LinkPurpose, Moment),
) -> Result<AccountId> {
    let use_up = sqlx::query(USE_LINK).bind(hash.as_slice()).bind(purpose.as_str()).bind(now.millis());
    Ok(AccountId(Columns::of(&use_up.fetch_one(connection).await?).take()?))
}

async fn add_session(connection: &mut SqliteConnection, (new, entry): &(NewSession, AuditEntry)) -> Result<()> {
    let clear = sqlx::query(CLEAR_SESSIONS).bind(new.now.millis()).bind(new.now.before(IDLE_FOR).millis());
    clear.execute(&mut *connection).await?;
    let add = sqlx::query(ADD_SESSION).bind(new.hash.as_slice()).bind(new.id.as_bytes().as_slice()).bind(new.account.0);
    let add = add.bind(new.now.millis()).bind(new.expires_at.millis());
    add.bind(new.ip.as_deref()).bind(new.agent.as_deref()).execute(&mut *connection).await?;
    audit::write(connection, entry).await
}

async fn seen(connection: &mut SqliteConnection, (hash, now): ([u8; 32], Moment)) -> Result<()> {
    sqlx::query(SEEN).bind(hash.as_slice()).bind(now.millis()).execute(connection).await?;
    Ok(())
}

async fn end_session(connection: &mut SqliteConnection, hash: [u8; 32]) -> Result<bool> {
    let ended = sqlx::query(END_SESSION).bind(hash.as_slice()).execute(connection).await?;
    Ok(ended.rows_affected() > 0)
}

async fn end_by_id(
    connection: &mut SqliteConnection,
    (account, id, entry): &(AccountId, Uuid, AuditEntry),
) -> Result<()> {
    let end = sqlx::query(END_BY_ID).bind(id.as_bytes().as_slice()).bind(account.0);
    if end.execute(&mut *connection).await?.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    audit::write(connection, entry).await
}

fn read(row: &SqliteRow) -> Result<SessionRow> {
    let mut columns = Columns::of(row);
    Ok(SessionRow {
        id: columns.uuid()?,
        account: AccountId(columns.take()?),
        created_at: columns.moment()?,
        seen_at: columns.moment()?,
        expires_at: columns.moment()?,
        ip: columns.take()?,
        agent: columns.take()?,
    })
}
