//! How a client behaves: faults and commands without mail are counted, and too many end the session.
//!
//! A recipient that is taken makes good for one fault, so that a long list with some dead addresses is not cut off while
//! guessing at addresses is; a message that is taken clears the slate.

use crate::smtp::command::Command;
use crate::smtp::limits::{MAX_FAULTS, MAX_IDLE_COMMANDS};
use crate::smtp::replies;
use crate::smtp::reply::Reply;

/// The count.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    faults: usize,
    idle: usize,
}

impl Conduct {
    /// Counts a command that moves no mail.
    pub(super) fn note(&mut self, command: &Command) {
        let idle = !matches!(command, Command::Mail(_) | Command::Rcpt(..) | Command::Data);
        self.idle += usize::from(idle);
    }

    /// Counts a refusal for good: whoever gives it, the client asked for something that it should not have.
    pub(super) fn weigh(&mut self, reply: &Reply) {
        self.faults += usize::from(reply.is_permanent());
    }

    /// A recipient was taken.
    pub(super) const fn recipient_taken(&mut self) {
        self.faults = self.faults.saturating_sub(1);
    }

    /// A message was taken, or not.
    pub(super) fn message_answered(&mut self, reply: &Reply) {
        if reply.is_positive() {
            *self = Self::default();
        }
    }

    /// The reply that ends the session, once it must end.
    pub(super) fn verdict(&self) -> Option<Reply> {
        if self.faults > MAX_FAULTS {
            return Some(replies::too_many_faults());
        }
        (self.idle > MAX_IDLE_COMMANDS).then(replies::too_many_idle_commands)
    }
}
