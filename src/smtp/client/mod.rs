//! The client's side of a session, without I/O: replies in, commands out.
//!
//! [`Opening`] takes a fresh connection from the greeting to the point where mail may be sent: EHLO, or HELO where that is
//! refused, STARTTLS, sign-in. [`Transaction`] then sends one message and keeps each recipient's fate apart. The owner of
//! the socket writes what they append to `out`, feeds what comes back, and minds the clock by [`Phase`].

mod capabilities;
mod opening;
mod sign_in;
mod transaction;

pub use capabilities::Capabilities;
pub use opening::{Opening, OpeningStep, StartTls};
pub use sign_in::Credentials;
pub use transaction::{Plan, Recipient, Transaction, TransactionStep, Verdict};

use bytes::BytesMut;

use super::reply::{Reply, ReplyError, take_reply};

/// What the client waits for, and so what a failure belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The greeting.
    Greeting,
    /// The reply to EHLO or HELO.
    Hello,
    /// The reply to STARTTLS.
    StartTls,
    /// A reply to AUTH.
    SignIn,
    /// The reply to MAIL (or to a RSET before it).
    Mail,
    /// A reply to RCPT.
    Recipient,
    /// The reply to DATA.
    Data,
    /// Content is being sent; no reply is due.
    Content,
    /// The reply to the final dot.
    Dot,
}

/// The code of a server that is about to close the connection (RFC 5321 §3.8).
pub const CLOSING: u16 = 421;

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The server said no.
    #[error("{reply}")]
    Refused {
        /// To what.
        phase: Phase,
        /// In its own words.
        reply: Reply,
    },
    /// What came is no reply, or none that fits.
    #[error("{error}")]
    Garbled {
        /// Instead of which reply.
        phase: Phase,
        /// What is wrong with it.
        error: ReplyError,
    },
    /// TLS is demanded and not offered.
    #[error("the server does not offer STARTTLS")]
    NoTls,
    /// Octets stood behind the reply to STARTTLS that somebody may have injected (RFC 3207 §6, CVE-2011-0411).
    #[error("plain text followed the reply to STARTTLS")]
    Injected,
    /// The relay offers no way of signing in that we know.
    #[error("the relay offers neither AUTH PLAIN nor AUTH LOGIN")]
    NoSignIn,
}

impl Trouble {
    /// Where it happened.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Refused { phase, .. } | Self::Garbled { phase, .. } => *phase,
            Self::NoTls | Self::Injected => Phase::StartTls,
            Self::NoSignIn => Phase::SignIn,
        }
    }

    /// What the server said, where it spoke clearly.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Refused { reply, .. } => Some(reply),
            _ => None,
        }
    }
}

/// The next whole reply, if it has come.
fn next_reply(input: &mut BytesMut, phase: Phase) -> Result<Option<Reply>, Trouble> {
    take_reply(input).map_err(|error| Trouble::Garbled { phase, error })
}

/// Whether a reply stands there while nothing is asked. Taken for the answer to what is asked next, it would lose a message. A
/// refusal would not, and 421 may come at any time.
fn is_surplus(input: &[u8]) -> bool {
    input.first().is_some_and(|first| !matches!(first, b'4' | b'5'))
}

/// A reply of another class than its place allows is as good as garbled.
const fn misplaced(phase: Phase) -> Trouble {
    Trouble::Garbled { phase, error: ReplyError::Garbled }
}

/// The reply, if it is 2yz.
fn positive(reply: Reply, phase: Phase) -> Result<Reply, Trouble> {
    match reply.class() {
        2 => Ok(reply),
        4 | 5 => Err(Trouble::Refused { phase, reply }),
        _ => Err(misplaced(phase)),
    }
}
