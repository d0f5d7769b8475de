//! Replies: three digits, an enhanced code of the same class, and text (RFC 5321 §4.2, RFC 2034, RFC 3463).
//!
//! The class of a reply of ours is the first digit of its code and of its enhanced code, which therefore cannot disagree.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use serde::{Deserialize, Serialize};

mod take;

pub use take::{MAX_REPLY_LINE_OCTETS, MAX_REPLY_LINES, MAX_REPLY_OCTETS, ReplyError, take_reply};

/// Subject and detail of an enhanced status code; the class is the reply's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enhanced {
    /// The middle number.
    pub subject: u16,
    /// The last number.
    pub detail: u16,
}

/// A reply, ours or a remote server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    code: u16,
    enhanced: Option<Enhanced>,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced code. `text` may have several lines, parted by `\n`.
    #[must_use]
    pub fn new(code: u16, subject: u16, detail: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: Some(Enhanced { subject, detail }), text: text.into() }
    }

    /// A reply without one (greeting, EHLO, HELO, 354, remote servers that send none).
    #[must_use]
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    /// The three digits.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The first digit.
    #[must_use]
    pub const fn class(&self) -> u16 {
        self.code / 100
    }

    /// The enhanced code, where there is one.
    #[must_use]
    pub const fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }

    /// The text, lines parted by `\n`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// 2yz.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.class() == 2
    }

    /// 4yz.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.class() == 4
    }

    /// 5yz.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.class() == 5
    }

    /// Appends the reply as it goes over the wire: lines of at most 512 octets, the enhanced code on each, nothing but
    /// printable ASCII from the text (RFC 5321 §4.2; longer lines are parted at a blank).
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut prefix = [0; MAX_PREFIX_OCTETS];
        let prefix = self.prefix(&mut prefix);
        let room = MAX_WRITTEN_LINE_OCTETS - prefix.len() - b" \r\n".len();
        let mut pieces = self.text.split('\n').flat_map(|line| Pieces { rest: Some(line), room }).peekable();
        while let Some(piece) = pieces.next() {
            let start = out.len();
            out.extend_from_slice(prefix);
            if !piece.is_empty() {
                out.push(b' ');
                out.extend(piece.chars().map(|c| if matches!(c, ' '..='~') { c as u8 } else { b'?' }));
            }
            if pieces.peek().is_some() {
                part_from_next(out, start);
            }
            out.extend_from_slice(b"\r\n");
        }
    }

    /// `550 5.1.1`, or `550`.
    fn prefix<'a>(&self, buffer: &'a mut [u8; MAX_PREFIX_OCTETS]) -> &'a [u8] {
        let mut rest = &mut buffer[..];
        // The buffer holds the longest code there is, so writing cannot fail.
        let _ = write!(rest, "{:03}", self.code);
        if let Some(e) = self.enhanced {
            let _ = write!(rest, " {}.{}.{}", self.class(), e.subject, e.detail);
        }
        let left = rest.len();
        &buffer[..MAX_PREFIX_OCTETS - left]
    }
}

/// Octets in a line of a reply that we write, with CRLF (RFC 5321 §4.5.3.1.5).
pub const MAX_WRITTEN_LINE_OCTETS: usize = 512;
/// Octets of `65535 65535.65535.65535`, which no reply has.
const MAX_PREFIX_OCTETS: usize = 24;

/// A hyphen behind the digits says that more lines follow.
fn part_from_next(out: &mut Vec<u8>, line_start: usize) {
    const DIGITS: usize = 3;
    match out.get_mut(line_start + DIGITS) {
        Some(separator) => *separator = b'-',
        None => out.push(b'-'),
    }
}

/// A line of text in pieces of at most `room` octets.
struct Pieces<'a> {
    rest: Option<&'a str>,
    room: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?;
        if rest.len() <= self.room {
            return Some(rest);
        }
        let end = rest.floor_char_boundary(self.room);
        let (piece, more) = match rest[..end].rfind(' ').filter(|&blank| blank > 0) {
            Some(blank) => (&rest[..blank], &rest[blank + 1..]),
            None => rest.split_at(end),
        };
        self.rest = Some(more);
        Some(piece)
    }
}

impl fmt::Display for Reply {
    /// `550 5.1.1 No such alias`, several lines parted by a blank.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(e) = self.enhanced {
            write!(f, " {}.{}.{}", self.class(), e.subject, e.detail)?;
        }
        for line in self.text.lines() {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_the_code_on_each_line() {
        assert_eq!(written(&Reply::new(250, 2, 0, "Ok")), "250 2.2.0 Ok\r\n");
        assert_eq!(written(&Reply::new(550, 1, 1, "a\nb")), "550-5.1.1 a\r\n550 5.1.1 b\r\n");
        assert_eq!(written(&Reply::plain(250, "mx\nSIZE 1\nX")), "250-mx\r\n250-SIZE 1\r\n250 X\r\n");
        assert_eq!(written(&Reply::plain(354, "")), "354\r\n");
        assert_eq!(written(&Reply::plain(250, "\nx")), "250-\r\n250 x\r\n");
    }

    #[test]
    fn writes_nothing_but_printable_ascii() {
        assert_eq!(written(&Reply::plain(550, "a\r250 ok\x1b[1m\0é")), "550 a?250 ok?[1m??\r\n");
    }

    #[test]
    fn parts_long_lines_at_a_blank() {
        let text = "word ".repeat(300);
        let wire = written(&Reply::new(550, 7, 1, text));
        assert!(
            (3..=4).contains(&wire.lines().count())
                && wire.lines().all(|l| l.len() <= 510 && l[3..].starts_with([' ', '-']))
        );
        let wire = written(&Reply::new(550, 7, 1, "ü".repeat(600)));
        assert!(wire.lines().all(|l| l.len() <= 510));
    }
}
