//! The server's side of a session, without I/O: octets in, replies, questions and message octets out.
//!
//! The owner of the socket calls [`Session::advance`] in a loop and does what the [`Step`] says. The session never looks
//! anything up: it *asks*, and reads no further line until it is answered, so pipelining needs no flag.
//!
//! Four questions in four places: is it well formed (`command.rs`), may it come now (`phase.rs`), do we want it
//! ([`Question`], answered outside), do it (here). A reply of 421 ends the session, whoever gives it.

use std::time::Duration;

use bytes::BytesMut;

use super::command::{Command, Helo, MailCommand, RcptCommand};
use super::limits::{COMMAND_TIMEOUT, DATA_BLOCK_TIMEOUT, MAX_IDLE_OUTPUT_OCTETS};
use super::replies;
use super::reply::Reply;
use crate::mail::Domain;

mod conduct;
mod lines;
mod phase;
mod receiving;

use conduct::Conduct;
use lines::{Lines, Taken};
use phase::{Asked, Channel, Introduced, Next, Phase, Stranger, Transaction};
use receiving::{Received, Receiving};

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
    /// May this recipient be added?
    Recipient(RcptCommand),
    /// May content come now (disk, memory)? Answer 354 to go on.
    Content,
    /// The message is whole (octets un-stuffed); what becomes of it? A message that is faulty or too big never comes to
    /// this: the session refuses it, and what was taken of its content is to be dropped with the transaction.
    Message {
        /// Octets of the message.
        octets: u64,
    },
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
    refusal: Option<Reply>,
}

/// Where a session is.
#[derive(Debug, Default)]
enum State {
    /// Nothing was said yet.
    Silent,
    /// Waiting for a command.
    Commands(Phase),
    /// Waiting for an answer.
    Asked(Asked),
    /// Content may come, but 354 is not written yet.
    Inviting(Introduced, Reply),
    /// Content comes.
    Receiving(Receiving),
    /// Content came.
    Received(Received),
    /// The handshake is the owner's.
    Handshake,
    /// Over.
    #[default]
    Closed,
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
            refusal: None,
        }
    }

    /// Takes what it can from `input` and says what it wants next.
    pub fn advance(&mut self, input: &mut BytesMut) -> Step {
        self.give_memory_back();
        if let Some(reply) = self.stopping.take() {
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
            other => return self.state = other,
        };
        let phase = match asked {
            Asked::Content(transaction) if reply.code() == 354 => {
                return self.state = State::Inviting(transaction.client, reply.clone());
            }
            Asked::Sender(client, script) if reply.is_positive() => {
                Phase::Transaction(Transaction::new(client, script))
            }
            Asked::Recipient(transaction) if reply.is_positive() => {
                self.conduct.recipient_taken();
                Phase::Transaction(transaction.recipient_taken())
            }
            Asked::Sender(client, _) => Phase::Introduced(client),
            Asked::Recipient(transaction) | Asked::Content(transaction) => Phase::Transaction(transaction),
            Asked::Message(client) => self.message_answered(client, reply),
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

    /// Takes the reply by which the session itself refused the last message (line ends, size), to be written down before
    /// it is sent.
    pub const fn take_refusal(&mut self) -> Option<Reply> {
        self.refusal.take()
    }

    /// How long the next octets may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        match self.state {
            State::Receiving(_) => DATA_BLOCK_TIMEOUT,
            _ => COMMAND_TIMEOUT,
        }
    }

    /// What the client called itself, once it did.
    #[must_use]
    pub const fn helo(&self) -> Option<&Helo> {
        let client = match &self.state {
            State::Silent | State::Handshake | State::Closed => None,
            State::Commands(phase) => phase.client(),
            State::Asked(asked) => Some(asked.client()),
            State::Inviting(client, _) => Some(client),
            State::Receiving(receiving) => Some(&receiving.client),
            State::Received(received) => Some(&received.client),
        };
        match client {
            Some(client) => Some(&client.helo),
            None => None,
        }
    }

    /// The handshake is done: the session starts over inside TLS, and nothing said before it counts (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        self.state = State::Commands(Phase::Stranger(Stranger { channel: Channel::Tls }));
        self.lines = Lines::default();
    }

    /// Ends the session with `reply` (421) at the next step. Any other reply instead of the greeting (554) turns the client
    /// away: it is heard until QUIT, but no mail is taken (RFC 5321 §3.1).
    pub fn stop(&mut self, reply: &Reply) {
        self.stopping = Some(reply.clone());
    }

    /// Whether a transaction is open (MAIL was taken, its end not answered).
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        match &self.state {
            State::Commands(Phase::Transaction(_)) | State::Inviting(..) | State::Receiving(_) | State::Received(_) => {
                true
            }
            State::Asked(asked) => !matches!(asked, Asked::Sender(..)),
            _ => false,
        }
    }

    /// One turn; no step if there is more to do at once.
    fn turn(&mut self, input: &mut BytesMut) -> Option<Step> {
        match std::mem::take(&mut self.state) {
            State::Silent => self.greet(),
            State::Commands(phase) => return self.command(phase, input),
            State::Inviting(client, reply) => self.invite(client, &reply, input),
            State::Receiving(receiving) => return self.receive(receiving, input),
            State::Received(received) => return self.end_of_content(received),
            State::Asked(asked) => return self.stay(State::Asked(asked), Step::Read),
            State::Handshake => return self.stay(State::Handshake, Step::StartTls),
            State::Closed => return Some(Step::Close),
        }
        None
    }

    fn stay(&mut self, state: State, step: Step) -> Option<Step> {
        self.state = state;
        Some(step)
    }

    fn greet(&mut self) {
        let stranger = Stranger { channel: Channel::Plain };
        self.say(&replies::greeting(&self.settings.hostname), Phase::Stranger(stranger));
    }

    fn command(&mut self, phase: Phase, input: &mut BytesMut) -> Option<Step> {
        let command = match self.lines.take(input) {
            Taken::Nothing => return self.stay(State::Commands(phase), Step::Read),
            Taken::Refused(reply) => {
                self.say(&reply, phase);
                return None;
            }
            Taken::Command(command) => command,
        };
        if command == Command::Data && !input.is_empty() {
            self.close(&replies::content_too_early());
            return None;
        }
        self.conduct.note(&command);
        self.follow(phase.take(command, &self.settings), input)
    }

    fn follow(&mut self, next: Next, input: &mut BytesMut) -> Option<Step> {
        match next {
            Next::Reply(reply, phase) => self.say(&reply, phase),
            Next::Ask(question, asked) => return self.stay(State::Asked(asked), Step::Ask(question)),
            Next::Close(reply) => self.close(&reply),
            Next::StartTls(reply) => {
                // What was sent behind STARTTLS in the clear must not be taken for something said inside TLS (CVE-2011-0411).
                input.clear();
                reply.write(&mut self.output);
                self.state = State::Handshake;
            }
        }
        None
    }

    /// Says 354, unless content is there already: then nobody can tell content from commands any more (RFC 2920 §3.1).
    fn invite(&mut self, client: Introduced, reply: &Reply, input: &BytesMut) {
        if !input.is_empty() {
            return self.close(&replies::content_too_early());
        }
        reply.write(&mut self.output);
        self.state = State::Receiving(Receiving::new(client, self.settings.max_message_bytes));
    }

    fn receive(&mut self, receiving: Receiving, input: &mut BytesMut) -> Option<Step> {
        if input.is_empty() {
            return self.stay(State::Receiving(receiving), Step::Read);
        }
        self.state = match receiving.take(input, &mut self.content) {
            Ok(received) => State::Received(received),
            Err(receiving) => State::Receiving(receiving),
        };
        (!self.content.is_empty()).then_some(Step::Content)
    }

    fn end_of_content(&mut self, received: Received) -> Option<Step> {
        match received.octets {
            Ok(octets) => {
                self.stay(State::Asked(Asked::Message(received.client)), Step::Ask(Question::Message { octets }))
            }
            Err(reply) => {
                self.say(&reply, Phase::Introduced(received.client));
                self.refusal = Some(reply);
                None
            }
        }
    }

    fn message_answered(&mut self, client: Introduced, reply: &Reply) -> Phase {
        if reply.is_positive() {
            self.conduct.message_taken();
        }
        Phase::Introduced(client)
    }

    /// Writes a reply and goes on, unless it or the client's conduct ends the session.
    fn say(&mut self, reply: &Reply, phase: Phase) {
        self.conduct.weigh(reply);
        reply.write(&mut self.output);
        match self.conduct.verdict() {
            _ if reply.code() == CLOSING => self.state = State::Closed,
            Some(end) => self.close(&end),
            None => self.state = State::Commands(phase),
        }
    }

    fn close(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
        self.state = State::Closed;
    }

    fn end_with(&mut self, reply: &Reply) {
        match self.state {
            // Inside a handshake nothing can be said, and after the end nothing more.
            State::Handshake | State::Closed => self.state = State::Closed,
            State::Silent if reply.code() != CLOSING => self.say(reply, Phase::TurnedAway),
            _ => self.close(reply),
        }
    }

    /// Ten thousand idle sessions must not keep what one busy moment needed.
    fn give_memory_back(&mut self) {
        if self.output.is_empty() && self.output.capacity() > MAX_IDLE_OUTPUT_OCTETS {
            self.output = Vec::new();
        }
    }
}

/// `421 … closing transmission channel`.
const CLOSING: u16 = 421;
