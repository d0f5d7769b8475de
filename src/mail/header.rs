//! Reads what the gateway needs of a header while the octets pass; changes none of them.

use super::{Domain, Mailbox};

/// Octets of header that are looked at; what lies beyond does not count (and is passed on untouched).
pub const MAX_SCANNED_OCTETS: usize = 1 << 20;

/// What the header of a message says, as far as routing and the log care.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// `Subject`, decoded (RFC 2047), at most 998 octets.
    pub subject: Option<String>,
    /// `Message-ID` as written, trimmed.
    pub message_id: Option<String>,
    /// The author domains of `From`; `None` when there are several From fields, none, or one that does not parse.
    pub author_domains: Option<Vec<Domain>>,
    /// `Delivered-To` fields that are mailboxes.
    pub delivered_to: Vec<Mailbox>,
    /// All `Received` fields.
    pub received: usize,
    /// `Received` fields whose `by` names our host.
    pub received_by_us: usize,
    /// Whether there is a `DKIM-Signature`.
    pub signed: bool,
    /// Octets of the header with the empty line that ends it; the whole message where none does.
    pub octets: usize,
    /// Octets over 127 anywhere in the header (needs SMTPUTF8 at the next hop, RFC 6532).
    pub eight_bit: bool,
}

/// Collects header octets until the empty line, in any split.
#[derive(Debug)]
pub struct HeaderScan {
    host: Domain,
    head: Vec<u8>,
    done: bool,
}

impl HeaderScan {
    /// `host` is our own name, to know our own Received fields.
    #[must_use]
    pub fn new(host: Domain) -> Self {
        Self { host, head: Vec::new(), done: false }
    }

    /// Takes the next octets of the message; cheap once the header has ended.
    pub fn push(&mut self, octets: &[u8]) {
        let _ = (octets, &mut self.head, &mut self.done, &self.host);
        todo!("words")
    }

    /// The header octets collected so far (at most [`MAX_SCANNED_OCTETS`]).
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What the header says. Called once, at the end of the message.
    #[must_use]
    pub fn finish(&self) -> HeaderFacts {
        todo!("words")
    }
}
