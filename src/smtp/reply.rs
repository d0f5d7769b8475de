//! Replies: three digits, an enhanced code of the same class, and text (RFC 5321 §4.2, RFC 2034, RFC 3463).
//!
//! The class of a reply of ours is the first digit of its code and of its enhanced code, which therefore cannot disagree.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

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

    /// Appends the reply as it goes over the wire: lines of at most 512 octets, the enhanced code on each, no control
    /// characters from the text.
    pub fn write(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!("protocol")
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

/// Octets in one line of a remote reply that are kept; RFC 5321 §4.5.3.1.5 allows 512, servers send more.
pub const MAX_REPLY_LINE_OCTETS: usize = 2048;
/// Lines of one remote reply.
pub const MAX_REPLY_LINES: usize = 128;

/// Why a remote server's octets are no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Not three digits and blank or hyphen.
    #[error("the reply is garbled")]
    Garbled,
    /// The lines of one reply have different codes.
    #[error("the lines of the reply have different codes")]
    MixedCodes,
    /// Over [`MAX_REPLY_LINE_OCTETS`] or [`MAX_REPLY_LINES`].
    #[error("the reply does not end")]
    Endless,
}

/// Takes one whole reply from the front of `input`; `None` if it is not all there yet. Text is made printable UTF-8
/// (control characters replaced), an enhanced code of the same class is taken off the front of the first line.
pub fn take_reply(input: &mut bytes::BytesMut) -> Result<Option<Reply>, ReplyError> {
    let _ = input;
    todo!("protocol")
}
