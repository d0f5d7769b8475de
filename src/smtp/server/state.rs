//! Where a session is: one state at a time, each holding just what it knows.

use super::chunking::{Chunking, Skipping};
use super::phase::{Asked, Introduced, Phase};
use super::receiving::{Received, Receiving};
use crate::smtp::reply::Reply;

/// Where a session is.
#[derive(Debug, Default)]
pub(super) enum State {
    /// Nothing was said yet.
    Silent,
    /// Waiting for a command.
    Commands(Phase),
    /// Waiting for an answer.
    Asked(Asked),
    /// Content may come, but 354 is not written yet.
    Inviting(Introduced, Reply),
    /// Content comes.
    Receiving(Receiving),
    /// A chunk of it comes.
    Chunking(Chunking),
    /// The message is refused: that is written down before it is said.
    Refused(Skipping),
    /// A refused chunk comes.
    Skipping(Skipping),
    /// Content came.
    Received(Received),
    /// The handshake is the owner's.
    Handshake,
    /// Over.
    #[default]
    Closed,
}

impl State {
    /// The client, once it said who it is.
    pub(super) const fn client(&self) -> Option<&Introduced> {
        match self {
            Self::Silent | Self::Handshake | Self::Closed => None,
            Self::Commands(phase) => phase.client(),
            Self::Asked(asked) => asked.client(),
            Self::Inviting(client, _) => Some(client),
            Self::Receiving(receiving) => Some(&receiving.client),
            Self::Chunking(chunking) => Some(&chunking.chunked.client),
            Self::Refused(skipping) | Self::Skipping(skipping) => skipping.phase.client(),
            Self::Received(received) => Some(&received.client),
        }
    }

    /// Whether MAIL was taken and its end not answered.
    pub(super) const fn in_transaction(&self) -> bool {
        match self {
            Self::Silent | Self::Handshake | Self::Skipping(_) | Self::Closed => false,
            Self::Commands(phase) => phase.in_transaction(),
            Self::Asked(asked) => !matches!(asked, Asked::Sender(..)),
            Self::Inviting(..) | Self::Receiving(_) | Self::Chunking(_) | Self::Received(_) | Self::Refused(_) => true,
        }
    }

    /// Whether octets of a message are what comes next, be it refused already.
    pub(super) const fn is_receiving(&self) -> bool {
        matches!(self, Self::Receiving(_) | Self::Chunking(_) | Self::Skipping(_))
    }

    /// Whether a whole message waits for its answer.
    pub(super) const fn is_judging(&self) -> bool {
        matches!(self, Self::Asked(Asked::Message(_)))
    }
}
