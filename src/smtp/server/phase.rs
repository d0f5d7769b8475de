//! May this command come now? The three phases between transactions and within one, each knowing just what holds there.
//!
//! ```text
//! Stranger --EHLO--> Introduced --MAIL--> Transaction --DATA--> (content) --> Introduced
//!     ^                  |    ^--RSET, EHLO--'  '--BDAT--> Chunked --BDAT LAST--^
//!     '-----STARTTLS-----'
//! ```
//! A phase takes a well-formed command and is used up by it; what comes [`Next`] holds the phase that follows.

use super::chunking::{Chunked, Chunking, Skipping};
use super::{Question, Settings};
use crate::smtp::command::{ChunkCommand, Command, Helo, MailCommand, RcptCommand, Script};
use crate::smtp::limits::MAX_RECIPIENTS_NOT_TAKEN;
use crate::smtp::replies;
use crate::smtp::reply::Reply;

/// How the octets come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Plain,
    Tls,
}

/// A session that waits for a command.
#[derive(Debug)]
pub(super) enum Phase {
    /// Greeted with 554: it gets no mail through and is heard out until QUIT (RFC 5321 §3.1).
    TurnedAway,
    Stranger(Stranger),
    Introduced(Introduced),
    Transaction(Transaction),
    /// Between the chunks of a message.
    Chunked(Chunked),
}

/// A client that has not said who it is.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) channel: Channel,
}

/// A client that said EHLO or HELO.
#[derive(Debug)]
pub(super) struct Introduced {
    pub(super) channel: Channel,
    pub(super) helo: Helo,
}

/// A sender was taken.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) client: Introduced,
    script: Script,
    taken: usize,
    not_taken: usize,
}

/// A question that waits for its answer.
#[derive(Debug)]
pub(super) enum Asked {
    Sender(Introduced, Script),
    /// A sender that is refused by this.
    Oversize(Introduced, Reply),
    Recipient(Transaction),
    Content(Transaction),
    /// May content come, of which this is the first chunk?
    Chunk(Introduced, ChunkCommand),
    Message(Introduced),
    /// A message that the session refuses, with what of it is still to come.
    Refusal(Skipping),
}

/// What a command leads to.
#[derive(Debug)]
pub(super) enum Next {
    Reply(Reply, Phase),
    Ask(Question, Asked),
    Chunk(Chunking),
    /// A chunk out of turn.
    Skip(Skipping),
    /// A chunk that ends its transaction.
    Refuse(Skipping),
    StartTls(Reply),
    Close(Reply),
}

impl Phase {
    pub(super) fn take(self, command: Command, settings: &Settings) -> Next {
        match (command, self) {
            (Command::Quit, _) => Next::Close(replies::bye()),
            (Command::Bdat(chunk), phase) => phase.bdat(chunk, settings),
            (_, Self::TurnedAway) => Next::Reply(replies::only_quit(), Self::TurnedAway),
            (Command::Noop, phase) => Next::Reply(replies::ok(), phase),
            (Command::Help, phase) => Next::Reply(replies::help(), phase),
            (Command::Vrfy, phase) => Next::Reply(replies::verify(), phase),
            (command, Self::Stranger(stranger)) => stranger.take(command, settings),
            (command, Self::Introduced(client)) => client.take(command, settings),
            (command, Self::Transaction(transaction)) => transaction.take(command, settings),
            (command, Self::Chunked(chunked)) => chunked.take(command, settings),
        }
    }

    /// Every chunk is taken off the input, also one that comes out of turn.
    fn bdat(self, chunk: ChunkCommand, settings: &Settings) -> Next {
        let refusal = match self {
            Self::Chunked(chunked) => return chunked.bdat(chunk, settings),
            Self::Transaction(transaction) => return transaction.bdat(chunk, settings),
            Self::TurnedAway => replies::only_quit(),
            Self::Stranger(_) => replies::hello_first(),
            Self::Introduced(_) => replies::mail_first(),
        };
        Next::Skip(Skipping::new(self, chunk, refusal))
    }

    /// Whether MAIL was taken.
    pub(super) const fn in_transaction(&self) -> bool {
        matches!(self, Self::Transaction(_) | Self::Chunked(_))
    }

    pub(super) const fn client(&self) -> Option<&Introduced> {
        match self {
            Self::TurnedAway | Self::Stranger(_) => None,
            Self::Introduced(client) => Some(client),
            Self::Transaction(transaction) => Some(&transaction.client),
            Self::Chunked(chunked) => Some(&chunked.client),
        }
    }
}

impl Stranger {
    fn take(self, command: Command, settings: &Settings) -> Next {
        match command {
            Command::Hello(helo) => Introduced { channel: self.channel, helo }.welcome(settings),
            Command::Rset => Next::Reply(replies::ok(), Phase::Stranger(self)),
            _ => Next::Reply(replies::hello_first(), Phase::Stranger(self)),
        }
    }
}

impl Introduced {
    fn take(self, command: Command, settings: &Settings) -> Next {
        match command {
            Command::Hello(helo) => Self { helo, ..self }.welcome(settings),
            Command::Mail(mail) => self.mail(mail, settings),
            Command::StartTls => self.start_tls(settings),
            Command::Rset => Next::Reply(replies::ok(), Phase::Introduced(self)),
            _ => Next::Reply(replies::mail_first(), Phase::Introduced(self)),
        }
    }

    fn welcome(self, settings: &Settings) -> Next {
        let reply = if self.helo.extended {
            replies::ehlo(&replies::Offer {
                host: &settings.hostname,
                max_message_bytes: settings.max_message_bytes,
                max_recipients: settings.max_recipients,
                starttls: settings.starttls && self.channel == Channel::Plain,
            })
        } else {
            replies::helo(&settings.hostname)
        };
        Next::Reply(reply, Phase::Introduced(self))
    }

    fn mail(self, mail: MailCommand, settings: &Settings) -> Next {
        if mail.size.is_some_and(|size| size > settings.max_message_bytes) {
            let refusal = replies::too_big();
            return Next::Ask(Question::Oversize(mail, refusal.clone()), Asked::Oversize(self, refusal));
        }
        let script = if mail.international { Script::Utf8 } else { Script::Ascii };
        Next::Ask(Question::Sender(mail), Asked::Sender(self, script))
    }

    fn start_tls(self, settings: &Settings) -> Next {
        match self.channel {
            Channel::Tls => Next::Reply(replies::tls_in_tls(), Phase::Introduced(self)),
            Channel::Plain if !settings.starttls => Next::Reply(replies::tls_unavailable(), Phase::Introduced(self)),
            // All that the client said in the clear is forgotten, its name too (RFC 3207 §4.2).
            Channel::Plain => Next::StartTls(replies::ready_for_tls()),
        }
    }
}

impl Transaction {
    pub(super) const fn new(client: Introduced, script: Script) -> Self {
        Self { client, script, taken: 0, not_taken: 0 }
    }

    pub(super) const fn recipient_taken(mut self) -> Self {
        self.taken += 1;
        self
    }

    pub(super) const fn recipient_refused(mut self) -> Self {
        self.not_taken += 1;
        self
    }

    fn take(self, command: Command, settings: &Settings) -> Next {
        match command {
            Command::Rcpt(rcpt, script) => self.rcpt(rcpt, script, settings),
            Command::Data => self.data(),
            // Both end a transaction (RFC 5321 §4.1.4).
            Command::Rset => Next::Reply(replies::ok(), Phase::Introduced(self.client)),
            Command::Hello(helo) => Introduced { helo, ..self.client }.welcome(settings),
            _ => Next::Reply(replies::nested_mail(), Phase::Transaction(self)),
        }
    }

    fn rcpt(self, rcpt: RcptCommand, script: Script, settings: &Settings) -> Next {
        if self.not_taken >= MAX_RECIPIENTS_NOT_TAKEN {
            return Next::Close(replies::too_many_recipients_refused());
        }
        if script == Script::Utf8 && self.script == Script::Ascii {
            return Next::Reply(replies::needs_smtputf8(), Phase::Transaction(self));
        }
        if self.taken >= settings.max_recipients {
            return Next::Reply(replies::too_many_recipients(), Phase::Transaction(self.recipient_refused()));
        }
        Next::Ask(Question::Recipient(rcpt), Asked::Recipient(self))
    }

    fn data(self) -> Next {
        if self.taken == 0 {
            return Next::Reply(replies::no_recipients(), Phase::Transaction(self));
        }
        Next::Ask(Question::Content, Asked::Content(self))
    }

    fn bdat(self, chunk: ChunkCommand, settings: &Settings) -> Next {
        let refusal = match (self.taken, chunk.octets > settings.max_message_bytes) {
            (0, _) => replies::no_recipients(),
            (_, true) => replies::too_big(),
            (_, false) => return Next::Ask(Question::Content, Asked::Chunk(self.client, chunk)),
        };
        Next::Refuse(Skipping::new(Phase::Introduced(self.client), chunk, refusal))
    }
}

impl Chunked {
    fn take(self, command: Command, settings: &Settings) -> Next {
        match command {
            Command::Rset => Next::Reply(replies::ok(), Phase::Introduced(self.client)),
            Command::Hello(helo) => Introduced { helo, ..self.client }.welcome(settings),
            _ => Next::Reply(replies::chunk_first(), Phase::Chunked(self)),
        }
    }

    fn bdat(self, chunk: ChunkCommand, settings: &Settings) -> Next {
        self.begin(chunk, settings.max_message_bytes).map_or_else(Next::Refuse, Next::Chunk)
    }
}

impl Asked {
    pub(super) const fn client(&self) -> Option<&Introduced> {
        match self {
            Self::Sender(client, _) | Self::Oversize(client, _) | Self::Chunk(client, _) | Self::Message(client) => {
                Some(client)
            }
            Self::Recipient(transaction) | Self::Content(transaction) => Some(&transaction.client),
            Self::Refusal(skipping) => skipping.phase.client(),
        }
    }
}
