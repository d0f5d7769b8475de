//! The octets of a message: in memory, in a file of the spool, or in the message's row.

use std::sync::Arc;

use bytes::Bytes;

use super::StoreError;
use super::spool::{SpoolFile, off_thread};

/// Octets read at a time from a file or the database.
pub const CHUNK_OCTETS: usize = 256 * 1024;

/// A message's octets, wherever they are; cheap to clone, readable many times at once.
#[derive(Debug, Clone)]
pub enum Octets {
    /// Small enough.
    Memory(Bytes),
    /// A file: gone when the last clone is dropped, or with the message that is kept in it.
    File(Arc<SpoolFile>),
    /// In a row of the queue.
    Stored(super::queue::StoredOctets),
}

impl Octets {
    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::File(file) => file.len(),
            Self::Stored(stored) => stored.len,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most [`CHUNK_OCTETS`] from `offset`; empty at the end. A file is read off the async threads.
    pub async fn read(&self, offset: u64) -> super::Result<Bytes> {
        match self {
            Self::Memory(octets) => Ok(slice(octets, offset)),
            Self::File(file) if offset >= file.len() => Ok(Bytes::new()),
            Self::File(file) => {
                let file = Arc::clone(file);
                off_thread(move || file.read(offset)).await.map_err(|e| StoreError::Unwell(format!("spool: {e}")))
            }
            Self::Stored(stored) => stored.read(offset).await,
        }
    }
}

fn slice(octets: &Bytes, offset: u64) -> Bytes {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(octets.len());
    octets.slice(from..octets.len().min(from.saturating_add(CHUNK_OCTETS)))
}
