//! What a sender wants to hear of its message (RFC 3461): RET and ENVID for all of it, NOTIFY and ORCPT for each
//! recipient, and the xtext that they travel in.
//!
//! All that is kept is printable ASCII, whatever was escaped: it is written into fields of reports as it stands.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Mailbox;

/// Characters of an ENVID, decoded (RFC 3461 §4.4).
const MAX_ENVELOPE_ID: usize = 100;
/// Characters of an ORCPT, decoded (RFC 3461 §4.2).
const MAX_ORIGINAL_RECIPIENT: usize = 500;

/// What the sender of a delivery wants to hear of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// For the message.
    #[serde(flatten)]
    pub message: MessageWishes,
    /// For the recipient.
    #[serde(flatten)]
    pub recipient: RecipientWishes,
}

/// `RET` and `ENVID`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageWishes {
    /// What a report of failure returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Returned>,
    /// By which the sender knows its message again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<EnvelopeId>,
}

/// `NOTIFY` and `ORCPT`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientWishes {
    /// When the sender wants to hear anything; nothing said means of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// Whom the sender wrote to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalRecipient>,
}

/// `RET` (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Returned {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// `NOTIFY` (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// Nothing, ever.
    Never,
    /// Of these.
    Of {
        /// That the message was delivered, or handed on to where no more is reported.
        success: bool,
        /// That it was not.
        failure: bool,
        /// That it takes long.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        delay: bool,
    },
}

/// `ENVID`, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvelopeId(String);

/// `ORCPT`: a kind of address, and an address of that kind, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalRecipient {
    kind: String,
    address: String,
}

impl Wishes {
    /// Whether a failure is to be reported, as far as the sender has a say.
    #[must_use]
    pub fn want_failures(&self) -> bool {
        self.recipient.want_failures()
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

impl RecipientWishes {
    /// Whether a failure is to be reported, as far as the sender has a say.
    #[must_use]
    pub fn want_failures(&self) -> bool {
        self.notify.is_none_or(|notify| matches!(notify, Notify::Of { failure: true, .. }))
    }

    /// Whether success is to be reported, as far as the sender has a say.
    #[must_use]
    pub const fn want_success(&self) -> bool {
        matches!(self.notify, Some(Notify::Of { success: true, .. }))
    }

    /// Whether a delay is to be reported: only where the sender asks for it.
    #[must_use]
    pub const fn want_delay(&self) -> bool {
        matches!(self.notify, Some(Notify::Of { delay: true, .. }))
    }
}

impl Returned {
    /// `ret-value`.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let values = [("FULL", Self::Full), ("HDRS", Self::Headers)];
        values.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|(_, returned)| returned)
    }
}

impl Notify {
    /// As if nothing had been said.
    pub const FAILURE: Self = Self::Of { success: false, failure: true, delay: false };

    /// `notify-esmtp-value`: NEVER alone, or a list without it and without repetition.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        const WORDS: [&str; 3] = ["SUCCESS", "FAILURE", "DELAY"];
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::Never);
        }
        let mut seen = [false; WORDS.len()];
        for word in value.split(',') {
            let which = WORDS.iter().position(|known| known.eq_ignore_ascii_case(word))?;
            if std::mem::replace(&mut seen[which], true) {
                return None;
            }
        }
        let [success, failure, delay] = seen;
        Some(Self::Of { success, failure, delay })
    }
}

impl EnvelopeId {
    /// Decodes the xtext of a parameter.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        decode_xtext(value).filter(|id| id.len() <= MAX_ENVELOPE_ID).map(Self)
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OriginalRecipient {
    /// Parses `addr-type ";" xtext`. An address of the kind `utf-8` keeps, or gets, its form in ASCII (RFC 6533 §3).
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (kind, text) = value.split_once(';')?;
        let is_atom = !kind.is_empty() && kind.bytes().all(|octet| is_atext(octet) || octet == b'.');
        let address = if kind.eq_ignore_ascii_case("utf-8") { utf8_text(text) } else { decode_xtext(text)? };
        let fits = is_atom && (1..=MAX_ORIGINAL_RECIPIENT).contains(&address.len());
        fits.then(|| Self { kind: kind.to_ascii_lowercase(), address })
    }
}

impl fmt::Display for OriginalRecipient {
    /// As the field `Original-Recipient` of a report writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.kind, self.address)
    }
}

/// Appends an address as the value of ORCPT: `rfc822;` and xtext, or `utf-8;` and its form in ASCII.
pub fn write_original_recipient(address: &Mailbox, out: &mut Vec<u8>) {
    let text = address.to_string();
    if text.is_ascii() {
        out.extend_from_slice(b"rfc822;");
        return encode_xtext(&text, out);
    }
    out.extend_from_slice(b"utf-8;");
    out.extend_from_slice(utf8_text(&text.replace('+', "\\x{2B}").replace('=', "\\x{3D}")).as_bytes());
}

fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// Whether a character of xtext stands for itself (RFC 3461 §4: `xchar`).
fn is_xchar(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b'+' && octet != b'='
}

/// `utf-8-addr-xtext`: what is not printable ASCII becomes `\x{…}`.
fn utf8_text(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_ascii_graphic() {
            out.push(c)
        } else {
            out.push_str(&format!("\\x{{{:X}}}", u32::from(c)))
        }
        out
    })
}

/// The text that `utf-8-addr-xtext` stands for (RFC 6533 §3).
pub(super) fn decode_utf8_text(text: &str) -> Option<String> {
    let mut parts = text.split("\\x{");
    let mut decoded = parts.next()?.to_owned();
    for part in parts {
        let (number, rest) = part.split_once('}')?;
        decoded.push(u32::from_str_radix(number, 16).ok().and_then(char::from_u32)?);
        decoded.push_str(rest);
    }
    Some(decoded)
}

/// `xtext`, where it stands for printable ASCII: a line end in disguise is refused.
pub(super) fn decode_xtext(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let octet = if octet == b'+' { hex(octets.next()?)? << 4 | hex(octets.next()?)? } else { octet };
        if !(b' '..=b'~').contains(&octet) {
            return None;
        }
        decoded.push(char::from(octet));
    }
    (!decoded.is_empty()).then_some(decoded)
}

/// `hexchar` knows upper case only; lower case is taken too, since some send it.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn encode_xtext(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for octet in text.bytes() {
        if is_xchar(octet) {
            out.push(octet);
        } else {
            out.extend_from_slice(&[b'+', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 0xf)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn notify_is_never_or_a_list() {
        let table = [
            ("never", Some(Notify::Never)),
            ("FAILURE", Some(Notify::FAILURE)),
            ("success,failure,delay", Some(Notify::Of { success: true, failure: true, delay: true })),
            ("DELAY", Some(Notify::Of { success: false, failure: false, delay: true })),
            ("SUCCESS", Some(Notify::Of { success: true, failure: false, delay: false })),
            ("NEVER,FAILURE", None),
            ("FAILURE,FAILURE", None),
            ("FAILURE,", None),
            ("", None),
            ("ALWAYS", None),
        ];
        for (value, expected) in table {
            assert_eq!(Notify::parse(value), expected, "{value}");
        }
    }

    #[test]
    fn nothing_escaped_can_start_a_field() {
        for value in ["a+0D+0ABcc:", "a+0", "a+", "a+GG", "+00", "+7F", "+80", ""] {
            assert_eq!(EnvelopeId::parse(value), None, "{value}");
            assert_eq!(OriginalRecipient::parse(&format!("rfc822;{value}")), None, "{value}");
        }
        assert_eq!(EnvelopeId::parse("QQ+2B1+3D+20x").unwrap().to_string(), "QQ+1= x");
        assert_eq!(EnvelopeId::parse(&"x".repeat(101)), None);
    }

    #[test]
    fn an_original_recipient_has_a_kind() {
        let shown = |value| OriginalRecipient::parse(value).map(|original| original.to_string());
        assert_eq!(shown("RFC822;a+2Bb@c.example").as_deref(), Some("rfc822; a+b@c.example"));
        assert_eq!(shown("x400;/S=x").as_deref(), Some("x400; /S=x"));
        assert_eq!(shown("utf-8;\\x{E9}@c.example").as_deref(), Some("utf-8; \\x{E9}@c.example"));
        assert_eq!(shown("utf-8;é@c.example").as_deref(), Some("utf-8; \\x{E9}@c.example"));
        for value in ["a@c.example", ";a@c.example", "rfc822;", "rf c;a", "rfc822\r;a", "rfc822;é"] {
            assert_eq!(shown(value), None, "{value}");
        }
        assert_eq!(shown(&format!("rfc822;{}", "x".repeat(501))), None);
    }

    proptest! {
        #[test]
        fn what_is_written_as_orcpt_is_read_back(local in "[a-z+=/!]{1,20}") {
            let mailbox = Mailbox::parse(&format!("{local}@c.example")).unwrap();
            let mut out = Vec::new();
            write_original_recipient(&mailbox, &mut out);
            let value = String::from_utf8(out).unwrap();
            prop_assert!(!value.contains(['+', '=']) || value.contains("+2B") || value.contains("+3D"));
            let read = OriginalRecipient::parse(&value).unwrap();
            prop_assert_eq!(read.to_string(), format!("rfc822; {mailbox}"));
        }

        #[test]
        fn whatever_is_read_is_printable(value in "\\PC{0,40}") {
            for shown in [
                EnvelopeId::parse(&value).map(|id| id.to_string()),
                OriginalRecipient::parse(&value).map(|original| original.to_string()),
                OriginalRecipient::parse(&format!("utf-8;{value}")).map(|original| original.to_string()),
            ].into_iter().flatten() {
                prop_assert!(shown.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{}", shown);
            }
        }
    }
}
