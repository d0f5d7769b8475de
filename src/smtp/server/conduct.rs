//! How a client behaves: faults and commands without mail are counted, and too many end the session.
//!
//! Each recipient that is taken excuses one fault as long as its transaction lasts, so that a long list with some dead
//! addresses is not cut off while guessing at addresses is; a message that is taken clears the slate.

use crate::smtp::command::Command;
use crate::smtp::limits::{MAX_FAULTS, MAX_IDLE_COMMANDS, MAX_TRANSACTIONS};
use crate::smtp::replies;
use crate::smtp::reply::Reply;

/// The count.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    faults: usize,
    excused: usize,
    idle: usize,
    /// MAIL commands of the session, which nothing forgives.
    transactions: usize,
}

impl Conduct {
    /// Counts a command that by itself moves no mail. MAIL is one: only its message is mail.
    pub(super) fn note(&mut self, command: &Command) {
        match command {
            Command::Rcpt(..) | Command::Data => return,
            // A chunk of nothing moves nothing, unless it ends the message.
            Command::Bdat(chunk) if chunk.octets > 0 || chunk.last => return,
            Command::Mail(_) => {
                self.excused = 0;
                self.transactions += 1;
            }
            Command::Hello(_) | Command::Rset => self.excused = 0,
            _ => {}
        }
        self.idle += 1;
    }

    /// Counts a refusal for good: whoever gives it, the client asked for something that it should not have.
    pub(super) fn weigh(&mut self, reply: &Reply) {
        self.faults += usize::from(reply.is_permanent());
    }

    /// A recipient was taken.
    pub(super) const fn recipient_taken(&mut self) {
        self.excused += 1;
    }

    /// A message was taken, or not.
    pub(super) fn message_answered(&mut self, reply: &Reply) {
        self.excused = 0;
        if reply.is_positive() {
            *self = Self { transactions: self.transactions, ..Self::default() };
        }
    }

    /// The reply that ends the session instead of a transaction that is one too many (RFC 9422 §4.1).
    pub(super) fn used_up(&self) -> Option<Reply> {
        (self.transactions > MAX_TRANSACTIONS).then(replies::too_many_transactions)
    }

    /// The reply that ends the session, once it must end.
    pub(super) fn verdict(&self) -> Option<Reply> {
        if self.faults > MAX_FAULTS + self.excused {
            return Some(replies::too_many_faults());
        }
        (self.idle > MAX_IDLE_COMMANDS).then(replies::too_many_idle_commands)
    }
}
