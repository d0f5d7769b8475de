//! The texts of the replies that a session gives by itself, together in one file.
//!
//! What depends on rules (who may send, which recipient exists, what becomes of a message) is answered by the owner of the
//! session; its texts stand in `policy/replies.rs`.

use super::data::LineFault;
use super::limits::{MAX_COMMAND_OCTETS, MAX_TRANSACTIONS};
use super::reply::Reply;
use crate::mail::{AddressError, Domain};

pub(super) fn greeting(host: &Domain) -> Reply {
    Reply::plain(220, format!("{host} ESMTP Waypost"))
}

pub(super) fn helo(host: &Domain) -> Reply {
    Reply::plain(250, host.to_string())
}

/// What EHLO is told.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) host: &'a Domain,
    pub(super) max_message_bytes: u64,
    pub(super) max_recipients: usize,
    pub(super) starttls: bool,
}

/// What is offered, a line each (RFC 5321 §4.1.1.1).
pub(super) fn ehlo(offer: &Offer<'_>) -> Reply {
    let Offer { host, max_message_bytes, max_recipients, .. } = offer;
    let starttls = if offer.starttls { "\nSTARTTLS" } else { "" };
    let text = format!(
        "{host}\nPIPELINING\nSIZE {max_message_bytes}{starttls}\nENHANCEDSTATUSCODES\n8BITMIME\nCHUNKING\nDSN\nSMTPUTF8\n\
         LIMITS MAILMAX={MAX_TRANSACTIONS} RCPTMAX={max_recipients}"
    );
    Reply::plain(250, text)
}

pub(super) fn ok() -> Reply {
    Reply::new(250, 0, 0, "Ok")
}

pub(super) fn bye() -> Reply {
    Reply::new(221, 0, 0, "Bye")
}

pub(super) fn help() -> Reply {
    Reply::new(214, 0, 0, "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS QUIT; see RFC 5321")
}

/// The same for every argument: VRFY tells nobody which addresses exist (RFC 5321 §7.3).
pub(super) fn verify() -> Reply {
    Reply::new(252, 5, 0, "Not verified; send mail and see")
}

pub(super) fn ready_for_tls() -> Reply {
    Reply::new(220, 0, 0, "Ready to start TLS")
}

// The line.

pub(super) fn line_too_long() -> Reply {
    Reply::new(500, 5, 2, format!("The line is longer than {MAX_COMMAND_OCTETS} octets"))
}

pub(super) fn line_fault(fault: LineFault) -> Reply {
    Reply::new(500, 5, 2, format!("{} in a command; lines end with CRLF", name_of(fault)))
}

pub(super) fn not_text() -> Reply {
    Reply::new(500, 5, 2, "A command is printable ASCII, and UTF-8 in addresses")
}

pub(super) fn endless_line() -> Reply {
    Reply::new(421, 7, 0, "The line does not end; closing the connection")
}

// The command.

pub(super) fn unknown_command() -> Reply {
    Reply::new(500, 5, 2, "Unknown command")
}

pub(super) fn not_implemented() -> Reply {
    Reply::new(502, 5, 1, "Not offered here")
}

pub(super) fn other_protocol() -> Reply {
    Reply::new(421, 7, 0, "This is SMTP; closing the connection")
}

pub(super) fn tls_at_once() -> Reply {
    Reply::new(421, 7, 0, "TLS begins with STARTTLS on this port; closing the connection")
}

pub(super) fn bad_syntax(usage: &'static str) -> Reply {
    Reply::new(501, 5, 4, usage)
}

pub(super) fn bad_sender(error: &AddressError) -> Reply {
    Reply::new(501, 1, 7, format!("Bad sender address: {error}"))
}

pub(super) fn bad_recipient(error: &AddressError) -> Reply {
    Reply::new(501, 1, 3, format!("Bad recipient address: {error}"))
}

/// RFC 6531 §3.5.
pub(super) fn needs_smtputf8() -> Reply {
    Reply::new(553, 6, 7, "An address beyond ASCII wants MAIL with SMTPUTF8")
}

pub(super) fn bad_parameter() -> Reply {
    Reply::new(501, 5, 4, "A parameter is malformed or given twice")
}

/// What follows could be read as commands.
pub(super) fn bad_chunk() -> Reply {
    Reply::new(421, 5, 4, "Syntax: BDAT octets [LAST]; closing the connection")
}

pub(super) fn unknown_parameter() -> Reply {
    Reply::new(555, 5, 4, "A parameter is not offered here")
}

// The order.

pub(super) fn hello_first() -> Reply {
    Reply::new(503, 5, 1, "Send EHLO first")
}

pub(super) fn mail_first() -> Reply {
    Reply::new(503, 5, 1, "Send MAIL first")
}

pub(super) fn nested_mail() -> Reply {
    Reply::new(503, 5, 1, "A transaction is open; RSET ends it")
}

/// RFC 3030 §2: behind the first BDAT come only further ones, and what ends the transaction.
pub(super) fn chunk_first() -> Reply {
    Reply::new(503, 5, 1, "The message comes in chunks; send BDAT, or RSET to end it")
}

pub(super) fn no_recipients() -> Reply {
    Reply::new(554, 5, 1, "No valid recipients")
}

pub(super) fn tls_in_tls() -> Reply {
    Reply::new(503, 5, 1, "TLS is on already")
}

/// RFC 3207 §4.
pub(super) fn tls_unavailable() -> Reply {
    Reply::new(454, 7, 0, "TLS is not available now")
}

pub(super) fn only_quit() -> Reply {
    Reply::new(503, 5, 1, "No mail is taken here; send QUIT")
}

/// RFC 2920 §3.1: DATA ends a group of commands; what follows it unasked could be read as either.
pub(super) fn content_too_early() -> Reply {
    Reply::new(554, 5, 0, "Content came before 354; closing the connection")
}

// Limits.

pub(super) fn too_big() -> Reply {
    Reply::new(552, 3, 4, "The message is too big")
}

pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, 5, 3, "Too many recipients; send the rest separately")
}

pub(super) fn too_many_recipients_refused() -> Reply {
    Reply::new(421, 5, 3, "Too many recipients were not taken; closing the connection")
}

pub(super) fn too_many_transactions() -> Reply {
    Reply::new(421, 5, 3, "Too many messages over one connection; connect again")
}

pub(super) fn too_many_faults() -> Reply {
    Reply::new(421, 7, 0, "Too many faults; closing the connection")
}

pub(super) fn too_many_idle_commands() -> Reply {
    Reply::new(421, 7, 0, "Too many commands without mail; closing the connection")
}

// The content.

pub(super) fn chunk_taken(octets: u64) -> Reply {
    Reply::new(250, 0, 0, format!("{octets} octets received"))
}

pub(super) fn content_fault(fault: LineFault) -> Reply {
    Reply::new(550, 6, 0, format!("{} in the message; lines end with CRLF (RFC 5321 section 2.3.8)", name_of(fault)))
}

const fn name_of(fault: LineFault) -> &'static str {
    match fault {
        LineFault::BareCr => "Bare CR",
        LineFault::BareLf => "Bare LF",
        LineFault::NulAtLineEnd => "NUL beside a line end",
    }
}
