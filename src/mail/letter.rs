//! A mail of the gateway itself: plain text from postmaster, `Auto-Submitted: auto-generated` (RFC 3834).
//!
//! All of it is 7-bit, unless the address that it goes to is international: letters beyond ASCII are encoded (RFC 2045, RFC
//! 2047), so that a next hop without SMTPUTF8 takes it too. Whatever words stand in it, and whoever chose them, no line of
//! the header and no control character comes of them.

use super::{Domain, Mailbox, Moment};

/// Lines are broken between words to be no longer than this (RFC 5322 §2.1.1).
const WIDTH: usize = 76;
/// And where no word ends, here: a line may have 998 octets.
const LONGEST: usize = 900;
/// Characters of a subject.
const LONGEST_SUBJECT: usize = 120;
/// What our own words are set in, beside letters and digits.
const SET_IN: &str = "“”‘’…–—→·×";
/// Octets of an encoded line before its soft break, and of what one encoded word carries: either keeps its line within 76
/// (RFC 2045 §6.7, RFC 2047 §2).
const ENCODED: usize = 52;

/// A mail to be written.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    /// Our host name, which the Message-ID ends with.
    pub host: &'a Domain,
    /// Postmaster of the domain in whose name it is written.
    pub from: &'a Mailbox,
    /// Who gets it.
    pub to: &'a Mailbox,
    /// When it is written.
    pub at: Moment,
    /// A unique text for Message-ID: letters, digits and hyphens.
    pub unique: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// What it says, a paragraph or a line each.
    pub text: &'a [String],
}

impl Letter<'_> {
    /// The Message-ID.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.unique, self.host)
    }

    /// The whole mail as octets with CRLF line ends.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let mut text: Vec<String> = self.text.iter().flat_map(|line| wrapped(&inert(line))).collect();
        let content = match (self.to.is_international(), text.iter().all(|line| line.is_ascii())) {
            (true, _) => ("utf-8", "8bit"),
            (false, true) => ("us-ascii", "7bit"),
            (false, false) => ("utf-8", "quoted-printable"),
        };
        if content.1 == "quoted-printable" {
            text = text.iter().map(|line| parts(line, (quoted, ENCODED)).join("=\r\n")).collect();
        }
        let lines = self.header(content).into_iter().chain([String::new()]).chain(text);
        lines.flat_map(|line| line.into_bytes().into_iter().chain(*b"\r\n")).collect()
    }

    fn header(&self, (charset, encoding): (&str, &str)) -> Vec<String> {
        let mut subject = cut(inert(self.subject));
        if !subject.is_ascii() && !self.to.is_international() {
            let word = |part: &String| format!("=?utf-8?Q?{part}?=");
            subject = parts(&subject, (quoted_word, ENCODED)).iter().map(word).collect::<Vec<_>>().join("\r\n ");
        }
        vec![
            format!("From: Waypost <{}>", self.from),
            format!("To: <{}>", self.to),
            format!("Subject: {subject}"),
            format!("Date: {}", self.at.rfc5322()),
            format!("Message-ID: {}", self.message_id()),
            "Auto-Submitted: auto-generated".to_owned(),
            "MIME-Version: 1.0".to_owned(),
            format!("Content-Type: text/plain; charset={charset}"),
            format!("Content-Transfer-Encoding: {encoding}"),
        ]
    }
}

/// Printable ASCII, letters, digits and what our own words are set in; each other character is a question mark.
fn inert(text: &str) -> String {
    let is_inert = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() || SET_IN.contains(c);
    text.chars().map(|c| if is_inert(c) { c } else { '?' }).collect()
}

/// A subject that is too long ends with a word, and with a mark that says so.
fn cut(subject: String) -> String {
    let Some((end, _)) = subject.char_indices().nth(LONGEST_SUBJECT) else { return subject };
    let kept = &subject[..end];
    let word = kept.rfind(' ').or_else(|| Some(kept.char_indices().next_back()?.0));
    format!("{}…", kept[..word.unwrap_or(end)].trim_end())
}

/// The text, each character as `encode` has it, cut between characters into parts of so many octets.
fn parts(text: &str, (encode, longest): (fn(char) -> String, usize)) -> Vec<String> {
    let mut parts = vec![String::new()];
    for encoded in text.chars().map(encode) {
        match parts.last_mut() {
            Some(last) if last.len() + encoded.len() <= longest => last.push_str(&encoded),
            _ => parts.push(encoded),
        }
    }
    parts
}

/// Quoted-printable (RFC 2045 §6.7); no line of ours ends with a blank.
fn quoted(c: char) -> String {
    if c.is_ascii() && c != '=' { c.to_string() } else { hex(c) }
}

/// Within an encoded word (RFC 2047 §4.2).
fn quoted_word(c: char) -> String {
    if c == ' ' {
        "_".to_owned()
    } else if c.is_ascii_alphanumeric() {
        c.to_string()
    } else {
        hex(c)
    }
}

fn hex(c: char) -> String {
    c.encode_utf8(&mut [0; 4]).bytes().map(|octet| format!("={octet:02X}")).collect()
}

/// Broken between words; what is indented goes on as far in.
fn wrapped(line: &str) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let margin = " ".repeat(indent.min(WIDTH / 2));
    let mut lines = vec![String::new()];
    for word in line.split(' ').filter(|word| !word.is_empty()).flat_map(pieces) {
        match lines.last_mut() {
            Some(last) if last.len() > margin.len() && last.len() + 1 + word.len() <= WIDTH => {
                last.push(' ');
                last.push_str(&word);
            }
            Some(last) if last.is_empty() => *last = format!("{margin}{word}"),
            _ => lines.push(format!("{margin}{word}")),
        }
    }
    lines
}

fn pieces(word: &str) -> Vec<String> {
    parts(word, (String::from, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(to: &str, subject: &str, text: &[&str]) -> String {
        let text: Vec<_> = text.iter().map(|line| (*line).to_owned()).collect();
        let letter = Letter {
            host: &Domain::parse("gw.example").unwrap(),
            from: &Mailbox::parse("postmaster@my.example").unwrap(),
            to: &Mailbox::parse(to).unwrap(),
            at: Moment::from_millis(1_795_373_784_000),
            unique: "one",
            subject,
            text: &text,
        };
        String::from_utf8(letter.octets()).unwrap()
    }

    #[test]
    fn words_of_strangers_are_words_and_nothing_else() {
        let hostile = "550 no\r\nBcc: x@evil.example\r\n.\r\n\u{1b}[31m\u{202e}";
        let mail = written("anna@inbox.example", hostile, &[hostile]);
        assert!(mail.contains("Subject: 550 no??Bcc: x@evil.example??.???[31m?\r\n"), "{mail}");
        assert!(mail.is_ascii() && !mail.contains("\nBcc") && !mail.contains("\r\n.\r\n"), "{mail}");
        assert_eq!(mail.matches("\r\n\r\n").count(), 1, "{mail}");
    }

    #[test]
    fn lines_are_broken_between_words_and_none_is_longer_than_mail_allows() {
        let long = "x".repeat(2500);
        let mail =
            written("anna@inbox.example", "s", &[&"word ".repeat(40), "", &long, &format!("  {}", "a ".repeat(50))]);
        let body = mail.split_once("\r\n\r\n").unwrap().1;
        assert!(body.lines().all(|line| line.len() <= 998), "{body}");
        assert!(body.lines().filter(|line| line.contains("word")).all(|line| line.len() <= WIDTH), "{body}");
        assert!(body.lines().filter(|line| line.contains('a')).all(|line| line.starts_with("  a")), "{body}");
        assert_eq!(body.matches('x').count(), 2500);
    }

    #[test]
    fn letters_beyond_ascii_go_in_seven_bits() {
        let mail = written("anna@inbox.example", "DNS of bücher.example differ", &["bücher = books", &"ü".repeat(300)]);
        assert!(mail.is_ascii(), "{mail}");
        assert!(mail.contains("Subject: =?utf-8?Q?DNS_of_b=C3=BCcher=2Eexample_differ?=\r\n"), "{mail}");
        assert!(mail.contains("charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"), "{mail}");
        assert!(mail.contains("\r\n\r\nb=C3=BCcher =3D books\r\n"), "{mail}");
        assert!(mail.lines().all(|line| line.len() <= WIDTH), "{mail}");
        assert_eq!(mail.matches("=C3=BC").count(), 302);
        let long = written("anna@inbox.example", &"ü".repeat(40), &["t"]);
        assert!(long.lines().all(|line| line.len() <= WIDTH) && long.contains("?=\r\n =?utf-8?Q?"), "{long}");
        assert!(long.contains("charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n"), "{long}");
    }

    #[test]
    fn what_our_own_words_are_set_in_is_no_question_mark() {
        let mail = written("anna@inbox.example", "“a” … b", &["Try “dig gmail.com MX” – it’s → here…"]);
        assert!(mail.contains("Content-Transfer-Encoding: quoted-printable\r\n") && !mail.contains("??"), "{mail}");
        let body = mail.replace("=\r\n", "");
        let quoted = "Try =E2=80=9Cdig gmail.com MX=E2=80=9D =E2=80=93 it=E2=80=99s =E2=86=92 here=E2=80=A6\r\n";
        assert!(body.contains(quoted), "{mail}");
        assert!(mail.contains("Subject: =?utf-8?Q?=E2=80=9Ca=E2=80=9D_=E2=80=A6_b?=\r\n"), "{mail}");
    }

    #[test]
    fn a_long_subject_is_cut_at_a_word_and_says_so() {
        let mail = written("änne@inbox.example", &"word ".repeat(40), &["t"]);
        let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        assert_eq!(subject, format!("{}…", "word ".repeat(24).trim_end()));
        let mail = written("anna@inbox.example", &"word ".repeat(40), &["t"]);
        assert!(mail.contains("word=E2=80=A6?=\r\n") && mail.lines().all(|line| line.len() <= WIDTH), "{mail}");
        let whole = "x".repeat(120);
        assert!(written("anna@inbox.example", &whole, &["t"]).contains(&format!("Subject: {whole}\r\n")));
        let one = written("änne@inbox.example", &"x".repeat(121), &["t"]);
        assert!(one.contains(&format!("Subject: {}…\r\n", "x".repeat(119))), "{one}");
    }

    #[test]
    fn an_international_address_gets_it_in_eight_bits() {
        let mail = written("änne@inbox.example", "bücher", &["bücher"]);
        assert!(mail.contains("charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nbücher\r\n"), "{mail}");
        assert!(mail.contains("Subject: bücher\r\n"), "{mail}");
    }
}
