//! The octets of a message: in memory, in an unlinked file under `data_dir/spool`, or in the queue's chunk rows.

use std::sync::Arc;

use bytes::Bytes;

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
        let _ = offset;
        if let Self::File(file) = self {
            let _ = &file.file;
        }
        todo!("store")
    }
}
