//! The command grammar of RFC 5321 §4.1: one line in, one [`Command`] or the reply that refuses it out.

use crate::mail::{ForwardPath, ReversePath};

/// What a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helo {
    /// The argument as written (checked to be a domain or an address literal, or at least printable).
    pub name: String,
    /// EHLO rather than HELO.
    pub extended: bool,
}

/// `MAIL FROM:<…>` with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailCommand {
    /// The reverse-path.
    pub from: ReversePath,
    /// `SIZE=` (RFC 1870).
    pub size: Option<u64>,
    /// `BODY=8BITMIME` (RFC 6152).
    pub eight_bit: bool,
    /// `SMTPUTF8` (RFC 6531).
    pub international: bool,
}

/// `RCPT TO:<…>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptCommand {
    /// The forward-path.
    pub to: ForwardPath,
}
