//! Reading a remote server's replies, which are hostile until shown otherwise.
//!
//! Everything is bounded, nothing in the text can act on a terminal, a log or a page, and a reply is whole or not taken.

use std::borrow::Cow;

use bytes::BytesMut;

use super::{Enhanced, Reply};

/// Octets in one line of a remote reply; RFC 5321 §4.5.3.1.5 allows 512, servers send more.
pub const MAX_REPLY_LINE_OCTETS: usize = 2048;
/// Lines of one remote reply.
pub const MAX_REPLY_LINES: usize = 128;
/// Octets of one remote reply: what a server may make us keep, and read again with each new octet.
pub const MAX_REPLY_OCTETS: usize = 32 * 1024;

/// Why a remote server's octets are no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Not three digits and blank or hyphen.
    #[error("the reply is garbled")]
    Garbled,
    /// The lines of one reply have different codes.
    #[error("the lines of the reply have different codes")]
    MixedCodes,
    /// Over [`MAX_REPLY_LINE_OCTETS`], [`MAX_REPLY_LINES`] or [`MAX_REPLY_OCTETS`].
    #[error("the reply does not end")]
    Endless,
}

/// Takes one whole reply from the front of `input`; `None` if it is not all there yet. Text is made printable UTF-8
/// (control characters and what turns the direction of writing replaced by `?`), an enhanced code of the same class is
/// taken off the front of the lines. Lines may end with a bare LF, since some servers' do.
pub fn take_reply(input: &mut BytesMut) -> Result<Option<Reply>, ReplyError> {
    let Some(end) = find_end(input)? else { return Ok(None) };
    assemble(&input.split_to(end)).map(Some)
}

/// Where the first reply in `input` ends: behind its first line without a hyphen.
fn find_end(input: &[u8]) -> Result<Option<usize>, ReplyError> {
    let mut start = 0;
    for (number, line_end) in memchr::memchr_iter(b'\n', input).enumerate() {
        let line = &input[start..=line_end];
        start = line_end + 1;
        if line.len() > MAX_REPLY_LINE_OCTETS || number >= MAX_REPLY_LINES || start > MAX_REPLY_OCTETS {
            return Err(ReplyError::Endless);
        }
        if !ReplyLine::parse(line)?.more {
            return Ok(Some(start));
        }
    }
    let unfinished = input.len() - start;
    let endless = unfinished > MAX_REPLY_LINE_OCTETS || input.len() > MAX_REPLY_OCTETS;
    if endless { Err(ReplyError::Endless) } else { Ok(None) }
}

/// One line of a remote reply.
struct ReplyLine<'a> {
    code: u16,
    more: bool,
    text: &'a [u8],
}

impl<'a> ReplyLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, ReplyError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (more, text) = match line {
            [_, _, _] => (false, &line[3..]),
            [_, _, _, b' ', text @ ..] => (false, text),
            [_, _, _, b'-', text @ ..] => (true, text),
            _ => return Err(ReplyError::Garbled),
        };
        let digits = &line[..3];
        if !matches!(digits[0], b'2'..=b'5') || !digits.iter().all(u8::is_ascii_digit) {
            return Err(ReplyError::Garbled);
        }
        let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        Ok(Self { code, more, text })
    }
}

/// Puts the lines of one reply together; an enhanced code of the reply's class is said once and not in the text.
fn assemble(octets: &[u8]) -> Result<Reply, ReplyError> {
    let mut said = None;
    let mut text = String::with_capacity(octets.len());
    for line in octets.split_inclusive(|&o| o == b'\n') {
        let line = ReplyLine::parse(line)?;
        let words = printable(line.text);
        let status = split_enhanced(&words).filter(|(class, _, _)| *class == line.code / 100);
        let first = said.is_none();
        let (code, enhanced) = *said.get_or_insert((line.code, status.map(|(_, enhanced, _)| enhanced)));
        if code != line.code {
            return Err(ReplyError::MixedCodes);
        }
        text.push_str(if first { "" } else { "\n" });
        text.push_str(status.filter(|(_, own, _)| Some(*own) == enhanced).map_or(&words, |(_, _, rest)| rest));
    }
    let (code, enhanced) = said.ok_or(ReplyError::Garbled)?;
    Ok(Reply { code, enhanced, text: text.into() })
}

/// Takes `5.1.1 ` off the front of a text.
fn split_enhanced(text: &str) -> Option<(u16, Enhanced, &str)> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.split('.').map(status_number);
    let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some((class, Enhanced { subject, detail }, rest))
}

/// One to three digits (RFC 3463 §2).
fn status_number(digits: &str) -> Option<u16> {
    let well_formed = (1..=3).contains(&digits.len()) && digits.bytes().all(|o| o.is_ascii_digit());
    if well_formed { digits.parse().ok() } else { None }
}

/// What a remote server says goes into logs, pages and reports: nothing in it may act there.
fn printable(octets: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(octets);
    if text.contains(acts_on_display) { text.replace(acts_on_display, "?").into() } else { text }
}

/// Control characters, line and paragraph separators, and marks that turn the direction of writing.
fn acts_on_display(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(wire: &str) -> Result<Option<Reply>, ReplyError> {
        take_reply(&mut BytesMut::from(wire))
    }

    #[test]
    fn takes_one_reply_and_leaves_the_next() {
        let mut input = BytesMut::from("250-2.1.0 a\r\n250 2.1.0 b\r\n354 go\r\n25");
        assert_eq!(take_reply(&mut input), Ok(Some(Reply::new(250, 1, 0, "a\nb"))));
        assert_eq!(take_reply(&mut input), Ok(Some(Reply::plain(354, "go"))));
        assert_eq!(take_reply(&mut input), Ok(None));
        assert_eq!(&input[..], b"25");
    }

    #[test]
    fn takes_an_enhanced_code_of_the_same_class_only() {
        assert_eq!(taken("550 4.1.1 x\r\n"), Ok(Some(Reply::plain(550, "4.1.1 x"))));
        assert_eq!(taken("550 5.1.1\r\n"), Ok(Some(Reply::new(550, 1, 1, ""))));
        assert_eq!(taken("550 5.1 x\r\n"), Ok(Some(Reply::plain(550, "5.1 x"))));
        assert_eq!(taken("550 5.1.1000 x\r\n"), Ok(Some(Reply::plain(550, "5.1.1000 x"))));
    }

    #[test]
    fn refuses_what_is_no_reply() {
        for wire in ["hello\r\n", "25\r\n", "2500 x\r\n", "150 x\r\n", "650 x\r\n", "+50 x\r\n", "\r\n", "250_x\r\n"] {
            assert_eq!(taken(wire), Err(ReplyError::Garbled), "{wire:?}");
        }
        assert_eq!(taken("250-a\r\n251 b\r\n"), Err(ReplyError::MixedCodes));
    }

    #[test]
    fn endless_replies_end() {
        assert_eq!(taken(&"x".repeat(MAX_REPLY_LINE_OCTETS + 1)), Err(ReplyError::Endless));
        assert_eq!(taken(&"250-x\r\n".repeat(MAX_REPLY_LINES + 1)), Err(ReplyError::Endless));
        let long = format!("250-{}\r\n", "x".repeat(2000));
        assert_eq!(taken(&long.repeat(MAX_REPLY_OCTETS / long.len() + 1)), Err(ReplyError::Endless));
    }

    #[test]
    fn remote_text_cannot_act() {
        let reply = take_reply(&mut BytesMut::from(&b"550 a\x1b[2J\0\rb\xff \xe2\x80\xae\n"[..])).unwrap().unwrap();
        assert_eq!(reply.text(), "a?[2J??b\u{fffd} ?");
    }

    proptest! {
        #[test]
        fn what_is_written_is_taken(
            code in 200_u16..600,
            status in prop::option::of((0_u16..1000, 0_u16..1000)),
            text in "[ -~]{0,80}(\n[!-~]{0,80}){0,3}",
        ) {
            let reply = match status {
                Some((subject, detail)) => Reply::new(code, subject, detail, text),
                None => Reply::plain(code, text),
            };
            // A plain text that begins like an enhanced code cannot be told from one.
            prop_assume!(status.is_some() || split_enhanced(reply.text()).is_none());
            let mut wire = Vec::new();
            reply.write(&mut wire);
            let mut input = BytesMut::from(&wire[..]);
            prop_assert_eq!(take_reply(&mut input), Ok(Some(reply)));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn a_hostile_server_is_bounded(pieces in prop::collection::vec(prop_oneof![
            Just(b"250-".to_vec()), Just(b"250 ok\r\n".to_vec()), Just(b"\n".to_vec()), Just(vec![b'x'; 1500]),
            prop::collection::vec(any::<u8>(), 0..20),
        ], 0..80)) {
            let mut input = BytesMut::new();
            for piece in pieces {
                input.extend_from_slice(&piece);
                match take_reply(&mut input) {
                    Ok(Some(reply)) => prop_assert!(!reply.text().chars().any(|c| c != '\n' && c.is_control())),
                    Ok(None) => prop_assert!(input.len() <= MAX_REPLY_OCTETS),
                    Err(_) => break,
                }
            }
        }
    }
}
