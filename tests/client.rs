//! The client without I/O, by transcripts: `C:` what it must write, `S:` what the server answers, `=` how it ends. Each is
//! played with whole replies and octet by octet; both must give the same.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

use bytes::BytesMut;
use waypost::mail::wishes::Notify;
use waypost::mail::{Domain, Mailbox, ReversePath};
use waypost::smtp::client::{
    Capabilities, Credentials, Opening, OpeningStep, Phase, Plan, Recipient, StartTls, Transaction, TransactionStep,
    Trouble, Verdict,
};
use waypost::smtp::reply::ReplyError;

/// How the server's octets arrive.
#[derive(Clone, Copy)]
enum Pieces {
    Whole,
    Octets,
    /// All that the transcript has, whether it is read or not.
    Flood,
}

/// The two sides of a transcript and where in it we are.
struct Play<'a> {
    lines: std::iter::Peekable<std::str::Lines<'a>>,
    pieces: Pieces,
    ready: Vec<u8>,
}

impl<'a> Play<'a> {
    fn new(transcript: &'a str, pieces: Pieces) -> Self {
        Self { lines: transcript.trim().lines().peekable(), pieces, ready: Vec::new() }
    }

    /// What the client wrote must be what the transcript says next.
    fn expect(&mut self, out: &mut Vec<u8>) {
        let written = String::from_utf8(std::mem::take(out)).unwrap();
        for line in written.split_inclusive("\r\n") {
            let expected = self.lines.next().unwrap_or("the end").trim();
            assert_eq!(format!("C: {}", line.trim_end()), expected);
        }
    }

    /// The server's next octets.
    fn feed(&mut self, input: &mut BytesMut) {
        if self.ready.is_empty() {
            while let Some(line) = self.lines.next_if(|line| line.trim().starts_with("S:")) {
                self.ready.extend_from_slice(line.trim().as_bytes()[3..].trim_ascii_start());
                self.ready.extend_from_slice(b"\r\n");
            }
            assert!(!self.ready.is_empty(), "the client waits, and the transcript has: {:?}", self.lines.peek());
        }
        let count = match self.pieces {
            Pieces::Whole | Pieces::Flood => self.ready.len(),
            Pieces::Octets => 1,
        };
        input.extend_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
    }

    fn end(mut self) {
        assert!(self.ready.is_empty(), "the client did not read {:?}", String::from_utf8_lossy(&self.ready));
        assert_eq!(self.lines.next(), None, "the transcript goes on");
    }
}

struct Case<'a> {
    offered: Capabilities,
    from: &'a str,
    to: &'a [&'a str],
    eight_bit: bool,
    international: bool,
    reset_first: bool,
    envelope_id: Option<&'a str>,
    notify: Notify,
}

fn case<'a>(offered: &Capabilities, to: &'a [&'a str]) -> Case<'a> {
    Case {
        offered: offered.clone(),
        from: "a@from.example",
        to,
        eight_bit: false,
        international: false,
        reset_first: false,
        envelope_id: None,
        notify: Notify::FAILURE,
    }
}

#[derive(Debug, PartialEq)]
struct End {
    verdicts: Vec<Option<Verdict>>,
    trouble: Option<Trouble>,
    closing: bool,
    clean: bool,
}

fn transact_in(case: &Case<'_>, transcript: &str, pieces: Pieces) -> End {
    let recipients = case.to.iter().map(|to| to.parse().unwrap()).collect::<Vec<Mailbox>>();
    let alias = "sh+op@my.example".parse().unwrap();
    let of = |mailbox| Recipient { mailbox, original: Some(&alias), notify: case.notify };
    let recipients = recipients.iter().map(of).collect::<Vec<_>>();
    let plan = Plan {
        reverse_path: &ReversePath::parse(case.from).unwrap(),
        recipients: &recipients,
        envelope_id: case.envelope_id,
        octets: 1234,
        eight_bit: case.eight_bit,
        international: case.international,
        offered: &case.offered,
        reset_first: case.reset_first,
    };
    let (mut play, mut input, mut out) = (Play::new(transcript, pieces), BytesMut::new(), Vec::new());
    let mut transaction = Transaction::start(plan, &mut out);
    let trouble = loop {
        match transaction.advance(&mut input, &mut out) {
            Err(trouble) => break Some(trouble),
            Ok(TransactionStep::Done) => break None,
            Ok(TransactionStep::Read) => {
                play.expect(&mut out);
                play.feed(&mut input);
            }
            Ok(TransactionStep::Content) => {
                out.extend_from_slice(b"(content and dot)\r\n");
                play.expect(&mut out);
                transaction.content_written();
            }
        }
    };
    play.expect(&mut out);
    play.end();
    let (closing, clean) = (transaction.is_closing(), transaction.is_clean());
    End { verdicts: transaction.verdicts(), trouble, closing, clean }
}

fn transact(case: &Case<'_>, transcript: &str) -> End {
    let end = transact_in(case, transcript, Pieces::Whole);
    assert_eq!(transact_in(case, transcript, Pieces::Octets), end);
    end
}

fn codes(end: &End) -> Vec<String> {
    let code = |verdict: &Option<Verdict>| match verdict {
        Some(Verdict::Taken(reply)) => format!("taken {}", reply.code()),
        Some(Verdict::Refused(phase, reply)) => format!("{phase:?} {}", reply.code()),
        Some(Verdict::Left) => "left".to_owned(),
        None => "open".to_owned(),
    };
    end.verdicts.iter().map(code).collect()
}

fn modern() -> Capabilities {
    Capabilities { pipelining: true, size: true, eight_bit: true, international: true, ..Capabilities::default() }
}

#[test]
fn pipelining_takes_two_round_trips() {
    let end = transact(
        &case(&modern(), &["x@to.example", "y@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: RCPT TO:<y@to.example>
         C: DATA
         S: 250 2.1.0 fine
         S: 250 2.1.5 fine
         S: 550 5.1.1 unknown
         S: 354 go
         C: (content and dot)
         S: 250 2.0.0 kept",
    );
    assert_eq!(codes(&end), ["taken 250", "Recipient 550"]);
    assert!(end.clean && !end.closing && end.trouble.is_none());
}

#[test]
fn without_pipelining_each_command_waits() {
    let end = transact(
        &case(&Capabilities::default(), &["x@to.example", "y@to.example"]),
        "C: MAIL FROM:<a@from.example>
         S: 250 fine
         C: RCPT TO:<x@to.example>
         S: 450 later
         C: RCPT TO:<y@to.example>
         S: 250 fine
         C: DATA
         S: 354 go
         C: (content and dot)
         S: 451-4.3.0 two
         S: 451 4.3.0 lines",
    );
    assert_eq!(codes(&end), ["Recipient 450", "Dot 451"]);
}

#[test]
fn without_pipelining_nothing_follows_a_refusal_of_all() {
    let end = transact(
        &case(&Capabilities::default(), &["x@to.example"]),
        "C: MAIL FROM:<a@from.example>
         S: 250 fine
         C: RCPT TO:<x@to.example>
         S: 550 5.1.1 unknown",
    );
    assert_eq!(codes(&end), ["Recipient 550"]);
    assert!(!end.clean, "the next transaction wants RSET first");
}

/// RFC 2920 §3.1: a server that refused every recipient and takes DATA all the same gets the lone dot.
#[test]
fn the_lone_dot_ends_a_message_for_nobody() {
    let end = transact(
        &case(&modern(), &["x@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: DATA
         S: 250 fine
         S: 550 unknown
         S: 354 go
         C: .
         S: 554 no recipients",
    );
    assert_eq!(codes(&end), ["Recipient 550"]);
    assert!(end.clean);
}

/// A yes that is there before the message is no answer to it; a no may be said at any time.
#[test]
fn no_message_is_sent_to_a_server_that_has_said_yes_already() {
    let said = |early: &str| {
        let transcript = format!(
            "C: MAIL FROM:<a@from.example> SIZE=1234
             C: RCPT TO:<x@to.example>
             C: DATA
             S: 250 fine
             S: 250 fine
             S: 354 go
             S: {early}"
        );
        transcript + if early.starts_with('5') { "\nC: (content and dot)" } else { "" }
    };
    let whole = |early| transact_in(&case(&modern(), &["x@to.example"]), &said(early), Pieces::Whole);
    for early in ["250 taken", "354 go on"] {
        let end = whole(early);
        assert!(matches!(end.trouble, Some(Trouble::Garbled { phase: Phase::Data, .. })), "{early}: {end:?}");
        assert_eq!(end.verdicts, [None]);
    }
    assert_eq!(codes(&whole("552 5.3.4 too large")), ["Dot 552"]);
}

#[test]
fn a_refused_sender_refuses_all_and_what_follows_only_says_so_again() {
    let end = transact(
        &case(&modern(), &["x@to.example", "y@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: RCPT TO:<y@to.example>
         C: DATA
         S: 451 4.7.1 later
         S: 503 no sender
         S: 503 no sender
         S: 503 no sender",
    );
    assert_eq!(codes(&end), ["Mail 451", "Mail 451"]);
}

#[test]
fn refused_data_refuses_the_recipients_taken() {
    let end = transact(
        &case(&modern(), &["x@to.example", "y@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: RCPT TO:<y@to.example>
         C: DATA
         S: 250 fine
         S: 550 unknown
         S: 250 fine
         S: 554 no",
    );
    assert_eq!(codes(&end), ["Recipient 550", "Data 554"]);
}

/// CONFORMANCE 47: too many recipients leaves the rest for another transaction, and only with some taken before.
#[test]
fn too_many_recipients_leaves_the_rest() {
    let end = transact(
        &case(&modern(), &["x@to.example", "y@to.example", "z@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: RCPT TO:<y@to.example>
         C: RCPT TO:<z@to.example>
         C: DATA
         S: 250 fine
         S: 452 4.2.2 full
         S: 250 fine
         S: 452 4.5.3 too many
         S: 354 go
         C: (content and dot)
         S: 250 kept",
    );
    assert_eq!(codes(&end), ["Recipient 452", "taken 250", "left"]);
}

/// RFC 5321 §3.8: after 421 nothing more is answered.
#[test]
fn closing_decides_for_all_who_are_open() {
    let end = transact(
        &case(&modern(), &["x@to.example", "y@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: RCPT TO:<y@to.example>
         C: DATA
         S: 250 fine
         S: 250 fine
         S: 421 4.3.2 shutting down",
    );
    assert_eq!(codes(&end), ["Recipient 421", "Recipient 421"]);
    assert!(end.closing);
}

#[test]
fn garbage_is_trouble_at_its_place() {
    for (transcript, phase) in [
        ("C: MAIL FROM:<a@from.example>\nS: what?", Phase::Mail),
        ("C: MAIL FROM:<a@from.example>\nS: 250 ok\nC: RCPT TO:<x@to.example>\nS: 354 go", Phase::Recipient),
        (
            "C: MAIL FROM:<a@from.example>\nS: 250 ok\nC: RCPT TO:<x@to.example>\nS: 250 ok\nC: DATA\nS: 250 ok",
            Phase::Data,
        ),
    ] {
        let end = transact_in(&case(&Capabilities::default(), &["x@to.example"]), transcript, Pieces::Whole);
        assert_eq!(end.trouble.map(|trouble| trouble.phase()), Some(phase), "{transcript}");
        assert_eq!(end.verdicts, [None]);
    }
}

/// RFC 6152, RFC 6531: parameters only where they are needed and offered; CONFORMANCE 31: never re-encoded, so 8-bit
/// octets go to a server without 8BITMIME as they are.
#[test]
fn parameters_only_where_offered() {
    let rest = "\nS: 550 no";
    let mut wanted = case(&modern(), &["x@to.example"]);
    (wanted.eight_bit, wanted.international, wanted.from) = (true, true, "ä@from.example");
    wanted.offered.pipelining = false;
    transact(&wanted, &format!("C: MAIL FROM:<ä@from.example> SIZE=1234 BODY=8BITMIME SMTPUTF8{rest}"));
    wanted.from = "";
    wanted.offered = Capabilities::default();
    transact(&wanted, &format!("C: MAIL FROM:<>{rest}"));
}

/// RFC 3461: what we ask of a next hop that offers DSN, and nothing of one that does not.
#[test]
fn reports_are_asked_for_where_they_are_offered() {
    let mut wanted = case(&Capabilities { dsn: true, ..modern() }, &["x@to.example"]);
    wanted.envelope_id = Some("0192-id");
    transact(
        &wanted,
        "C: MAIL FROM:<a@from.example> SIZE=1234 RET=HDRS ENVID=0192-id
         C: RCPT TO:<x@to.example> NOTIFY=FAILURE ORCPT=rfc822;sh+2Bop@my.example
         C: DATA
         S: 250 fine
         S: 250 fine
         S: 354 go
         C: (content and dot)
         S: 250 kept",
    );
    (wanted.notify, wanted.envelope_id, wanted.offered.pipelining) = (Notify::Never, None, false);
    transact(
        &wanted,
        "C: MAIL FROM:<a@from.example> SIZE=1234
         S: 250 fine
         C: RCPT TO:<x@to.example> NOTIFY=NEVER ORCPT=rfc822;sh+2Bop@my.example
         S: 550 no",
    );
}

fn chunking(offered: &Capabilities) -> Capabilities {
    Capabilities { chunking: true, ..offered.clone() }
}

/// RFC 3030: no DATA and no 354; the content comes when every RCPT was answered.
#[test]
fn a_server_that_takes_chunks_gets_the_content_behind_the_recipients() {
    let end = transact(
        &case(&chunking(&modern()), &["x@to.example", "y@to.example", "z@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: RCPT TO:<y@to.example>
         C: RCPT TO:<z@to.example>
         S: 250 fine
         S: 250 fine
         S: 550 5.1.1 unknown
         S: 452 4.5.3 too many
         C: (content and dot)
         S: 250 kept",
    );
    assert_eq!(codes(&end), ["taken 250", "Recipient 550", "left"]);
    assert!(end.clean);
    let end = transact(
        &case(&chunking(&Capabilities::default()), &["x@to.example", "y@to.example"]),
        "C: MAIL FROM:<a@from.example>
         S: 250 fine
         C: RCPT TO:<x@to.example>
         S: 250 fine
         C: RCPT TO:<y@to.example>
         S: 550 unknown
         C: (content and dot)
         S: 552 5.3.4 too big",
    );
    assert_eq!(codes(&end), ["Dot 552", "Recipient 550"]);
}

#[test]
fn no_chunk_goes_to_nobody() {
    for answers in ["S: 250 fine\nS: 550 unknown", "S: 451 later\nS: 503 no sender", "S: 250 fine\nS: 450 later"] {
        let end = transact(
            &case(&chunking(&modern()), &["x@to.example"]),
            &format!("C: MAIL FROM:<a@from.example> SIZE=1234\nC: RCPT TO:<x@to.example>\n{answers}"),
        );
        assert!(!end.clean && end.trouble.is_none(), "the next transaction wants RSET first: {answers}");
        assert!(!codes(&end)[0].starts_with("taken"));
    }
    let end = transact(
        &case(&chunking(&modern()), &["x@to.example"]),
        "C: MAIL FROM:<a@from.example> SIZE=1234\nC: RCPT TO:<x@to.example>\nS: 250 fine\nS: 421 closing",
    );
    assert!(end.closing);
    assert_eq!(codes(&end), ["Recipient 421"]);
}

/// Nothing marks which of several replies behind a chunk is its: what is lost for sure by a wrong guess, is not guessed.
#[test]
fn of_several_replies_behind_a_chunk_none_is_guessed_and_421_takes_nothing_back() {
    let end = |answers: &str| {
        let begin = "C: MAIL FROM:<a@from.example> SIZE=1234\nC: RCPT TO:<x@to.example>\nS: 250 fine\nS: 250 fine";
        let transcript = format!("{begin}\nC: (content and dot)\n{answers}");
        transact_in(&case(&chunking(&modern()), &["x@to.example"]), &transcript, Pieces::Whole)
    };
    let both = end("S: 250 early\nS: 250 kept");
    assert_eq!((codes(&both), both.trouble.is_none(), both.closing), (vec!["taken 250".to_owned()], true, false));
    let stopping = end("S: 250 kept\nS: 421 4.3.2 stopping");
    assert_eq!(
        (codes(&stopping), stopping.trouble.is_none(), stopping.closing),
        (vec!["taken 250".to_owned()], true, true)
    );
    for other in ["S: 250 early\nS: 550 no", "S: 250 early\nS: 502 what?", "S: 250 early\nS: 450 later"] {
        let doubtful = end(other);
        assert_eq!(codes(&doubtful), ["open"], "{other}");
        let garbled = Trouble::Garbled { phase: Phase::Dot, error: ReplyError::Garbled };
        assert_eq!(doubtful.trouble, Some(garbled), "{other}");
    }
}

/// What a surplus reply is blamed on, is what was asked when it came.
#[test]
fn a_reply_too_many_is_blamed_on_what_it_stands_behind() {
    let plain = chunking(&Capabilities::default());
    for (answers, phase) in [
        ("S: 250 fine\nS: 250 fine", Phase::Mail),
        ("S: 250 fine\nC: RCPT TO:<x@to.example>\nS: 250 fine\nS: 250 fine", Phase::Recipient),
    ] {
        let transcript = format!("C: MAIL FROM:<a@from.example>\n{answers}");
        let end = transact_in(&case(&plain, &["x@to.example"]), &transcript, Pieces::Whole);
        assert_eq!(end.trouble, Some(Trouble::Garbled { phase, error: ReplyError::Garbled }));
    }
}

/// CONFORMANCE 42: what is no reply ends a session where it stands, however it comes.
#[test]
fn hostile_replies_are_trouble_in_bounded_memory() {
    let endless_line = format!("S: 250 {}", "x".repeat(3000));
    let endless_lines = "S: 250-x\n".repeat(200);
    let hostile = [
        ("S: 250-one\nS: 550 two", ReplyError::MixedCodes),
        ("S: 250-one\nS: 250-two\nS: 354 three", ReplyError::MixedCodes),
        ("S: 150 wait", ReplyError::Garbled),
        ("S: 100-wait\nS: 250 fine", ReplyError::Garbled),
        ("S: \u{1}\u{7f}\u{2}", ReplyError::Garbled),
        ("S: \0\0\0 fine", ReplyError::Garbled),
        ("S: 25\0 fine", ReplyError::Garbled),
        ("S: 600 what", ReplyError::Garbled),
        (&endless_line, ReplyError::Endless),
        (&endless_lines, ReplyError::Endless),
    ];
    for (answer, error) in hostile {
        let transcript = format!("C: MAIL FROM:<a@from.example>\n{answer}");
        let end = transact_in(&case(&Capabilities::default(), &["x@to.example"]), &transcript, Pieces::Flood);
        assert_eq!(end.trouble, Some(Trouble::Garbled { phase: Phase::Mail, error }), "{answer:.40}");
        let opened = open_in(answer, StartTls::IfOffered, None, Pieces::Flood);
        assert!(matches!(opened, Err(Trouble::Garbled { phase: Phase::Greeting, .. })), "{answer:.40}");
    }
}

#[test]
fn a_transaction_given_up_is_reset_in_the_same_group() {
    let mut again = case(&modern(), &["x@to.example"]);
    again.reset_first = true;
    let end = transact(
        &again,
        "C: RSET
         C: MAIL FROM:<a@from.example> SIZE=1234
         C: RCPT TO:<x@to.example>
         C: DATA
         S: 250 reset
         S: 250 fine
         S: 250 fine
         S: 354 go
         C: (content and dot)
         S: 250 kept",
    );
    assert_eq!(codes(&end), ["taken 250"]);
    again.offered = Capabilities::default();
    transact(&again, "C: RSET\nS: 250 reset\nC: MAIL FROM:<a@from.example>\nS: 550 no");
}

fn open_in(transcript: &str, tls: StartTls, who: Option<Credentials>, pieces: Pieces) -> Result<OpeningStep, Trouble> {
    let (mut play, mut input, mut out) = (Play::new(transcript, pieces), BytesMut::new(), Vec::new());
    let mut opening = Opening::new(Domain::parse("gw.example").unwrap(), tls, who);
    let end = loop {
        let step = opening.advance(&mut input, &mut out);
        play.expect(&mut out);
        match step {
            Ok(OpeningStep::Read) => play.feed(&mut input),
            Ok(OpeningStep::Handshake) if play.lines.peek().is_some() => opening.tls_started(&mut out),
            end => break end,
        }
    };
    play.end();
    end
}

fn open(transcript: &str, tls: StartTls) -> Result<OpeningStep, Trouble> {
    let end = open_in(transcript, tls, None, Pieces::Whole);
    assert_eq!(open_in(transcript, tls, None, Pieces::Octets), end);
    end
}

const HELLO: &str = "S: 220-hello
    S: 220 mx.example
    C: EHLO gw.example
    S: 250-mx.example
    S: 250-STARTTLS
    S: 250 PIPELINING";

#[test]
fn ehlo_tells_what_is_offered() {
    let Ok(OpeningStep::Ready(offered)) = open(HELLO, StartTls::Never) else { panic!("not ready") };
    assert!(offered.pipelining && offered.starttls && !offered.size);
}

/// CONFORMANCE 42: HELO where EHLO is refused for good, and only there.
#[test]
fn helo_only_where_ehlo_is_refused_for_good() {
    let end = open("S: 220 hi\nC: EHLO gw.example\nS: 502 what?\nC: HELO gw.example\nS: 250 hi", StartTls::IfOffered);
    assert_eq!(end, Ok(OpeningStep::Ready(Capabilities::default())));
    let end = open("S: 220 hi\nC: EHLO gw.example\nS: 451 later", StartTls::IfOffered);
    assert_eq!(end.map_err(|trouble| trouble.phase()), Err(Phase::Hello));
    let end = open("S: 554 go away", StartTls::IfOffered);
    assert_eq!(end.map_err(|trouble| trouble.phase()), Err(Phase::Greeting));
}

/// RFC 3207 §4.2: what was learnt before the handshake is forgotten.
#[test]
fn after_the_handshake_everything_starts_over() {
    let transcript = format!("{HELLO}\nC: STARTTLS\nS: 220 go\nC: EHLO gw.example\nS: 250-mx.example\nS: 250 SIZE 99");
    let Ok(OpeningStep::Ready(offered)) = open(&transcript, StartTls::Demanded) else { panic!("not ready") };
    assert!(!offered.pipelining && offered.size);
}

/// CVE-2011-0411 from the other side: octets behind the 220 were written by somebody who cannot shake hands.
#[test]
fn plain_text_behind_the_220_is_an_injection() {
    let transcript = format!("{HELLO}\nC: STARTTLS\nS: 220 go\nS: 250 SIZE 99");
    assert_eq!(open_in(&transcript, StartTls::IfOffered, None, Pieces::Whole), Err(Trouble::Injected));
}

#[test]
fn tls_that_is_demanded_and_not_there_is_trouble() {
    let end = open("S: 220 hi\nC: EHLO gw.example\nS: 250 mx.example", StartTls::Demanded);
    assert_eq!(end, Err(Trouble::NoTls));
    let end = open(&format!("{HELLO}\nC: STARTTLS\nS: 454 not now"), StartTls::IfOffered);
    assert_eq!(end.map_err(|trouble| trouble.phase()), Err(Phase::StartTls));
}

#[test]
fn signs_in_with_what_the_relay_offers() {
    let who = || Some(Credentials { name: "me".to_owned(), password: "secret".to_owned() });
    let hello = |auth: &str| format!("S: 220 hi\nC: EHLO gw.example\nS: 250-relay.example\nS: 250 AUTH {auth}\n");
    let plain = hello("LOGIN PLAIN") + "C: AUTH PLAIN AG1lAHNlY3JldA==\nS: 235 welcome";
    let login = hello("LOGIN")
        + "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: bWU=\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 welcome";
    for transcript in [plain, login] {
        assert!(matches!(open_in(&transcript, StartTls::Never, who(), Pieces::Octets), Ok(OpeningStep::Ready(_))));
    }
    let refused = [
        hello("PLAIN") + "C: AUTH PLAIN AG1lAHNlY3JldA==\nS: 535 5.7.8 no",
        hello("PLAIN") + "C: AUTH PLAIN AG1lAHNlY3JldA==\nS: 334 and now?",
        hello("PLAIN") + "C: AUTH PLAIN AG1lAHNlY3JldA==\nS: 354 go",
        hello("LOGIN") + "C: AUTH LOGIN\nS: 535 5.7.8 no",
        hello("LOGIN") + "C: AUTH LOGIN\nS: 334 =?garbage\nC: bWU=\nS: 535 5.7.8 no",
        hello("LOGIN") + "C: AUTH LOGIN\nS: 334 x\nC: bWU=\nS: 334 x\nC: c2VjcmV0\nS: 334 once more",
        hello("LOGIN") + "C: AUTH LOGIN\nS: 3",
        hello("LOGIN") + "C: AUTH LOGIN\nS: 334-a\nS: 235 b",
    ];
    for transcript in refused {
        let end = open_in(&transcript, StartTls::Never, who(), Pieces::Octets);
        assert_eq!(end.map_err(|trouble| trouble.phase()), Err(Phase::SignIn), "{transcript}");
    }
    assert_eq!(open_in(&hello("CRAM-MD5"), StartTls::Never, who(), Pieces::Whole), Err(Trouble::NoSignIn));
}
