//! Writes delivery status notifications (RFC 3464, RFC 6522): what the sender is told when a message cannot be delivered,
//! and, if it asked for that, when one was handed on or takes long.
//!
//! It names the alias that the sender wrote to and never the destination; remote words are passed through
//! [`Failure::reason`] already scrubbed by the caller's choice of what may be said. From MAILER-DAEMON, null
//! reverse-path, `Auto-Submitted: auto-replied`. What is returned is the received header, or what is still known of it, or
//! the whole message to a sender who asked for it, and never the prefix.
//!
//! All of it is 7-bit, unless an address is international: then the status part is of the global kind (RFC 6533).

mod returned;

use super::header::fields;
use super::wishes::{EnvelopeId, OriginalRecipient};
use super::{Domain, Mailbox, Moment};

/// Octets of the original header that a DSN returns at most.
pub const MAX_RETURNED_HEADER_OCTETS: usize = 32 * 1024;
/// Octets of a message that a DSN returns whole, where its sender asks for that (RET=FULL).
pub const MAX_RETURNED_MESSAGE_OCTETS: u64 = 50 * 1024;
/// Octets in a line of text that wrapping aims at.
const WANTED_LINE_OCTETS: usize = 76;
/// Octets of a reason that are told.
const MAX_REASON_OCTETS: usize = 500;
/// Octets of a Message-ID that is answered to.
const MAX_MESSAGE_ID_OCTETS: usize = 500;

/// One recipient that a report is about.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The alias, as the sender knows it.
    pub recipient: Mailbox,
    /// The enhanced status code, as three numbers (RFC 3463).
    pub status: (u8, u16, u16),
    /// What may be said of the reason: our own words.
    pub reason: String,
    /// ORCPT, as the sender gave it.
    pub original: Option<OriginalRecipient>,
}

/// What became of the mail to the recipients of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It failed for good.
    Failed,
    /// It was handed on to a system from which no report of success comes back.
    Relayed,
    /// It takes long.
    Delayed {
        /// And is given up about then.
        until: Moment,
    },
}

/// What a report gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// The header as received.
    Header(Vec<u8>),
    /// What is still known of the header.
    Fields(Vec<u8>),
    /// The whole message as received; its header is ASCII.
    Message(Vec<u8>),
}

/// A delivery status notification to be written.
#[derive(Debug, Clone)]
pub struct Dsn<'a> {
    /// Our host name: Reporting-MTA, and the domain of MAILER-DAEMON.
    pub host: &'a Domain,
    /// The original sender.
    pub to: &'a Mailbox,
    /// When it is written.
    pub at: Moment,
    /// When the message arrived.
    pub arrived: Moment,
    /// A unique text for Message-ID and the MIME boundary: letters, digits and hyphens.
    pub unique: &'a str,
    /// What became of it.
    pub action: Action,
    /// The recipients that it is about.
    pub failures: &'a [Failure],
    /// ENVID, as the sender gave it.
    pub envelope_id: Option<&'a EnvelopeId>,
    /// What is given back.
    pub returned: &'a Returned,
}

impl Dsn<'_> {
    /// The whole report as octets with CRLF line ends.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let mut report = Report::default();
        self.head(&mut report);
        self.explanation(&mut report);
        self.status(&mut report);
        match self.returned {
            Returned::Header(header) | Returned::Fields(header) => self.returned_header(header, &mut report),
            Returned::Message(message) => self.returned_message(message, &mut report),
        }
        report.line(&["--", &self.boundary(), "--"]);
        report.0
    }

    /// Whether an address cannot be written in ASCII.
    fn is_international(&self) -> bool {
        self.to.is_international() || self.failures.iter().any(|failure| failure.recipient.is_international())
    }

    /// Nobody can know `unique` before, so no part holds this line.
    fn boundary(&self) -> String {
        format!("=_{}", self.unique)
    }

    fn head(&self, report: &mut Report) {
        let host = self.host.as_str();
        report.line(&["From: Mail Delivery System <MAILER-DAEMON@", host, ">"]);
        report.line(&["To: <", &self.to.to_string(), ">"]);
        report.line(&["Subject: Your message ", self.action.in_short()]);
        report.line(&["Date: ", &self.at.rfc5322()]);
        report.line(&["Message-ID: <", self.unique, "@", host, ">"]);
        if let Some(id) = message_id(self.returned.octets()) {
            report.line(&["In-Reply-To: ", id]);
            report.line(&["References: ", id]);
        }
        report.line(&["Auto-Submitted: auto-replied"]);
        report.line(&["MIME-Version: 1.0"]);
        report.line(&["Content-Type: multipart/report; report-type=delivery-status;"]);
        report.line(&["\tboundary=\"", &self.boundary(), "\""]);
        if self.is_international() || self.returned.is_eight_bit() {
            report.line(&["Content-Transfer-Encoding: 8bit"]);
        }
        report.line(&[]);
    }

    fn explanation(&self, report: &mut Report) {
        let (charset, encoding) = if self.is_international() { ("utf-8", "8bit") } else { ("us-ascii", "7bit") };
        report.line(&["--", &self.boundary()]);
        report.line(&["Content-Type: text/plain; charset=", charset]);
        report.line(&["Content-Transfer-Encoding: ", encoding]);
        report.line(&[]);
        report.line(&["This is the mail system at ", self.host.as_str(), "."]);
        report.line(&[]);
        report.line(&[
            "Your message ",
            self.action.in_short(),
            match self.action {
                Action::Failed | Action::Delayed { .. } => " to:",
                Action::Relayed => " for:",
            },
        ]);
        for failure in self.failures {
            report.line(&[]);
            report.line(&["  ", &failure.recipient.to_string()]);
            report.wrapped("    ", &reason(failure));
        }
        report.line(&[]);
        let attached = match self.returned {
            Returned::Header(_) => "The header of your message is attached.",
            Returned::Fields(_) => "What is still known of its header is attached.",
            Returned::Message(_) => "Your message is attached.",
        };
        let outlook = match self.action {
            Action::Failed => "It will not be tried again. ".to_owned(),
            Action::Relayed => "Of its delivery there no report will come. ".to_owned(),
            Action::Delayed { until } => {
                report.line(&["This is a warning only: there is no need to send it again."]);
                format!("It is tried until {}. ", until.rfc5322())
            }
        };
        report.line(&[&outlook, attached]);
        report.line(&[]);
    }

    fn status(&self, report: &mut Report) {
        let international = self.is_international();
        let kind = if international { "global-delivery-status" } else { "delivery-status" };
        report.line(&["--", &self.boundary()]);
        report.line(&["Content-Type: message/", kind]);
        if international {
            report.line(&["Content-Transfer-Encoding: 8bit"]);
        }
        report.line(&[]);
        if let Some(id) = self.envelope_id {
            report.line(&["Original-Envelope-Id: ", &id.to_string()]);
        }
        report.line(&["Reporting-MTA: dns; ", self.host.as_str()]);
        report.line(&["Arrival-Date: ", &self.arrived.rfc5322()]);
        for failure in self.failures {
            let address = if failure.recipient.is_international() { "utf-8; " } else { "rfc822; " };
            let status = code(failure.status);
            report.line(&[]);
            if let Some(original) = &failure.original {
                report.line(&["Original-Recipient: ", &original.to_string()]);
            }
            report.line(&["Final-Recipient: ", address, &failure.recipient.to_string()]);
            report.line(&["Action: ", self.action.word()]);
            report.line(&["Status: ", &status]);
            if self.action == Action::Relayed {
                continue;
            }
            // Our own reply as a client would have had it; the status class fits the first digit (RFC 3463 §2).
            let reply = if failure.status.0 == 4 { "450 " } else { "550 " };
            report.wrapped("Diagnostic-Code: smtp; ", &[reply, &status, " ", &reason(failure)].concat());
            if let Action::Delayed { until } = self.action {
                report.line(&["Will-Retry-Until: ", &until.rfc5322()]);
            }
        }
        report.line(&[]);
    }

    fn returned_header(&self, header: &[u8], report: &mut Report) {
        report.line(&["--", &self.boundary()]);
        report.line(&["Content-Type: text/rfc822-headers"]);
        let returned = returned::cut(header, MAX_RETURNED_HEADER_OCTETS);
        if returned::is_seven_bit(returned) {
            report.line(&[]);
            report.0.extend_from_slice(returned);
        } else {
            // The one encoding that is foreseen for broken and international headers (RFC 6522 §4).
            report.line(&["Content-Transfer-Encoding: quoted-printable"]);
            report.line(&[]);
            returned::quote_printable(returned, &mut report.0);
        }
        report.line(&[]);
    }

    /// As it came: nothing else is allowed to a message within a message (RFC 2046 §5.2.1).
    fn returned_message(&self, message: &[u8], report: &mut Report) {
        report.line(&["--", &self.boundary()]);
        report.line(&["Content-Type: message/rfc822"]);
        if self.returned.is_eight_bit() {
            report.line(&["Content-Transfer-Encoding: 8bit"]);
        }
        report.line(&[]);
        report.0.extend_from_slice(message);
        report.line(&[]);
    }
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Relayed => "relayed",
            Self::Delayed { .. } => "delayed",
        }
    }

    const fn in_short(self) -> &'static str {
        match self {
            Self::Failed => "could not be delivered",
            Self::Relayed => "was handed on",
            Self::Delayed { .. } => "has not been delivered yet",
        }
    }
}

impl Returned {
    /// A header is always encoded, a message never.
    fn is_eight_bit(&self) -> bool {
        matches!(self, Self::Message(octets) if !octets.is_ascii())
    }

    /// Octets that begin with the header.
    fn octets(&self) -> &[u8] {
        match self {
            Self::Header(octets) | Self::Fields(octets) | Self::Message(octets) => octets,
        }
    }
}

fn code((class, subject, detail): (u8, u16, u16)) -> String {
    format!("{class}.{subject}.{detail}")
}

/// The reason on one line, in printable ASCII.
fn reason(failure: &Failure) -> String {
    let words = failure.reason.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(MAX_REASON_OCTETS).map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()
}

/// The Message-ID of the failed message, so that the report stands beside it (RFC 3834 §3.1.6); only a well-formed one.
fn message_id(header: &[u8]) -> Option<&str> {
    let (_, value) = fields(header).find(|(name, _)| name.eq_ignore_ascii_case(b"Message-ID"))?;
    let id = std::str::from_utf8(value).ok()?.trim();
    let inner = id.strip_prefix('<')?.strip_suffix('>')?;
    let fits = id.len() <= MAX_MESSAGE_ID_OCTETS && inner.contains('@');
    (fits && inner.chars().all(|c| c.is_ascii_graphic() && c != '<' && c != '>')).then_some(id)
}

/// The octets as they grow.
#[derive(Default)]
struct Report(Vec<u8>);

impl Report {
    fn line(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.0.extend_from_slice(part.as_bytes()));
        self.0.extend_from_slice(b"\r\n");
    }

    /// Wraps between words; every further line is indented, so that it also folds a field.
    fn wrapped(&mut self, indent: &str, text: &str) {
        let mut line = indent.to_owned();
        let mut begun = false;
        for word in text.split(' ') {
            if begun && line.len() + 1 + word.len() > WANTED_LINE_OCTETS {
                self.line(&[&line]);
                line = "    ".to_owned();
            } else if begun {
                line.push(' ');
            }
            line.push_str(word);
            begun = true;
        }
        self.line(&[&line]);
    }
}
