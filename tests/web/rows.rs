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
    let (status, outcome, reply) = match entry {
        Entry::Due(_) | Entry::Leased => (Status::Deferred, "deferred", "450 4.2.0 Try later"),
        Entry::Held => (Status::Held, "deferred", "450 4.2.0 Try later"),
        Entry::Kept(_) => (Status::Failed, "refused", "550 5.7.1 Not wanted here"),
    };
    let attempts = vec![attempt(house.clock.now(), outcome, reply)];
    let destination = Some(inbox.to_owned());
    let author = Some(Author::read("Orders <orders@shop.example>"));
    let row = Row { status, destination, author, sha256_sent: None, attempts, ..forwarded(house, recipient) };
    let (message, delivery) = (message(&row), delivery(&row, (recipient, inbox), entry));
    house.admin.store.queue.accept(message, vec![delivery], vec![row.clone()]).await.unwrap();
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    row
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
    let row = Row { status: Status::Failed, sha256_sent: None, dsn, attempts, ..forwarded(house, recipient) };
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
