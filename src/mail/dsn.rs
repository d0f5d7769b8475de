//! Writes delivery status notifications (RFC 3464, RFC 6522): what the sender is told when a message cannot be delivered.
//!
//! It names the alias that the sender wrote to and never the destination; remote words are passed through
//! [`Failure::diagnostic`] already scrubbed by the caller's choice of what may be said. From MAILER-DAEMON, null
//! reverse-path, `Auto-Submitted: auto-replied`, the received header returned and never the prefix or the body.

use super::{Domain, Mailbox, Moment};

/// Octets of the original header that a DSN returns at most.
pub const MAX_RETURNED_OCTETS: usize = 32 * 1024;

/// One recipient that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The alias, as the sender knows it.
    pub recipient: Mailbox,
    /// The enhanced status code, as three numbers (RFC 3463).
    pub status: (u8, u16, u16),
    /// What may be said of the reason: our own words.
    pub reason: String,
}

/// A delivery status notification to be written.
#[derive(Debug, Clone)]
pub struct Dsn<'a> {
    /// Our host name: Reporting-MTA, and the domain of MAILER-DAEMON.
    pub host: &'a Domain,
    /// The original sender.
    pub to: &'a Mailbox,
    /// When it is written.
    pub at: Moment,
    /// When the message arrived.
    pub arrived: Moment,
    /// A unique text for Message-ID and the MIME boundary: letters, digits and hyphens.
    pub unique: &'a str,
    /// The failed recipients.
    pub failures: &'a [Failure],
    /// The header as received.
    pub header: &'a [u8],
}

impl Dsn<'_> {
    /// The whole report as octets with CRLF line ends.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        todo!("words")
    }
}
