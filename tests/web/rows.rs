//! Rows of the log, and deliveries in the queue, as the gateway would have written them.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use waypost::mail::{Author, Envelope, Mailbox, Moment, ReversePath};
use waypost::policy::facts::TlsFacts;
use waypost::policy::ids::{DomainId, OWNER};
use waypost::policy::rule::Kind;
use waypost::policy::settings::TlsPolicy;
use waypost::policy::status::{RuleRef, Status, TraceStep};
use waypost::policy::verdict::Fault;
use waypost::store::activity::{Attempt, Auth, Bounced, Client, DsnNote, EnvelopePair, Row};
use waypost::store::octets::Octets;
use waypost::store::queue::{Entry, NewDelivery, NewMessage, Purpose};

use super::House;

pub(crate) const MESSAGE: &[u8] = b"From: shop@shop.example\r\nSubject: Your order\r\n\r\nThank you.\r\n";

pub(crate) fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

/// A row as the first thing that is known of it: forwarded at the first try.
pub(crate) fn forwarded(house: &House, recipient: &str) -> Row {
    let now = house.clock.now();
    let named = Mailbox::parse(recipient).ok();
    let domain = named.and_then(|inbox| house.admin.store.directory.domain(inbox.domain()?));
    let sent = ReversePath::parse("SRS0=abcdefgh=AB=shop.example=orders@my.example").unwrap();
    Row {
        id: house.admin.chance.id(now),
        transaction: house.admin.chance.id(now),
        received_at: now,
        account: OWNER,
        domain: Some(domain.map_or(DomainId(1), |hosted| hosted.id)),
        alias: None,
        passed: Vec::new(),
        own: None,
        status: Status::Forwarded,
        sender: "orders@shop.example".to_owned(),
        recipient: recipient.to_owned(),
        destination: Some("owner@inbox.example".to_owned()),
        author: None,
        subject: Some("Your order".to_owned()),
        message_id: Some("<1@shop.example>".to_owned()),
        size: MESSAGE.len() as u64,
        reason: "Delivered while the sender waited".to_owned(),
        rule: Some(RuleRef { id: Uuid::nil(), kind: Kind::Address, pattern: recipient.to_owned() }),
        client: Client {
            ip: "192.0.2.7".parse().unwrap(),
            name: Some("out.shop.example".to_owned()),
            helo: "out.shop.example".to_owned(),
            tls: Some(TlsFacts {
                version: "TLSv1.3".to_owned(),
                cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
                verified: None,
            }),
        },
        auth: Auth {
            spf: Some("pass".to_owned()),
            spf_helo: None,
            dkim: vec!["pass d=shop.example s=mail".to_owned()],
            dmarc: None,
            arc: None,
            reportable: true,
        },
        sha256_received: Some(Sha256::digest(MESSAGE).into()),
        sha256_sent: Some(Sha256::digest(MESSAGE).into()),
        attempts: vec![attempt(now, "delivered", "250 2.0.0 OK: queued as 4F7")],
        next_attempt_at: None,
        envelope: EnvelopePair {
            before: Envelope {
                from: ReversePath::Mailbox(mailbox("orders@shop.example")),
                to: vec![mailbox(recipient)],
            },
            after: Some(Envelope { from: sent, to: vec![mailbox("owner@inbox.example")] }),
        },
        trace: vec![TraceStep::new("alias", "matched", format!("{recipient}, priority 0"))],
        dsn: None,
        wishes: Default::default(),
        bounced_at: None,
        count: 1,
    }
}

/// What became of mail that was not forwarded: why, as the gateway words it, and the last try, if there was one.
const ENDS: [(Status, &str, &str, &str); 12] = [
    (Status::Queued, "Waits for its first try", "", ""),
    (Status::Deferred, "The next hop deferred it: 450 4.2.0 Try later", "deferred", LATER),
    (Status::Held, "You put it on hold", "deferred", LATER),
    (
        Status::Refused,
        "The recipient's system refuses this: the next hop said 550 5.7.1 Not wanted here",
        "refused",
        NO,
    ),
    (Status::RefusedTemporarily, "No destination of this alias is verified yet", "", ""),
    (Status::Dropped, "The alias throws its mail away", "", ""),
    (Status::Failed, "The next hop refused it: 550 5.7.1 Not wanted here", "refused", NO),
    (Status::Expired, "given up after the last try: deferred at RCPT: 450 4.2.0 Try later", "deferred", LATER),
    (Status::Cancelled, "You cancelled it", "deferred", LATER),
    (Status::Abandoned, "The client left before its answer, and keeps the message", "", ""),
    (Status::Duplicate, "The same octets came before: not sent again", "", ""),
    (Status::Consumed, "A report came back about mail that was forwarded", "", ""),
];
const LATER: &str = "450 4.2.0 Try later";
const NO: &str = "550 5.7.1 Not wanted here";

/// The same mail where this became of it.
pub(crate) fn ended(row: Row, status: Status) -> Row {
    let Some((_, reason, outcome, reply)) = ENDS.into_iter().find(|(known, ..)| *known == status) else { return row };
    let attempts: Vec<_> =
        (!outcome.is_empty()).then(|| attempt(row.received_at, outcome, reply)).into_iter().collect();
    let goes_on = status == Status::Queued || !attempts.is_empty();
    let destination = row.destination.clone().filter(|_| goes_on);
    Row { status, reason: reason.to_owned(), attempts, destination, sha256_sent: None, ..row }
}

/// The same mail as it came at another time.
pub(crate) fn came_at(row: Row, at: Moment) -> Row {
    let attempts = row.attempts.iter().map(|tried| attempt(at, &tried.outcome, &tried.reply)).collect();
    Row { received_at: at, attempts, ..row }
}

/// The same mail from somebody else.
pub(crate) fn sent_by(row: Row, sender: &str) -> Row {
    let from = if sender.is_empty() { Ok(ReversePath::Null) } else { ReversePath::parse(sender) };
    let Ok(from) = from else { return Row { sender: sender.to_owned(), ..row } };
    let before = Envelope { from, ..row.envelope.before.clone() };
    let rewritten =
        sender.rsplit_once('@').map(|(local, domain)| format!("SRS0=abcdefgh=AB={domain}={local}@my.example"));
    let from = rewritten.and_then(|path| ReversePath::parse(&path).ok());
    let after = row.envelope.after.clone().map(|after| Envelope { from: from.unwrap_or(after.from.clone()), ..after });
    Row { sender: sender.to_owned(), envelope: EnvelopePair { before, after }, ..row }
}

pub(crate) fn attempt(at: Moment, outcome: &str, reply: &str) -> Attempt {
    Attempt {
        at,
        ended_at: Some(at.after(std::time::Duration::from_millis(840))),
        mx: Some("mx1.inbox.example".to_owned()),
        ip: Some("198.51.100.4".parse().unwrap()),
        tls: Some(TlsFacts {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
            verified: Some(true),
        }),
        reply: reply.to_owned(),
        outcome: outcome.to_owned(),
        fault: None,
        note: None,
    }
}

/// A report came back about what had been taken.
pub(crate) async fn handed_back(house: &House, row: &Row, reply: &str) {
    let at = house.clock.now();
    let attempt = Attempt { fault: Some(Fault::Mailbox), ..attempt(at, "bounced", reply) };
    let dsn = DsnNote { dsn: "sent".to_owned(), why: String::new() };
    house.admin.store.activity.bounced(vec![Bounced { id: row.id, at, attempt, dsn }]).await.unwrap();
}

/// Puts a message into the queue with its row.
pub(crate) async fn queued(house: &House, recipient: &str, entry: Entry) -> Row {
    queued_to(house, (recipient, "owner@inbox.example"), entry).await
}

/// Puts a message for this inbox into the queue with its row.
pub(crate) async fn queued_to(house: &House, (recipient, inbox): (&str, &str), entry: Entry) -> Row {
    let status = match entry {
        Entry::Due(_) | Entry::Leased => Status::Deferred,
        Entry::Held => Status::Held,
        Entry::Kept(_) => Status::Failed,
    };
    let destination = Some(inbox.to_owned());
    let author = Some(Author::read("Orders <orders@shop.example>"));
    let row = Row { destination, author, ..ended(forwarded(house, recipient), status) };
    let (message, delivery) = (message(&row), delivery(&row, (recipient, inbox), entry));
    house.admin.store.queue.accept(message, vec![delivery], vec![row.clone()]).await.unwrap();
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    row
}

/// Puts the message of this row into the queue.
pub(crate) async fn queued_as(house: &House, row: &Row, entry: Entry) {
    let to = (row.recipient.as_str(), row.destination.as_deref().unwrap_or_default());
    let delivery = delivery(row, to, entry);
    house.admin.store.queue.accept(message(row), vec![delivery], vec![row.clone()]).await.unwrap();
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
}

fn message(row: &Row) -> NewMessage {
    NewMessage {
        id: row.transaction,
        octets: Octets::Memory(Bytes::from_static(MESSAGE)),
        sha256: Sha256::digest(MESSAGE).into(),
        received_at: row.received_at,
        reverse_path: ReversePath::Mailbox(mailbox("orders@shop.example")),
        header_octets: 47,
        eight_bit: false,
        international: false,
    }
}

fn delivery(row: &Row, (recipient, inbox): (&str, &str), entry: Entry) -> NewDelivery {
    NewDelivery {
        id: row.id,
        purpose: Purpose::Forward,
        account: OWNER,
        domain: row.domain,
        alias: None,
        recipient: mailbox(recipient),
        destination: mailbox(inbox),
        reverse_path: ReversePath::Mailbox(mailbox("orders@shop.example")),
        prefix: Bytes::new(),
        tls: TlsPolicy::Opportunistic,
        reportable: true,
        tries: 1,
        entry,
        wishes: waypost::mail::wishes::Wishes::default(),
        about: None,
    }
}

/// A message that failed, and the report of that to its sender, which waits in the queue.
pub(crate) async fn reported(house: &House, recipient: &str, entry: Entry) -> (Row, Uuid) {
    let report = house.admin.chance.id(house.clock.now());
    let dsn = Some(DsnNote::sent(report));
    let attempts = vec![attempt(house.clock.now(), "refused", "550 5.1.1 No such user")];
    let reason = "The next hop refused it: 550 5.1.1 No such user".to_owned();
    let row = Row { dsn, attempts, reason, ..ended(forwarded(house, recipient), Status::Failed) };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let message = NewMessage { id: report, reverse_path: ReversePath::Null, ..message(&row) };
    let delivery = NewDelivery {
        id: report,
        purpose: Purpose::Dsn,
        destination: mailbox("orders@sender.example"),
        reverse_path: ReversePath::Null,
        reportable: false,
        tries: 0,
        about: Some(row.id),
        ..delivery(&row, (recipient, "orders@sender.example"), entry)
    };
    house.admin.store.queue.accept(message, vec![delivery], Vec::new()).await.unwrap();
    (row, report)
}
