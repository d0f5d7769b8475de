//! Content on its way in: un-stuffed, counted, and refused at its end if it is faulty or too big.
//!
//! Octets of a refused message are read to its true end and dropped, so that the session stays in step within bounded
//! memory.

use bytes::BytesMut;

use super::phase::Introduced;
use crate::smtp::data::{Decoded, Decoder};
use crate::smtp::replies;
use crate::smtp::reply::Reply;

/// A message that is being received.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) client: Introduced,
    decoder: Decoder,
    octets: u64,
    limit: u64,
    /// It cannot be kept.
    refused: Option<Reply>,
}

/// A message that came to its end.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) client: Introduced,
    /// Its octets, un-stuffed, or why it is refused.
    pub(super) octets: Result<u64, Reply>,
}

impl Receiving {
    pub(super) fn new(client: Introduced, limit: u64) -> Self {
        Self { client, decoder: Decoder::default(), octets: 0, limit, refused: None }
    }

    /// Takes what it can from `input`; gives itself back until the end came.
    pub(super) fn take(mut self, input: &mut BytesMut, content: &mut Vec<u8>) -> Result<Received, Self> {
        let before = content.len();
        let decoded = self.decoder.decode(input, content);
        self.octets += (content.len() - before) as u64;
        if self.fault().is_some() {
            *content = Vec::new();
        }
        match decoded {
            Decoded::More => Err(self),
            Decoded::End => Ok(self.end()),
        }
    }

    fn end(self) -> Received {
        let octets = self.fault().map_or(Ok(self.octets), Err);
        Received { client: self.client, octets }
    }

    /// Passes over what is still to come, and refuses the message where it ends.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refused = Some(reply);
    }

    fn fault(&self) -> Option<Reply> {
        let too_big = || (self.octets > self.limit).then(replies::too_big);
        self.decoder.fault().map(replies::content_fault).or_else(too_big).or_else(|| self.refused.clone())
    }
}
