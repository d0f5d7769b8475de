//! Whose fault is a refusal? One table for direct and queue alike (DESIGN section 4).

use std::ops::RangeInclusive;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::mail::ReversePath;
use crate::smtp::reply::{Enhanced, Reply};

/// "Service not available, closing transmission channel": speaks of the site wherever it is said (RFC 5321 §3.8).
const SHUTTING_DOWN: u16 = 421;

/// Whether another server said these words: a reply begins with its code (RFC 5321 §4.2), and all else is words of ours.
#[must_use]
pub fn is_reply(words: &str) -> bool {
    let Some((code, rest)) = words.split_at_checked(3) else { return false };
    let is_code = code.starts_with(['2', '3', '4', '5']) && code.bytes().all(|octet| octet.is_ascii_digit());
    is_code && (rest.is_empty() || rest.starts_with([' ', '-']))
}

/// How far a transaction with a next hop had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looking up its exchangers.
    Resolve,
    /// Connecting.
    Connect,
    /// Greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS or the handshake.
    Tls,
    /// Signing in at a relay.
    SignIn,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// Sending content, before the final dot was written.
    Content,
    /// After the final dot was written.
    Dot,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttemptFault)]
pub enum Fault {
    /// The message: refuse the sender, same class and detail, our words.
    Message,
    /// The mailbox: refuse with 5.2.x, tell the owner, remember the destination as failing for 10 min.
    Mailbox,
    /// Us: never refuse; queue, hold the site, alert the owner.
    Us,
}

/// What became of one recipient of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop said 2yz to the final dot.
    Delivered {
        /// What it said.
        reply: Reply,
    },
    /// It said 5yz, and that is the end of it.
    Refused {
        /// Where.
        stage: Stage,
        /// What it said.
        reply: Reply,
        /// Whose fault.
        fault: Fault,
    },
    /// It may go later.
    Deferred {
        /// Where.
        stage: Stage,
        /// What the next hop said, where it spoke.
        reply: Option<Reply>,
        /// In our words: `connection refused`, `no answer within 30 s`.
        reason: String,
        /// Whether it speaks of the site (anything before RCPT, or 421) rather than of this message.
        of_site: bool,
    },
    /// The connection was lost after our final dot: it may have been delivered. Next try at least 5 min later.
    Unknown {
        /// In our words.
        reason: String,
    },
}

impl fmt::Display for Outcome {
    /// One sentence for the owner: the remote's own words where it spoke.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { reply } => write!(f, "The next hop took it: {reply}"),
            Self::Refused { stage: Stage::Resolve | Stage::Connect, reply, .. } => {
                write!(f, "There is no way to the destination: {reply}")
            }
            Self::Refused { reply, .. } => write!(f, "The next hop refused it: {reply}"),
            Self::Deferred { reply: Some(reply), .. } if reply.is_permanent() => {
                write!(f, "The next hop refuses this server, and is asked again: {reply}")
            }
            Self::Deferred { reply: Some(reply), .. } => write!(f, "The next hop deferred it: {reply}"),
            Self::Deferred { reason, .. } => write!(f, "It could not be delivered yet: {reason}"),
            Self::Unknown { reason } => write!(f, "It may have been delivered: {reason}"),
        }
    }
}

impl Outcome {
    /// Whose fault a refusal is.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        match self {
            Self::Refused { fault, .. } => Some(*fault),
            _ => None,
        }
    }

    /// Why the message was not offered, where what the next hop offers (EHLO) leaves no way: it said none of this itself.
    #[must_use]
    pub fn not_offered(&self) -> Option<&str> {
        match self {
            Self::Refused { stage: Stage::Hello, reply, fault: Fault::Message } => Some(reply.text()),
            _ => None,
        }
    }

    /// What it proves of the destination's whole domain: whether it takes mail. A failure for now proves nothing.
    #[must_use]
    pub fn proves_of_domain(&self) -> Option<bool> {
        match self {
            Self::Delivered { .. } => Some(true),
            // No such domain, a null MX, no address; not a domain whose mail would only come back to us.
            Self::Refused { stage: Stage::Resolve, reply, .. } => {
                reply.enhanced().is_some_and(|e| e.subject == 1).then_some(false)
            }
            _ => None,
        }
    }

    /// The next hop's words where it says at RCPT, in so many words, that the mailbox is gone or full: that holds for
    /// whoever writes next. A code without a detail (`5.1.0`), or none, may mean this sender only.
    #[must_use]
    pub fn mailbox_fault(&self) -> Option<&Reply> {
        let Self::Refused { stage: Recipient, reply, fault: Mailbox } = self else { return None };
        let speaks_of_mailbox = reply.enhanced().is_some_and(|e| matches!(e.subject, 1 | 2) && e.detail != 0);
        speaks_of_mailbox.then_some(reply)
    }
}

/// Whose domain the reverse-path of the transaction was on: where SPF fails, that is whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// An SRS address of ours.
    Ours,
    /// Left as it came, or the null path.
    Theirs,
}

impl Sender {
    /// Tells by the reverse-path as it left us.
    #[must_use]
    pub fn of(reverse_path: &ReversePath) -> Self {
        let rewritten = reverse_path.mailbox().is_some_and(|sender| crate::srs::looks_like_srs(sender.local()));
        if rewritten { Self::Ours } else { Self::Theirs }
    }
}

/// An answer as the table below reads it.
#[derive(Debug)]
struct Answer<'a> {
    stage: Stage,
    sender: Sender,
    reply: &'a Reply,
    words: String,
}

/// One row: where all its conditions hold, the fault is known. Empty conditions hold for all.
struct Row {
    stages: &'static [Stage],
    codes: &'static [Code],
    words: &'static [&'static str],
    sender: Option<Sender>,
    fault: Fault,
}

/// Which enhanced codes: subject, and the details from and to.
struct Code(u16, RangeInclusive<u16>);

use Fault::{Mailbox, Message, Us};
use Stage::{Content, Data, Dot, Mail, Recipient};

const ANY: RangeInclusive<u16> = 0..=999;
const SINCE_MAIL: &[Stage] = &[Mail, Recipient, Data, Content, Dot];
const SINCE_RCPT: &[Stage] = &[Recipient, Data, Content, Dot];
const EVERYWHERE: Row = Row { stages: &[], codes: &[], words: &[], sender: None, fault: Us };

/// Words of providers that speak of the address we connect from, its name, or what we said in EHLO. None of them occurs
/// in a refusal of content, which may well speak of block lists too.
const OUR_ADDRESS: &[&str] = &[
    "client host",                    // Postfix: "Client host [192.0.2.1] blocked using zen.spamhaus.org"
    "helo command rejected",          // Postfix
    "reverse dns",                    // many
    "reverse hostname",               // Postfix: "cannot find your reverse hostname"
    "ptr record",                     // Gmail, Comcast
    "on our block list",              // Outlook: "part of their network is on our block list (S3140)"
    "banned sending ip",              // Outlook
    "not accepted from this ip",      // Outlook 5.7.708
    "the ip you're using",            // Gmail: "The IP you're using to send mail is not authorized"
    "mail from ip",                   // iCloud: "Mail from IP 192.0.2.1 was rejected due to listing in …"
    "because the ip",                 // Yahoo: "… because the ip is in Spamhaus's list"
    "your ip",                        // many
    "ip address is",                  // GMX, Web.de: "IP address is block listed"
    "sending mta's poor reputation",  // Cisco
    "too many connections from your", // many
];

/// The verdicts, first match first. Everything before RCPT that no row names is ours, and so is never a refusal.
const TABLE: &[Row] = &[
    // What the message is: too large, or of a kind that the next hop cannot take. Said at MAIL too (SIZE, SMTPUTF8).
    Row { stages: SINCE_MAIL, codes: &[Code(6, ANY), Code(3, 4..=4), Code(2, 3..=3)], fault: Message, ..EVERYWHERE },
    // Before RCPT nobody has spoken of this mail.
    Row { stages: SINCE_RCPT, codes: &[Code(7, 25..=25)], ..EVERYWHERE }, // RFC 7372: no reverse DNS
    Row { stages: SINCE_RCPT, codes: &[Code(7, 606..=649), Code(7, 708..=708)], ..EVERYWHERE }, // Outlook: banned address
    Row { stages: SINCE_RCPT, words: OUR_ADDRESS, ..EVERYWHERE },
    // The author's own DMARC policy, however many words about SPF follow.
    Row { stages: SINCE_RCPT, words: &["dmarc"], fault: Message, ..EVERYWHERE },
    // SPF (RFC 7372, RFC 7505), and complaints about the domain of the reverse-path: ours if we wrote it.
    Row {
        stages: SINCE_RCPT,
        codes: &[Code(7, 23..=24), Code(7, 27..=27), Code(1, 7..=8)],
        sender: Some(Sender::Ours),
        ..EVERYWHERE
    },
    Row { stages: SINCE_RCPT, words: &["spf"], sender: Some(Sender::Ours), ..EVERYWHERE },
    Row { stages: SINCE_RCPT, codes: &[Code(1, 7..=8)], fault: Message, ..EVERYWHERE },
    // The mailbox: unknown, moved, disabled, full; 5.4.1 is how Outlook says that it does not exist.
    Row { stages: SINCE_RCPT, codes: &[Code(1, ANY), Code(2, ANY)], fault: Mailbox, ..EVERYWHERE },
    Row { stages: &[Recipient], codes: &[Code(7, ANY), Code(4, 6..=6)], fault: Message, ..EVERYWHERE },
    Row { stages: &[Recipient], fault: Mailbox, ..EVERYWHERE },
    // Whatever else is said of the content is said to its sender.
    Row { stages: &[Data, Content, Dot], fault: Message, ..EVERYWHERE },
    EVERYWHERE,
];

impl Row {
    fn matches(&self, answer: &Answer<'_>) -> bool {
        let code = || answer.reply.enhanced().is_some_and(|e| self.codes.iter().any(|code| code.covers(e)));
        (self.stages.is_empty() || self.stages.contains(&answer.stage))
            && (self.codes.is_empty() || code())
            && (self.words.is_empty() || self.words.iter().any(|words| answer.words.contains(words)))
            && self.sender.is_none_or(|sender| sender == answer.sender)
    }
}

impl Code {
    fn covers(&self, enhanced: Enhanced) -> bool {
        self.0 == enhanced.subject && self.1.contains(&enhanced.detail)
    }
}

/// Whose fault a 5yz is.
#[must_use]
pub fn fault(stage: Stage, reply: &Reply, sender: Sender) -> Fault {
    // A reply of several lines breaks its sentences anywhere; the words are looked for as if it had one.
    let words = reply.text().replace('\n', " ").to_ascii_lowercase();
    let answer = Answer { stage, sender, reply, words };
    TABLE.iter().find(|row| row.matches(&answer)).map_or(Us, |row| row.fault)
}

/// What a final reply at `stage` comes to, for mail whose reverse-path is an SRS address of ours.
#[must_use]
pub fn judge(stage: Stage, reply: Reply) -> Outcome {
    judge_from(stage, reply, Sender::Ours)
}

/// What a final reply at `stage` comes to. A refusal that is our fault is a deferral: the sender is not made to pay.
#[must_use]
pub fn judge_from(stage: Stage, reply: Reply, sender: Sender) -> Outcome {
    if reply.is_positive() && stage == Dot {
        return Outcome::Delivered { reply };
    }
    if !reply.is_permanent() {
        let of_site = stage < Recipient || reply.code() == SHUTTING_DOWN;
        let reason = format!("deferred {}", stage.in_words());
        return Outcome::Deferred { stage, reply: Some(reply), reason, of_site };
    }
    match fault(stage, &reply, sender) {
        Us => {
            let reason = format!("refused {} for what we are, not for the message or the mailbox", stage.in_words());
            Outcome::Deferred { stage, reply: Some(reply), reason, of_site: true }
        }
        fault => Outcome::Refused { stage, reply, fault },
    }
}

impl Stage {
    /// `at RCPT`, for sentences.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Resolve => "while looking up its exchangers",
            Self::Connect => "while connecting",
            Self::Greeting => "by its greeting",
            Self::Hello => "at EHLO",
            Self::Tls => "at STARTTLS",
            Self::SignIn => "while signing in",
            Self::Mail => "at MAIL",
            Self::Recipient => "at RCPT",
            Self::Data => "at DATA",
            Self::Content => "while sending the content",
            Self::Dot => "after the content",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_reply;

    #[test]
    fn a_reply_begins_with_its_code_and_words_of_ours_may_begin_with_a_number() {
        assert!(["550 5.1.1 gone", "421", "550-5.1.1 The account"].into_iter().all(is_reply));
        for ours in
            ["no answer within 30 s", "", "163mx01.mxmail.netease.com: no answer", "192.0.2.1 broke", "1and1", "999 x"]
        {
            assert!(!is_reply(ours), "{ours}");
        }
    }
}
