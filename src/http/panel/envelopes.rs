//! Both envelopes side by side, what changed marked: on the page of a message, and in the simulator.

use crate::mail::{Envelope, Mailbox};

use super::text;

/// Both envelopes, as compared.
pub(super) struct Compared {
    pub(super) from_before: String,
    pub(super) from_after: String,
    pub(super) from_changed: bool,
    pub(super) to_before: String,
    pub(super) to_after: String,
    pub(super) to_changed: bool,
}

impl Compared {
    /// As it came, and as it went on, if it did.
    pub(super) fn of(before: &Envelope, after: Option<&Envelope>) -> Self {
        let from = |envelope: &Envelope| format!("<{}>", text::visible(&envelope.from.to_string()));
        let to = |envelope: &Envelope| {
            let all = envelope.to.iter().map(|to: &Mailbox| format!("<{}>", text::visible(&to.to_string())));
            all.collect::<Vec<_>>().join(" ")
        };
        let nothing = || "nothing was sent".to_owned();
        Self {
            from_before: from(before),
            from_after: after.map_or_else(nothing, from),
            from_changed: after.is_some_and(|after| after.from != before.from),
            to_before: to(before),
            to_after: after.map_or_else(nothing, to),
            to_changed: after.is_some_and(|after| after.to != before.to),
        }
    }

    /// Where the log has the domain of the sender alone, neither of the addresses is in it.
    pub(super) fn of_sender(mut self, sender: &str) -> Self {
        if sender.starts_with('@') {
            self.from_before = format!("{}, of which no more is kept", text::visible(sender));
            self.from_after = self.from_after.replace("<>", "not kept");
        }
        self
    }
}
