//! A courier with everything around it on loopback.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use waypost::auth::{self, Authenticator};
use waypost::chance::Chance;
use waypost::clock::Clock;
use waypost::delivery::{
    Addressee, Attempt, Courier, Direct, Lanes, Message, NextHop, Parcel, Report, Settings, Timeouts, Tools,
};
use waypost::demo::dns::Dns;
use waypost::demo::inbox::{Inbox, MAX_WAIT};
use waypost::mail::{Domain, Envelope, Mailbox, Moment, ReversePath};
use waypost::meter::Meter;
use waypost::policy::ids::OWNER;
use waypost::policy::settings::{Custody, Enforcement, Instance, TlsPolicy, Unauthenticated};
use waypost::policy::status::Status;
use waypost::policy::verdict::Outcome;
use waypost::store::accounts::AuditEntry;
use waypost::store::activity::{Auth, Client, EnvelopePair, Row};
use waypost::store::faults::Faults;
use waypost::store::octets::Octets;
use waypost::store::queue::{Entry, NewDelivery, NewMessage, Purpose};
use waypost::store::{self, Store};

pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
pub(crate) const CONTENT: &[u8] = b"Subject: dots\r\nFrom: a@from.example\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n";
pub(crate) const PREFIX: &[u8] = b"Received: by gw.example\r\n";

pub(crate) struct World {
    pub(crate) dns: Dns,
    pub(crate) inbox: Inbox,
    pub(crate) courier: Courier,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    stop: CancellationToken,
    _dir: TempDir,
}

/// What a test wants otherwise than usual.
pub(crate) struct Wishes {
    pub(crate) settings: Settings,
    pub(crate) instance: Instance,
    pub(crate) dns_timeout: Duration,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn mailbox(address: &str) -> Mailbox {
    address.parse().unwrap()
}

impl World {
    /// One inbox at 127.0.0.1 that serves inbox.example.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Wishes)) -> Self {
        let (dns, inbox) = (Dns::start().await.unwrap(), Inbox::start().await.unwrap());
        dns.mx("inbox.example", 10, "mx.inbox.example");
        dns.a("mx.inbox.example", Ipv4Addr::LOCALHOST);
        let mut wishes = Wishes {
            settings: settings(inbox.address().port()),
            instance: instance(),
            dns_timeout: Duration::from_secs(5),
            clock: Clock::system(),
            faults: Faults::default(),
        };
        change(&mut wishes);
        let dir = tempfile::tempdir().unwrap();
        let (clock, chance) = (wishes.clock.clone(), Chance::seeded(7));
        let places = store::Settings { data_dir: dir.path().to_owned(), database: dir.path().join("waypost.db") };
        let store = Store::open_failing(places, (clock.clone(), chance.clone()), wishes.faults).await.unwrap();
        let asked = auth::Settings { servers: vec![dns.address()], timeout: wishes.dns_timeout };
        let tools = Tools {
            store: store.clone(),
            auth: Authenticator::new(&asked).unwrap(),
            clock: clock.clone(),
            chance,
            meter: Arc::new(Meter::default()),
            instance: Arc::new(ArcSwap::from_pointee(wishes.instance)),
        };
        let courier = Courier::new(wishes.settings, wishes.dns_timeout, tools);
        Self { dns, inbox, courier, store, clock, stop: CancellationToken::new(), _dir: dir }
    }

    /// Another inbox at `host` of the same port.
    pub(crate) async fn inbox_at(&self, last: u8) -> Inbox {
        Inbox::start_on(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), self.inbox.address().port()))).await.unwrap()
    }

    pub(crate) async fn direct(&self, parcel: Parcel) -> Report {
        match self.courier.direct(&self.lanes(), parcel).await {
            Direct::Trying(Attempt { run, .. }) => run.await,
            Direct::Known(report) => report,
            Direct::Queue(why) => panic!("to the queue: {why:?}"),
        }
    }

    /// Those of one message that its sender waits for.
    pub(crate) fn lanes(&self) -> Lanes {
        Lanes::of(PEER, self.clock.instant() + MAX_WAIT)
    }

    /// Delivers a plain message to one recipient.
    pub(crate) async fn send(&self, to: &str) -> Report {
        self.direct(parcel(&[to])).await
    }

    /// Works the queue until the world ends.
    pub(crate) fn work(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.courier.run(self.stop.clone()))
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn verify(&self, address: &str) {
        let at = self.clock.now();
        let audit = AuditEntry {
            at,
            account: OWNER,
            actor: "operator".to_owned(),
            action: "destination.create".to_owned(),
            object: address.to_owned(),
            before: None,
            after: None,
        };
        self.store.rules.add_destination(OWNER, address, Some(at), audit).await.unwrap();
    }

    /// Puts deliveries into log and queue as acceptance would.
    pub(crate) async fn accept(&self, message: NewMessage, deliveries: Vec<NewDelivery>) {
        let rows = deliveries.iter().map(|delivery| row(&message, delivery)).collect::<Vec<_>>();
        self.store.queue.accept(message, deliveries, rows.clone()).await.unwrap();
        self.store.activity.record(rows).await.unwrap();
        self.courier.wake();
    }

    /// The same where storage may fail: whether the message was accepted. What was is written down as soon as it can be.
    pub(crate) async fn try_accept(&self, message: NewMessage, deliveries: Vec<NewDelivery>) -> bool {
        let rows = deliveries.iter().map(|delivery| row(&message, delivery)).collect::<Vec<_>>();
        if self.store.queue.accept(message, deliveries, rows.clone()).await.is_err() {
            return false;
        }
        while matches!(self.store.activity.record(rows.clone()).await, Err(store::StoreError::Unwell(_))) {}
        true
    }

    /// Waits until the row has this status.
    pub(crate) async fn wait_for(&self, id: Uuid, status: Status) -> Row {
        let mut changes = self.store.activity.subscribe();
        let waiting = async {
            loop {
                match self.store.activity.get(id).await {
                    Ok(row) if row.status == status => return row,
                    _ => drop(changes.recv().await),
                }
            }
        };
        let Ok(row) = tokio::time::timeout(MAX_WAIT, waiting).await else {
            panic!("waited for {status:?}: {:?}", self.store.activity.get(id).await);
        };
        row
    }
}

pub(crate) fn settings(port: u16) -> Settings {
    let long = MAX_WAIT;
    Settings {
        hostname: domain("gw.example"),
        port,
        relay: None,
        relay_sign_in: None,
        routes: BTreeMap::new(),
        allow_private: true,
        source_addresses: Vec::new(),
        connections_per_site: 20,
        messages_per_connection: 100,
        stop_grace: Duration::from_secs(5),
        keep_failed: Duration::from_secs(7 * 86_400),
        timeouts: Timeouts {
            direct_connect: long,
            connect: long,
            handshake: long,
            command: long,
            data: long,
            block: long,
            dot: long,
            idle: long,
        },
    }
}

pub(crate) fn instance() -> Instance {
    Instance {
        hostname: domain("gw.example"),
        srs_domain: None,
        spf: Enforcement::Observe,
        dkim: Enforcement::Observe,
        dmarc: Enforcement::Enforce,
        unauthenticated: Unauthenticated::Accept,
        authentication_results: true,
        forwarded_headers: false,
        tls: TlsPolicy::Opportunistic,
        custody: Custody::Careful,
        retry: vec![Duration::from_secs(3600)],
        lifetime: Duration::from_secs(5 * 86_400),
        direct_max_bytes: 2 << 20,
        direct_per_site: 20,
        direct_total: 500,
        subjects: true,
        abuse: waypost::policy::settings::Abuse::default(),
    }
}

pub(crate) fn parcel(to: &[&str]) -> Parcel {
    parcel_of(to, CONTENT)
}

pub(crate) fn parcel_of(to: &[&str], content: &[u8]) -> Parcel {
    let addressee = |(n, to): (usize, &&str)| Addressee::unreported(Uuid::from_u128(n as u128 + 1), &mailbox(to));
    Parcel {
        message: Arc::new(Message {
            octets: Octets::Memory(Bytes::copy_from_slice(content)),
            eight_bit: !content.is_ascii(),
            international: false,
        }),
        id: Uuid::from_u128(0xe1),
        prefix: Bytes::from_static(PREFIX),
        reverse_path: ReversePath::parse("bounce@gw.example").unwrap(),
        addressees: to.iter().enumerate().map(addressee).collect(),
        tls: TlsPolicy::Opportunistic,
    }
}

pub(crate) fn message(now: Moment, sender: &str) -> NewMessage {
    NewMessage {
        id: Uuid::new_v4_like(),
        octets: Octets::Memory(Bytes::from_static(CONTENT)),
        sha256: Sha256::digest(CONTENT).into(),
        received_at: now,
        reverse_path: ReversePath::parse(sender).unwrap(),
        header_octets: 38,
        eight_bit: false,
        international: false,
    }
}

pub(crate) fn delivery(to: &str, entry: Entry) -> NewDelivery {
    NewDelivery {
        id: Uuid::new_v4_like(),
        purpose: Purpose::Forward,
        account: OWNER,
        domain: None,
        alias: None,
        recipient: mailbox("shop@my.example"),
        destination: mailbox(to),
        reverse_path: ReversePath::parse("bounce@gw.example").unwrap(),
        prefix: Bytes::from_static(PREFIX),
        tls: TlsPolicy::Opportunistic,
        reportable: true,
        tries: 0,
        entry,
        wishes: waypost::mail::wishes::Wishes::default(),
        about: None,
    }
}

pub(crate) fn row(message: &NewMessage, delivery: &NewDelivery) -> Row {
    let envelope = |from: &ReversePath, to: &Mailbox| Envelope { from: from.clone(), to: vec![to.clone()] };
    Row {
        id: delivery.id,
        transaction: message.id,
        received_at: message.received_at,
        account: delivery.account,
        domain: None,
        alias: None,
        passed: Vec::new(),
        own: None,
        status: Status::Queued,
        sender: message.reverse_path.to_string(),
        recipient: delivery.recipient.to_string(),
        destination: Some(delivery.destination.to_string()),
        author: None,
        subject: None,
        message_id: None,
        size: message.octets.len(),
        reason: "queued".to_owned(),
        rule: None,
        client: Client { ip: PEER, name: None, helo: "client.example".to_owned(), tls: None },
        auth: Auth::default(),
        sha256_received: Some(message.sha256),
        sha256_sent: None,
        attempts: Vec::new(),
        next_attempt_at: None,
        envelope: EnvelopePair {
            before: envelope(&message.reverse_path, &delivery.recipient),
            after: Some(envelope(&delivery.reverse_path, &delivery.destination)),
        },
        trace: Vec::new(),
        dsn: None,
        wishes: Default::default(),
        bounced_at: None,
        count: 1,
    }
}

/// Ids that differ from one another and from those of parcels.
trait Fresh {
    fn new_v4_like() -> Self;
}

impl Fresh for Uuid {
    fn new_v4_like() -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1000);
        Self::from_u128(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
    }
}

pub(crate) fn next_hop(inbox: &Inbox) -> NextHop {
    NextHop {
        host: waypost::mail::Host::parse("[127.0.0.1]").unwrap(),
        port: inbox.address().port(),
        implicit_tls: false,
    }
}

/// The outcomes in a word each: `delivered 250`, `refused 550 Mailbox`, `deferred 450`, `deferred`, `unknown`.
pub(crate) fn words(report: &Report) -> Vec<String> {
    report.outcomes.iter().map(|(_, outcome)| word(outcome)).collect()
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { reply } => format!("delivered {}", reply.code()),
        Outcome::Refused { reply, fault, stage } => format!("refused {} {fault:?} at {stage:?}", reply.code()),
        Outcome::Deferred { reply, stage, of_site, .. } => {
            let code = reply.as_ref().map_or_else(String::new, |reply| format!(" {}", reply.code()));
            format!("deferred{code} at {stage:?}{}", if *of_site { " of the site" } else { "" })
        }
        Outcome::Unknown { .. } => "unknown".to_owned(),
    }
}

/// What the log keeps, in a word each.
pub(crate) fn attempts(report: &Report) -> Vec<String> {
    report.attempts.iter().map(|(_, row)| format!("{} {}", row.mx.as_deref().unwrap_or("-"), row.outcome)).collect()
}

pub(crate) fn whole(content: &[u8]) -> Vec<u8> {
    [PREFIX, content].concat()
}

pub(crate) fn sha256(content: &[u8]) -> Option<[u8; 32]> {
    Some(Sha256::digest(content).into())
}
