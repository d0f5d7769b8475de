//! Plays a script against a session, as the owner of a socket would: a client that keeps to RFC 2920 waits after DATA and
//! after STARTTLS, and sends all else without waiting.

use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use waypost::mail::wishes::Notify;
use waypost::smtp::command::{MailCommand, RcptCommand};
use waypost::smtp::reply::Reply;
use waypost::smtp::server::{Question, Session, Step};

use super::script::{Item, Script, World};

/// How the octets of the client come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pieces {
    /// A line at a time.
    Lines,
    /// All that a client may send without waiting.
    Whole,
    /// One at a time.
    Octets,
    /// Drawn by chance from a seed.
    Random(u64),
}

/// What a play left.
pub(crate) struct Played {
    /// What was said before the first item, and after each that speaks.
    pub(crate) said: Vec<Vec<u8>>,
    /// The `=` lines.
    pub(crate) remains: Vec<String>,
}

/// Longest of the random pieces.
const MAX_RANDOM_PIECE: usize = 50;
/// Messages up to this are shown as they are.
const MAX_SHOWN_OCTETS: usize = 100;

pub(crate) fn play(script: &Script, pieces: Pieces) -> Played {
    let mut player = Player::new(&script.world);
    player.send(&[]);
    player.pause();
    let mut waiting: Vec<u8> = Vec::new();
    for (number, item) in script.items.iter().enumerate() {
        match item {
            Item::Other(_) => continue,
            Item::Client { lines, .. } if matches!(pieces, Pieces::Lines) => lines.iter().for_each(|l| player.send(l)),
            Item::Client { lines, .. } => {
                for line in lines {
                    waiting.extend_from_slice(line);
                    if waits_after(line) && !script.whole_only {
                        player.send_in(&std::mem::take(&mut waiting), pieces);
                    }
                }
                if must_stop_before_next(&script.items[number + 1..]) {
                    player.send_in(&std::mem::take(&mut waiting), pieces);
                }
            }
            Item::Stop { reply, .. } => {
                player.session.stop(reply);
                player.send(&[]);
            }
        }
        player.pause();
    }
    player.end()
}

/// The last group has to be sent, and so has what comes before the owner acts.
fn must_stop_before_next(rest: &[Item]) -> bool {
    let next = rest.iter().find(|item| !matches!(item, Item::Other(_)));
    !matches!(next, Some(Item::Client { .. }))
}

/// DATA and STARTTLS end a group (RFC 2920 §3.1, RFC 3207 §4).
fn waits_after(line: &[u8]) -> bool {
    let verb = line.trim_ascii();
    verb.eq_ignore_ascii_case(b"DATA") || verb.eq_ignore_ascii_case(b"STARTTLS")
}

struct Player<'a> {
    world: &'a World,
    session: Session,
    input: BytesMut,
    content: Vec<u8>,
    said: Vec<Vec<u8>>,
    saying: Vec<u8>,
    remains: Vec<String>,
    closed: bool,
}

impl<'a> Player<'a> {
    fn new(world: &'a World) -> Self {
        let mut session = Session::new(world.settings.clone());
        if let Some(greeting) = &world.greeting {
            session.stop(greeting);
        }
        let (input, content, said, saying) = (BytesMut::new(), Vec::new(), Vec::new(), Vec::new());
        Self { world, session, input, content, said, saying, remains: Vec::new(), closed: false }
    }

    fn send_in(&mut self, octets: &[u8], pieces: Pieces) {
        let mut rng = match pieces {
            Pieces::Random(seed) => StdRng::seed_from_u64(seed),
            _ => StdRng::seed_from_u64(0),
        };
        let mut rest = octets;
        while !rest.is_empty() {
            let length = match pieces {
                Pieces::Octets => 1,
                Pieces::Random(_) => rng.random_range(1..=MAX_RANDOM_PIECE).min(rest.len()),
                Pieces::Lines | Pieces::Whole => rest.len(),
            };
            let (piece, more) = rest.split_at(length);
            self.send(piece);
            rest = more;
        }
    }

    /// What the owner of a socket does with octets that came.
    fn send(&mut self, octets: &[u8]) {
        if self.closed {
            return;
        }
        self.input.extend_from_slice(octets);
        loop {
            match self.session.advance(&mut self.input) {
                Step::Read => break,
                Step::Ask(question) => self.answer(question),
                Step::Content => self.content.append(&mut self.session.take_content()),
                Step::StartTls => {
                    assert!(self.input.is_empty(), "octets in the clear survived STARTTLS");
                    self.remains.push("tls".to_owned());
                    self.session.tls_started();
                }
                Step::Close => {
                    self.closed = true;
                    self.remains.push("closed".to_owned());
                    break;
                }
            }
        }
        self.saying.append(self.session.output());
    }

    fn pause(&mut self) {
        self.said.push(std::mem::take(&mut self.saying));
    }

    fn answer(&mut self, question: Question) {
        let reply = match question {
            Question::Sender(mail) => self.sender(&mail),
            Question::Recipient(rcpt) => self.recipient(&rcpt),
            Question::Content => self.world.content.clone(),
            Question::Message { octets } => self.message(octets),
            Question::Oversize(_, reply) | Question::Refusal(reply) => reply,
        };
        self.session.answer(&reply);
    }

    fn sender(&mut self, mail: &MailCommand) -> Reply {
        let from = mail.from.to_string();
        let size = mail.size.map(|size| format!(" size={size}")).unwrap_or_default();
        let body = if mail.eight_bit { " 8bitmime" } else { "" };
        let script = if mail.international { " smtputf8" } else { "" };
        self.content.clear();
        let id = mail.wishes.envelope_id.as_ref().map(|id| format!(" envid=\"{id}\"")).unwrap_or_default();
        let returned = mail.wishes.returned.map(|returned| format!(" ret={returned:?}")).unwrap_or_default();
        self.remains.push(format!("sender <{from}>{size}{body}{script}{returned}{id}"));
        judged(&self.world.senders, &from).unwrap_or_else(|| Reply::new(250, 1, 0, "Ok"))
    }

    fn recipient(&mut self, rcpt: &RcptCommand) -> Reply {
        let to = rcpt.to.to_string();
        let notify = rcpt.wishes.notify.map(|notify| format!(" notify={}", told(notify))).unwrap_or_default();
        let original = rcpt.wishes.original.as_ref().map(|to| format!(" orcpt=\"{to}\"")).unwrap_or_default();
        self.remains.push(format!("recipient <{to}>{notify}{original}"));
        judged(&self.world.recipients, &to).unwrap_or_else(|| Reply::new(250, 1, 5, "Ok"))
    }

    fn message(&mut self, octets: u64) -> Reply {
        assert_eq!(octets, self.content.len() as u64, "octets counted and octets given differ");
        let content = std::mem::take(&mut self.content);
        let shown = if content.len() <= MAX_SHOWN_OCTETS {
            format!("\"{}\"", content.escape_ascii())
        } else {
            format!("of {octets} octets, sha256 {}", data_encoding::HEXLOWER.encode(&Sha256::digest(&content)))
        };
        self.remains.push(format!("message {shown}"));
        self.world.message.clone()
    }

    fn end(mut self) -> Played {
        if self.session.in_transaction() {
            self.remains.push("transaction open".to_owned());
        }
        Played { said: self.said, remains: counted(&self.remains) }
    }
}

fn told(notify: Notify) -> &'static str {
    match notify {
        Notify::Never => "never",
        Notify::Of { success: true, failure: true, .. } => "success,failure",
        Notify::Of { success: true, failure: false, .. } => "success",
        Notify::Of { success: false, failure: true, .. } => "failure",
        Notify::Of { success: false, failure: false, .. } => "neither",
    }
}

/// Equal lines in a row are counted.
fn counted(lines: &[String]) -> Vec<String> {
    let runs = lines.chunk_by(|a, b| a == b);
    runs.map(|run| if let [line] = run { line.clone() } else { format!("{}, {} times", run[0], run.len()) }).collect()
}

fn judged(answers: &[(String, Reply)], address: &str) -> Option<Reply> {
    answers.iter().find(|(judged, _)| judged == address).map(|(_, reply)| reply.clone())
}
