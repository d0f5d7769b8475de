//! The command grammar of RFC 5321 §4.1: one line in, one [`Command`] or the reply that refuses it out.
//!
//! Only the form is judged here: whether a command may come now is `server/phase.rs`, whether we want what it asks is
//! asked. Looser than the grammar in two points that cost nothing: blanks behind `FROM:` and `TO:`, and at the line's end.

use super::replies;
use super::reply::Reply;
use crate::mail::wishes::{EnvelopeId, MessageWishes, Notify, OriginalRecipient, RecipientWishes, Returned};
use crate::mail::{ForwardPath, ReversePath};

mod path;

/// Octets in the argument of EHLO and HELO (RFC 5321 §4.5.3.1.2).
const MAX_HELO_OCTETS: usize = 255;

/// A well-formed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// EHLO or HELO.
    Hello(Helo),
    /// MAIL.
    Mail(MailCommand),
    /// RCPT, and how its path was written.
    Rcpt(RcptCommand, Script),
    /// DATA.
    Data,
    /// BDAT (RFC 3030).
    Bdat(ChunkCommand),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// QUIT.
    Quit,
}

/// What a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helo {
    /// The argument as written (checked to be printable ASCII without blanks; it need not be a real name).
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
    /// `RET` and `ENVID` (RFC 3461).
    pub wishes: MessageWishes,
}

/// `RCPT TO:<…>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptCommand {
    /// The forward-path.
    pub to: ForwardPath,
    /// `NOTIFY` and `ORCPT` (RFC 3461).
    pub wishes: RecipientWishes,
}

/// `BDAT chunk-size [LAST]`: so many octets follow at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkCommand {
    /// Octets of the chunk; what is past 64 bits is past every limit.
    pub octets: u64,
    /// Whether the message ends with it.
    pub last: bool,
}

/// What a path is written in; beyond ASCII it wants SMTPUTF8, also where only its domain is a U-label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Nothing but ASCII.
    Ascii,
    /// More than that.
    Utf8,
}

type Parser = fn(&str) -> Result<Command, Reply>;

const VERBS: [(&str, Parser); 13] = [
    ("RCPT", rcpt),
    ("MAIL", mail),
    ("DATA", |argument| bare(argument, Command::Data, "Syntax: DATA")),
    ("EHLO", |argument| hello(argument, true)),
    ("QUIT", |argument| bare(argument, Command::Quit, "Syntax: QUIT")),
    ("RSET", |argument| bare(argument, Command::Rset, "Syntax: RSET")),
    ("STARTTLS", |argument| bare(argument, Command::StartTls, "Syntax: STARTTLS")),
    ("HELO", |argument| hello(argument, false)),
    ("NOOP", |_| Ok(Command::Noop)),
    ("VRFY", vrfy),
    ("HELP", |_| Ok(Command::Help)),
    ("EXPN", |_| Err(replies::not_implemented())),
    ("BDAT", bdat),
];

/// Known to SMTP, never offered to the public.
const NOT_OFFERED: [&str; 11] =
    ["AUTH", "ETRN", "TURN", "ATRN", "BURL", "SEND", "SOML", "SAML", "XCLIENT", "XFORWARD", "XADR"];

/// A browser that was sent here by a page of somebody else's.
const HTTP_METHODS: [&str; 9] = ["GET", "POST", "CONNECT", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE"];

impl Command {
    /// Parses a line without its CRLF. A reply of 421 asks for the end of the session.
    pub fn parse(line: &str) -> Result<Self, Reply> {
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let is_verb = |name: &str| name.eq_ignore_ascii_case(verb);
        match VERBS.iter().find(|(name, _)| is_verb(name)) {
            Some((_, parse)) => parse(argument.trim_start_matches(' ')),
            None if NOT_OFFERED.into_iter().any(is_verb) => Err(replies::not_implemented()),
            None if HTTP_METHODS.into_iter().any(is_verb) || is_header(verb) => Err(replies::other_protocol()),
            None => Err(replies::unknown_command()),
        }
    }
}

/// `Host:` as the first word: a header field, of HTTP or of a message that ran on behind its end.
fn is_header(word: &str) -> bool {
    word.split_once(':').is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|o| o.is_ascii_graphic()))
}

fn bare(argument: &str, command: Command, usage: &'static str) -> Result<Command, Reply> {
    if argument.is_empty() { Ok(command) } else { Err(replies::bad_syntax(usage)) }
}

/// Any printable name will do: RFC 5321 §4.1.4 forbids to refuse one that does not resolve, and many are odd.
fn hello(name: &str, extended: bool) -> Result<Command, Reply> {
    let acceptable = (1..=MAX_HELO_OCTETS).contains(&name.len()) && name.bytes().all(|o| o.is_ascii_graphic());
    match (acceptable, extended) {
        (true, _) => Ok(Command::Hello(Helo { name: name.to_owned(), extended })),
        (false, true) => Err(replies::bad_syntax("Syntax: EHLO your.host.name")),
        (false, false) => Err(replies::bad_syntax("Syntax: HELO your.host.name")),
    }
}

fn vrfy(argument: &str) -> Result<Command, Reply> {
    if argument.is_empty() { Err(replies::bad_syntax("Syntax: VRFY address")) } else { Ok(Command::Vrfy) }
}

fn mail(argument: &str) -> Result<Command, Reply> {
    let (path, parameters) = path::after("FROM:", argument)
        .ok_or_else(|| replies::bad_syntax("Syntax: MAIL FROM:<address> and parameters"))?;
    let from = ReversePath::parse(path).map_err(|error| replies::bad_sender(&error))?;
    let wishes = MessageWishes::default();
    let mut mail = MailCommand { from, size: None, eight_bit: false, international: false, wishes };
    let mut seen = Seen::default();
    for parameter in path::parameters(parameters) {
        mail_parameter(&mut mail, &mut seen, parameter?)?;
    }
    if mail.international || path.is_ascii() { Ok(Command::Mail(mail)) } else { Err(replies::needs_smtputf8()) }
}

/// Which parameters were given: none may come twice (RFC 5321 §4.1.1.11 leaves no meaning for it).
#[derive(Default)]
struct Seen {
    size: bool,
    body: bool,
    smtputf8: bool,
}

fn mail_parameter(mail: &mut MailCommand, seen: &mut Seen, parameter: path::Parameter<'_>) -> Result<(), Reply> {
    let path::Parameter { keyword, value } = parameter;
    let repeated = if keyword.eq_ignore_ascii_case("SIZE") {
        mail.size = Some(size(value)?);
        std::mem::replace(&mut seen.size, true)
    } else if keyword.eq_ignore_ascii_case("BODY") {
        mail.eight_bit = body(value)?;
        std::mem::replace(&mut seen.body, true)
    } else if keyword.eq_ignore_ascii_case("SMTPUTF8") {
        mail.international = value.is_none();
        std::mem::replace(&mut seen.smtputf8, true) || value.is_some()
    } else if keyword.eq_ignore_ascii_case("RET") {
        mail.wishes.returned.replace(meant(value, Returned::parse)?).is_some()
    } else if keyword.eq_ignore_ascii_case("ENVID") {
        mail.wishes.envelope_id.replace(meant(value, EnvelopeId::parse)?).is_some()
    } else {
        return Err(replies::unknown_parameter());
    };
    if repeated { Err(replies::bad_parameter()) } else { Ok(()) }
}

/// The value as its grammar has it.
fn meant<T>(value: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Result<T, Reply> {
    value.and_then(parse).ok_or_else(replies::bad_parameter)
}

/// `size-value` (RFC 1870 §4).
fn size(value: Option<&str>) -> Result<u64, Reply> {
    value.and_then(octets).ok_or_else(replies::bad_parameter)
}

/// `1*20DIGIT`; what is past 64 bits is past every limit.
fn octets(digits: &str) -> Option<u64> {
    const MAX_DIGITS: usize = 20;
    let well_formed = (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|o| o.is_ascii_digit());
    well_formed.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// A chunk whose size nobody understands cannot be told from the commands behind it, so the session must end.
fn bdat(argument: &str) -> Result<Command, Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let octets = words.next().and_then(octets).ok_or_else(replies::bad_chunk)?;
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Bdat(ChunkCommand { octets, last: false })),
        (Some(last), None) if last.eq_ignore_ascii_case("LAST") => {
            Ok(Command::Bdat(ChunkCommand { octets, last: true }))
        }
        _ => Err(replies::bad_chunk()),
    }
}

/// `body-value` (RFC 6152 §2); BINARYMIME belongs to CHUNKING and is not offered.
fn body(value: Option<&str>) -> Result<bool, Reply> {
    match value {
        Some(value) if value.eq_ignore_ascii_case("8BITMIME") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("7BIT") => Ok(false),
        Some(_) => Err(replies::unknown_parameter()),
        None => Err(replies::bad_parameter()),
    }
}

fn rcpt(argument: &str) -> Result<Command, Reply> {
    let (path, parameters) =
        path::after("TO:", argument).ok_or_else(|| replies::bad_syntax("Syntax: RCPT TO:<address>"))?;
    let to = ForwardPath::parse(path).map_err(|error| replies::bad_recipient(&error))?;
    let mut wishes = RecipientWishes::default();
    for parameter in path::parameters(parameters) {
        rcpt_parameter(&mut wishes, parameter?)?;
    }
    let script = if argument.is_ascii() { Script::Ascii } else { Script::Utf8 };
    Ok(Command::Rcpt(RcptCommand { to, wishes }, script))
}

fn rcpt_parameter(wishes: &mut RecipientWishes, parameter: path::Parameter<'_>) -> Result<(), Reply> {
    let path::Parameter { keyword, value } = parameter;
    let repeated = if keyword.eq_ignore_ascii_case("NOTIFY") {
        wishes.notify.replace(meant(value, Notify::parse)?).is_some()
    } else if keyword.eq_ignore_ascii_case("ORCPT") {
        wishes.original.replace(meant(value, OriginalRecipient::parse)?).is_some()
    } else {
        return Err(replies::unknown_parameter());
    };
    if repeated { Err(replies::bad_parameter()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        Command::parse(line).map_or_else(|reply| reply.code(), |_| 250)
    }

    #[test]
    fn verbs_have_no_case() {
        assert_eq!(Command::parse("qUiT"), Ok(Command::Quit));
        assert_eq!(Command::parse("rset \t "), Ok(Command::Rset));
    }

    #[test]
    fn mail_takes_its_parameters_in_any_order() {
        let line = "MAIL FROM:<a@b.example> smtputf8 BODY=8bitmime SIZE=99999999999999999999";
        let Ok(Command::Mail(mail)) = Command::parse(line) else { panic!("{line}") };
        assert_eq!((mail.size, mail.eight_bit, mail.international), (Some(u64::MAX), true, true));
    }

    #[test]
    fn the_case_of_a_local_part_is_kept() {
        let Ok(Command::Rcpt(rcpt, Script::Ascii)) = Command::parse("rcpt to:<MiXed@B.example>") else { panic!() };
        assert_eq!(rcpt.to.to_string(), "MiXed@b.example");
    }

    #[test]
    fn a_chunk_says_its_size_and_whether_it_is_the_last() {
        for (line, octets, last) in
            [("BDAT 0", 0, false), ("bdat 007 last", 7, true), ("BDAT 99999999999999999999 LAST", u64::MAX, true)]
        {
            assert_eq!(Command::parse(line), Ok(Command::Bdat(ChunkCommand { octets, last })), "{line}");
        }
    }

    #[test]
    fn malformed_commands_have_their_codes() {
        let table = [
            ("", 500),
            (" NOOP", 500),
            ("FOO", 500),
            ("EHLO", 501),
            ("EHLO a b", 501),
            ("HELO ü", 501),
            ("DATA x", 501),
            ("QUIT x", 501),
            ("RSET x", 501),
            ("STARTTLS x", 501),
            ("VRFY", 501),
            ("EXPN x", 502),
            ("AUTH PLAIN", 502),
            ("BDAT 5 LAST", 250),
            ("BDAT 5 LAST x", 421),
            ("BDAT 5 FIRST", 421),
            ("BDAT", 421),
            ("BDAT -1", 421),
            ("BDAT +1 LAST", 421),
            ("BDAT 0x10", 421),
            ("BDAT LAST", 421),
            ("BDAT 999999999999999999999", 421),
            ("XCLIENT A=B", 502),
            ("GET / HTTP/1.1", 421),
            ("Subject: hello", 421),
            ("MAIL", 501),
            ("MAIL FROM:a@b", 501),
            ("MAIL FROM:<a@b", 501),
            ("MAIL FROM:<a@b>x", 501),
            ("MAIL FROM:<a@b> SIZE", 501),
            ("MAIL FROM:<a@b> SIZE=1 SIZE=1", 501),
            ("MAIL FROM:<a@b> SMTPUTF8=1", 501),
            ("MAIL FROM:<a@b> BODY=BINARYMIME", 555),
            ("MAIL FROM:<a@b> RET=HDRS ENVID=a+2Bb", 250),
            ("MAIL FROM:<a@b> RET=BODY", 501),
            ("MAIL FROM:<a@b> RET", 501),
            ("MAIL FROM:<a@b> RET=FULL ret=full", 501),
            ("MAIL FROM:<a@b> ENVID=a+0Db", 501),
            ("MAIL FROM:<a@b> ENVID=ü", 501),
            ("MAIL FROM:<a@b> NOTIFY=NEVER", 555),
            ("MAIL FROM:<a@b> =x", 501),
            ("MAIL FROM:<ü@b>", 553),
            ("MAIL FROM:<a@ü.example>", 553),
            ("RCPT TO:<>", 501),
            ("RCPT TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;c@d", 250),
            ("RCPT TO:<a@b> NOTIFY=NEVER,DELAY", 501),
            ("RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY", 501),
            ("RCPT TO:<a@b> NOTIFY", 501),
            ("RCPT TO:<a@b> ORCPT=c@d", 501),
            ("RCPT TO:<a@b> RET=FULL", 555),
            ("RCPT TO:<a@b> ORCPT=", 501),
            ("RCPT FROM:<a@b>", 501),
        ];
        for (line, expected) in table {
            assert_eq!(code(line), expected, "{line}");
        }
    }
}
