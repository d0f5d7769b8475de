//! The octets of a message on their way into the queue, and out of its row: few lie in the row, many in a file of the spool,
//! which is synced with its name before the row is written.

use std::sync::Arc;

use bytes::Bytes;

use super::{NewMessage, Queue, STAGE_OVER_OCTETS, StoredOctets};
use crate::store::columns::broken;
use crate::store::octets::{CHUNK_OCTETS, Octets};
use crate::store::spool::{SpoolFile, off_thread};
use crate::store::{Result, StoreError};

pub(in crate::store) const NEXT_KEY: &str = "select 1 + coalesce(max(id), 0) from messages";
pub(in crate::store) const READ_INLINE: &str =
    "select substr(octets, ?2, ?3) from messages where id = ?1 and octets is not null";

/// Where a message's octets lie.
#[derive(Debug)]
pub(super) enum Place {
    Row(Bytes),
    File(Arc<SpoolFile>),
}

impl Queue {
    /// Puts octets that are too many for the message's row into a file that outlives a power cut.
    pub(super) async fn stage(&self, message: &NewMessage) -> Result<Place> {
        if message.octets.len() <= STAGE_OVER_OCTETS {
            return whole(&message.octets).await.map(Place::Row);
        }
        let file = match &message.octets {
            Octets::File(file) if file.take() => Arc::clone(file),
            octets => self.copied(message, octets).await?,
        };
        match self.spool.sync(&file).await {
            Ok(()) => Ok(Place::File(file)),
            Err(error) => {
                // A disk that fails here is to be trusted with nothing before it has proved well.
                self.writer.doubt();
                Err(unwell(&error))
            }
        }
    }

    /// A file of its own for octets that are in memory, or in the file of another message.
    async fn copied(&self, message: &NewMessage, octets: &Octets) -> Result<Arc<SpoolFile>> {
        let (spool, name) = (self.spool.clone(), self.chance.id(message.received_at));
        let file = Arc::new(off_thread(move || spool.create(name)).await.map_err(|error| unwell(&error))?);
        while file.len() < octets.len() {
            let (piece, to) = (octets.read(file.len()).await?, Arc::clone(&file));
            if piece.is_empty() {
                return Err(ends_too_early());
            }
            off_thread(move || to.append(&piece)).await.map_err(|error| unwell(&error))?;
        }
        file.take();
        Ok(file)
    }
}

fn unwell(error: &std::io::Error) -> StoreError {
    StoreError::Unwell(format!("spool: {error}"))
}

fn ends_too_early() -> StoreError {
    StoreError::Unwell("the octets of a message end too early".to_owned())
}

async fn whole(octets: &Octets) -> Result<Bytes> {
    if let Octets::Memory(octets) = octets {
        return Ok(octets.clone());
    }
    let first = octets.read(0).await?;
    if first.len() as u64 == octets.len() { Ok(first) } else { Err(ends_too_early()) }
}

impl StoredOctets {
    /// At most [`CHUNK_OCTETS`] from `offset`; empty at the end.
    pub(in crate::store) async fn read(&self, offset: u64) -> Result<Bytes> {
        if offset >= self.len {
            return Ok(Bytes::new());
        }
        let from = i64::try_from(offset + 1).unwrap_or(i64::MAX);
        let length = i64::try_from(CHUNK_OCTETS).unwrap_or(i64::MAX);
        let ask = sqlx::query_scalar(READ_INLINE).bind(self.message).bind(from).bind(length);
        let octets: Vec<u8> = ask.fetch_one(&self.queue.readers).await?;
        if octets.is_empty() { Err(broken("a message")) } else { Ok(octets.into()) }
    }
}
