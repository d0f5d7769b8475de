//! The octets of a message as they arrive: in memory up to a bound per message and over all sessions, past it in an
//! unlinked file under `data_dir/spool`. Hash and header scan run along.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::mail::Domain;
use crate::mail::header::{HeaderFacts, HeaderScan};
use crate::store::octets::{Octets, SpoolFile};

/// Octets of one message that are held in memory.
const MAX_MEMORY_PER_MESSAGE: u64 = 1 << 20;
/// Octets of all messages that are held in memory while they arrive and while their sessions wait.
const MAX_MEMORY_IN_ALL: u64 = 64 << 20;
/// A file is written in pieces of this many octets, each off the async threads.
const WRITE_OCTETS: usize = 256 * 1024;

/// What all messages in memory take together, and where the others go.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    held: Arc<AtomicU64>,
    spool: PathBuf,
}

impl Budget {
    pub(super) fn new(spool: PathBuf) -> Self {
        Self { held: Arc::default(), spool }
    }

    fn take(&self, octets: u64) -> bool {
        let before = self.held.fetch_add(octets, Ordering::Relaxed);
        let fits = before + octets <= MAX_MEMORY_IN_ALL;
        if !fits {
            self.held.fetch_sub(octets, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, octets: u64) {
        self.held.fetch_sub(octets, Ordering::Relaxed);
    }
}

/// A message that is arriving.
#[derive(Debug)]
pub(super) struct Body {
    budget: Budget,
    id: Uuid,
    taken: u64,
    len: u64,
    eight_bit: bool,
    memory: Vec<u8>,
    file: Option<File>,
    hash: Sha256,
    scan: HeaderScan,
}

/// A message that has arrived; gives its memory back when dropped.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) octets: Octets,
    pub(super) sha256: [u8; 32],
    pub(super) header: HeaderFacts,
    pub(super) eight_bit: bool,
    _held: Held,
}

#[derive(Debug)]
struct Held(Budget, u64);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.give_back(self.1);
    }
}

impl Body {
    pub(super) fn new(budget: Budget, id: Uuid, host: Domain) -> Self {
        Self {
            budget,
            id,
            taken: 0,
            len: 0,
            eight_bit: false,
            memory: Vec::new(),
            file: None,
            hash: Sha256::new(),
            scan: HeaderScan::new(host),
        }
    }

    /// Takes the next octets.
    pub(super) async fn push(&mut self, octets: Vec<u8>) -> io::Result<()> {
        self.hash.update(&octets);
        self.scan.push(&octets);
        self.eight_bit = self.eight_bit || !octets.is_ascii();
        self.len += octets.len() as u64;
        if self.file.is_none() && !self.fits_in_memory(octets.len() as u64) {
            self.file = Some(self.unlinked_file().await?);
        }
        if self.memory.is_empty() {
            self.memory = octets;
        } else {
            self.memory.extend_from_slice(&octets);
        }
        if self.file.is_some() && self.memory.len() >= WRITE_OCTETS {
            self.write_out().await?;
        }
        Ok(())
    }

    fn fits_in_memory(&mut self, octets: u64) -> bool {
        let fits = self.len <= MAX_MEMORY_PER_MESSAGE && self.budget.take(octets);
        if fits {
            self.taken += octets;
        }
        fits
    }

    async fn unlinked_file(&self) -> io::Result<File> {
        let path = self.budget.spool.join(self.id.to_string());
        off_thread(move || {
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        })
        .await
    }

    async fn write_out(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let octets = std::mem::take(&mut self.memory);
        self.budget.give_back(std::mem::take(&mut self.taken));
        let write = move || {
            (&file).write_all(&octets)?;
            Ok(file)
        };
        self.file = Some(off_thread(write).await?);
        Ok(())
    }

    /// The message is whole.
    pub(super) async fn finish(mut self) -> io::Result<Arrived> {
        self.write_out().await?;
        let held = Held(self.budget.clone(), std::mem::take(&mut self.taken));
        let octets = match self.file.take() {
            Some(file) => Octets::File(Arc::new(SpoolFile::new(file, self.len))),
            None => Octets::Memory(std::mem::take(&mut self.memory).into()),
        };
        Ok(Arrived {
            octets,
            sha256: std::mem::take(&mut self.hash).finalize().into(),
            header: self.scan.finish(),
            eight_bit: self.eight_bit,
            _held: held,
        })
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
