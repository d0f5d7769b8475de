//! The content of DATA: taking the dot-stuffing off, and putting it on (RFC 5321 §4.5.2).
//!
//! Only CRLF.CRLF ends a message. A bare CR, a bare LF or a NUL beside a line end anywhere refuses it, in every variant and
//! split: normalising them would break signatures, and passing them on would smuggle. Both halves work on runs of octets,
//! so that ordinary mail costs a search and a copy.

use bytes::{Buf, BytesMut};
use memchr::{memchr3, memmem};

const CR: u8 = b'\r';
const LF: u8 = b'\n';
const NUL: u8 = 0;

/// Un-stuffs what a client sends.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    place: Place,
    fault: Option<LineFault>,
}

/// What a piece of input did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// All input is used up; the message goes on.
    More,
    /// The final CRLF.CRLF was read; input behind it is left.
    End,
}

/// A line end that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    /// CR without LF.
    BareCr,
    /// LF without CR.
    BareLf,
    /// NUL as the first or the last octet of a line: some servers skip it and then see another line end than we do.
    NulAtLineEnd,
}

/// What the octets read so far end with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Nothing yet, or CRLF: a lone dot here ends the message, also on its first line.
    #[default]
    LineStart,
    /// A dot at the line start, withheld.
    Dot,
    /// A dot at the line start and a CR, both withheld.
    DotCr,
    /// A CR within a line.
    Cr,
    /// A NUL within a line.
    Nul,
    /// Anything else.
    Text,
}

impl Decoder {
    /// Takes from the front of `input`, appends message octets to `content`; what cannot be judged yet is remembered. After
    /// [`Decoded::End`], ask [`Decoder::fault`]; the octets of a faulty message are not kept whole.
    pub fn decode(&mut self, input: &mut BytesMut, content: &mut Vec<u8>) -> Decoded {
        let (used, decoded) = self.scan(input, content);
        input.advance(used);
        decoded
    }

    /// The first fault that was seen, if any.
    #[must_use]
    pub const fn fault(&self) -> Option<LineFault> {
        self.fault
    }

    fn scan(&mut self, input: &[u8], content: &mut Vec<u8>) -> (usize, Decoded) {
        let mut kept = 0;
        let mut at = 0;
        while let Some(&octet) = input.get(at) {
            let before = self.place;
            self.place = self.step(octet);
            match (before, self.place) {
                (Place::LineStart, Place::Dot) => {
                    self.keep(&input[kept..at], content);
                    kept = at + 1;
                }
                (Place::Dot, Place::DotCr) => kept = at + 1,
                (Place::DotCr, Place::LineStart) => return (at + 1, Decoded::End),
                _ => {}
            }
            at += 1;
            if self.place == Place::Text {
                at += memchr3(CR, LF, NUL, &input[at..]).unwrap_or(input.len() - at);
            }
        }
        self.keep(&input[kept..], content);
        (input.len(), Decoded::More)
    }

    fn step(&mut self, octet: u8) -> Place {
        match (self.place, octet) {
            (Place::LineStart, b'.') => Place::Dot,
            (Place::Dot, CR) => Place::DotCr,
            (Place::Cr | Place::DotCr, LF) => Place::LineStart,
            (Place::Cr | Place::DotCr, CR) => self.blame(LineFault::BareCr, Place::Cr),
            (Place::Cr | Place::DotCr, _) => self.blame(LineFault::BareCr, Place::Text),
            (_, LF) => self.blame(LineFault::BareLf, Place::Text),
            (Place::Nul, CR) => self.blame(LineFault::NulAtLineEnd, Place::Cr),
            (_, CR) => Place::Cr,
            (Place::LineStart | Place::Dot, NUL) => self.blame(LineFault::NulAtLineEnd, Place::Text),
            (_, NUL) => Place::Nul,
            _ => Place::Text,
        }
    }

    fn blame(&mut self, fault: LineFault, place: Place) -> Place {
        self.fault.get_or_insert(fault);
        place
    }

    fn keep(&self, octets: &[u8], content: &mut Vec<u8>) {
        if self.fault.is_none() {
            content.extend_from_slice(octets);
        }
    }
}

/// Stuffs what we send.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    tail: Tail,
}

/// What the octets written so far end with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tail {
    /// Nothing yet, or CRLF.
    #[default]
    Line,
    /// CR.
    Cr,
    /// LF without CR. No message that we accept has one; a dot behind it is stuffed all the same, so that not even a
    /// careless next hop could see an end there.
    BareLf,
    /// Anything else.
    Text,
}

impl Tail {
    fn after(self, octets: &[u8]) -> Self {
        match octets {
            [] => self,
            [.., CR, LF] => Self::Line,
            [LF] if self == Self::Cr => Self::Line,
            [.., LF] => Self::BareLf,
            [.., CR] => Self::Cr,
            _ => Self::Text,
        }
    }
}

impl Encoder {
    /// Appends `octets`, stuffed, to `out`; any split of a message gives the same result.
    pub fn encode(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if matches!(self.tail, Tail::Line | Tail::BareLf) && octets.first() == Some(&b'.') {
            out.push(b'.');
        }
        let mut done = 0;
        for line_end in memmem::find_iter(octets, b"\n.") {
            out.extend_from_slice(&octets[done..=line_end]);
            out.push(b'.');
            done = line_end + 1;
        }
        out.extend_from_slice(&octets[done..]);
        self.tail = self.tail.after(octets);
    }

    /// Appends the end: CRLF first if the last line has none (returns true then), then `.` CRLF.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        let unfinished = self.tail != Tail::Line;
        if unfinished {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        self.tail = Tail::Line;
        unfinished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(wire: &[u8]) -> (Vec<u8>, Decoded, Option<LineFault>, usize) {
        let (mut decoder, mut input, mut content) = (Decoder::default(), BytesMut::from(wire), Vec::new());
        let decoded = decoder.decode(&mut input, &mut content);
        (content, decoded, decoder.fault(), input.len())
    }

    #[test]
    fn takes_one_dot_off_each_line() {
        let (content, decoded, fault, left) = decode(b"..\r\n.a.\r\n..b\r\n\r\n.\r\nQUIT\r\n");
        assert_eq!(content, b".\r\na.\r\n.b\r\n\r\n");
        assert_eq!((decoded, fault, left), (Decoded::End, None, 6));
    }

    #[test]
    fn a_lone_dot_on_the_first_line_ends_an_empty_message() {
        assert_eq!(decode(b".\r\n"), (vec![], Decoded::End, None, 0));
    }

    #[test]
    fn near_ends_are_faults_and_no_ends() {
        let near: [(&[u8], LineFault); 9] = [
            (b"a\n.\n", LineFault::BareLf),
            (b"a\n.\r\n", LineFault::BareLf),
            (b"a\r\n.\n", LineFault::BareLf),
            (b"a\r\n.\r\r\n", LineFault::BareCr),
            (b"a\r.\r\n", LineFault::BareCr),
            (b"a\r\n.\r.", LineFault::BareCr),
            (b"a\0\r\n", LineFault::NulAtLineEnd),
            (b"a\r\n\0.\r\n", LineFault::NulAtLineEnd),
            (b"a\r\n.\0\r\n", LineFault::NulAtLineEnd),
        ];
        for (wire, fault) in near {
            let (_, decoded, found, _) = decode(wire);
            assert_eq!((decoded, found), (Decoded::More, Some(fault)), "{:?}", wire.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_faulty_message_ends_at_the_true_end_only() {
        let (_, decoded, fault, left) = decode(b"a\n.\r\nb\r\n.\r\nNOOP\r\n");
        assert_eq!((decoded, fault, left), (Decoded::End, Some(LineFault::BareLf), 6));
    }

    #[test]
    fn nul_within_a_line_passes() {
        assert_eq!(decode(b"a\0b\r\n.\r\n"), (b"a\0b\r\n".to_vec(), Decoded::End, None, 0));
    }

    #[test]
    fn stuffs_and_ends() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.encode(b".a\r", &mut out);
        encoder.encode(b"\n", &mut out);
        encoder.encode(b".\r\n..b", &mut out);
        assert!(encoder.finish(&mut out));
        assert_eq!(out, b"..a\r\n..\r\n...b\r\n.\r\n");
    }

    #[test]
    fn a_whole_last_line_gets_no_second_end() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.encode(b"a\r\n", &mut out);
        assert!(!encoder.finish(&mut out));
        assert_eq!(out, b"a\r\n.\r\n");
        out.clear();
        assert!(!encoder.finish(&mut out));
        assert_eq!(out, b".\r\n");
    }
}
