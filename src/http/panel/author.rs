//! Who a message is from, as people read it: its author, and in a small way who sent its envelope, where that is another one.
//! A newsletter is sent by its service and a list's mail by the list: that they differ says nothing against them.

use crate::store::activity::Row;

use super::{own_words, text};

/// Characters of a name in a list: the address behind it is to be seen as well.
const NAME: usize = 18;
/// Octets of an address (RFC 5321 §4.5.3.1.3): what is longer is folded.
const MAX_ADDRESS_OCTETS: usize = 254;

/// As a list shows it.
pub(super) struct Writer {
    /// The author's name; else an address.
    pub(super) who: String,
    /// The address, where the name stands before it.
    pub(super) address: Option<String>,
    /// The sender of the envelope, where that is another one than the author.
    pub(super) by: Option<String>,
}

impl Writer {
    /// Of a report to a sender.
    pub(super) fn of_report() -> Self {
        Self { who: format!("{}, a report", own_words::SENDER), address: None, by: None }
    }

    /// Of rows without an author, the sender of the envelope.
    pub(super) fn of(row: &Row) -> Self {
        let sender = match row.sender.as_str() {
            _ if row.own.is_some() => own_words::SENDER.to_owned(),
            "" => "<>".to_owned(),
            sender => text::short_sender(sender),
        };
        let Some(author) = &row.author else { return Self { who: sender, address: None, by: None } };
        let address = text::short_sender(author.address());
        let by = Some(sender).filter(|_| !author.is(&row.sender));
        match author.name() {
            Some(name) => Self { who: text::short(name, NAME), address: Some(address), by },
            None => Self { who: address, address: None, by },
        }
    }
}

/// As the page of the message shows it.
pub(super) struct Told {
    /// The name, empty where there is none, and the address.
    pub(super) author: Option<(String, String)>,
    /// The sender of the envelope; nothing where that is the author.
    pub(super) sender: Option<String>,
    /// All of it, where it is longer than addresses may be.
    pub(super) sender_whole: Option<String>,
}

impl Told {
    pub(super) fn of(row: &Row) -> Self {
        let author = row.author.as_ref();
        let is_long = row.sender.len() > MAX_ADDRESS_OCTETS;
        let sender = if is_long { text::short_sender(&row.sender) } else { text::sender(&row.sender) };
        let name = |name: Option<&str>| name.map(text::visible).unwrap_or_default();
        Self {
            author: author.map(|author| (name(author.name()), text::visible(author.address()))),
            sender: Some(sender).filter(|_| author.is_none_or(|author| !author.is(&row.sender))),
            sender_whole: is_long.then(|| text::visible(&row.sender)),
        }
    }
}
