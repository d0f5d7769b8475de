//! The octets of large messages: staged in chunk rows before the message is accepted, read back chunk by chunk.
//!
//! Chunks without a message mean nothing; those that a crash left are cleared at start, before any key is given out.

use bytes::Bytes;
use sqlx::SqliteConnection;

use super::{Queue, STAGE_OVER_OCTETS, StoredOctets};
use crate::store::columns::broken;
use crate::store::octets::{CHUNK_OCTETS, Octets};
use crate::store::{Result, StoreError};

pub(in crate::store) const NEXT_KEY: &str = "select 1 + max(coalesce((select max(id) from messages), 0), \
    coalesce((select max(message_id) from message_chunks), 0))";
pub(in crate::store) const CLEAR: &str = "delete from message_chunks where message_id not in (select id from messages)";
pub(in crate::store) const ADD: &str = "insert into message_chunks (message_id, number, octets) values (?1, ?2, ?3)";
pub(in crate::store) const DROP: &str = "delete from message_chunks where message_id = ?1";
pub(in crate::store) const READ: &str = "select octets from message_chunks where message_id = ?1 and number = ?2";
pub(in crate::store) const READ_INLINE: &str =
    "select substr(octets, ?2, ?3) from messages where id = ?1 and octets is not null";

/// Clears what no message claims, and gives the first free key.
pub(super) async fn clear(connection: &mut SqliteConnection) -> Result<i64> {
    let next = sqlx::query_scalar(NEXT_KEY).fetch_one(&mut *connection).await?;
    sqlx::query(CLEAR).execute(connection).await?;
    Ok(next)
}

impl Queue {
    /// Stages octets that are too many for the message's own row; gives those that are not.
    pub(super) async fn stage(&self, key: i64, octets: &Octets) -> Result<Option<Bytes>> {
        if octets.len() <= STAGE_OVER_OCTETS {
            return whole(octets).await.map(Some);
        }
        let staged = self.stage_chunks(key, octets).await;
        if staged.is_err() {
            // What is left behind is cleared at the next start; nothing reads it meanwhile.
            let _left = self.writer.change(key, |c, key| Box::pin(drop_chunks(c, *key))).await;
        }
        staged.map(|()| None)
    }

    async fn stage_chunks(&self, key: i64, octets: &Octets) -> Result<()> {
        let (mut offset, mut number) = (0, 0_i64);
        while offset < octets.len() {
            let chunk = exactly(octets, offset).await?;
            offset += chunk.len() as u64;
            self.writer.change((key, number, chunk), |c, needs| Box::pin(add_chunk(c, needs))).await?;
            number += 1;
        }
        Ok(())
    }
}

async fn add_chunk(connection: &mut SqliteConnection, (key, number, octets): &(i64, i64, Bytes)) -> Result<()> {
    sqlx::query(ADD).bind(key).bind(number).bind(octets.as_ref()).execute(connection).await?;
    Ok(())
}

async fn drop_chunks(connection: &mut SqliteConnection, key: i64) -> Result<()> {
    sqlx::query(DROP).bind(key).execute(connection).await?;
    Ok(())
}

async fn whole(octets: &Octets) -> Result<Bytes> {
    if let Octets::Memory(octets) = octets {
        return Ok(octets.clone());
    }
    exactly(octets, 0).await
}

/// A whole chunk, or what is left: a reader may give less at a time.
async fn exactly(octets: &Octets, offset: u64) -> Result<Bytes> {
    let left = usize::try_from(octets.len() - offset).unwrap_or(usize::MAX).min(CHUNK_OCTETS);
    let first = octets.read(offset).await?;
    if first.len() >= left {
        return Ok(first.slice(..left));
    }
    let mut chunk = Vec::with_capacity(left);
    chunk.extend_from_slice(&first);
    while chunk.len() < left {
        let more = octets.read(offset + chunk.len() as u64).await?;
        if more.is_empty() {
            return Err(StoreError::Unwell("the octets of a message end too early".to_owned()));
        }
        chunk.extend_from_slice(&more[..more.len().min(left - chunk.len())]);
    }
    Ok(chunk.into())
}

impl StoredOctets {
    /// At most [`CHUNK_OCTETS`] from `offset`; empty at the end.
    pub(in crate::store) async fn read(&self, offset: u64) -> Result<Bytes> {
        if offset >= self.len {
            return Ok(Bytes::new());
        }
        let octets = if self.len <= STAGE_OVER_OCTETS { self.inline(offset).await } else { self.chunk(offset).await }?;
        if octets.is_empty() { Err(broken("a message")) } else { Ok(octets) }
    }

    async fn inline(&self, offset: u64) -> Result<Bytes> {
        let from = i64::try_from(offset + 1).unwrap_or(i64::MAX);
        let length = i64::try_from(CHUNK_OCTETS).unwrap_or(i64::MAX);
        let ask = sqlx::query_scalar(READ_INLINE).bind(self.message).bind(from).bind(length);
        let octets: Vec<u8> = ask.fetch_one(&self.queue.readers).await?;
        Ok(octets.into())
    }

    async fn chunk(&self, offset: u64) -> Result<Bytes> {
        let size = CHUNK_OCTETS as u64;
        let number = i64::try_from(offset / size).unwrap_or(i64::MAX);
        let ask = sqlx::query_scalar(READ).bind(self.message).bind(number);
        let octets: Vec<u8> = ask.fetch_one(&self.queue.readers).await?;
        let skip = usize::try_from(offset % size).unwrap_or(usize::MAX).min(octets.len());
        Ok(Bytes::from(octets).slice(skip..))
    }
}
