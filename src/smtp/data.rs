//! The content of DATA: taking the dot-stuffing off, and putting it on (RFC 5321 §4.5.2).
//!
//! Only CRLF.CRLF ends a message. A bare CR or a bare LF anywhere refuses it, in every variant and split.

/// Un-stuffs what a client sends.
#[derive(Debug, Default)]
pub struct Decoder {}

/// What a piece of input did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// All input is used up; the message goes on.
    More,
    /// The final CRLF.CRLF was read; input behind it is left.
    End,
}

impl Decoder {
    /// Takes from the front of `input`, appends message octets to `content`. Input that cannot be judged yet (a CR, a
    /// dot at a line start) may be kept inside. After [`Decoded::End`], ask [`Decoder::fault`].
    pub fn decode(&mut self, input: &mut bytes::BytesMut, content: &mut Vec<u8>) -> Decoded {
        let _ = (input, content);
        todo!("protocol")
    }

    /// Whether a bare CR or bare LF was seen; the octets after it are not worth keeping.
    #[must_use]
    pub const fn fault(&self) -> Option<LineFault> {
        None
    }
}

/// A line end that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    /// CR without LF.
    BareCr,
    /// LF without CR.
    BareLf,
}

/// Stuffs what we send.
#[derive(Debug, Default)]
pub struct Encoder {}

impl Encoder {
    /// Appends `octets`, stuffed, to `out`; any split of a message gives the same result.
    pub fn encode(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let _ = (octets, out);
        todo!("protocol")
    }

    /// Appends the end: CRLF first if the last line has none (returns true then), then `.` CRLF.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        todo!("protocol")
    }
}
