//! The server's side of a session, without I/O: octets in, replies, questions and message octets out.
//!
//! The owner of the socket calls [`Session::advance`] in a loop and does what the [`Step`] says. The session never looks
//! anything up: it *asks*, and reads no further line until it is answered, so pipelining needs no flag.

use bytes::BytesMut;

use super::command::{Helo, MailCommand, RcptCommand};
use super::reply::Reply;
use crate::mail::Domain;

/// What the session must know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in the greeting and in replies to EHLO.
    pub hostname: Domain,
    /// Announced and enforced by SIZE.
    pub max_message_bytes: u64,
    /// Recipients in one transaction; the next is answered 452.
    pub max_recipients: usize,
    /// Whether STARTTLS is offered.
    pub starttls: bool,
}

/// What the session wants next.
#[derive(Debug)]
pub enum Step {
    /// Write [`Session::output`], then read more octets, waiting at most [`Session::timeout`].
    Read,
    /// Answer by [`Session::answer`].
    Ask(Question),
    /// Message octets are in [`Session::take_content`].
    Content,
    /// Write the output, discard all buffered input, shake hands, then call [`Session::tls_started`].
    StartTls,
    /// Write the output and close.
    Close,
}

/// What the session cannot know itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// May this sender start a transaction?
    Sender(MailCommand),
    /// May this recipient be added?
    Recipient(RcptCommand),
    /// May content come now (disk, memory)? Answer 354 to go on.
    Content,
    /// The message is whole (octets un-stuffed); what becomes of it?
    Message {
        /// Octets of the message.
        octets: u64,
    },
}

/// One SMTP session.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// A session that greets.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let _ = settings;
        todo!("protocol")
    }

    /// Takes what it can from `input` and says what it wants next.
    pub fn advance(&mut self, input: &mut BytesMut) -> Step {
        let _ = input;
        todo!("protocol")
    }

    /// Answers the last question: a 2yz (354 for content) goes on, all else refuses. The session writes the reply.
    pub fn answer(&mut self, reply: &Reply) {
        let _ = reply;
        todo!("protocol")
    }

    /// Replies to be written, in order; emptied by the caller.
    pub fn output(&mut self) -> &mut Vec<u8> {
        todo!("protocol")
    }

    /// Takes the message octets that came.
    pub fn take_content(&mut self) -> Vec<u8> {
        todo!("protocol")
    }

    /// How long the next octets may take.
    #[must_use]
    pub fn timeout(&self) -> std::time::Duration {
        todo!("protocol")
    }

    /// What the client called itself, once it did.
    #[must_use]
    pub fn helo(&self) -> Option<&Helo> {
        todo!("protocol")
    }

    /// The handshake is done: the session starts over inside TLS.
    pub fn tls_started(&mut self) {
        todo!("protocol")
    }

    /// Ends the session with `reply` (421) at the next step.
    pub fn stop(&mut self, reply: &Reply) {
        let _ = reply;
        todo!("protocol")
    }

    /// Whether a transaction is open (MAIL was taken, its end not answered).
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        todo!("protocol")
    }
}
