//! The content of BDAT (RFC 3030): chunks have their length said before them, so only their line ends are looked at.
//!
//! A message is judged as if it had come by DATA: a bare CR, a bare LF or a NUL beside a line end refuses it, wherever
//! chunks part it. Chunks carry text like any other; BINARYMIME is not offered, since not every next hop could have it.

use memchr::memchr3;

use super::data::LineFault;

const CR: u8 = b'\r';
const LF: u8 = b'\n';
const NUL: u8 = 0;

/// Looks at a message that comes in chunks.
#[derive(Debug, Clone, Default)]
pub struct Joiner {
    place: Place,
    fault: Option<LineFault>,
}

/// What the octets so far end with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Nothing yet, or CRLF.
    #[default]
    LineStart,
    /// A CR.
    Cr,
    /// A NUL within a line.
    Nul,
    /// Anything else.
    Text,
}

impl Joiner {
    /// Looks at the next octets, however chunks and reads part the message.
    pub fn look(&mut self, octets: &[u8]) {
        let mut at = 0;
        while let Some(&octet) = octets.get(at) {
            self.place = self.step(octet);
            at += 1;
            if self.place == Place::Text {
                at += memchr3(CR, LF, NUL, &octets[at..]).unwrap_or(octets.len() - at);
            }
        }
    }

    /// The first fault that was seen, if any.
    #[must_use]
    pub const fn fault(&self) -> Option<LineFault> {
        self.fault
    }

    /// The message is whole. Its end is the end of a line: a next hop that takes only DATA gets a CRLF there.
    #[must_use]
    pub fn end(mut self) -> Option<LineFault> {
        if self.place != Place::LineStart {
            self.look(b"\r\n");
        }
        self.fault
    }

    fn step(&mut self, octet: u8) -> Place {
        match (self.place, octet) {
            (Place::Cr, LF) => Place::LineStart,
            (Place::Cr, CR) => self.blame(LineFault::BareCr, Place::Cr),
            (Place::Cr, _) => self.blame(LineFault::BareCr, Place::Text),
            (_, LF) => self.blame(LineFault::BareLf, Place::Text),
            (Place::Nul, CR) => self.blame(LineFault::NulAtLineEnd, Place::Cr),
            (_, CR) => Place::Cr,
            (Place::LineStart, NUL) => self.blame(LineFault::NulAtLineEnd, Place::Text),
            (_, NUL) => Place::Nul,
            _ => Place::Text,
        }
    }

    fn blame(&mut self, fault: LineFault, place: Place) -> Place {
        self.fault.get_or_insert(fault);
        place
    }
}
