//! A store in a directory of its own, and sample values.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use uuid::Uuid;
use waypost::chance::Chance;
use waypost::clock::Clock;
use waypost::mail::{Domain, Envelope, Mailbox, Moment, ReversePath};
use waypost::policy::ids::{AliasId, DomainId, OWNER};
use waypost::policy::rule::{Action, After, Kind, Privacy};
use waypost::policy::settings::{Overrides, TlsPolicy};
use waypost::policy::status::Status;
use waypost::store::accounts::AuditEntry;
use waypost::store::activity::{Auth, Client, EnvelopePair, Row};
use waypost::store::faults::Faults;
use waypost::store::octets::Octets;
use waypost::store::queue::{Entry, NewDelivery, NewMessage, Purpose};
use waypost::store::rules::{AliasRow, AliasSpec, DomainRow};
use waypost::store::{Settings, Store};

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) chance: Chance,
    pub(crate) faults: Faults,
    pub(crate) directory: TempDir,
}

pub(crate) fn start_of_time() -> Moment {
    Moment::from_millis(1_795_373_784_120)
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let (clock, chance) = (Clock::manual(start_of_time()), Chance::seeded(7));
        let faults = Faults::armed();
        let store = open(&directory, &clock, &chance, &faults).await;
        Self { store, clock, chance, faults, directory }
    }

    pub(crate) async fn reopen(&mut self) {
        self.store.close().await;
        self.faults.fail_at(0);
        self.store = open(&self.directory, &self.clock, &self.chance, &self.faults).await;
    }

    /// What another process would find, had this one been killed now.
    pub(crate) async fn crash(&self) -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("spool")).unwrap();
        for folder in ["", "spool"] {
            for entry in std::fs::read_dir(self.directory.path().join(folder)).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    std::fs::copy(entry.path(), directory.path().join(folder).join(entry.file_name())).unwrap();
                }
            }
        }
        let (clock, chance, faults) = (self.clock.clone(), Chance::seeded(8), Faults::armed());
        let store = open(&directory, &clock, &chance, &faults).await;
        Self { store, clock, chance, faults, directory }
    }

    /// The files of large messages.
    pub(crate) fn spooled(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.directory.path().join("spool")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }

    pub(crate) fn audit(&self, action: &str) -> AuditEntry {
        AuditEntry {
            at: self.clock.now(),
            account: OWNER,
            actor: "operator".to_owned(),
            action: action.to_owned(),
            object: String::new(),
            before: None,
            after: None,
        }
    }

    pub(crate) async fn domain(&self, name: &str) -> DomainRow {
        let audit = self.audit("domain.create");
        self.store.rules.add_domain(OWNER, &domain(name), Some(self.clock.now()), audit).await.unwrap()
    }

    pub(crate) async fn alias(&self, domain: &DomainRow, local: &str, to: &[&str]) -> AliasRow {
        self.add(domain, &spec(Kind::Address, local, to)).await
    }

    pub(crate) async fn add(&self, domain: &DomainRow, spec: &AliasSpec) -> AliasRow {
        self.store.rules.add_alias(OWNER, domain.key, spec, self.audit("alias.create")).await.unwrap()
    }

    pub(crate) fn row(&self, status: Status) -> Row {
        let now = self.clock.now();
        Row {
            id: self.chance.id(now),
            transaction: self.chance.id(now),
            received_at: now,
            account: OWNER,
            domain: Some(DomainId(1)),
            alias: Some(AliasId(1)),
            passed: Vec::new(),
            own: None,
            status,
            sender: "ann@sender.example".to_owned(),
            recipient: "shop@my.example".to_owned(),
            destination: Some("me@inbox.example".to_owned()),
            author: None,
            subject: Some("A quick brown fox".to_owned()),
            message_id: Some("<1@sender.example>".to_owned()),
            size: 4096,
            reason: "delivered".to_owned(),
            rule: None,
            client: Client { ip: "192.0.2.1".parse().unwrap(), name: None, helo: "mx.example".to_owned(), tls: None },
            auth: Auth { spf: Some("pass".to_owned()), ..Auth::default() },
            sha256_received: Some([1; 32]),
            sha256_sent: None,
            attempts: Vec::new(),
            next_attempt_at: None,
            envelope: EnvelopePair {
                before: Envelope {
                    from: ReversePath::parse("ann@sender.example").unwrap(),
                    to: vec![mailbox("shop@my.example")],
                },
                after: None,
            },
            trace: Vec::new(),
            dsn: None,
            wishes: Default::default(),
            bounced_at: None,
            count: 1,
        }
    }

    pub(crate) fn refusal(&self, ip: &str) -> Row {
        let mut row = self.row(Status::Refused);
        row.client.ip = ip.parse().unwrap();
        row.destination = None;
        row
    }

    pub(crate) fn message(&self, octets: Vec<u8>) -> NewMessage {
        let now = self.clock.now();
        NewMessage {
            id: self.chance.id(now),
            octets: Octets::Memory(Bytes::from(octets)),
            sha256: [2; 32],
            received_at: now,
            reverse_path: ReversePath::parse("ann@sender.example").unwrap(),
            header_octets: 10,
            eight_bit: false,
            international: false,
        }
    }

    pub(crate) fn delivery(&self, entry: Entry) -> NewDelivery {
        self.delivery_as(self.chance.id(self.clock.now()), entry)
    }

    pub(crate) fn delivery_as(&self, id: Uuid, entry: Entry) -> NewDelivery {
        NewDelivery {
            id,
            purpose: Purpose::Forward,
            account: OWNER,
            domain: Some(DomainId(1)),
            alias: Some(AliasId(1)),
            recipient: mailbox("shop@my.example"),
            destination: mailbox("me@inbox.example"),
            reverse_path: ReversePath::parse("SRS0=h=tt=sender.example=ann@my.example").unwrap(),
            prefix: Bytes::from_static(b"Delivered-To: shop@my.example\r\n"),
            tls: TlsPolicy::Opportunistic,
            reportable: true,
            tries: 0,
            entry,
            wishes: waypost::mail::wishes::Wishes::default(),
            about: None,
        }
    }

    pub(crate) fn due(&self) -> NewDelivery {
        self.delivery(Entry::Due(self.clock.now()))
    }
}

pub(crate) async fn open(directory: &TempDir, clock: &Clock, chance: &Chance, faults: &Faults) -> Store {
    let data_dir = directory.path().to_owned();
    let settings = Settings { database: data_dir.join("waypost.db"), data_dir };
    Store::open_failing(settings, (clock.clone(), chance.clone()), faults.clone()).await.unwrap()
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

pub(crate) fn spec(kind: Kind, pattern: &str, to: &[&str]) -> AliasSpec {
    AliasSpec {
        kind,
        pattern: pattern.to_owned(),
        priority: 0,
        action: Action::Forward,
        destinations: to.iter().map(|&d| d.to_owned()).collect(),
        enabled: true,
        description: String::new(),
        labels: Vec::new(),
        expires_at: None,
        expires_after_messages: None,
        expires_after_idle: None,
        then: After::Refuse,
        allow: Vec::new(),
        block: Vec::new(),
        quota: None,
        privacy: Privacy::Off,
        reject_message: None,
        overrides: Overrides::default(),
    }
}

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
