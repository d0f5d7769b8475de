//! Delivery status notifications against golden files, and what must never stand in them (CONFORMANCE 51 to 54).
//!
//! `UPDATE_EXPECT=1` rewrites the golden files after a look.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::Path;

use mail_parser::MessageParser;
use waypost::mail::dsn::{Action, Dsn, Failure, MAX_RETURNED_HEADER_OCTETS, Returned};
use waypost::mail::wishes::{EnvelopeId, OriginalRecipient};
use waypost::mail::{Domain, Mailbox, Moment};

const HEADER: &[u8] = b"From: alice@sender.example\r\nMessage-ID: <1@sender.example>\r\nSubject: hello\r\n\r\n";

struct World {
    host: Domain,
    to: Mailbox,
    failures: Vec<Failure>,
    action: Action,
    envelope_id: Option<EnvelopeId>,
    returned: Returned,
}

impl World {
    fn new(recipient: &str, reason: &str) -> Self {
        Self {
            host: Domain::parse("mx.ours.example").unwrap(),
            to: mailbox("alice@sender.example"),
            failures: vec![failure(recipient, (5, 2, 2), reason)],
            action: Action::Failed,
            envelope_id: None,
            returned: header(HEADER),
        }
    }

    fn report(&self) -> String {
        let dsn = Dsn {
            host: &self.host,
            to: &self.to,
            at: Moment::from_millis(1_795_373_784_120),
            arrived: Moment::from_millis(1_795_370_000_000),
            unique: "0192f3a1-dsn",
            failures: &self.failures,
            action: self.action,
            envelope_id: self.envelope_id.as_ref(),
            returned: &self.returned,
        };
        let report = String::from_utf8(dsn.octets()).unwrap();
        assert!(
            report.split_terminator("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])),
            "{report}"
        );
        report
    }
}

fn header(octets: &[u8]) -> Returned {
    Returned::Header(octets.to_vec())
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

fn failure(recipient: &str, status: (u8, u16, u16), reason: &str) -> Failure {
    Failure { recipient: mailbox(recipient), status, reason: reason.to_owned(), original: None }
}

fn golden(name: &str, report: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dsn").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, report).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(report, wanted, "{name}");
}

#[test]
fn one_mailbox_that_is_full() {
    golden("mailbox-full.eml", &World::new("shop@my.example", "the mailbox is full").report());
}

#[test]
fn a_message_of_which_the_header_is_not_kept() {
    let mut world = World::new("shop@my.example", "the mailbox is full");
    world.returned = Returned::Fields(b"Subject: hello\r\nMessage-ID: <1@sender.example>\r\n\r\n".to_vec());
    golden("known-fields.eml", &world.report());
}

#[test]
fn several_recipients_with_several_reasons() {
    let mut world = World::new("shop@my.example", "the mailbox is full");
    let long = "no answer from the mail system of the recipient in five days, after fourteen tries, the last one today";
    world.failures.push(failure("\"a b\"@my.example", (4, 4, 7), long));
    golden("several.eml", &world.report());
}

#[test]
fn an_international_address_makes_a_global_report() {
    let mut world = World::new("grüße@bücher.example", "there is no such mailbox");
    world.returned = header("From: alice@sender.example\r\nSubject: Grüße\r\n\r\n".as_bytes());
    golden("international.eml", &world.report());
}

#[test]
fn an_eight_bit_header_goes_back_quoted() {
    let mut world = World::new("shop@my.example", "the mailbox is full");
    world.returned = Returned::Header(
        [b"Subject: Gr\xc3\xbc\xc3\x9fe\r\nX-Long: ".to_vec(), vec![b'x'; 2000], b"\r\n\r\n".to_vec()].concat(),
    );
    let report = world.report();
    assert!(report.is_ascii());
    golden("eight-bit-header.eml", &report);
}

/// CONFORMANCE 51 and 52, read by another parser than ours.
#[test]
fn is_a_multipart_report_of_three_parts() {
    let report = World::new("shop@my.example", "the mailbox is full").report();
    let message = MessageParser::default().parse(report.as_bytes()).unwrap();
    let kind = message.root_part().content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
    assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
    let kinds: Vec<_> = message
        .root_part()
        .children()
        .map(|part| part.content_type().map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())))
        .collect();
    let wanted = ["text/plain", "message/delivery-status", "text/rfc822-headers"];
    assert_eq!(kinds, wanted.map(|kind| Some(kind.to_owned())));
    for line in ["Auto-Submitted: auto-replied", "Action: failed", "Status: 5.2.2", "In-Reply-To: <1@sender.example>"] {
        assert!(report.contains(&format!("\r\n{line}\r\n")), "{line}");
    }
}

#[test]
fn hostile_words_start_no_field_and_no_part() {
    let world = World {
        returned: header(b"Message-ID: <a@b>\r\n <c@d>\r\nX: --=_0192f3a1-dsn\r\n\r\n"),
        ..World::new("shop@my.example", "full\r\n\r\n--=_0192f3a1-dsn--\r\nBcc: x@y\u{202e}\0")
    };
    let report = world.report();
    assert_eq!(report.lines().filter(|line| line.starts_with("--=_")).count(), 4, "{report}");
    assert!(!report.contains("\r\nBcc") && !report.contains("In-Reply-To"), "{report}");
}

/// RFC 3461 §5, RFC 3464 §2.2.1, §2.3.1: what the sender wrote comes back as it was.
#[test]
fn the_senders_own_words_come_back() {
    let mut world = World::new("shop@my.example", "the mailbox is full");
    world.envelope_id = EnvelopeId::parse("QQ+2B314159");
    world.failures[0].original = OriginalRecipient::parse("rfc822;Shop+2Bx@old.example");
    golden("senders-words.eml", &world.report());
}

/// RFC 3464 §2.3.3: handed on, and the sender hears no more of it.
#[test]
fn a_report_of_success_names_the_alias_and_no_diagnosis() {
    let mut world = World::new("shop@my.example", "it was handed on to the mail system of the recipient");
    (world.action, world.failures[0].status) = (Action::Relayed, (2, 0, 0));
    let report = world.report();
    assert!(
        !report.contains("Diagnostic-Code") && report.contains("Action: relayed\r\nStatus: 2.0.0\r\n\r\n"),
        "{report}"
    );
    golden("relayed.eml", &report);
}

/// RFC 3464 §2.3.3 and §2.3.9.
#[test]
fn a_report_of_delay_says_until_when_it_is_tried() {
    let mut world = World::new("shop@my.example", "it was not taken yet");
    world.action = Action::Delayed { until: Moment::from_millis(1_795_802_000_000) };
    world.failures = vec![failure("shop@my.example", (4, 4, 7), "it was not taken yet")];
    let report = world.report();
    assert!(report.contains("Action: delayed\r\nStatus: 4.4.7\r\n"), "{report}");
    golden("delayed.eml", &report);
}

#[test]
fn a_whole_message_is_returned_to_who_asked_for_it() {
    let mut world = World::new("shop@my.example", "the mailbox is full");
    let message = [HEADER, "caf\u{e9}\r\n.\r\n--=_other\r\nno end".as_bytes()].concat();
    world.returned = Returned::Message(message.clone());
    let report = world.report();
    let parsed = MessageParser::default().parse(report.as_bytes()).unwrap();
    let part = parsed.root_part().children().nth(2).unwrap();
    let kind = part.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("message", Some("rfc822")));
    assert!(memchr::memmem::find(report.as_bytes(), &message).is_some(), "octet by octet");
    golden("whole-message.eml", &report);
}

/// CONFORMANCE 54: no amplifier.
#[test]
fn a_huge_header_is_cut_at_a_line_end() {
    let mut world = World::new("shop@my.example", "the mailbox is full");
    world.returned = Returned::Header(b"X-Line: 0123456789\r\n".repeat(10_000));
    let report = world.report();
    assert!(report.len() < MAX_RETURNED_HEADER_OCTETS + 2048);
    assert!(report.contains("X-Line: 0123456789\r\n\r\n--=_0192f3a1-dsn--\r\n"));
}
