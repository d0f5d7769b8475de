//! The octets of a message: in memory, in an unlinked file under `data_dir/spool`, or in the queue's chunk rows.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::StoreError;

/// Octets read at a time from a file or the database.
pub const CHUNK_OCTETS: usize = 256 * 1024;

/// A message's octets, wherever they are; cheap to clone, readable many times at once.
#[derive(Debug, Clone)]
pub enum Octets {
    /// Small enough.
    Memory(Bytes),
    /// An unlinked file: gone when the last clone is dropped.
    File(Arc<SpoolFile>),
    /// In the queue.
    Stored(super::queue::StoredOctets),
}

/// An unlinked file with `len` octets.
#[derive(Debug)]
pub struct SpoolFile {
    file: std::fs::File,
    len: u64,
}

impl SpoolFile {
    /// Takes over an open, unlinked file.
    #[must_use]
    pub const fn new(file: std::fs::File, len: u64) -> Self {
        Self { file, len }
    }
}

impl Octets {
    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::File(file) => file.len,
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
            Self::File(file) => {
                let file = Arc::clone(file);
                let read = tokio::task::spawn_blocking(move || file.read(offset)).await;
                read.map_err(std::io::Error::other).flatten().map_err(|e| StoreError::Unwell(format!("spool: {e}")))
            }
            Self::Stored(stored) => stored.read(offset).await,
        }
    }
}

fn slice(octets: &Bytes, offset: u64) -> Bytes {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(octets.len());
    octets.slice(from..octets.len().min(from.saturating_add(CHUNK_OCTETS)))
}

impl SpoolFile {
    /// Reads at a place of its own, so that many may read at once.
    fn read(&self, offset: u64) -> std::io::Result<Bytes> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut octets = vec![0; left.min(CHUNK_OCTETS)];
        self.file.read_exact_at(&mut octets, offset)?;
        Ok(octets.into())
    }
}
