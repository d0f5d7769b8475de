//! Cutting input into command lines: CRLF alone ends one, no octet is searched twice, and nothing grows without end.
//!
//! A bare CR, a bare LF or too many octets spoil a line. The refusal is given at once, then the line is skipped up to its
//! CRLF, so that the session stays in step: one line, one reply.

use bytes::{Buf, BytesMut};
use memchr::{memchr, memchr2};

use crate::smtp::command::Command;
use crate::smtp::data::LineFault;
use crate::smtp::limits::{MAX_COMMAND_OCTETS, MAX_SKIPPED_OCTETS};
use crate::smtp::replies;
use crate::smtp::reply::Reply;

/// Takes lines off the input.
#[derive(Debug)]
pub(super) enum Lines {
    /// At a line; so many octets at its front hold no line end.
    Within(usize),
    /// Skipping a refused line; so many octets are gone.
    Skipping(usize),
}

/// What was taken.
#[derive(Debug)]
pub(super) enum Taken {
    /// No whole line is there.
    Nothing,
    /// A command.
    Command(Command),
    /// A line that is no command: the reply that it gets.
    Refused(Reply),
}

/// What the scan of a line found.
enum Scan {
    /// No end yet.
    Open,
    /// CRLF, behind so many octets.
    End(usize),
    /// Spoiled; so many octets are used up.
    Spoiled(usize, Reply),
}

/// The longest line without its CRLF.
const MAX_LINE_OCTETS: usize = MAX_COMMAND_OCTETS - 2;

/// How a TLS handshake begins (RFC 8446 §5.1): content type 22, version 3.
const TLS_RECORD: [u8; 2] = [0x16, 0x03];

impl Default for Lines {
    fn default() -> Self {
        Self::Within(0)
    }
}

impl Lines {
    /// Takes one line.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Taken {
        if let Self::Skipping(skipped) = *self {
            *self = skip(input, skipped);
        }
        match *self {
            Self::Within(searched) => self.line(input, searched),
            Self::Skipping(skipped) if skipped > MAX_SKIPPED_OCTETS => Taken::Refused(replies::endless_line()),
            Self::Skipping(_) => Taken::Nothing,
        }
    }

    fn line(&mut self, input: &mut BytesMut, searched: usize) -> Taken {
        // It has no line end to wait for.
        if input.starts_with(&TLS_RECORD) {
            return Taken::Refused(replies::tls_at_once());
        }
        match scan(input, searched) {
            Scan::Open => {
                // A last CR waits for its LF and is looked at again.
                *self = Self::Within(input.len() - usize::from(input.ends_with(b"\r")));
                Taken::Nothing
            }
            Scan::End(octets) => {
                let command = command(&input[..octets]);
                input.advance(octets + 2);
                *self = Self::default();
                command.map_or_else(Taken::Refused, Taken::Command)
            }
            Scan::Spoiled(octets, reply) => {
                input.advance(octets);
                *self = Self::Skipping(0);
                Taken::Refused(reply)
            }
        }
    }
}

fn scan(input: &[u8], searched: usize) -> Scan {
    let at = memchr2(b'\r', b'\n', &input[searched..]).map_or(input.len(), |i| searched + i);
    if at > MAX_LINE_OCTETS {
        return Scan::Spoiled(MAX_LINE_OCTETS + 1, replies::line_too_long());
    }
    match input[at..] {
        [] | [b'\r'] => Scan::Open,
        [b'\r', b'\n', ..] => Scan::End(at),
        [b'\r', ..] => Scan::Spoiled(at + 1, replies::line_fault(LineFault::BareCr)),
        _ => Scan::Spoiled(at + 1, replies::line_fault(LineFault::BareLf)),
    }
}

fn command(line: &[u8]) -> Result<Command, Reply> {
    let is_text = |octet: &u8| *octet >= b' ' && *octet != 0x7f || *octet == b'\t';
    let text = str::from_utf8(line).ok().filter(|_| line.iter().all(is_text));
    text.map_or_else(|| Err(replies::not_text()), Command::parse)
}

/// Drops octets up to the next CRLF; a last CR is left, to be seen with what follows it.
fn skip(input: &mut BytesMut, mut skipped: usize) -> Lines {
    while skipped <= MAX_SKIPPED_OCTETS {
        let Some(at) = memchr(b'\n', input) else {
            let dropped = input.len() - usize::from(input.ends_with(b"\r"));
            input.advance(dropped);
            return Lines::Skipping(skipped + dropped);
        };
        let ends = input[..at].ends_with(b"\r");
        skipped += at + 1;
        input.advance(at + 1);
        if ends && skipped <= MAX_SKIPPED_OCTETS {
            return Lines::default();
        }
    }
    Lines::Skipping(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_octet_is_searched_twice() {
        let mut lines = Lines::default();
        let mut input = BytesMut::new();
        for (piece, searched) in [("NO", 2), ("OP", 4), (" x\r", 6)] {
            input.extend_from_slice(piece.as_bytes());
            assert!(matches!(lines.take(&mut input), Taken::Nothing));
            assert!(matches!(lines, Lines::Within(n) if n == searched), "{lines:?}");
        }
        input.extend_from_slice(b"\n");
        assert!(matches!(lines.take(&mut input), Taken::Command(Command::Noop)));
    }

    #[test]
    fn a_refused_line_leaves_nothing_behind() {
        let mut lines = Lines::default();
        let mut input = BytesMut::from(&vec![b'x'; 40_000][..]);
        assert!(matches!(lines.take(&mut input), Taken::Refused(reply) if reply.code() == 500));
        assert!(matches!(lines.take(&mut input), Taken::Nothing));
        assert!(input.is_empty());
    }
}
