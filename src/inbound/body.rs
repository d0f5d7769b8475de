//! The octets of a message as they arrive: in memory up to a bound per message and over all sessions, past it in a
//! file of the spool, which goes with the message unless the queue keeps it. Hash and header scan run along.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::mail::Domain;
use crate::mail::header::{HeaderFacts, HeaderScan};
use crate::store::octets::Octets;
use crate::store::spool::{Spool, SpoolFile, off_thread};

/// Octets of one message that are held in memory.
const MAX_MEMORY_PER_MESSAGE: u64 = 1 << 20;
/// Octets of all messages that are held in memory while they arrive and while their sessions wait.
const MAX_MEMORY_IN_ALL: u64 = 64 << 20;
/// Octets of a header that are kept for reading it; those beyond count as memory of the message, so that ten thousand
/// endless headers find no room instead of gigabytes.
const FREE_HEADER_OCTETS: u64 = 16 * 1024;
/// A file is written in pieces of this many octets, each off the async threads.
const WRITE_OCTETS: usize = 256 * 1024;

/// What all messages in memory take together, and where the others go.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    held: Arc<AtomicU64>,
    spool: Spool,
}

impl Budget {
    pub(super) fn new(spool: Spool) -> Self {
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
    header_taken: u64,
    len: u64,
    eight_bit: bool,
    memory: Vec<u8>,
    file: Option<Arc<SpoolFile>>,
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
            header_taken: 0,
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
        self.hold_header()?;
        self.eight_bit = self.eight_bit || !octets.is_ascii();
        self.len += octets.len() as u64;
        let held = self.hold(octets.len() as u64);
        if self.file.is_none() && (!held || self.len > MAX_MEMORY_PER_MESSAGE) {
            self.file = Some(self.make_file().await?);
        }
        if self.memory.is_empty() {
            self.memory = octets;
        } else {
            self.memory.extend_from_slice(&octets);
        }
        // Ten thousand messages that gather a piece each would be gigabytes: without room a piece is written as it came.
        if self.file.is_some() && (!held || self.memory.len() >= WRITE_OCTETS) {
            self.write_out().await?;
        }
        Ok(())
    }

    /// Whether what comes next takes room on the disk.
    pub(super) const fn is_on_disk(&self) -> bool {
        self.file.is_some()
    }

    /// Counts octets that stay in memory for now; false where all messages together leave no room for them.
    fn hold(&mut self, octets: u64) -> bool {
        let fits = self.budget.take(octets);
        if fits {
            self.taken += octets;
        }
        fits
    }

    /// Fails where a long header finds no room.
    fn hold_header(&mut self) -> io::Result<()> {
        let owed = (self.scan.head().len() as u64).saturating_sub(FREE_HEADER_OCTETS + self.header_taken);
        if owed > 0 && !self.budget.take(owed) {
            return Err(io::Error::other("no memory is left for a long header"));
        }
        self.header_taken += owed;
        Ok(())
    }

    async fn make_file(&self) -> io::Result<Arc<SpoolFile>> {
        let (spool, id) = (self.budget.spool.clone(), self.id);
        Ok(Arc::new(off_thread(move || spool.create(id)).await?))
    }

    async fn write_out(&mut self) -> io::Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let octets = std::mem::take(&mut self.memory);
        self.budget.give_back(std::mem::take(&mut self.taken));
        off_thread(move || file.append(&octets)).await
    }

    /// The message is whole.
    pub(super) async fn finish(mut self) -> io::Result<Arrived> {
        self.write_out().await?;
        let held = Held(self.budget.clone(), std::mem::take(&mut self.taken));
        let octets = match self.file.take() {
            Some(file) => Octets::File(file),
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
        self.budget.give_back(self.taken + self.header_taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 32 * 1024;

    fn body(budget: &Budget, id: u128) -> Body {
        Body::new(budget.clone(), Uuid::from_u128(id), Domain::parse("gw.example").unwrap())
    }

    #[tokio::test]
    async fn without_room_nothing_is_gathered_in_memory() {
        let spool = tempfile::tempdir().unwrap();
        let budget = Budget::new(Spool::at(spool.path().to_owned()));
        assert!(budget.take(MAX_MEMORY_IN_ALL - PIECE as u64));
        let (mut first, mut second) = (body(&budget, 1), body(&budget, 2));
        first.push([b"\r\n".to_vec(), vec![b'a'; PIECE - 2]].concat()).await.unwrap();
        assert_eq!(first.memory.len(), PIECE);
        second.push(b"\r\n".to_vec()).await.unwrap();
        for _ in 0..3 {
            second.push(vec![b'b'; PIECE]).await.unwrap();
            assert!(second.memory.is_empty() && second.taken == 0);
        }
        let arrived = second.finish().await.unwrap();
        let whole = [b"\r\n".to_vec(), vec![b'b'; 3 * PIECE]].concat();
        assert_eq!(arrived.octets.read(0).await.unwrap(), whole);
        drop(first);
        assert!(budget.take(PIECE as u64), "what a message held is given back");
    }

    #[tokio::test]
    async fn without_room_a_long_header_is_refused_and_a_usual_one_is_not() {
        let spool = tempfile::tempdir().unwrap();
        let budget = Budget::new(Spool::at(spool.path().to_owned()));
        assert!(budget.take(MAX_MEMORY_IN_ALL));
        let mut usual = body(&budget, 1);
        usual.push([vec![b'a'; 15_000], b"\r\n\r\n".to_vec(), vec![b'a'; PIECE]].concat()).await.unwrap();
        let mut long = body(&budget, 2);
        assert!(long.push(vec![b'a'; PIECE]).await.is_err());
        drop((usual, long));
        assert_eq!(budget.held.load(Ordering::Relaxed), MAX_MEMORY_IN_ALL);
    }

    #[tokio::test]
    async fn a_large_message_goes_to_its_file_whole_and_in_order() {
        let spool = tempfile::tempdir().unwrap();
        let budget = Budget::new(Spool::at(spool.path().to_owned()));
        let mut body = body(&budget, 1);
        let pieces = (0..50_u8).map(|number| vec![number; PIECE]).collect::<Vec<_>>();
        for piece in &pieces {
            body.push(piece.clone()).await.unwrap();
        }
        let arrived = body.finish().await.unwrap();
        let mut whole = Vec::new();
        while whole.len() < 50 * PIECE {
            whole.extend_from_slice(&arrived.octets.read(whole.len() as u64).await.unwrap());
        }
        assert_eq!(whole, pieces.concat());
        drop(arrived);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
