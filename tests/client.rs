//! The client without I/O, by transcripts: `C:` what it must write, `S:` what the server answers, `=` how it ends. Each is
//! played with whole replies and octet by octet; both must give the same.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

use bytes::BytesMut;
use waypost::mail::{Domain, Mailbox, ReversePath};
use waypost::smtp::client::{
    Capabilities, Credentials, Opening, OpeningStep, Phase, Plan, StartTls, Transaction, TransactionStep, Trouble,
    Verdict,
};

/// How the server's octets arrive.
#[derive(Clone, Copy)]
enum Pieces {
    Whole,
    Octets,
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
            Pieces::Whole => self.ready.len(),
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
}

fn case<'a>(offered: &Capabilities, to: &'a [&'a str]) -> Case<'a> {
    Case {
        offered: offered.clone(),
        from: "a@from.example",
        to,
        eight_bit: false,
        international: false,
        reset_first: false,
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
    let recipients = recipients.iter().collect::<Vec<_>>();
    let plan = Plan {
        reverse_path: &ReversePath::parse(case.from).unwrap(),
        recipients: &recipients,
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
    let refused = hello("PLAIN") + "C: AUTH PLAIN AG1lAHNlY3JldA==\nS: 535 5.7.8 no";
    let end = open_in(&refused, StartTls::Never, who(), Pieces::Whole);
    assert_eq!(end.map_err(|trouble| trouble.phase()), Err(Phase::SignIn));
    assert_eq!(open_in(&hello("CRAM-MD5"), StartTls::Never, who(), Pieces::Whole), Err(Trouble::NoSignIn));
}
