//! The log rows of a transaction: what is written before the client hears its answer.

use std::net::IpAddr;

use super::Tools;
use super::arrival::Arrival;
use super::auth_fields;
use super::names;
use super::outgoing::Outgoing;
use super::transaction::Transaction;
use crate::mail::wishes::{MessageWishes, RecipientWishes, Wishes};
use crate::mail::{Envelope, Mailbox, ReversePath};
use crate::policy::admission::{Decision, Disposition, Refusal, why_refused};
use crate::policy::facts::ConnectFacts;
use crate::policy::ids::OWNER;
use crate::policy::rule::Privacy;
use crate::policy::status::{Status, TraceStep};
use crate::smtp::command::MailCommand;
use crate::smtp::reply::Reply;
use crate::store::activity::{Auth, Client, EnvelopePair, Row};

/// A recipient that was refused at RCPT.
pub(super) fn refused_at_rcpt(
    tools: &Tools,
    connect: &ConnectFacts,
    transaction: &Transaction,
    (recipient, decision, reply): (Mailbox, Decision, &Reply),
) -> Row {
    let mut row = bare(tools, connect, transaction, (&recipient, &decision));
    let reason = std::mem::take(&mut row.reason);
    refuse(&mut row, reply);
    // Where the rule would have taken it, only the reply says why it had to come again.
    if matches!(decision.disposition, Disposition::Reject(_) | Disposition::Defer(_)) {
        row.reason = reason;
    }
    row
}

/// A connection that was turned away before it could name anybody: neither sender nor recipient is known.
pub(super) fn of_connection(tools: &Tools, peer: IpAddr, refusal: Refusal) -> Row {
    let mut row = for_nobody(tools, Client { ip: peer, name: names::of(tools, peer), helo: String::new(), tls: None });
    row.trace.push(refusal.step);
    refuse(&mut row, &refusal.reply);
    row.reason = refusal.reason;
    row
}

/// A message that was refused by its announced size, before a recipient was named: whose privacy holds is not known, so the
/// strictest does.
pub(super) fn oversize(tools: &Tools, connect: &ConnectFacts, (mail, most, reply): (&MailCommand, u64, &Reply)) -> Row {
    let mut row = for_nobody(tools, client(tools, connect));
    row.sender = shown_sender(&mail.from, Privacy::Envelope);
    let announced = mail.size.unwrap_or_default();
    let detail = format!("{announced} octets were announced, and at most {most} are taken (smtp.max_message_bytes)");
    refuse_as_too_big(&mut row, detail, reply);
    row
}

fn refuse_as_too_big(row: &mut Row, detail: String, reply: &Reply) {
    let reason = format!("Larger than what is taken: {detail}");
    row.trace.push(TraceStep::new("size", "too big", detail));
    refuse(row, reply);
    row.reason = reason;
}

/// What ends before a recipient is named.
fn for_nobody(tools: &Tools, client: Client) -> Row {
    let now = tools.clock.now();
    Row {
        id: tools.chance.id(now),
        transaction: tools.chance.id(now),
        received_at: now,
        account: OWNER,
        domain: None,
        alias: None,
        passed: Vec::new(),
        own: None,
        status: Status::RefusedTemporarily,
        sender: String::new(),
        recipient: String::new(),
        destination: None,
        author: None,
        subject: None,
        message_id: None,
        size: 0,
        reason: String::new(),
        rule: None,
        client,
        auth: Auth::default(),
        wishes: Wishes::default(),
        sha256_received: None,
        sha256_sent: None,
        attempts: Vec::new(),
        next_attempt_at: None,
        envelope: EnvelopePair { before: Envelope { from: ReversePath::Null, to: Vec::new() }, after: None },
        trace: Vec::new(),
        dsn: None,
        bounced_at: None,
        count: 1,
    }
}

/// Our own reply refused it. By which entry a sender was kept out stands in the log, and not in the reply.
pub(super) fn refuse(row: &mut Row, reply: &Reply) {
    let (status, word) =
        if reply.is_transient() { (Status::RefusedTemporarily, "later") } else { (Status::Refused, "refused") };
    row.status = status;
    row.reason = why_refused(&row.trace, reply);
    row.trace.push(TraceStep::new("reply", word, reply.to_string()));
}

/// How a transaction ended without a whole message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unfinished<'a> {
    /// The message was refused as malformed, or could not be taken.
    Refused(&'a Reply),
    /// More octets of it came than are taken.
    TooBig(&'a Reply, u64),
    /// It never came, for this reason.
    Abandoned(&'static str),
}

/// The recipients of a transaction whose message never came whole, or was refused as malformed.
pub(super) fn unfinished(
    tools: &Tools,
    connect: &ConnectFacts,
    transaction: &Transaction,
    end: Unfinished<'_>,
) -> Vec<Row> {
    let row = |(recipient, decision): &(Mailbox, Decision)| {
        let mut row = bare(tools, connect, transaction, (recipient, decision));
        match end {
            Unfinished::Refused(reply) => refuse(&mut row, reply),
            Unfinished::TooBig(reply, most) => {
                refuse_as_too_big(&mut row, format!("at most {most} octets are taken (smtp.max_message_bytes)"), reply)
            }
            Unfinished::Abandoned(reason) => {
                row.status = Status::Abandoned;
                reason.clone_into(&mut row.reason);
            }
        }
        row
    };
    transaction.taken.iter().map(row).collect()
}

fn bare(
    tools: &Tools,
    connect: &ConnectFacts,
    transaction: &Transaction,
    (recipient, decision): (&Mailbox, &Decision),
) -> Row {
    Row {
        id: tools.chance.id(transaction.began_at),
        transaction: transaction.id,
        received_at: transaction.began_at,
        account: decision.account,
        domain: decision.domain,
        alias: decision.alias,
        passed: Vec::new(),
        own: None,
        status: Status::Refused,
        sender: shown_sender(transaction.from(), decision.privacy),
        recipient: recipient.to_string(),
        destination: None,
        author: None,
        subject: None,
        message_id: None,
        size: 0,
        reason: decision.reason.clone(),
        rule: decision.rule.clone(),
        client: client(tools, connect),
        auth: Auth::default(),
        wishes: Wishes::default(),
        sha256_received: None,
        sha256_sent: None,
        attempts: Vec::new(),
        next_attempt_at: None,
        envelope: EnvelopePair { before: before(transaction.from(), recipient, decision.privacy), after: None },
        trace: decision.trace.clone(),
        dsn: None,
        bounced_at: None,
        count: 1,
    }
}

/// The row of one recipient of a whole message that goes nowhere: dropped, held, consumed, or refused at the end of data.
pub(super) fn of_recipient(tools: &Tools, arrival: &Arrival, taken: usize) -> Row {
    let (recipient, decision) = &arrival.taken[taken];
    let facts = &arrival.facts.header;
    let with_subject = decision.privacy == Privacy::Off && tools.facts.instance.load().subjects;
    Row {
        id: tools.chance.id(arrival.received_at),
        transaction: arrival.id,
        received_at: arrival.received_at,
        account: decision.account,
        domain: decision.domain,
        alias: decision.alias,
        passed: decision.passed.iter().map(|(alias, _)| *alias).collect(),
        own: None,
        status: Status::Queued,
        sender: shown_sender(arrival.from(), decision.privacy),
        recipient: recipient.to_string(),
        destination: None,
        author: facts.author.clone().filter(|_| with_subject),
        subject: facts.subject.clone().filter(|_| with_subject),
        message_id: facts.message_id.clone().filter(|_| decision.privacy != Privacy::Envelope),
        size: arrival.body.octets.len(),
        reason: decision.reason.clone(),
        rule: decision.rule.clone(),
        client: client(tools, &arrival.connect),
        auth: Auth { reportable: arrival.reportable, ..auth_fields::logged(&arrival.facts.auth) },
        wishes: logged_wishes(arrival.wishes(taken), decision.privacy),
        sha256_received: Some(arrival.body.sha256),
        sha256_sent: None,
        attempts: Vec::new(),
        next_attempt_at: None,
        envelope: EnvelopePair { before: before(arrival.from(), recipient, decision.privacy), after: None },
        trace: decision.trace.clone(),
        dsn: None,
        bounced_at: None,
        count: 1,
    }
}

/// The row of one delivery.
pub(super) fn of_delivery(tools: &Tools, arrival: &Arrival, outgoing: &Outgoing) -> Row {
    let mut row = of_recipient(tools, arrival, outgoing.taken);
    row.id = outgoing.id;
    row.destination = Some(outgoing.destination.to_string());
    let hidden = arrival.taken[outgoing.taken].1.privacy == Privacy::Envelope;
    let from = if hidden { ReversePath::Null } else { outgoing.reverse_path.clone() };
    row.envelope.after = Some(Envelope { from, to: vec![outgoing.destination.clone()] });
    row
}

/// With privacy `envelope`, only when the sender wants to hear: its own names tell of it, as its Message-ID does.
fn logged_wishes(wishes: Wishes, privacy: Privacy) -> Wishes {
    match privacy {
        Privacy::Envelope => Wishes {
            message: MessageWishes::default(),
            recipient: RecipientWishes { original: None, ..wishes.recipient },
        },
        _ => wishes,
    }
}

fn client(tools: &Tools, connect: &ConnectFacts) -> Client {
    Client {
        ip: connect.peer,
        name: names::of(tools, connect.peer),
        helo: connect.helo.clone(),
        tls: connect.tls.clone(),
    }
}

fn before(from: &ReversePath, recipient: &Mailbox, privacy: Privacy) -> Envelope {
    let from = if privacy == Privacy::Envelope { ReversePath::Null } else { from.clone() };
    Envelope { from, to: vec![recipient.clone()] }
}

/// With privacy `envelope`, of the sender only the domain is kept.
pub(super) fn shown_sender(from: &ReversePath, privacy: Privacy) -> String {
    match (from.mailbox(), privacy) {
        (Some(mailbox), Privacy::Envelope) => format!("@{}", mailbox.host()),
        _ => from.to_string(),
    }
}
