//! The letters of the demo, and what must become of each.

/// What must become of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Delivered while the sender waits.
    Delivered,
    /// Refused in the session, because the inbox refuses it.
    Refused,
    /// Queued, and delivered by a later try.
    DeliveredLater,
}

/// One letter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter {
    pub(super) title: &'static str,
    pub(super) to: &'static str,
    pub(super) expected: Expected,
    pub(super) subject: &'static str,
}

/// Who writes them.
pub(super) const SENDER: &str = "ann@sender.example";
/// The inbox that takes mail.
pub(super) const INBOX: &str = "anna@inbox.example";
/// The inbox that is no more.
pub(super) const GONE: &str = "gone@inbox.example";
/// The inbox that is busy at first.
pub(super) const BUSY: &str = "busy@inbox.example";

/// In the order of the show.
pub(super) const LETTERS: &[Letter] = &[
    Letter {
        title: "A letter to an alias",
        to: "shop@my.example",
        expected: Expected::Delivered,
        subject: "Your order",
    },
    Letter {
        title: "A letter to an address that only the catch-all knows",
        to: "whatever@my.example",
        expected: Expected::Delivered,
        subject: "To whom it may concern",
    },
    Letter {
        title: "A letter that the inbox refuses",
        to: "old@my.example",
        expected: Expected::Refused,
        subject: "Are you still there?",
    },
    Letter {
        title: "A letter that the inbox defers, and then takes",
        to: "later@my.example",
        expected: Expected::DeliveredLater,
        subject: "No hurry",
    },
];

impl Letter {
    /// The octets: a line that begins with a dot, octets over 127, blanks at a line's end, as real mail has them.
    pub(super) fn octets(&self) -> Vec<u8> {
        format!(
            "From: Ann <{SENDER}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{id}@sender.example>\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             Hello,\r\n\r\n.this line begins with a dot, this café with eight bits,\r\nand this one ends with blanks   \r\n",
            to = self.to,
            subject = self.subject,
            id = self.to.replace('@', "."),
        )
        .into_bytes()
    }
}
