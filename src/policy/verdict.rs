//! Whose fault is a refusal? One table for direct and queue alike (DESIGN section 4).

use serde::{Deserialize, Serialize};

use crate::smtp::reply::Reply;

/// How far a transaction with a next hop had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looking up its exchangers.
    Resolve,
    /// Connecting.
    Connect,
    /// Greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS or the handshake.
    Tls,
    /// Signing in at a relay.
    SignIn,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// Sending content, before the final dot was written.
    Content,
    /// After the final dot was written.
    Dot,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The message: refuse the sender, same class and detail, our words.
    Message,
    /// The mailbox: refuse with 5.2.x, tell the owner, remember the destination as failing for 10 min.
    Mailbox,
    /// Us: never refuse; queue, hold the site, alert the owner.
    Us,
}

/// What became of one recipient of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop said 2yz to the final dot.
    Delivered {
        /// What it said.
        reply: Reply,
    },
    /// It said 5yz, and that is the end of it.
    Refused {
        /// Where.
        stage: Stage,
        /// What it said.
        reply: Reply,
        /// Whose fault.
        fault: Fault,
    },
    /// It may go later.
    Deferred {
        /// Where.
        stage: Stage,
        /// What the next hop said, where it spoke.
        reply: Option<Reply>,
        /// In our words: `connection refused`, `no answer within 30 s`.
        reason: String,
        /// Whether it speaks of the site (anything before RCPT, or 421) rather than of this message.
        of_site: bool,
    },
    /// The connection was lost after our final dot: it may have been delivered. Next try at least 5 min later.
    Unknown {
        /// In our words.
        reason: String,
    },
}
