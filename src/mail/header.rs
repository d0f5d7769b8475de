//! Reads what the gateway needs of a header while the octets pass; changes none of them.
//!
//! The header is collected up to the empty line, in any split, and read once. Broken headers are read as far
//! as they make sense: a line that is no field is passed over. Where the author is in doubt there is no author, which
//! the alignment guard takes as aligned with everything.

mod author;
mod fields;
mod received;

use mail_parser::HeaderForm;

use super::{Author, Domain, Mailbox};
pub(super) use fields::fields;
pub(super) use received::id_by;

/// Octets of header that are looked at; what lies beyond does not count (and is passed on untouched).
pub const MAX_SCANNED_OCTETS: usize = 1 << 20;
/// Octets kept of a subject or a Message-ID.
const MAX_TEXT_OCTETS: usize = 998;
/// `Delivered-To` fields that are kept: more than any loop needs to be seen.
const MAX_DELIVERED_TO: usize = 200;

/// The fields by which a message is signed (RFC 6376 §3.5, RFC 8617 §4.1).
pub const SIGNATURE_FIELDS: [&[u8]; 4] =
    [b"DKIM-Signature", b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"];

/// What the header of a message says, as far as routing and the log care.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// `Subject`, decoded (RFC 2047), at most 998 octets.
    pub subject: Option<String>,
    /// `Message-ID` as written, trimmed.
    pub message_id: Option<String>,
    /// The author domains of `From`; `None` when there are several From fields, none, or one that does not parse.
    pub author_domains: Option<Vec<Domain>>,
    /// The author, where `From` names exactly one and there are `author_domains`.
    pub author: Option<Author>,
    /// From fields, one more where the header goes on behind what was looked at.
    pub from_fields: usize,
    /// `Delivered-To` fields that are mailboxes.
    pub delivered_to: Vec<Mailbox>,
    /// All `Received` fields.
    pub received: usize,
    /// `Received` fields whose `by` names our host.
    pub received_by_us: usize,
    /// Whether there is a `DKIM-Signature` or a part of an ARC set.
    pub signed: bool,
    /// Octets of the header with the empty line that ends it; the whole message where none does (at most
    /// [`MAX_SCANNED_OCTETS`]).
    pub octets: usize,
    /// Octets over 127 anywhere in the header (needs SMTPUTF8 at the next hop, RFC 6532).
    pub eight_bit: bool,
}

/// Collects header octets until the empty line, in any split.
#[derive(Debug)]
pub struct HeaderScan {
    host: Domain,
    head: Vec<u8>,
    /// The last three octets; at first as if a line had just ended, so that an empty first line ends the header.
    tail: [u8; TAIL_OCTETS],
    done: bool,
    /// The header goes on behind what was looked at.
    cut: bool,
}

/// Octets of the empty line and the line end before it that may have come with an earlier piece.
const TAIL_OCTETS: usize = 3;
const END: &[u8] = b"\r\n\r\n";

impl HeaderScan {
    /// `host` is our own name, to know our own Received fields.
    #[must_use]
    pub fn new(host: Domain) -> Self {
        Self { host, head: Vec::new(), tail: *b"\0\r\n", done: false, cut: false }
    }

    /// Takes the next octets of the message; cheap once the header has ended.
    pub fn push(&mut self, octets: &[u8]) {
        if self.done {
            return;
        }
        let end = self.end_in(octets);
        let room = MAX_SCANNED_OCTETS - self.head.len();
        let wanted = end.unwrap_or(octets.len());
        self.head.extend_from_slice(&octets[..wanted.min(room)]);
        self.cut = wanted > room || (end.is_none() && wanted == room);
        self.done = end.is_some() || self.cut;
        for octet in &octets[octets.len().saturating_sub(TAIL_OCTETS)..] {
            self.tail.rotate_left(1);
            self.tail[TAIL_OCTETS - 1] = *octet;
        }
    }

    /// How many of the new octets belong to the header, if it ends in them.
    fn end_in(&self, octets: &[u8]) -> Option<usize> {
        let mut seam = [0; 2 * TAIL_OCTETS];
        let ahead = octets.len().min(TAIL_OCTETS);
        seam[..TAIL_OCTETS].copy_from_slice(&self.tail);
        seam[TAIL_OCTETS..TAIL_OCTETS + ahead].copy_from_slice(&octets[..ahead]);
        let across = seam[..TAIL_OCTETS + ahead].windows(END.len()).position(|window| window == END);
        across.map(|at| at + END.len() - TAIL_OCTETS).or_else(|| Some(memchr::memmem::find(octets, END)? + END.len()))
    }

    /// The header octets collected so far (at most [`MAX_SCANNED_OCTETS`]).
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether all of the header that is looked at has come.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.done
    }

    /// What the header says, read anew: asked for once, when it is whole, or at the end of a message without an empty line.
    #[must_use]
    pub fn finish(&self) -> HeaderFacts {
        let mut facts =
            HeaderFacts { octets: self.head.len(), eight_bit: !self.head.is_ascii(), ..HeaderFacts::default() };
        let mut from = None;
        let mut authors = 0;
        for (name, value) in fields(&self.head) {
            if name.eq_ignore_ascii_case(b"Received") {
                facts.received += 1;
                facts.received_by_us += usize::from(received::is_by(value, &self.host));
            } else if SIGNATURE_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)) {
                facts.signed = true;
            } else if name.eq_ignore_ascii_case(b"From") {
                authors += 1;
                from = Some(value);
            } else if name.eq_ignore_ascii_case(b"Subject") && facts.subject.is_none() {
                facts.subject = text(value);
            } else if name.eq_ignore_ascii_case(b"Message-ID") && facts.message_id.is_none() {
                facts.message_id = printable(&String::from_utf8_lossy(value));
            } else if name.eq_ignore_ascii_case(b"Delivered-To") && facts.delivered_to.len() < MAX_DELIVERED_TO {
                facts.delivered_to.extend(mailbox(value));
            }
        }
        // Behind what was looked at there may be another From.
        facts.from_fields = authors + usize::from(self.cut);
        if let Some(authors) = from.filter(|_| facts.from_fields == 1).and_then(author::of) {
            facts.author_domains = Some(authors.domains);
            facts.author = authors.only;
        }
        facts
    }
}

fn text(value: &[u8]) -> Option<String> {
    printable(HeaderForm::Text.parse(value).value().as_text()?)
}

/// A mailbox with or without angle brackets; with comments and a name too, as anybody on the way may write it
/// (RFC 5322 §3.4).
pub(super) fn mailbox(value: &[u8]) -> Option<Mailbox> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let text = text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text);
    Mailbox::parse(text).ok().or_else(|| among_comments(value))
}

fn among_comments(value: &[u8]) -> Option<Mailbox> {
    let parsed = HeaderForm::Addresses.parse(value);
    let first = parsed.value().as_address()?.mailboxes().next()?;
    Mailbox::parse(first.address()?).ok()
}

/// On one line, without what could steer a terminal or turn the reading direction, and not too long.
pub(super) fn printable(text: &str) -> Option<String> {
    printable_within(text, MAX_TEXT_OCTETS)
}

/// The same in at most so many octets.
pub(super) fn printable_within(text: &str, max: usize) -> Option<String> {
    let mut shown = String::with_capacity(text.len().min(max));
    // CRLF of a folded field is no character of its value (RFC 5322 §2.2.3).
    for c in text.trim().chars().filter(|c| !matches!(c, '\r' | '\n')) {
        let c = match c {
            '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
            c => c,
        };
        if shown.len() + c.len_utf8() > max {
            break;
        }
        shown.push(c);
    }
    shown.truncate(shown.trim_end().len());
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests;
