//! Chunks on their way in (RFC 3030 §2): counted, looked at, and refused with all their octets taken, so that what stands
//! in a chunk is never read as a command.
//!
//! A refused chunk ends its transaction. Whatever the client had sent behind it finds no transaction to join, so no
//! message can lose a part of itself.

use bytes::{Buf, BytesMut};

use super::phase::{Introduced, Phase};
use super::receiving::Received;
use crate::smtp::chunk::Joiner;
use crate::smtp::command::ChunkCommand;
use crate::smtp::replies;
use crate::smtp::reply::Reply;

/// A message of which some chunks, or none yet, have come.
#[derive(Debug)]
pub(super) struct Chunked {
    pub(super) client: Introduced,
    joiner: Joiner,
    octets: u64,
}

/// A chunk that is being received.
#[derive(Debug)]
pub(super) struct Chunking {
    pub(super) chunked: Chunked,
    chunk: ChunkCommand,
    left: u64,
    /// It cannot be kept.
    refused: Option<Reply>,
}

/// A refused chunk: its octets are dropped, then the reply is given.
#[derive(Debug)]
pub(super) struct Skipping {
    pub(super) phase: Phase,
    pub(super) reply: Reply,
    left: u64,
}

/// What octets of a chunk led to.
#[derive(Debug)]
pub(super) enum Came {
    /// There are more.
    More(Chunking),
    /// The chunk is whole; the message goes on.
    Chunk(Chunked, Reply),
    /// The message is whole.
    Message(Received),
    /// The message is faulty.
    Refused(Skipping),
}

impl Chunked {
    pub(super) fn new(client: Introduced) -> Self {
        Self { client, joiner: Joiner::default(), octets: 0 }
    }

    /// Begins the next chunk, unless the message would be larger than `limit` with it.
    pub(super) fn begin(self, chunk: ChunkCommand, limit: u64) -> Result<Chunking, Skipping> {
        if self.octets.saturating_add(chunk.octets) > limit {
            return Err(Skipping::new(Phase::Introduced(self.client), chunk, replies::too_big()));
        }
        Ok(Chunking { chunked: self, chunk, left: chunk.octets, refused: None })
    }
}

impl Chunking {
    /// Whether octets are still to come.
    pub(super) const fn is_open(&self) -> bool {
        self.left > 0
    }

    /// Refuses the message, with what of the chunk is still to come.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refused = Some(reply);
    }

    /// Takes what it can from `input`; that the chunk is whole is said once its octets were looked after.
    pub(super) fn take(mut self, input: &mut BytesMut, content: &mut Vec<u8>) -> Came {
        let here = at_most(self.left, input);
        self.chunked.joiner.look(&input[..here]);
        let refusal = self.chunked.joiner.fault().map(replies::content_fault).or_else(|| self.refused.take());
        if let Some(reply) = refusal {
            let phase = Phase::Introduced(self.chunked.client);
            return Came::Refused(Skipping { phase, reply, left: self.left });
        }
        content.extend_from_slice(&input[..here]);
        input.advance(here);
        self.left -= here as u64;
        match (here, self.chunk.last) {
            (1.., _) => Came::More(self),
            (0, true) => Came::Message(self.end()),
            (0, false) => self.pause(),
        }
    }

    fn pause(self) -> Came {
        let octets = self.chunked.octets + self.chunk.octets;
        Came::Chunk(Chunked { octets, ..self.chunked }, replies::chunk_taken(self.chunk.octets))
    }

    fn end(self) -> Received {
        let Chunked { client, joiner, octets } = self.chunked;
        let fault = joiner.end().map(replies::content_fault);
        Received { client, octets: fault.map_or(Ok(octets + self.chunk.octets), Err) }
    }
}

impl Skipping {
    /// Refuses a chunk; the session goes on in `phase`.
    pub(super) const fn new(phase: Phase, chunk: ChunkCommand, reply: Reply) -> Self {
        Self { phase, reply, left: chunk.octets }
    }

    /// Of a message that has come whole.
    pub(super) const fn of_nothing(phase: Phase, reply: Reply) -> Self {
        Self { phase, reply, left: 0 }
    }

    /// The same, refused by another reply if that is one.
    pub(super) fn refused_by(self, reply: &Reply) -> Self {
        if reply.is_positive() { self } else { Self { reply: reply.clone(), ..self } }
    }

    /// Octets that are still to be dropped.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// Drops what it can of `input`.
    pub(super) fn take(&mut self, input: &mut BytesMut) {
        let here = at_most(self.left, input);
        input.advance(here);
        self.left -= here as u64;
    }
}

/// How many octets of `input` belong to a chunk that has `left` to come.
fn at_most(left: u64, input: &BytesMut) -> usize {
    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()))
}
