//! Reads reports that mail could not be delivered, as the systems of the world write them: RFC 3464 inside RFC 6522, its
//! international kind (RFC 6533), and the shapes of those who write prose instead (qmail, Exim, sendmail, Yahoo).
//!
//! A report of delay, of success or of handing on is none, nor is an answer of a holiday: those give `None`. What is read
//! was written by a stranger: it is bounded in octets, parts and recipients, and no more is believed of it than what the
//! caller can tie to a delivery of its own.

mod original;
mod prose;
mod status;

use mail_parser::{MessageParser, MessagePart};

use super::header::fields;
use super::{Domain, Mailbox};
pub use original::Original;

/// Octets of a report that are read; what is told stands in front, and the returned message behind it.
pub const MAX_READ_OCTETS: usize = 256 * 1024;
/// Containers within one another, and parts in all, that are looked into.
const MAX_DEPTH: usize = 8;
const MAX_PARTS: usize = 64;
/// Recipients of one report.
const MAX_RECIPIENTS: usize = 100;
/// Octets kept of what the remote says of a recipient.
const MAX_WORDS_OCTETS: usize = 1000;

/// A report of failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Who reports: the name of its system.
    pub reporter: Option<String>,
    /// `Original-Envelope-Id`.
    pub envelope_id: Option<String>,
    /// Whom the message did not reach; at least one.
    pub failed: Vec<FailedRecipient>,
    /// What is returned of the message.
    pub original: Original,
}

/// Whom the message did not reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedRecipient {
    /// As the sender of the message, and as the reporter, call it.
    pub addresses: Vec<Mailbox>,
    /// The enhanced status code (RFC 3463).
    pub status: Option<(u8, u16, u16)>,
    /// What the remote says, on one line.
    pub words: String,
}

impl FailedRecipient {
    /// Whether nothing is said of the reason but a status code.
    fn is_unexplained(&self) -> bool {
        self.words.is_empty() || code(&self.words).is_some()
    }
}

/// Reads a report, of which `octets` are the first; `host` is our own name, to know our own trace fields.
#[must_use]
pub fn read(octets: &[u8], host: &Domain) -> Option<Report> {
    let octets = &octets[..octets.len().min(MAX_READ_OCTETS)];
    let message = MessageParser::new().max_depth(MAX_DEPTH).max_parts(MAX_PARTS).parse(octets)?;
    let mut parts = Parts::default();
    parts.gather(message.root_part());
    let mut report = match &parts.status {
        Some(status) => prose::explain(status::read(status), &parts.prose),
        None => prose::read(&parts.prose),
    };
    let prose_original = || prose::original(&parts.prose);
    if let Some(header) = parts.original.as_deref().or_else(prose_original) {
        report.original.read(header, host);
    }
    report.failed.truncate(MAX_RECIPIENTS);
    (!report.failed.is_empty()).then_some(report)
}

/// Whether a header says that nobody wrote the message (RFC 3834 §5), and not that it is a report (RFC 6522).
#[must_use]
pub fn is_automatic_answer(header: &[u8]) -> bool {
    let begins = |name: &[u8], with: &[u8]| {
        let mut named = fields(header).filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = named.next().map(|(_, value)| value.trim_ascii_start());
        value.and_then(|value| value.get(..with.len())).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    };
    begins(b"Auto-Submitted", b"auto-") && !begins(b"Content-Type", b"multipart/report")
}

/// What a report is made of.
#[derive(Debug, Default)]
struct Parts {
    /// The part for machines.
    status: Option<String>,
    /// The parts for people.
    prose: String,
    /// What is returned of the message.
    original: Option<Vec<u8>>,
}

impl Parts {
    /// Looks into containers, but never into a returned message: a report in there is not this one.
    fn gather(&mut self, part: MessagePart<'_>) {
        if part.is_multipart() {
            part.children().for_each(|child| self.gather(child));
            return;
        }
        let text = || String::from_utf8_lossy(&part.decoded()).into_owned();
        let kind = part.content_type();
        let name = kind.map(|kind| (kind.ctype(), kind.subtype().unwrap_or_default()));
        match name.unwrap_or(("text", "plain")) {
            ("message", "delivery-status" | "global-delivery-status") if self.status.is_none() => {
                self.status = Some(text());
            }
            ("message", "rfc822" | "global" | "rfc822-headers" | "global-headers") | ("text", "rfc822-headers")
                if self.original.is_none() =>
            {
                self.original = Some(part.decoded().into_owned());
            }
            ("text", "plain") => self.prose.push_str(&text()),
            _ => {}
        }
    }
}

/// Blanks and line ends become one blank; nothing is left that could steer a terminal; not too long.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = words.floor_char_boundary(MAX_WORDS_OCTETS);
    super::header::printable(&words[..cut]).unwrap_or_default()
}

/// The first enhanced status code among the words, with nothing but punctuation around it.
fn code_in(text: &str) -> Option<(u8, u16, u16)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(code)
}

/// A status that says nothing gives way to a code among the words.
fn status_or_in(words: &str, status: Option<(u8, u16, u16)>) -> Option<(u8, u16, u16)> {
    status.filter(|(_, subject, _)| *subject != 0).or_else(|| code_in(words)).or(status)
}

/// `class.subject.detail` (RFC 3463 §2).
fn code(text: &str) -> Option<(u8, u16, u16)> {
    let mut numbers = text.trim_end_matches('.').split('.');
    let class = numbers.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    let mut number = || numbers.next().filter(|text| text.len() <= 3)?.parse().ok();
    let (subject, detail) = (number()?, number()?);
    numbers.next().is_none().then_some((class, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_among_words() {
        assert_eq!(code_in("Sorry, no mailbox here by that name. (#5.1.1)"), Some((5, 1, 1)));
        assert_eq!(code_in("550-5.7.26 from [192.0.2.1] at 1.2.3.4.5"), Some((5, 7, 26)));
        assert_eq!(code_in("host 127.0.0.1 said 550 in 5 minutes."), None);
        assert_eq!(code("5.1.1000"), None);
    }
}
