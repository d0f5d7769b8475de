//! The envelope: one reverse-path and the recipients (RFC 5321 §2.3.1).

use serde::{Deserialize, Serialize};

use super::{Mailbox, ReversePath};

/// Who a message is from and to, as SMTP says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// `MAIL FROM`.
    pub from: ReversePath,
    /// `RCPT TO`.
    pub to: Vec<Mailbox>,
}
