//! The octets of a message as they arrive: in memory up to a bound per message, client and all sessions, past it in a
//! file of the spool, which goes with the message unless the queue keeps it. Hash and header scan run along.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::memory::{Held, Memory};
use crate::mail::Domain;
use crate::mail::header::{HeaderFacts, HeaderScan};
use crate::store::octets::Octets;
use crate::store::spool::{Spool, SpoolFile, off_thread};

/// Octets of one message that are held in memory.
const MAX_MEMORY_PER_MESSAGE: u64 = 1 << 20;
/// Octets of a header that are kept for reading it; those beyond count as memory of the message, so that ten thousand
/// endless headers find no room instead of gigabytes.
const FREE_HEADER_OCTETS: u64 = 16 * 1024;
/// A file is written in pieces of this many octets, each off the async threads.
const WRITE_OCTETS: usize = 256 * 1024;

/// A message that is arriving.
#[derive(Debug)]
pub(super) struct Body {
    spool: Spool,
    id: Uuid,
    /// What `memory` takes, and what a long header does.
    held: Held,
    header_held: Held,
    len: u64,
    eight_bit: bool,
    memory: Vec<u8>,
    file: Option<Arc<SpoolFile>>,
    hash: Sha256,
    scan: HeaderScan,
    /// What the header says, where that was wanted before the end of the message.
    header: Option<HeaderFacts>,
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

impl Body {
    /// Of a client, by the network that it counts with.
    pub(super) fn new(spool: Spool, (memory, network): (&Memory, IpAddr), id: Uuid, host: Domain) -> Self {
        Self {
            spool,
            id,
            held: memory.of(network),
            header_held: memory.of(network),
            len: 0,
            eight_bit: false,
            memory: Vec::new(),
            file: None,
            hash: Sha256::new(),
            scan: HeaderScan::new(host),
            header: None,
        }
    }

    /// Takes the next octets.
    pub(super) async fn push(&mut self, octets: Vec<u8>) -> io::Result<()> {
        self.hash.update(&octets);
        self.scan.push(&octets);
        self.hold_header()?;
        self.eight_bit = self.eight_bit || !octets.is_ascii();
        self.len += octets.len() as u64;
        let held = self.held.grow(octets.len() as u64);
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

    /// The header as it stands and as it reads, once it is whole.
    pub(super) fn header(&mut self) -> Option<(&[u8], &HeaderFacts)> {
        if !self.scan.is_whole() {
            return None;
        }
        let facts = self.header.get_or_insert_with(|| self.scan.finish());
        Some((self.scan.head(), &*facts))
    }

    /// Whether what comes next takes room on the disk.
    pub(super) const fn is_on_disk(&self) -> bool {
        self.file.is_some()
    }

    /// Fails where a long header finds no room.
    fn hold_header(&mut self) -> io::Result<()> {
        let owed = (self.scan.head().len() as u64).saturating_sub(FREE_HEADER_OCTETS + self.header_held.octets());
        if owed > 0 && !self.header_held.grow(owed) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no memory is left for a long header"));
        }
        Ok(())
    }

    async fn make_file(&self) -> io::Result<Arc<SpoolFile>> {
        let (spool, id) = (self.spool.clone(), self.id);
        Ok(Arc::new(off_thread(move || spool.create(id)).await?))
    }

    async fn write_out(&mut self) -> io::Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let octets = std::mem::take(&mut self.memory);
        self.held.release();
        off_thread(move || file.append(&octets)).await
    }

    /// The message is whole.
    pub(super) async fn finish(mut self) -> io::Result<Arrived> {
        self.write_out().await?;
        let octets = match self.file.take() {
            Some(file) => Octets::File(file),
            None => Octets::Memory(std::mem::take(&mut self.memory).into()),
        };
        Ok(Arrived {
            octets,
            sha256: self.hash.finalize().into(),
            header: self.header.take().unwrap_or_else(|| self.scan.finish()),
            eight_bit: self.eight_bit,
            _held: self.held,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MAX_MEMORY_PER_CLIENT;
    use super::*;

    const PIECE: usize = 32 * 1024;

    struct World {
        spool: tempfile::TempDir,
        memory: Memory,
    }

    impl World {
        fn new() -> Self {
            Self { spool: tempfile::tempdir().unwrap(), memory: Memory::default() }
        }

        fn body(&self, id: u128) -> Body {
            let host = Domain::parse("gw.example").unwrap();
            let client = IpAddr::from([192, 0, 2, 1]);
            Body::new(Spool::at(self.spool.path().to_owned()), (&self.memory, client), Uuid::from_u128(id), host)
        }

        /// What others hold when they leave so much.
        fn others(&self, left: u64) -> Vec<Held> {
            let mut all: Vec<_> = (1..=4).map(|last| self.memory.of([198, 51, 100, last].into())).collect();
            for (number, held) in all.iter_mut().enumerate() {
                assert!(held.grow(MAX_MEMORY_PER_CLIENT - if number == 0 { left } else { 0 }));
            }
            all
        }
    }

    #[tokio::test]
    async fn without_room_nothing_is_gathered_in_memory() {
        let world = World::new();
        let _others = world.others(PIECE as u64);
        let (mut first, mut second) = (world.body(1), world.body(2));
        first.push([b"\r\n".to_vec(), vec![b'a'; PIECE - 2]].concat()).await.unwrap();
        assert_eq!(first.memory.len(), PIECE);
        second.push(b"\r\n".to_vec()).await.unwrap();
        for _ in 0..3 {
            second.push(vec![b'b'; PIECE]).await.unwrap();
            assert!(second.memory.is_empty() && second.held.octets() == 0);
        }
        let arrived = second.finish().await.unwrap();
        let whole = [b"\r\n".to_vec(), vec![b'b'; 3 * PIECE]].concat();
        assert_eq!(arrived.octets.read(0).await.unwrap(), whole);
        drop(first);
        assert!(world.memory.of([192, 0, 2, 2].into()).grow(PIECE as u64), "what a message held is given back");
    }

    #[tokio::test]
    async fn without_room_a_long_header_is_refused_and_a_usual_one_is_not() {
        let world = World::new();
        let _others = world.others(0);
        let mut usual = world.body(1);
        usual.push([vec![b'a'; 15_000], b"\r\n\r\n".to_vec(), vec![b'a'; PIECE]].concat()).await.unwrap();
        let refused = world.body(2).push(vec![b'a'; PIECE]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull, "that is no fault of the storage");
    }

    #[tokio::test]
    async fn a_large_message_goes_to_its_file_whole_and_in_order() {
        let world = World::new();
        let mut body = world.body(1);
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
        world.others(0);
    }
}
