//! The language of transcripts: a line each, told apart by how it begins.
//!
//! ```text
//! # RFC 5321 §4.1.1.3: what the transcript is about
//! @ max_recipients 3                  the world (see `World`)
//! C: RCPT TO:<a@my.example>           the client says this and CRLF
//! C: NOOP\                            … without CRLF; \r \n \t \0 \xNN and \\ are octets, {x*900} is 900 times x
//! C*20: NOOP                          … twenty times
//! S: 250 2.1.5 Ok                     what is answered (S*20: twenty times)
//! ! stop 421 4.3.2 Shutting down      the owner of the session ends it here
//! = message "Hi\r\n"                  what remains: questions asked, messages taken, closed or not
//! ```
//! `S` and `=` lines are expectations; all else is read.

use bytes::BytesMut;
use waypost::mail::Domain;
use waypost::smtp::reply::{Reply, take_reply};
use waypost::smtp::server::Settings;

use super::play::Played;

/// A transcript without its expectations.
pub(crate) struct Script {
    pub(crate) world: World,
    /// `@ play whole`: what it shows is a matter of timing.
    pub(crate) whole_only: bool,
    pub(crate) items: Vec<Item>,
}

/// What the session is told, and what its questions are answered.
pub(crate) struct World {
    pub(crate) settings: Settings,
    /// `@ greeting 554 …`.
    pub(crate) greeting: Option<Reply>,
    /// `@ sender ADDRESS REPLY`; all others may send.
    pub(crate) senders: Vec<(String, Reply)>,
    /// `@ recipient ADDRESS REPLY`; all others may receive.
    pub(crate) recipients: Vec<(String, Reply)>,
    /// `@ content REPLY`; else 354.
    pub(crate) content: Reply,
    /// `@ message REPLY`; else 250.
    pub(crate) message: Reply,
}

/// A line that is read.
pub(crate) enum Item {
    /// Kept as it is.
    Other(String),
    /// The client speaks: pieces with their line ends.
    Client { raw: String, lines: Vec<Vec<u8>> },
    /// The owner ends the session.
    Stop { raw: String, reply: Reply },
}

impl Default for World {
    fn default() -> Self {
        let hostname = Domain::parse("mx.my.example").unwrap();
        Self {
            settings: Settings { hostname, max_message_bytes: 1000, max_recipients: 100, starttls: false },
            greeting: None,
            senders: Vec::new(),
            recipients: Vec::new(),
            content: Reply::plain(354, "Go ahead"),
            message: Reply::new(250, 0, 0, "Taken"),
        }
    }
}

impl World {
    fn set(&mut self, setting: &str) {
        let (key, value) = setting.split_once(' ').unwrap_or((setting, ""));
        match key {
            "max_recipients" => self.settings.max_recipients = value.parse().unwrap(),
            "max_message_bytes" => self.settings.max_message_bytes = value.parse().unwrap(),
            "tls" => self.settings.starttls = value == "yes",
            "greeting" => self.greeting = Some(reply(value)),
            "sender" => self.senders.push(address_and_reply(value)),
            "recipient" => self.recipients.push(address_and_reply(value)),
            "content" => self.content = reply(value),
            "message" => self.message = reply(value),
            _ => panic!("unknown setting of the world: {setting}"),
        }
    }
}

impl Script {
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self { world: World::default(), whole_only: false, items: Vec::new() };
        for line in text.lines() {
            script.line(line);
        }
        script
    }

    fn line(&mut self, line: &str) {
        let raw = line.to_owned();
        if line.starts_with('S') || line.starts_with('=') {
            return;
        }
        if line.starts_with('C') {
            let lines = client_lines(line);
            return self.items.push(Item::Client { raw, lines });
        }
        if let Some(text) = line.strip_prefix("! stop ") {
            return self.items.push(Item::Stop { raw, reply: reply(text) });
        }
        match line.strip_prefix("@ ") {
            Some("play whole") => self.whole_only = true,
            Some(setting) => self.world.set(setting),
            None => assert!(line.is_empty() || line.starts_with('#'), "no line of a transcript: {line}"),
        }
        self.items.push(Item::Other(raw));
    }

    /// The transcript with what was answered.
    pub(crate) fn render(&self, played: &Played) -> String {
        let mut lines = Vec::new();
        let mut said = played.said.iter();
        let mut items = self.items.iter().peekable();
        // The world stands on top, the greeting follows it.
        while let Some(Item::Other(raw)) = items.next_if(|item| matches!(item, Item::Other(_))) {
            lines.push(raw.clone());
        }
        lines.extend(server_lines(said.next().unwrap()));
        for item in items {
            match item {
                Item::Other(raw) => lines.push(raw.clone()),
                Item::Client { raw, .. } | Item::Stop { raw, .. } => {
                    lines.push(raw.clone());
                    lines.extend(server_lines(said.next().unwrap()));
                }
            }
        }
        lines.extend(played.remains.iter().map(|line| format!("= {line}")));
        lines.join("\n") + "\n"
    }
}

/// `C: text` or `C*20: text`.
fn client_lines(line: &str) -> Vec<Vec<u8>> {
    let (head, text) = line.split_once(':').unwrap();
    let times = head.strip_prefix("C*").map_or(1, |n| n.parse().unwrap());
    let text = text.strip_prefix(' ').unwrap_or(text);
    let octets = match text.strip_suffix('\\').filter(|front| !front.ends_with('\\')) {
        Some(unfinished) => octets(unfinished),
        None => [octets(text), b"\r\n".to_vec()].concat(),
    };
    vec![octets; times]
}

/// Takes the escapes and the repetitions off.
fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (piece, used) = match c {
            '\\' => escape(rest),
            '{' => repetition(rest).unwrap_or((b"{".to_vec(), 1)),
            c => (c.to_string().into_bytes(), c.len_utf8()),
        };
        out.extend(piece);
        rest = &rest[used..];
    }
    out
}

fn escape(text: &str) -> (Vec<u8>, usize) {
    match text.as_bytes()[1] {
        b'r' => (vec![b'\r'], 2),
        b'n' => (vec![b'\n'], 2),
        b't' => (vec![b'\t'], 2),
        b'0' => (vec![0], 2),
        b'\\' => (vec![b'\\'], 2),
        b'x' => (vec![u8::from_str_radix(&text[2..4], 16).unwrap()], 4),
        other => panic!("unknown escape: {}", other as char),
    }
}

/// `{text*times}`.
fn repetition(text: &str) -> Option<(Vec<u8>, usize)> {
    let (inner, _) = text[1..].split_once('}')?;
    let (repeated, times) = inner.rsplit_once('*')?;
    Some((octets(repeated).repeat(times.parse().ok()?), inner.len() + 2))
}

/// `S:` lines; from three equal ones on they are counted.
fn server_lines(said: &[u8]) -> Vec<String> {
    const COUNTED_FROM: usize = 3;
    let text = str::from_utf8(said).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    let runs = lines.chunk_by(|a, b| a == b);
    let shown = runs.flat_map(|run| match run {
        [line, ..] if run.len() >= COUNTED_FROM => vec![format!("S*{}: {line}", run.len())],
        _ => run.iter().map(|line| format!("S: {line}")).collect(),
    });
    shown.collect()
}

fn address_and_reply(text: &str) -> (String, Reply) {
    let (address, text) = text.split_once(' ').unwrap();
    (address.to_owned(), reply(text))
}

fn reply(text: &str) -> Reply {
    let wire = format!("{text}\r\n");
    take_reply(&mut BytesMut::from(wire.as_str())).unwrap().unwrap()
}
