//! What a report returns of the message: enough to know it again, and no more is read.

use crate::mail::header::{self, fields};
use crate::mail::{Domain, Mailbox};

/// Fields of a returned header that are looked at.
const MAX_FIELDS: usize = 1000;
/// Our own Received fields of a returned header; no message of ours has more (loops end before).
const MAX_IDS: usize = 10;
/// Delivered-To fields of ours that count.
const MAX_DELIVERED_TO: usize = 10;

/// What is returned of the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Original {
    /// `Message-ID` as written.
    pub message_id: Option<String>,
    /// The ids in the Received fields of our host, the latest first.
    pub ids: Vec<String>,
    /// The mailboxes of Delivered-To fields.
    pub delivered_to: Vec<Mailbox>,
}

impl Original {
    /// Reads it, of whole messages the header only.
    pub(super) fn read(&mut self, octets: &[u8], host: &Domain) {
        let end = [&b"\r\n\r\n"[..], b"\n\n"].iter().filter_map(|end| memchr::memmem::find(octets, end)).min();
        let head = &octets[..end.map_or(octets.len(), |end| end + 1)];
        for (name, value) in fields(head).take(MAX_FIELDS) {
            if name.eq_ignore_ascii_case(b"Received") && self.ids.len() < MAX_IDS {
                self.ids.extend(header::id_by(value, host));
            } else if name.eq_ignore_ascii_case(b"Message-ID") && self.message_id.is_none() {
                self.message_id = header::printable(&String::from_utf8_lossy(value));
            } else if name.eq_ignore_ascii_case(b"Delivered-To") && self.delivered_to.len() < MAX_DELIVERED_TO {
                self.delivered_to.extend(header::mailbox(value));
            }
        }
    }
}
