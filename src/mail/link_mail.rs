//! The words of the mail that brings a link to an inbox: it asks whether the inbox wants to be a destination, or lets somebody
//! set a new password. One link, and no word of anybody but the gateway, the domain in whose name it writes and the account.

use super::{Domain, Mailbox, Moment};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFor {
    /// An inbox says yes to being a destination.
    Verification,
    /// Somebody who forgot their password sets a new one.
    NewPassword,
}

impl LinkFor {
    /// The subject, which the log shows too.
    #[must_use]
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Verification => "Is this inbox yours?",
            Self::NewPassword => "Set a new password",
        }
    }
}

/// What it says it of.
#[derive(Debug, Clone)]
pub struct LinkMail<'a> {
    /// What its link is for.
    pub link_for: LinkFor,
    /// Our host name.
    pub host: &'a Domain,
    /// Postmaster of the domain in whose name it is written.
    pub from: &'a Mailbox,
    /// The inbox that is asked, or the address of the account.
    pub to: &'a Mailbox,
    /// Until when the link is good.
    pub until: Moment,
    /// Where the button is.
    pub link: &'a str,
}

impl LinkMail<'_> {
    /// The text, a line each.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let ([asked, of_what, whose], otherwise) = self.words();
        vec![
            asked,
            of_what,
            whose,
            String::new(),
            match self.link_for {
                LinkFor::Verification => "If you asked for it, open this page and press its button:".to_owned(),
                LinkFor::NewPassword => "If it was you, open this page and choose one:".to_owned(),
            },
            String::new(),
            self.link.to_owned(),
            String::new(),
            "The link works once, until".to_owned(),
            format!("{}.", self.until.rfc5322()),
            String::new(),
            otherwise.to_owned(),
        ]
    }

    /// What was asked for, a line each; and what happens if nobody opens the link.
    fn words(&self) -> ([String; 3], &'static str) {
        match self.link_for {
            LinkFor::Verification => (
                [
                    format!("The mail gateway {}", self.host),
                    "was asked to send mail on to this inbox, in the name of".to_owned(),
                    format!("{}.", self.from.host()),
                ],
                "If you did not ask for it, do nothing: no mail comes here then.",
            ),
            LinkFor::NewPassword => (
                [
                    format!("At the mail gateway {}", self.host),
                    "somebody wants to set a new password for the account".to_owned(),
                    format!("{}.", self.to),
                ],
                "If it was not you, do nothing: your password stays as it is.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::letter::Letter;

    fn written(link_for: LinkFor, to: &str) -> String {
        let host = Domain::parse("gw.example").unwrap();
        let (from, to) = (Mailbox::parse("postmaster@my.example").unwrap(), Mailbox::parse(to).unwrap());
        let at = Moment::from_millis(1_795_373_784_000);
        let until = at.after(std::time::Duration::from_secs(3 * 86_400));
        let link = "https://gw.example/verify/secret";
        let text = LinkMail { link_for, host: &host, from: &from, to: &to, until, link }.text();
        let (from, to, subject) = (&from, &to, link_for.subject());
        let letter = Letter { host: &host, from, to, at, unique: "one", subject, text: &text };
        String::from_utf8(letter.octets()).unwrap()
    }

    #[test]
    fn it_is_plain_and_says_who_asks_and_nothing_of_anybody_else() {
        let mail = written(LinkFor::Verification, "anna@inbox.example");
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
    fn a_new_password_is_for_the_account_that_it_names() {
        let mail = written(LinkFor::NewPassword, "anna@my.example");
        assert!(
            mail.contains("\r\nSubject: Set a new password\r\n") && mail.contains("\r\nanna@my.example.\r\n"),
            "{mail}"
        );
        assert!(mail.is_ascii() && mail.split("\r\n").all(|line| line.len() <= 78), "{mail}");
    }
}
