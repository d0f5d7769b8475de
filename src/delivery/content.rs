//! Writes a message's content: prefix, octets, final dot, or all of it as one chunk to a next hop that takes chunks (RFC
//! 3030); and hashes behind the encoder what was handed over.

use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use memchr::memmem::Finder;
use sha2::{Digest as _, Sha256};

use super::connection::Connection;
use super::failure::{Blame, Failure};
use super::{Parcel, Timeouts};
use crate::policy::verdict::Stage;
use crate::smtp::data::Encoder;
use crate::store::octets::Octets;

/// Octets written at a time. A message below goes out in one piece with its final dot.
const BLOCK_OCTETS: usize = 64 * 1024;

/// What was handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed {
    /// SHA-256 of it, minus the prefix.
    pub(super) sha256: [u8; 32],
    /// A last CRLF was added because the message had none.
    pub(super) crlf_added: bool,
}

/// Writes it all. `sent` is set before the final dot, or the last octets of the chunk, can reach the next hop: from then on
/// a failure is of [`Stage::Dot`].
pub(super) async fn write(
    connection: &mut Connection,
    parcel: &Parcel,
    sent: &AtomicBool,
    timeouts: &Timeouts,
) -> Result<Sealed, Failure> {
    connection.flush(Stage::Content, timeouts.block).await?;
    let mut form = Form::begin(connection, parcel);
    form.prefix(&parcel.prefix, &mut connection.out);
    let octets = &parcel.message.octets;
    let (mut offset, mut piece) = (0, read(octets, 0).await?);
    while !piece.is_empty() {
        offset += piece.len() as u64;
        // The next piece is read while this one is written.
        let (next, written) = tokio::join!(read(octets, offset), form.piece(&piece, connection, timeouts));
        written?;
        piece = next?;
    }
    if offset < octets.len() {
        return Err(unreadable("the stored message is shorter than it should be"));
    }
    if offset > BLOCK_OCTETS as u64 {
        connection.listen()?;
    }
    let sealed = form.end(&mut connection.out);
    sent.store(true, Ordering::SeqCst);
    connection.flush(Stage::Dot, timeouts.block).await?;
    Ok(sealed)
}

async fn read(octets: &Octets, offset: u64) -> Result<Bytes, Failure> {
    octets.read(offset).await.map_err(|error| unreadable(&error.to_string()))
}

/// The form in which a message goes out, and the hash behind it.
enum Form {
    /// Stuffed, and ended by a dot.
    Dots(Encoder, Behind),
    /// As one chunk: the octets themselves, no line end added.
    Chunk(Sha256),
}

impl Form {
    /// Of a chunk, the next hop is told the length first.
    fn begin(connection: &mut Connection, parcel: &Parcel) -> Self {
        if !connection.offered.chunking {
            return Self::Dots(Encoder::default(), Behind::default());
        }
        let octets = parcel.prefix.len() as u64 + parcel.message.octets.len();
        // Writing to a vector cannot fail.
        let _ = write!(connection.out, "BDAT {octets} LAST\r\n");
        Self::Chunk(Sha256::new())
    }

    fn prefix(&mut self, prefix: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Dots(encoder, _) => encoder.encode(prefix, out),
            Self::Chunk(_) => out.extend_from_slice(prefix),
        }
    }

    /// Leaves less than two blocks unwritten.
    async fn piece(&mut self, octets: &[u8], connection: &mut Connection, timeouts: &Timeouts) -> Result<(), Failure> {
        for block in octets.chunks(BLOCK_OCTETS) {
            if connection.out.len() >= BLOCK_OCTETS {
                connection.flush(Stage::Content, timeouts.block).await?;
            }
            self.block(block, &mut connection.out);
        }
        Ok(())
    }

    fn block(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        match self {
            Self::Dots(encoder, behind) => {
                encoder.encode(octets, out);
                behind.push(&out[from..]);
            }
            Self::Chunk(hasher) => {
                out.extend_from_slice(octets);
                hasher.update(&out[from..]);
            }
        }
    }

    fn end(self, out: &mut Vec<u8>) -> Sealed {
        match self {
            Self::Dots(mut encoder, mut behind) => {
                let crlf_added = encoder.finish(out);
                if crlf_added {
                    behind.push(b"\r\n");
                }
                Sealed { sha256: behind.hasher.finalize().into(), crlf_added }
            }
            Self::Chunk(hasher) => Sealed { sha256: hasher.finalize().into(), crlf_added: false },
        }
    }
}

/// Our own storage failed: the next hop is not to blame.
fn unreadable(why: &str) -> Failure {
    Failure { blame: Blame::Us, ..Failure::silent(Stage::Content, format!("the message could not be read: {why}")) }
}

/// Hashes stuffed octets as the next hop will un-stuff them (RFC 5321 §4.5.2). It shares nothing with the encoder, so that
/// a fault there shows as a difference between the two hashes in the log.
#[derive(Default)]
struct Behind {
    hasher: Sha256,
    at: At,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    BehindCr,
    Inside,
}

impl Behind {
    fn push(&mut self, octets: &[u8]) {
        static STUFFED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));
        let mut rest = self.over_the_seam(octets);
        while let Some(index) = STUFFED.find(rest) {
            self.hasher.update(&rest[..index + 2]);
            rest = &rest[index + 3..];
            self.at = At::Inside;
        }
        self.hasher.update(rest);
        self.at = match rest {
            [] => self.at,
            [.., b'\r', b'\n'] => At::LineStart,
            [.., b'\r'] => At::BehindCr,
            _ => At::Inside,
        };
    }

    /// Takes what continues a line end that stands at the end of the piece before.
    fn over_the_seam<'a>(&mut self, mut octets: &'a [u8]) -> &'a [u8] {
        if let (At::BehindCr, [b'\n', rest @ ..]) = (self.at, octets) {
            self.hasher.update(b"\n");
            self.at = At::LineStart;
            octets = rest;
        }
        if let (At::LineStart, [b'.', rest @ ..]) = (self.at, octets) {
            self.at = At::Inside;
            octets = rest;
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the message and its splits, the hash behind the encoder is the hash of the message.
        #[test]
        fn hashes_what_the_next_hop_will_have(
            pieces in proptest::collection::vec("[a.\r]{0,6}|(\r\n|\\.|\r\n\\.){0,4}", 0..6)
        ) {
            let mut encoder = Encoder::default();
            let mut behind = Behind::default();
            for piece in &pieces {
                let mut stuffed = Vec::new();
                encoder.encode(piece.as_bytes(), &mut stuffed);
                behind.push(&stuffed);
            }
            let expected: [u8; 32] = Sha256::digest(pieces.concat().as_bytes()).into();
            prop_assert_eq!(<[u8; 32]>::from(behind.hasher.finalize()), expected);
        }

        /// The same in any split of what was encoded.
        #[test]
        fn splits_do_not_matter(message in "(\r\n|\\.|a){0,12}", cut in 0_usize..24) {
            let mut stuffed = Vec::new();
            Encoder::default().encode(message.as_bytes(), &mut stuffed);
            let (left, right) = stuffed.split_at(cut.min(stuffed.len()));
            let mut behind = Behind::default();
            behind.push(left);
            behind.push(right);
            let expected: [u8; 32] = Sha256::digest(message.as_bytes()).into();
            prop_assert_eq!(<[u8; 32]>::from(behind.hasher.finalize()), expected);
        }
    }
}
