//! Takes stock of messages and their files when the database is opened: files that no message names go (a crash came
//! between file and row, or between row and file); octets that an earlier release kept in rows of their own become files;
//! and where a file is missing, the deliveries of its message are held, so that people see it and nothing is given up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use crate::mail::Moment;
use crate::policy::status::Status;
use crate::store::activity::Progress;
use crate::store::columns::{Columns, broken, json};
use crate::store::spool::{Spool, off_thread};
use crate::store::{Result, StoreError};

pub(in crate::store) const APART: &str = "select id, uuid, size, file from messages where octets is null";
pub(in crate::store) const CHUNK: &str = "select octets from message_chunks where message_id = ?1 and number = ?2";
pub(in crate::store) const MOVED: &str = "update messages set file = ?2 where id = ?1";
pub(in crate::store) const DROP_CHUNKS: &str = "delete from message_chunks where message_id = ?1";
pub(in crate::store) const DROP_STRAY_CHUNKS: &str =
    "delete from message_chunks where message_id not in (select id from messages)";
pub(in crate::store) const HOLD_THEM: &str = "update deliveries set state = 'held', due_at = null, held_at = ?2, \
    node_id = null where state in ('due', 'leased') and message_id in (select value from json_each(?1)) returning uuid";

/// A message whose octets are not in its row.
struct Apart {
    key: i64,
    id: Uuid,
    size: u64,
    file: Option<Uuid>,
}

impl Apart {
    fn read(row: &SqliteRow) -> Result<Self> {
        let mut columns = Columns::of(row);
        Ok(Self {
            key: columns.take()?,
            id: columns.uuid()?,
            size: columns.count()?,
            file: columns.take::<Option<&str>>()?.map(name).transpose()?,
        })
    }
}

/// Brings both in line; what is to be told of deliveries that are held now.
pub(super) async fn take(connection: &mut SqliteConnection, spool: &Spool, now: Moment) -> Result<Vec<Progress>> {
    sqlx::query(DROP_STRAY_CHUNKS).execute(&mut *connection).await?;
    let apart = messages_apart(connection).await?;
    let there = remove_strays(spool, &apart).await?;
    let (mut missing, mut moved) = (Vec::new(), 0_u64);
    for message in &apart {
        let octets = match message.file {
            Some(file) => there.get(&file).copied(),
            None => Some(become_file(connection, spool, message).await?),
        };
        moved += u64::from(message.file.is_none());
        if octets != Some(message.size) {
            tell_missing(spool, message, octets);
            missing.push(message.key);
        }
    }
    if moved > 0 {
        tracing::info!(messages = moved, "large messages that waited in the database lie in the spool now");
    }
    if missing.is_empty() { Ok(Vec::new()) } else { hold(connection, &missing, now).await }
}

async fn messages_apart(connection: &mut SqliteConnection) -> Result<Vec<Apart>> {
    let rows = sqlx::query(APART).fetch_all(connection).await?;
    rows.iter().map(Apart::read).collect()
}

/// The name of a message's file. What a doctored backup says is not a path.
pub(in crate::store) fn name(text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| broken("the name of a file"))
}

/// Removes what no message names; gives what is there, with its octets.
async fn remove_strays(spool: &Spool, apart: &[Apart]) -> Result<HashMap<Uuid, u64>> {
    let named: HashSet<Uuid> = apart.iter().filter_map(|message| message.file).collect();
    let spool = spool.clone();
    let look = move || {
        let mut there: HashMap<Uuid, u64> = spool.list()?.into_iter().collect();
        there.extract_if(|name, _| !named.contains(name)).for_each(|(name, _)| spool.remove_now(name));
        Ok(there)
    };
    off_thread(look).await.map_err(|error| unwell(&error))
}

/// Writes chunk rows into a file, and has the message name it. Gives its octets.
async fn become_file(connection: &mut SqliteConnection, spool: &Spool, message: &Apart) -> Result<u64> {
    let (at, id) = (spool.clone(), message.id);
    let file = Arc::new(off_thread(move || at.create(id)).await.map_err(|error| unwell(&error))?);
    for number in 0_i64.. {
        let ask = sqlx::query_scalar::<_, Vec<u8>>(CHUNK).bind(message.key).bind(number);
        let Some(octets) = ask.fetch_optional(&mut *connection).await? else { break };
        let to = Arc::clone(&file);
        off_thread(move || to.append(&octets)).await.map_err(|error| unwell(&error))?;
    }
    spool.sync(&file).await.map_err(|error| unwell(&error))?;
    let mut transaction = connection.begin().await?;
    sqlx::query(MOVED).bind(message.key).bind(id.to_string()).execute(&mut *transaction).await?;
    sqlx::query(DROP_CHUNKS).bind(message.key).execute(&mut *transaction).await?;
    // A commit that fails may be there all the same once the journal is read again: then its file must be there too.
    file.keep();
    transaction.commit().await?;
    Ok(file.len())
}

fn tell_missing(spool: &Spool, message: &Apart, there: Option<u64>) {
    let (id, octets) = (message.id, message.size);
    let file = spool.path(message.file.unwrap_or(id));
    let file = file.display();
    tracing::error!(%id, %file, octets, there, "a message that waits has lost its octets; its deliveries are held");
}

async fn hold(connection: &mut SqliteConnection, missing: &[i64], now: Moment) -> Result<Vec<Progress>> {
    let rows = sqlx::query(HOLD_THEM).bind(json(missing)).bind(now.millis()).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::of(row).uuid().map(as_held)).collect()
}

fn as_held(id: Uuid) -> Progress {
    Progress {
        id,
        status: Status::Held,
        reason: "Held: the file with its octets is missing from the spool. Put it back and release it, or cancel it."
            .to_owned(),
        attempt: None,
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    }
}

fn unwell(error: &std::io::Error) -> StoreError {
    StoreError::Unwell(format!("spool: {error}"))
}
