//! Do it: one turn of a session after the other, each from a state to the next.

use bytes::BytesMut;

use super::chunking::{Came, Chunked, Chunking, Skipping};
use super::lines::Taken;
use super::phase::{Asked, Channel, Introduced, Next, Phase, Stranger};
use super::receiving::{Received, Receiving};
use super::state::State;
use super::{Question, Session, Step};
use crate::smtp::command::{ChunkCommand, Command};
use crate::smtp::limits::{MAX_IDLE_OUTPUT_OCTETS, MAX_SKIPPED_CHUNK_OCTETS};
use crate::smtp::replies;
use crate::smtp::reply::Reply;

/// `421 … closing transmission channel`.
const CLOSING: u16 = 421;

impl Session {
    /// One turn; no step if there is more to do at once.
    pub(super) fn turn(&mut self, input: &mut BytesMut) -> Option<Step> {
        match std::mem::take(&mut self.state) {
            State::Silent => self.greet(),
            State::Commands(phase) => return self.command(phase, input),
            State::Inviting(client, reply) => self.invite(client, &reply, input),
            State::Receiving(receiving) => return self.receive(receiving, input),
            State::Chunking(chunking) => return self.chunk(chunking, input),
            State::Refused(skipping) => return self.tell_of_refusal(skipping),
            State::Skipping(skipping) => return self.skip(skipping, input),
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
                self.is_foreign |= reply.code() == CLOSING;
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
        if let Some(end) = self.conduct.used_up() {
            self.close(&end);
            return None;
        }
        self.follow(phase.take(command, &self.settings), input)
    }

    fn follow(&mut self, next: Next, input: &mut BytesMut) -> Option<Step> {
        match next {
            Next::Reply(reply, phase) => self.say(&reply, phase),
            Next::Ask(question, asked) => return self.stay(State::Asked(asked), Step::Ask(question)),
            Next::Chunk(chunking) => self.state = State::Chunking(chunking),
            Next::Skip(skipping) => self.begin_to_skip(skipping),
            Next::Refuse(skipping) => self.state = State::Refused(skipping),
            Next::Close(reply) => self.close(&reply),
            Next::StartTls(reply) => {
                // What was sent in the clear behind STARTTLS must not pass for something said inside TLS (CVE-2011-0411).
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

    /// The first chunk of a message may come, or not.
    pub(super) fn begin_chunk(&mut self, chunked: Chunked, chunk: ChunkCommand, answer: &Reply) {
        let begun = if answer.code() == 354 {
            chunked.begin(chunk, self.settings.max_message_bytes)
        } else {
            Err(Skipping::new(Phase::Introduced(chunked.client), chunk, answer.clone()))
        };
        self.state = begun.map_or_else(State::Refused, State::Chunking);
    }

    fn chunk(&mut self, chunking: Chunking, input: &mut BytesMut) -> Option<Step> {
        if chunking.is_open() && input.is_empty() {
            return self.stay(State::Chunking(chunking), Step::Read);
        }
        match chunking.take(input, &mut self.content) {
            Came::More(chunking) => self.state = State::Chunking(chunking),
            Came::Chunk(chunked, reply) => self.say(&reply, Phase::Chunked(chunked)),
            Came::Message(received) => self.state = State::Received(received),
            Came::Refused(skipping) => self.state = State::Refused(skipping),
        }
        (!self.content.is_empty()).then_some(Step::Content)
    }

    /// A refused message ends its transaction.
    fn tell_of_refusal(&mut self, skipping: Skipping) -> Option<Step> {
        let refusal = Question::Refusal(skipping.reply.clone());
        self.stay(State::Asked(Asked::Refusal(skipping)), Step::Ask(refusal))
    }

    /// A client that announces more than anybody would wait for is not waited for.
    pub(super) fn begin_to_skip(&mut self, skipping: Skipping) {
        if skipping.left() > MAX_SKIPPED_CHUNK_OCTETS {
            return self.close(&skipping.reply);
        }
        self.state = State::Skipping(skipping);
    }

    fn skip(&mut self, mut skipping: Skipping, input: &mut BytesMut) -> Option<Step> {
        skipping.take(input);
        if skipping.left() > 0 {
            return self.stay(State::Skipping(skipping), Step::Read);
        }
        self.say(&skipping.reply, skipping.phase);
        None
    }

    fn end_of_content(&mut self, received: Received) -> Option<Step> {
        match received.octets {
            Ok(octets) => {
                self.stay(State::Asked(Asked::Message(received.client)), Step::Ask(Question::Message { octets }))
            }
            Err(reply) => self.tell_of_refusal(Skipping::of_nothing(Phase::Introduced(received.client), reply)),
        }
    }

    /// Writes a reply and goes on, unless it or the client's conduct ends the session.
    pub(super) fn say(&mut self, reply: &Reply, phase: Phase) {
        self.conduct.weigh(reply);
        reply.write(&mut self.output);
        self.state = if reply.code() == CLOSING { State::Closed } else { State::Commands(phase) };
        if let (State::Commands(_), Some(end)) = (&self.state, self.conduct.verdict()) {
            self.close(&end);
        }
    }

    fn close(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
        self.state = State::Closed;
    }

    pub(super) fn end_with(&mut self, reply: &Reply) {
        match self.state {
            // Inside a handshake nothing can be said, and after the end nothing more.
            State::Handshake | State::Closed => self.state = State::Closed,
            State::Silent if reply.code() != CLOSING => self.say(reply, Phase::TurnedAway),
            _ => self.close(reply),
        }
    }

    /// Ten thousand idle sessions must not keep what one busy moment needed.
    pub(super) fn give_memory_back(&mut self) {
        if self.output.is_empty() && self.output.capacity() > MAX_IDLE_OUTPUT_OCTETS {
            self.output = Vec::new();
        }
    }
}
