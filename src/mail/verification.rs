//! Writes the mail that asks an inbox whether it wants to be a destination: plain text with one link, and no word of anybody
//! but the gateway and the domain in whose name it writes. From postmaster, `Auto-Submitted: auto-generated` (RFC 3834).
//!
//! All of it is 7-bit, unless the inbox's own address is international.

use super::{Domain, Mailbox, Moment};

/// A mail to be written.
#[derive(Debug, Clone)]
pub struct Verification<'a> {
    /// Our host name, which the Message-ID ends with.
    pub host: &'a Domain,
    /// Postmaster of the domain in whose name it is written.
    pub from: &'a Mailbox,
    /// The inbox that is asked.
    pub to: &'a Mailbox,
    /// When it is written.
    pub at: Moment,
    /// Until when the link is good.
    pub until: Moment,
    /// A unique text for Message-ID: letters, digits and hyphens.
    pub unique: &'a str,
    /// Where the button is.
    pub link: &'a str,
}

/// What the log shows of it.
pub const SUBJECT: &str = "Is this inbox yours?";

impl Verification<'_> {
    /// The Message-ID.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.unique, self.host)
    }

    /// The whole mail as octets with CRLF line ends.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let lines = self.header().into_iter().chain([String::new()]).chain(self.text());
        lines.flat_map(|line| line.into_bytes().into_iter().chain(*b"\r\n")).collect()
    }

    fn header(&self) -> Vec<String> {
        let international = self.to.is_international();
        let (charset, encoding) = if international { ("utf-8", "8bit") } else { ("us-ascii", "7bit") };
        vec![
            format!("From: Waypost <{}>", self.from),
            format!("To: <{}>", self.to),
            format!("Subject: {SUBJECT}"),
            format!("Date: {}", self.at.rfc5322()),
            format!("Message-ID: {}", self.message_id()),
            "Auto-Submitted: auto-generated".to_owned(),
            "MIME-Version: 1.0".to_owned(),
            format!("Content-Type: text/plain; charset={charset}"),
            format!("Content-Transfer-Encoding: {encoding}"),
        ]
    }

    fn text(&self) -> Vec<String> {
        let domain = self.from.host();
        vec![
            format!("The mail gateway {}", self.host),
            "was asked to send mail on to this inbox, in the name of".to_owned(),
            format!("{domain}."),
            String::new(),
            "If you asked for it, open this page and press its button:".to_owned(),
            String::new(),
            self.link.to_owned(),
            String::new(),
            "The link works once, until".to_owned(),
            format!("{}.", self.until.rfc5322()),
            String::new(),
            "If you did not ask for it, do nothing: no mail comes here then.".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(to: &str) -> String {
        let host = Domain::parse("gw.example").unwrap();
        let at = Moment::from_millis(1_795_373_784_000);
        let mail = Verification {
            host: &host,
            from: &Mailbox::parse("postmaster@my.example").unwrap(),
            to: &Mailbox::parse(to).unwrap(),
            at,
            until: at.after(std::time::Duration::from_secs(3 * 86_400)),
            unique: "one",
            link: "https://gw.example/verify/secret",
        };
        String::from_utf8(mail.octets()).unwrap()
    }

    #[test]
    fn it_is_plain_and_says_who_asks_and_nothing_of_anybody_else() {
        let mail = written("anna@inbox.example");
        let (header, text) = mail.split_once("\r\n\r\n").unwrap();
        for field in [
            "From: Waypost <postmaster@my.example>",
            "To: <anna@inbox.example>",
            "Message-ID: <one@gw.example>",
            "Auto-Submitted: auto-generated",
            "Content-Transfer-Encoding: 7bit",
        ] {
            assert!(header.split("\r\n").any(|line| line == field), "{field}: {header}");
        }
        assert!(text.contains("\r\nhttps://gw.example/verify/secret\r\n") && text.contains("\r\nmy.example.\r\n"));
        assert!(mail.is_ascii() && mail.split("\r\n").all(|line| line.len() <= 78 && !line.contains('\n')), "{mail}");
    }

    #[test]
    fn an_international_inbox_gets_it_in_eight_bits() {
        assert!(written("änne@inbox.example").contains("charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"));
    }
}
