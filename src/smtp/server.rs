//! The server's side of a session, without I/O: octets in, replies, questions and message octets out.
//!
//! The owner of the socket calls [`Session::advance`] in a loop and does what the [`Step`] says. The session never looks
//! anything up: it *asks*, and reads no further line until it is answered, so pipelining needs no flag.
//!
//! Four questions in four places: is it well formed (`command.rs`), may it come now (`phase.rs`), do we want it
//! ([`Question`], answered outside), do it (`turn.rs`). A reply of 421 ends the session, whoever gives it.

use std::time::Duration;

use bytes::BytesMut;

use super::command::{Helo, MailCommand, RcptCommand};
use super::limits::{COMMAND_TIMEOUT, DATA_BLOCK_TIMEOUT};
use super::reply::Reply;
use crate::mail::Domain;

mod chunking;
mod conduct;
mod lines;
mod phase;
mod receiving;
mod state;
#[cfg(test)]
mod tests;
mod turn;

use chunking::Chunked;
use conduct::Conduct;
use lines::Lines;
use phase::{Asked, Channel, Phase, Stranger, Transaction};
use state::State;

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
    /// May this sender start a transaction? It replaces whatever transaction there was.
    Sender(MailCommand),
    /// This sender announces a message that is too big (RFC 1870 §6.1), and is refused by this reply. Answer it, or another
    /// refusal in its place; a 2yz stands for it.
    Oversize(MailCommand, Reply),
    /// May this recipient be added?
    Recipient(RcptCommand),
    /// May content come now, by DATA or in chunks (disk, memory)? Answer 354 to go on.
    Content,
    /// The message is whole (octets un-stuffed); what becomes of it? One that is faulty or too big comes to
    /// [`Question::Refusal`] instead.
    Message {
        /// Octets of the message.
        octets: u64,
    },
    /// The message is refused by this reply (line ends, size, [`Session::refuse_content`]), and is to be dropped with the
    /// transaction. Answer it, or another refusal in its place; a 2yz stands for it.
    Refusal(Reply),
}

/// One SMTP session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    lines: Lines,
    conduct: Conduct,
    output: Vec<u8>,
    content: Vec<u8>,
    stopping: Option<Reply>,
    is_foreign: bool,
}

impl Session {
    /// A session that greets.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Silent,
            lines: Lines::default(),
            conduct: Conduct::default(),
            output: Vec::new(),
            content: Vec::new(),
            stopping: None,
            is_foreign: false,
        }
    }

    /// Takes what it can from `input` and says what it wants next. While a question waits for its answer, nothing is taken.
    pub fn advance(&mut self, input: &mut BytesMut) -> Step {
        self.give_memory_back();
        if let Some(reply) = self.stopping.take_if(|_| !self.state.is_judging()) {
            self.end_with(&reply);
        }
        loop {
            if let Some(step) = self.turn(input) {
                return step;
            }
        }
    }

    /// Answers the last question: a 2yz (354 for content) goes on, all else refuses. The session writes the reply.
    pub fn answer(&mut self, reply: &Reply) {
        let asked = match std::mem::take(&mut self.state) {
            State::Asked(asked) => asked,
            other => {
                self.state = other;
                return;
            }
        };
        let phase = match asked {
            Asked::Content(transaction) if reply.code() == 354 => {
                self.state = State::Inviting(transaction.client, reply.clone());
                return;
            }
            Asked::Chunk(client, chunk) => return self.begin_chunk(Chunked::new(client), chunk, reply),
            Asked::Sender(client, script) if reply.is_positive() => {
                Phase::Transaction(Transaction::new(client, script))
            }
            Asked::Recipient(transaction) if reply.is_positive() => {
                self.conduct.recipient_taken();
                Phase::Transaction(transaction.recipient_taken())
            }
            Asked::Sender(client, _) => Phase::Introduced(client),
            Asked::Oversize(client, refusal) => {
                let reply = if reply.is_positive() { &refusal } else { reply };
                return self.say(reply, Phase::Introduced(client));
            }
            Asked::Recipient(transaction) => Phase::Transaction(transaction.recipient_refused()),
            Asked::Content(transaction) => Phase::Transaction(transaction),
            Asked::Message(client) => {
                self.conduct.message_answered(reply);
                Phase::Introduced(client)
            }
            Asked::Refusal(skipping) => return self.begin_to_skip(skipping.refused_by(reply)),
        };
        self.say(reply, phase);
    }

    /// Replies to be written, in order; emptied by the caller.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes the message octets that came.
    pub fn take_content(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.content)
    }

    /// The content that came last cannot be kept: the message is refused by this reply where its content, or its chunk,
    /// ends.
    pub fn refuse_content(&mut self, reply: Reply) {
        match &mut self.state {
            State::Receiving(receiving) => receiving.refuse(reply),
            State::Received(received) => received.octets = Err(reply),
            State::Chunking(chunking) => chunking.refuse(reply),
            _ => {}
        }
    }

    /// How long the next octets may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        if self.state.is_receiving() { DATA_BLOCK_TIMEOUT } else { COMMAND_TIMEOUT }
    }

    /// Whether content is being received, or passed over: then [`Session::timeout`] is for each piece, else for a whole command.
    #[must_use]
    pub const fn is_receiving(&self) -> bool {
        self.state.is_receiving()
    }

    /// What the client called itself, once it did.
    #[must_use]
    pub fn helo(&self) -> Option<&Helo> {
        self.state.client().map(|client| &client.helo)
    }

    /// The handshake is done: the session starts over inside TLS, and nothing said before it counts (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        self.state = State::Commands(Phase::Stranger(Stranger { channel: Channel::Tls }));
        self.lines = Lines::default();
    }

    /// Ends the session with `reply` (421) at the next step. Any other reply instead of the greeting (554) turns the client
    /// away: it is heard until QUIT, but no mail is taken (RFC 5321 §3.1). A message that is being judged is answered
    /// first, since a client that does not hear the answer sends it again; to cut that short, answer it with 421.
    pub fn stop(&mut self, reply: &Reply) {
        self.stopping = Some(reply.clone());
    }

    /// Whether the session ended because what came was no SMTP: TLS without STARTTLS, HTTP, a line without end.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// Whether a transaction is open (MAIL was taken, its end not answered).
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.state.in_transaction()
    }
}
