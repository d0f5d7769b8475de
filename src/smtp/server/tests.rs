//! What transcripts cannot show: memory, time-outs, questions that wait, and octets that nobody would write down.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::smtp::limits::{MAX_IDLE_OUTPUT_OCTETS, MAX_TRANSACTIONS};
use crate::smtp::reply::{MAX_WRITTEN_LINE_OCTETS, take_reply};

fn settings() -> Settings {
    let hostname = Domain::parse("mx.my.example").unwrap();
    Settings { hostname, max_message_bytes: 1000, max_recipients: 3, starttls: true }
}

/// A session that has heard `text` and answers as a friendly owner would, up to the first question that `wait` names.
fn session_after(text: &str, wait: fn(&Question) -> bool) -> Session {
    let mut session = Session::new(settings());
    let mut input = BytesMut::new();
    for line in [""].into_iter().chain(text.split_inclusive("\r\n")) {
        input.extend_from_slice(line.as_bytes());
        loop {
            match session.advance(&mut input) {
                Step::Ask(question) if wait(&question) => return session,
                Step::Ask(question) => session.answer(&yes(&question)),
                Step::Content => drop(session.take_content()),
                Step::StartTls => session.tls_started(),
                Step::Read | Step::Close => break,
            }
        }
    }
    session
}

fn yes(question: &Question) -> Reply {
    match question {
        Question::Content => Reply::plain(354, "Go ahead"),
        _ => Reply::new(250, 0, 0, "Ok"),
    }
}

const NEVER: fn(&Question) -> bool = |_| false;
const HELLO: &str = "EHLO client.example\r\n";
const MAIL: &str = "EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n";
const DATA: &str = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

#[test]
fn ten_thousand_idle_sessions_are_small() {
    let mut session = session_after(DATA, NEVER);
    assert!(size_of::<Session>() <= 1024, "{} octets", size_of::<Session>());
    // A burst of replies, written by the owner, leaves nothing behind.
    session.output().resize(100_000, b'x');
    session.output().clear();
    assert!(matches!(session.advance(&mut BytesMut::new()), Step::Read));
    assert!(session.output.capacity() + session.content.capacity() <= MAX_IDLE_OUTPUT_OCTETS);
}

#[test]
fn a_question_waits_for_its_answer() {
    let mut session = session_after(MAIL, |question| matches!(question, Question::Sender(_)));
    session.output().clear();
    let mut input = BytesMut::from("NOOP\r\n");
    assert!(matches!(session.advance(&mut input), Step::Read));
    assert_eq!((&input[..], session.output().len()), (&b"NOOP\r\n"[..], 0));
    session.answer(&Reply::new(250, 1, 0, "Ok"));
    assert!(matches!(session.advance(&mut input), Step::Read));
    assert_eq!(session.output(), b"250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n");
}

#[test]
fn an_answer_without_a_question_changes_nothing() {
    let mut session = session_after(HELLO, NEVER);
    session.output().clear();
    session.answer(&Reply::new(250, 0, 0, "Ok"));
    assert!(session.output().is_empty() && !session.in_transaction());
}

#[test]
fn stopping_replaces_an_answer_that_is_not_given_yet() {
    let mut session = session_after(MAIL, |question| matches!(question, Question::Sender(_)));
    session.output().clear();
    session.stop(&Reply::new(421, 3, 2, "Shutting down"));
    assert!(matches!(session.advance(&mut BytesMut::new()), Step::Close));
    assert_eq!(session.output(), b"421 4.3.2 Shutting down\r\n");
    session.stop(&Reply::new(421, 3, 2, "Shutting down"));
    assert!(matches!(session.advance(&mut BytesMut::new()), Step::Close));
    assert_eq!(session.output(), b"421 4.3.2 Shutting down\r\n", "said once");
}

#[test]
fn stopping_waits_for_the_verdict_on_a_message() {
    let whole = format!("{DATA}Hi\r\n.\r\n");
    let mut session = session_after(&whole, |question| matches!(question, Question::Message { .. }));
    session.output().clear();
    session.stop(&Reply::new(421, 3, 2, "Shutting down"));
    assert!(matches!(session.advance(&mut BytesMut::new()), Step::Read));
    assert!(session.output().is_empty());
    session.answer(&Reply::new(250, 0, 0, "Taken"));
    assert!(matches!(session.advance(&mut BytesMut::new()), Step::Close));
    assert_eq!(session.output(), b"250 2.0.0 Taken\r\n421 4.3.2 Shutting down\r\n");
}

#[test]
fn nothing_is_said_into_a_handshake() {
    let mut session = Session::new(settings());
    let mut input = BytesMut::from("EHLO c.example\r\nSTARTTLS\r\nNOOP\r\n");
    assert!(matches!(session.advance(&mut input), Step::StartTls));
    assert!(input.is_empty() && session.helo().is_none());
    session.output().clear();
    session.stop(&Reply::new(421, 3, 2, "Shutting down"));
    assert!(matches!(session.advance(&mut input), Step::Close));
    assert!(session.output().is_empty());
}

#[test]
fn waits_as_long_as_it_must() {
    assert_eq!(session_after(HELLO, NEVER).timeout(), COMMAND_TIMEOUT);
    assert_eq!(session_after(DATA, NEVER).timeout(), DATA_BLOCK_TIMEOUT);
    let skipping = session_after(&format!("{HELLO}BDAT 5000 LAST\r\nSubject: x\r\n"), NEVER);
    assert_eq!(skipping.timeout(), DATA_BLOCK_TIMEOUT, "a refused chunk has its time like any other");
    assert!(skipping.is_receiving());
    assert!(COMMAND_TIMEOUT >= Duration::from_secs(300), "RFC 5321 §4.5.3.2.7");
    assert!(DATA_BLOCK_TIMEOUT >= Duration::from_secs(180), "RFC 5321 §4.5.3.2.5");
}

#[test]
fn knows_the_client_and_the_transaction() {
    assert_eq!(session_after("", NEVER).helo(), None);
    let session = session_after(HELLO, NEVER);
    assert_eq!(session.helo().map(|helo| helo.name.as_str()), Some("client.example"));
    assert!(!session.in_transaction());
    assert!(!session_after(MAIL, |question| matches!(question, Question::Sender(_))).in_transaction());
    assert!(session_after(MAIL, NEVER).in_transaction());
    assert!(session_after(DATA, NEVER).in_transaction());
    let whole = format!("{DATA}Hi\r\n.\r\n");
    assert!(session_after(&whole, |question| matches!(question, Question::Message { .. })).in_transaction());
    assert!(!session_after(&whole, NEVER).in_transaction());
}

#[test]
fn content_that_comes_while_the_owner_thinks_is_refused() {
    let mut session = session_after(DATA, |question| matches!(question, Question::Content));
    session.answer(&Reply::plain(354, "Go ahead"));
    session.output().clear();
    assert!(matches!(session.advance(&mut BytesMut::from("Subject: early\r\n")), Step::Close));
    assert_eq!(session.output(), b"554 5.5.0 Content came before 354; closing the connection\r\n");
}

/// RFC 3030 §2: the chunk that could not be kept is the one that is refused.
#[test]
fn content_that_cannot_be_kept_is_refused_where_it_ends() {
    let full = || Reply::new(452, 3, 1, "No room");
    for pieces in [
        &["DATA\r\n", "Subject: x\r\n", "\r\nmore\r\n", ".\r\n"][..],
        &["DATA\r\n", "Subject: x\r\n.\r\n"],
        &["BDAT 12\r\nSubject: x\r\n"],
        &["BDAT 12 LAST\r\nSubject: x\r\n"],
        &["BDAT 16\r\nSubject: x\r\n", "more"],
    ] {
        let mut session = session_after(&DATA.replace("DATA\r\n", ""), NEVER);
        session.output().clear();
        let (mut input, mut pieces, mut refusals) = (BytesMut::new(), pieces.iter(), Vec::new());
        loop {
            match session.advance(&mut input) {
                Step::Ask(Question::Refusal(reply)) => {
                    refusals.push(reply.clone());
                    session.answer(&reply);
                }
                Step::Ask(question) => session.answer(&yes(&question)),
                Step::Content => {
                    drop(session.take_content());
                    session.refuse_content(full());
                }
                Step::Read => match pieces.next() {
                    Some(piece) => input.extend_from_slice(piece.as_bytes()),
                    None => break,
                },
                step => panic!("{step:?}"),
            }
        }
        assert_eq!(refusals, [full()]);
        let said = str::from_utf8(session.output()).unwrap();
        assert_eq!(said.trim_start_matches("354 Go ahead\r\n"), "452 4.3.1 No room\r\n");
        assert!(!session.in_transaction());
    }
}

/// What could not be written down is not said.
#[test]
fn a_refusal_is_replaced_by_another_and_by_nothing_else() {
    for (answer, said) in
        [(Reply::new(451, 3, 0, "Unwell"), "451 4.3.0 Unwell\r\n"), (Reply::new(250, 0, 0, "Ok"), "550 5.6.0 ")]
    {
        let faulty = format!("{DATA}bare\nline\r\n.\r\n");
        let mut session = session_after(&faulty, |question| matches!(question, Question::Refusal(_)));
        assert!(session.in_transaction());
        session.output().clear();
        session.answer(&answer);
        assert!(matches!(session.advance(&mut BytesMut::new()), Step::Read));
        assert!(session.output().starts_with(said.as_bytes()), "{}", session.output().escape_ascii());
        assert!(!session.in_transaction());
    }
}

/// RFC 9422 §4.1: MAILMAX is announced, and so it holds.
#[test]
fn a_session_takes_as_many_transactions_as_it_announced() {
    let mut session = Session::new(settings());
    let _ = session.advance(&mut BytesMut::from("EHLO a\r\n"));
    assert!(str::from_utf8(session.output()).unwrap().contains(&format!("LIMITS MAILMAX={MAX_TRANSACTIONS} ")));
    let whole = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 2 LAST\r\n\r\n";
    for number in 0..=MAX_TRANSACTIONS {
        session.output().clear();
        let mut input = BytesMut::from(&whole[..]);
        let end = loop {
            match session.advance(&mut input) {
                Step::Ask(question) => session.answer(&yes(&question)),
                Step::Content => drop(session.take_content()),
                end => break end,
            }
        };
        assert_eq!(matches!(end, Step::Close), number == MAX_TRANSACTIONS, "{number}");
    }
    assert_eq!(session.output(), b"421 4.5.3 Too many messages over one connection; connect again\r\n");
}

/// Pieces of which hostile input is made.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "EHLO x",
        "HELO ",
        "MAIL FROM:<",
        "a@b",
        ">",
        "RCPT TO:<",
        "RSET",
        "NOOP",
        "VRFY a",
        "QUIT",
        "STARTTLS",
        "DATA",
        "BDAT 3",
        "BDAT 9 LAST",
        "BDAT 0 LAST",
        "BDAT 99999999999",
        " RET=FULL ENVID=a+2B",
        " NOTIFY=FAILURE,DELAY",
        " ORCPT=rfc822;a",
        "\r\n",
        "\r\n",
        "\r\n",
        "\r",
        "\n",
        ".",
        "\0",
        " SIZE=9",
        "BODY=8BITMIME",
        "SMTPUTF8",
        "ü",
        "\"",
        "\\",
        "Host: x",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let piece = prop_oneof![9 => word, 1 => prop::collection::vec(any::<u8>(), 0..9)];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// All that a session says to `octets` that come in pieces of at most `length`.
fn said(octets: &[u8], length: usize) -> Vec<u8> {
    let mut session = Session::new(settings());
    let mut input = BytesMut::new();
    for piece in octets.chunks(length) {
        input.extend_from_slice(piece);
        loop {
            match session.advance(&mut input) {
                Step::Ask(question) => session.answer(&yes(&question)),
                Step::Content => drop(session.take_content()),
                Step::StartTls => session.tls_started(),
                Step::Read => break,
                Step::Close => return std::mem::take(session.output()),
            }
        }
    }
    std::mem::take(session.output())
}

proptest! {
    #[test]
    fn whatever_comes_is_answered_by_well_formed_replies(octets in hostile(), length in 1_usize..40) {
        let said = said(&octets, length);
        for line in said.split_inclusive(|&o| o == b'\n') {
            prop_assert!(line.ends_with(b"\r\n") && line.len() <= MAX_WRITTEN_LINE_OCTETS);
        }
        let mut rest = BytesMut::from(&said[..]);
        while !rest.is_empty() {
            prop_assert!(matches!(take_reply(&mut rest), Ok(Some(_))), "{}", said.escape_ascii());
        }
    }

    #[test]
    fn without_data_and_tls_no_split_matters(octets in hostile(), length in 1_usize..40) {
        let waits = |verb: &str| octets.windows(verb.len()).any(|window| window.eq_ignore_ascii_case(verb.as_bytes()));
        prop_assume!(!waits("DATA") && !waits("STARTTLS"));
        prop_assert_eq!(said(&octets, length), said(&octets, octets.len().max(1)));
    }
}
