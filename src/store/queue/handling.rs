//! The queue as people see it and handle it: list, show, retry, hold, cancel, redirect; and the end of what is kept.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::delivery::{columns, purpose, read_claim};
use super::ledger::{Gone, delete};
use super::{Claim, Outline, Queue, Waiting, WaitingQuery};
use crate::mail::{Mailbox, Moment};
use crate::policy::ids::AccountId;
use crate::store::activity::Attempt;
use crate::store::columns::{Columns, broken, hex_list, json};
use crate::store::statement::{Statement, whole};
use crate::store::{Result, StoreError};

/// What is asked for, of deliveries that somebody (an account, `?1`, and domains beside it, `?2`) may see.
macro_rules! seen {
    ($select:literal, $where:literal) => {
        concat!(
            $select,
            " where (?1 is null or q.account_id = ?1 or q.domain_id in (select value from json_each(?2))) \
             and (?3 is null or q.domain_id = ?3) and ",
            $where
        )
    };
}
/// The same of them with their messages.
macro_rules! listed {
    ($where:literal) => {
        seen!(
            "select q.uuid, q.purpose, q.account_id, q.recipient, q.destination, q.state, m.size, q.tries, m.received_at, \
             q.due_at, q.about, q.answer from deliveries as q join messages as m on m.id = q.message_id",
            $where
        )
    };
}
pub(in crate::store) const LIST: &str = listed!(
    "(?5 is null or q.destination = ?5) and q.id > coalesce((select id from deliveries where uuid = ?4), 0) \
     order by q.id limit ?6"
);
pub(in crate::store) const LISTED: &str =
    listed!("q.uuid in (select unhex(value) from json_each(?4)) order by q.id limit ?5");
/// In one line each; a report that came back waits for nobody, and its row of the log has it.
pub(in crate::store) const OUTLINE: &str = concat!(
    "select json_group_array(json_array(lower(hex(uuid)), destination, state, due_at)) from (",
    seen!(
        "select q.uuid, q.destination, q.state, q.due_at from deliveries as q",
        "q.purpose <> 'returned' order by q.id limit ?4"
    ),
    ")"
);
pub(in crate::store) const BY_ID: &str = concat!(columns!(), " where q.uuid = ?1");
pub(in crate::store) const RETRY: &str =
    "update deliveries set state = 'due', due_at = ?2 where uuid = ?1 and state <> 'leased'";
pub(in crate::store) const LET_GO: &str = "update deliveries set due_at = ?2 where uuid = ?1 and state = 'due'";
pub(in crate::store) const HOLD: &str =
    "update deliveries set state = 'held', due_at = null, held_at = ?2 where uuid = ?1 and state <> 'leased'";
/// A report that came back is mail like any other once somebody has sent it to an inbox.
pub(in crate::store) const REDIRECT: &str = "update deliveries set destination = ?3, state = 'due', due_at = ?2, \
    tries = 0, purpose = case purpose when 'returned' then 'forward' else purpose end where uuid = ?1 and state <> 'leased'";
pub(in crate::store) const ANSWERED: &str = "update deliveries set answer = ?2 where uuid = ?1";
pub(in crate::store) const STATE: &str = "select state from deliveries where uuid = ?1";
pub(in crate::store) const ENDED: &str =
    "select uuid from deliveries where state = 'kept' and due_at <= ?1 order by due_at limit 500";
pub(in crate::store) const AMONG: &str =
    "select uuid from deliveries where uuid in (select unhex(value) from json_each(?1))";

/// When some are tried next; nothing of what is being tried.
pub(in crate::store) const NEXT_TRIES: &str = "select uuid, case state when 'due' then due_at end from deliveries \
    where state in ('due', 'leased') and uuid in (select unhex(value) from json_each(?1))";

/// Deliveries of a page at most.
const MAX_PAGE_ROWS: u32 = 500;
/// Deliveries of an outline at most, the oldest: of a queue of a million they tell enough.
const MAX_OUTLINED: usize = 10_000;

impl Queue {
    /// Lists, oldest first; `cursor` is the last id seen.
    pub async fn list(&self, account: Option<AccountId>, cursor: Option<Uuid>, limit: u32) -> Result<Vec<Waiting>> {
        self.list_of(&WaitingQuery { account, cursor, limit, ..WaitingQuery::default() }).await
    }

    /// Lists what is asked for, oldest first.
    pub async fn list_of(&self, query: &WaitingQuery) -> Result<Vec<Waiting>> {
        let ask = seen_by(LIST, query).bind(query.cursor.map(|id| id.as_bytes().to_vec()));
        let ask = ask.bind(query.destination.clone()).bind(query.limit.clamp(1, MAX_PAGE_ROWS));
        ask.fetch_all(&self.readers).await?.iter().map(waiting).collect()
    }

    /// Those with these ids, of what is asked for; oldest first.
    pub async fn listed(&self, query: &WaitingQuery, ids: &[Uuid]) -> Result<Vec<Waiting>> {
        let ask = seen_by(LISTED, query).bind(hex_list(ids)).bind(MAX_PAGE_ROWS);
        ask.fetch_all(&self.readers).await?.iter().map(waiting).collect()
    }

    /// What is asked for in a line each, the oldest first; and whether there is more than one outline has.
    pub async fn outline(&self, query: &WaitingQuery) -> Result<(Vec<Outline>, bool)> {
        let ask = seen_by(OUTLINE, query).bind(i64::try_from(MAX_OUTLINED + 1).unwrap_or(i64::MAX));
        let lines: Vec<Line> = whole(ask, &self.readers, "an outline of the queue").await?;
        let is_more = lines.len() > MAX_OUTLINED;
        Ok((lines.into_iter().take(MAX_OUTLINED).map(outlined).collect::<Result<_>>()?, is_more))
    }

    /// One waiting or kept delivery with its message, whatever its state.
    pub async fn get(&self, id: Uuid) -> Result<Claim> {
        let row = sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).fetch_one(&self.readers).await?;
        read_claim(&row, self)
    }

    /// Which of these are there, whatever their state.
    pub async fn among(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let rows = sqlx::query(AMONG).bind(hex_list(ids)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Columns::of(row).uuid()).collect()
    }

    /// When those of these that wait are tried next; nothing while one is being tried.
    pub async fn next_tries(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Option<Moment>>> {
        let rows = sqlx::query(NEXT_TRIES).bind(hex_list(ids)).fetch_all(&self.readers).await?;
        let read = |row: &SqliteRow| {
            let mut columns = Columns::of(row);
            Ok((columns.uuid()?, columns.maybe_moment()?))
        };
        rows.iter().map(read).collect()
    }

    /// Due then (from due, held or kept).
    pub async fn retry(&self, id: Uuid, due: Moment) -> Result<()> {
        self.writer.change((id, Some(due), None), |c, needs| Box::pin(set(c, RETRY, needs))).await
    }

    /// Due at once, if it is due at all and nobody is at it.
    pub async fn let_go(&self, id: Uuid, now: Moment) -> Result<()> {
        self.writer.change((id, now), |c, needs| Box::pin(let_go(c, *needs))).await
    }

    /// Held from now on, until released.
    pub async fn hold(&self, id: Uuid, now: Moment) -> Result<()> {
        self.writer.change((id, Some(now), None), |c, needs| Box::pin(set(c, HOLD, needs))).await
    }

    /// Another destination, due then.
    pub async fn redirect(&self, id: Uuid, destination: Mailbox, due: Moment) -> Result<()> {
        let needs = (id, Some(due), Some(destination));
        self.writer.change(needs, |c, needs| Box::pin(set(c, REDIRECT, needs))).await
    }

    /// What the last try of a report came to.
    pub async fn answered(&self, id: Uuid, answer: &Attempt) -> Result<()> {
        self.writer.change((id, json(answer)), |c, needs| Box::pin(answered(c, needs))).await
    }

    /// Taken out of the queue.
    pub async fn cancel(&self, id: Uuid) -> Result<()> {
        let gone = self.writer.change(id, |c, id| Box::pin(cancel(c, *id))).await?;
        self.free(gone);
        Ok(())
    }

    /// Deletes kept deliveries whose time is over, and messages nobody wants. Returns how many deliveries.
    pub async fn drop_kept(&self, now: Moment) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let gone = self.writer.change(now, |c, now| Box::pin(drop_some(c, *now))).await?;
            if gone.freed.is_empty() {
                return Ok(dropped);
            }
            dropped += gone.freed.len() as u64;
            self.free(gone);
        }
    }

    fn free(&self, gone: Gone) {
        gone.freed.into_iter().for_each(|(domain, octets)| self.shares.add(domain, -octets));
        self.spool.remove(gone.files);
    }
}

/// A statement over what somebody may see, with whose that is.
fn seen_by(statement: &'static str, query: &WaitingQuery) -> Statement {
    let ask = sqlx::query(statement).bind(query.account.map(|account| account.0)).bind(json(&query.beside));
    ask.bind(query.domain.map(|domain| domain.0))
}

/// Id, destination, state and moment as the statement gives them.
type Line = (Uuid, String, String, Option<i64>);

fn outlined((id, destination, state_word, due_at): Line) -> Result<Outline> {
    Ok(Outline { id, destination, state: state(&state_word)?, due_at: due_at.map(Moment::from_millis) })
}

/// Id, moment, destination: what the statement needs of them.
type Needs = (Uuid, Option<Moment>, Option<Mailbox>);

async fn set(connection: &mut SqliteConnection, statement: &'static str, (id, at, to): &Needs) -> Result<()> {
    let set = sqlx::query(statement).bind(id.as_bytes().as_slice()).bind(at.map(Moment::millis));
    let set = set.bind(to.as_ref().map(ToString::to_string));
    if set.execute(&mut *connection).await?.rows_affected() == 0 {
        Err(why_not(connection, *id).await?)
    } else {
        Ok(())
    }
}

async fn let_go(connection: &mut SqliteConnection, (id, now): (Uuid, Moment)) -> Result<()> {
    sqlx::query(LET_GO).bind(id.as_bytes().as_slice()).bind(now.millis()).execute(connection).await?;
    Ok(())
}

async fn answered(connection: &mut SqliteConnection, (id, answer): &(Uuid, String)) -> Result<()> {
    sqlx::query(ANSWERED).bind(id.as_bytes().as_slice()).bind(answer.as_str()).execute(connection).await?;
    Ok(())
}

/// Nothing was changed: it is not there, or an attempt is at it.
async fn why_not(connection: &mut SqliteConnection, id: Uuid) -> Result<StoreError> {
    let ask = sqlx::query_scalar::<_, String>(STATE).bind(id.as_bytes().as_slice());
    Ok(match ask.fetch_optional(connection).await? {
        Some(_) => StoreError::Invalid("it is being delivered at this moment".to_owned()),
        None => StoreError::NotFound,
    })
}

async fn cancel(connection: &mut SqliteConnection, id: Uuid) -> Result<Gone> {
    let ask = sqlx::query_scalar::<_, String>(STATE).bind(id.as_bytes().as_slice());
    match ask.fetch_optional(&mut *connection).await?.as_deref() {
        None => Err(StoreError::NotFound),
        Some("leased") => Err(StoreError::Invalid("it is being delivered at this moment".to_owned())),
        Some(_) => delete(connection, &[id]).await,
    }
}

async fn drop_some(connection: &mut SqliteConnection, now: Moment) -> Result<Gone> {
    let ended = sqlx::query(ENDED).bind(now.millis()).fetch_all(&mut *connection).await?;
    let ids = ended.iter().map(|row| Columns::of(row).uuid()).collect::<Result<Vec<_>>>()?;
    if ids.is_empty() { Ok(Gone::default()) } else { delete(connection, &ids).await }
}

fn waiting(row: &SqliteRow) -> Result<Waiting> {
    let mut columns = Columns::of(row);
    Ok(Waiting {
        id: columns.uuid()?,
        purpose: columns.parsed("a purpose", purpose)?,
        account: AccountId(columns.take()?),
        recipient: columns.take()?,
        destination: columns.take()?,
        state: state(columns.take()?)?,
        size: columns.count()?,
        tries: u32::try_from(columns.count()?).unwrap_or(u32::MAX),
        received_at: columns.moment()?,
        due_at: columns.maybe_moment()?,
        about: columns.maybe_uuid()?,
        answer: columns.maybe_json("what a report was answered")?,
    })
}

fn state(word: &str) -> Result<&'static str> {
    let words = ["due", "leased", "held", "kept"];
    words.into_iter().find(|known| *known == word).ok_or_else(|| broken("the state of a delivery"))
}
