//! What to do about mail that is not delivered: whether anything is to be done at all, until when it is tried by itself, and
//! the page of the handbook that says more. Told by the last answer; whose fault a refusal is was judged when it came.

use crate::admin::shapes::QueueShape;
use crate::http::Site;
use crate::mail::Moment;
use crate::policy::no_way::NoWay;
use crate::policy::retry::{self, Tried};
use crate::policy::status::Status;
use crate::policy::verdict::Fault;
use crate::store::activity::{Attempt, Row};

use super::kept::Moved;
use super::story::{is_being_tried, spoke};
use super::text;

/// What to do.
#[derive(Debug)]
pub(super) struct Remedy {
    pub(super) words: &'static str,
    /// When it is tried again, until when, and what comes then.
    pub(super) end: Option<String>,
    /// The page of the handbook.
    pub(super) page: &'static str,
    /// What that page tells: there is not always something to do.
    pub(super) more: &'static str,
}

const WHY: &str = "Why mail waits";
const WHAT_TO_DO: &str = "What to do about it";
/// How the log's own reason may say that it was not tried yet: it is not said again.
const FIRST_TRY: &str = "aits for its first try";
/// Of what waits for its first try, and of what is held.
const UNTRIED: Remedy =
    Remedy { words: "It waits for its first try: you need do nothing.", end: None, page: "waits", more: WHY };
/// Of what waited until its time was over, where nothing of it is left.
const OVER: &str = "The other server asked for patience until the time was over.";
const HELD: Remedy = Remedy { words: "It stays here until somebody releases it.", end: None, page: "waits", more: WHY };

/// What stands against a delivery, as far as one could do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Busy,
    Slowed,
    Impatient,
    Full,
    Gone,
    Large,
    Unwanted,
    Ours,
    /// Not the other server's doing at all.
    Here,
    Insecure,
    /// No server can be asked to take its mail, and none will be tomorrow.
    NoWay(NoWay),
    Unresolved,
    Unreached,
    /// It took the connection, and said nothing that is an end.
    Silent,
    /// None of these, as far as one can tell.
    Unknown,
}

/// Where the octets of a message are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Octets {
    /// In the queue: it can be sent again.
    Here,
    Gone,
}

impl Remedy {
    /// What to do about a row, where it is not well.
    pub(super) fn of(site: &Site, (row, octets): (&Row, Octets), now: Moment) -> Option<Self> {
        let is_bounced = row.status == Status::Forwarded && row.bounced_at.is_some();
        match row.status {
            Status::Deferred if row.attempts.is_empty() && is_being_tried(row) => {
                Some(Self { words: "You need do nothing.", end: Some(end(site, row, now)), ..UNTRIED })
            }
            Status::Deferred => Some(Self { end: Some(end(site, row, now)), ..Self::now(row) }),
            Status::Failed | Status::Expired if octets == Octets::Gone && row.own.is_none() => Some(Self::gone(row)),
            Status::Failed | Status::Expired => Some(Self::now(row)),
            // By the next hop, while the sender waited.
            Status::Refused | Status::RefusedTemporarily if !row.attempts.is_empty() => Some(Self::now(row)),
            _ if is_bounced => Some(Self::now(row)),
            _ => None,
        }
    }

    /// What to do about a row now, whatever comes of it.
    pub(super) fn now(row: &Row) -> Self {
        match Cause::of(row) {
            Ok(cause) if row.own.is_some() => Self { words: cause.words_of_inbox(), ..Self::of_cause(cause) },
            Ok(cause) => Self::of_cause(cause),
            Err(untried) => untried,
        }
    }

    /// Of what failed at an inbox to which its alias leads no more: nobody is asked to lead it elsewhere.
    pub(super) fn where_it_goes_by_now(self, row: &Row, (moved, octets): (&Moved, Octets)) -> Self {
        let words = match Cause::of(row) {
            Ok(cause) if self.words == cause.words() => cause.words_of_inbox(),
            _ => self.words,
        };
        let then = match octets {
            _ if moved.has_copy => ", which has this message.",
            Octets::Here => ": send this message there.",
            Octets::Gone => ".",
        };
        let by_now = format!("Its alias leads to {} by now{then}", text::ours(&moved.inbox));
        let end = self.end.map_or_else(|| by_now.clone(), |end| format!("{by_now} {end}"));
        Self { words, end: Some(end), ..self }
    }

    /// Of what waits and has no row in the log.
    pub(super) fn of_unlogged(waiting: &QueueShape) -> Self {
        match (waiting.state, &waiting.last_attempt) {
            ("held", _) => HELD,
            (_, Some(last)) => Self::of_cause(cause(last)),
            (_, None) if waiting.tries > 0 => {
                Self { words: "You need do nothing: it is tried again by itself.", ..UNTRIED }
            }
            (_, None) => UNTRIED,
        }
    }

    const fn of_cause(cause: Cause) -> Self {
        Self { words: cause.words(), end: None, page: cause.page(), more: cause.more() }
    }

    /// Of what can be sent again by nobody but its sender.
    fn gone(row: &Row) -> Self {
        let now = Self::now(row);
        let words = if now.words == Cause::Impatient.words() { OVER } else { now.words };
        let why = match &row.dsn {
            Some(dsn) if dsn.is_waiting() => ": a report for its sender is in the queue.",
            Some(dsn) if dsn.dsn == "sent" => ", for its sender was told and can send it again.",
            _ => " any more.",
        };
        Self { words, end: Some(format!("Nothing of it is kept here{why}")), ..now }
    }
}

fn end(site: &Site, row: &Row, now: Moment) -> String {
    let tried = Tried {
        tries: u32::try_from(row.attempts.len()).unwrap_or(u32::MAX),
        accepted_at: row.received_at,
        now,
        null_sender: row.sender.is_empty(),
        unknown: false,
        frozen: false,
    };
    let given_up_at = retry::given_up_at(&tried, &site.admin.facts.instance.load());
    let last = last_try(given_up_at, row.next_attempt_at.unwrap_or(now), tried.tries);
    let next = match row.next_attempt_at {
        Some(at) => format!("It is tried again by itself {}, {last}", text::ahead(at, now)),
        None => format!("It is being tried now, {last}"),
    };
    let kept = site.admin.span_in_words("queue.keep_failed");
    let then = if row.own.is_some() {
        "it is given up, and its row here says so".to_owned()
    } else {
        format!(
            "its sender is told, unless another inbox of the alias has the message or it is not certain who the sender is: \
             then the message is kept here for {kept}, to be sent elsewhere"
        )
    };
    format!("{next}. If no try succeeds, {then}.")
}

/// Until when it is tried: nothing is given up before it was tried some times, even where its time is over by then.
fn last_try(given_up_at: Moment, next: Moment, tries: u32) -> String {
    if given_up_at > next {
        return format!("and so on until {}", text::full(given_up_at));
    }
    match retry::MIN_TRIES_BEFORE_EXPIRY {
        least if tries.saturating_add(1) < least => format!("and so on until it was tried {least} times"),
        _ => "for the last time".to_owned(),
    }
}

impl Cause {
    /// By the last answer; what was not tried has none.
    fn of(row: &Row) -> Result<Self, Remedy> {
        Ok(match (row.attempts.last().map(cause), row.status) {
            (_, Status::Held) => return Err(HELD),
            // A report that came back is no connection that failed.
            (Some(Self::Unreached | Self::Silent | Self::Unknown), Status::Forwarded) => Self::Unwanted,
            (Some(Self::Busy | Self::Slowed), Status::Expired) => Self::Impatient,
            (Some(cause), _) => cause,
            // Of an earlier release, which kept no try in which no server was asked.
            (None, status) if status.is_terminal() => NoWay::of(&row.reason).map_or(Self::Unknown, Self::NoWay),
            (None, _) if row.reason.contains(FIRST_TRY) => {
                return Err(Remedy { words: "You need do nothing.", ..UNTRIED });
            }
            (None, _) => return Err(UNTRIED),
        })
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Busy => "You need do nothing: the other server asked for patience, as busy and cautious ones do.",
            Self::Slowed => {
                "You need do nothing: the other server slows down mail from addresses that it hardly knows."
            }
            Self::Impatient => {
                "The other server asked for patience until the time was over: send it again, or elsewhere."
            }
            Self::Full => "The inbox is full: whoever reads it has to make room.",
            Self::Gone => "There is no such inbox, or it is closed: lead the alias to another one.",
            Self::Large => {
                "The inbox's system takes no message so large: ask its sender for a link to the file, or lead the alias to an \
                 inbox that takes more."
            }
            Self::Unwanted => {
                "The other server does not want this message: this inbox will hardly take it another time."
            }
            Self::Ours => "The other server objects to this server, not to the message: mend what its answer names.",
            Self::Here => {
                "This server itself is in trouble, and not the other one: waypost doctor says what can be found out about it."
            }
            Self::Unknown => "Nothing more is known than how its last try ended.",
            Self::NoWay(NoWay::NoDomain) => "The domain of this inbox does not exist: lead the alias to another inbox.",
            Self::NoWay(NoWay::NullMx | NoWay::NoHost) => {
                "The domain of this inbox takes no mail: lead the alias to another inbox."
            }
            Self::NoWay(NoWay::ComesBack) => {
                "Mail for the domain of this inbox comes back to this server: lead the alias to an inbox elsewhere."
            }
            Self::NoWay(NoWay::Forbidden) => {
                "The mail host of this inbox has an address that no mail goes to: lead the alias to another inbox, or name \
                 its next hop in delivery.routes."
            }
            Self::Insecure => "No connection was as secure as it has to be.",
            Self::Unresolved => "The DNS does not say which server takes the mail: mostly that passes by itself.",
            Self::Silent => {
                "The other server takes the connection and then says no more, or breaks it off: mostly that passes by \
                 itself."
            }
            Self::Unreached => {
                "The other server cannot be reached: if that is so of all of them, port 25 is blocked on the way out."
            }
        }
    }

    /// Where no alias is to be led elsewhere: of the inbox alone.
    const fn words_of_inbox(self) -> &'static str {
        match self {
            Self::Large => "The inbox's system takes no message so large.",
            Self::Gone => "There is no such inbox, or it is closed.",
            Self::NoWay(NoWay::NoDomain) => "The domain of this inbox does not exist.",
            Self::NoWay(NoWay::NullMx | NoWay::NoHost) => "The domain of this inbox takes no mail.",
            Self::NoWay(NoWay::ComesBack) => "Mail for the domain of this inbox comes back to this server.",
            Self::NoWay(NoWay::Forbidden) => "The mail host of this inbox has an address that no mail goes to.",
            other => other.words(),
        }
    }

    /// Whoever need do nothing is not asked to.
    const fn more(self) -> &'static str {
        match self {
            Self::Busy | Self::Slowed | Self::Silent | Self::Unknown => WHY,
            _ => WHAT_TO_DO,
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Busy
            | Self::Slowed
            | Self::Impatient
            | Self::Full
            | Self::Here
            | Self::Insecure
            | Self::Unresolved
            | Self::Silent
            | Self::Unknown => "waits",
            Self::Gone | Self::Large | Self::Unwanted | Self::Ours => "refused",
            Self::NoWay(_) => "did-not-arrive",
            Self::Unreached => "port-25",
        }
    }
}

/// Our words for a server that no connection leads to.
const UNREACHED: [&str; 3] = ["connection refused", "no answer within", "no way to this address"];

/// Our words for what is no other server's doing.
const HERE: [&str; 3] = ["this machine", "password cannot be read", "message could not be read"];
/// Our words for a message that is larger than what the other server announces that it takes.
const TOO_LARGE: &str = "not offered: the message has ";
/// And for one that it cannot have because of what it announces.
const NOT_OFFERED: &str = "not offered: ";
/// Our words for a server that took the connection, and then went on no more.
const SILENT: [&str; 6] = [
    "no answer to",
    "no greeting",
    "no reading of",
    "the next hop broke",
    "the next hop closed",
    "the next hop is closing",
];

/// By the answer, its code before its words; where nobody answered, by ours.
fn cause(attempt: &Attempt) -> Cause {
    let words = attempt.reply.to_ascii_lowercase();
    let says = |all: &[&str]| all.iter().any(|part| words.contains(part));
    if !spoke(attempt) {
        return NoWay::of(&attempt.reply).map_or_else(|| unanswered(&words), Cause::NoWay);
    }
    let is_for_now = words.starts_with('4');
    match (status_of(&words), attempt.fault) {
        ((2, 2), _) => Cause::Full,
        ((3, 4) | (2, 3), _) => Cause::Large,
        (_, Some(Fault::Message)) => Cause::Unwanted,
        (_, Some(Fault::Mailbox)) => Cause::Gone,
        ((7, 23..=27), _) => Cause::Ours,
        ((7, 10), _) => Cause::Insecure,
        _ if is_for_now && says(&["starttls", "tls not available"]) => Cause::Insecure,
        ((7, 0 | 28), _) if is_for_now => Cause::Slowed,
        _ if is_for_now && says(&["client host rejected", "helo command rejected", "reverse"]) => Cause::Ours,
        _ if is_for_now => Cause::Busy,
        // What is refused and yet tried again was refused for what we are.
        _ if attempt.outcome == "deferred" => Cause::Ours,
        ((1 | 2, _), _) => Cause::Gone,
        _ => Cause::Unwanted,
    }
}

/// By our own words.
fn unanswered(words: &str) -> Cause {
    let says = |all: &[&str]| all.iter().any(|part| words.contains(part));
    match () {
        () if words.starts_with(TOO_LARGE) => Cause::Large,
        () if words.starts_with(NOT_OFFERED) => Cause::Unwanted,
        () if says(&HERE) => Cause::Here,
        () if says(&["tls", "certificate", "handshake"]) => Cause::Insecure,
        () if says(&["dns"]) => Cause::Unresolved,
        () if says(&UNREACHED) => Cause::Unreached,
        () if says(&SILENT) => Cause::Silent,
        () => Cause::Unknown,
    }
}

/// Subject and detail of the enhanced code (RFC 3463); zeros where there is none.
fn status_of(reply: &str) -> (u16, u16) {
    let mut parts = reply.get(4..).unwrap_or_default().split(' ').next().unwrap_or_default().split('.').skip(1);
    let mut part = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    (part(), part())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caused(outcome: &str, reply: &str, fault: Option<Fault>) -> Cause {
        let at = Moment::from_millis(1_795_373_784_120);
        let (outcome, reply) = (outcome.to_owned(), reply.to_owned());
        cause(&Attempt { at, ended_at: None, mx: None, ip: None, tls: None, reply, outcome, fault, note: None })
    }

    #[test]
    fn each_kind_of_answer_leads_to_what_can_be_done_about_it() {
        for (reply, wanted) in [
            ("450 4.2.1 Mailbox busy, try later", Cause::Busy),
            ("451 4.7.1 Greylisting in action, come back in 5 minutes", Cause::Busy),
            ("450 4.2.0 Greylisted", Cause::Busy),
            ("450 Busy", Cause::Busy),
            ("421 4.3.2 Shutting down", Cause::Busy),
            ("452 4.3.1 Insufficient system storage", Cause::Busy),
            ("452 4.5.3 Too many recipients", Cause::Busy),
            ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", Cause::Slowed),
            ("421 4.7.28 Unusual rate of mail from your IP address", Cause::Slowed),
            ("452 4.2.2 Over quota", Cause::Full),
            ("450 4.7.25 Client host rejected: cannot find your hostname", Cause::Ours),
            ("450 4.7.1 Client host rejected: cannot find your reverse hostname", Cause::Ours),
            ("550 5.7.1 Client host [192.0.2.1] blocked", Cause::Ours),
            ("454 4.7.0 TLS not available: STARTTLS failed", Cause::Insecure),
            ("451 4.7.10 Encryption needed", Cause::Insecure),
            ("connection refused", Cause::Unreached),
            ("no answer within 30 s", Cause::Unreached),
            ("no way to this address", Cause::Unreached),
            ("no answer to RCPT within 300 s", Cause::Silent),
            ("the next hop broke the connection", Cause::Silent),
            ("this machine cannot send from 192.0.2.1: Address in use", Cause::Here),
            ("this machine has no address or no port left to call from", Cause::Here),
            ("the relay offers neither AUTH PLAIN nor AUTH LOGIN", Cause::Unknown),
            ("bind: Too many open files", Cause::Unknown),
            ("no end of the TLS handshake within 60 s", Cause::Insecure),
            ("DNS failed for now: no answer within 5 s", Cause::Unresolved),
            ("invalid peer certificate: UnknownIssuer", Cause::Insecure),
            ("the host offers no TLS", Cause::Insecure),
        ] {
            assert_eq!(caused("deferred", reply, None), wanted, "{reply}");
        }
        for (reply, fault, wanted) in [
            ("550 5.1.1 No such user", Fault::Mailbox, Cause::Gone),
            ("550 5.2.1 Disabled", Fault::Mailbox, Cause::Gone),
            ("552 5.2.2 Over quota", Fault::Mailbox, Cause::Full),
            ("552 5.3.4 Too big", Fault::Message, Cause::Large),
            ("552 5.2.3 Longer than this mailbox takes", Fault::Message, Cause::Large),
            ("not offered: the message has 200000 octets, and the next hop takes 50000", Fault::Message, Cause::Large),
            ("not offered: the next hop takes no international addresses", Fault::Message, Cause::Unwanted),
            ("550 5.7.26 Unauthenticated: DMARC", Fault::Message, Cause::Unwanted),
            ("550 5.7.1 Spam", Fault::Message, Cause::Unwanted),
            ("554 No", Fault::Message, Cause::Unwanted),
        ] {
            assert_eq!(caused("refused", reply, Some(fault)), wanted, "{reply}");
        }
        assert_eq!(caused("refused", "550 5.1.2 No such domain", None), Cause::Gone, "of an earlier release");
    }
}
