//! Mail of the gateway itself: written, logged and queued like any other, from postmaster of the first verified domain. Where
//! it brings a link, its octets are its inbox's alone to read. It leaves under an SRS address, as any other: what comes back is
//! read, and shown on its row.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::mail::letter;
use crate::mail::link_mail::{LinkFor, LinkMail};
use crate::mail::{Domain, Envelope, Host, Mailbox, Moment, ReversePath};
use crate::policy::ids::AccountId;
use crate::policy::settings::TlsPolicy;
use crate::policy::status::{OwnMail, Status};
use crate::store::activity::{Auth, Client, EnvelopePair, Row};
use crate::store::notices::Noted;
use crate::store::octets::Octets;
use crate::store::queue::{Acceptance, Entry, NewDelivery, NewMessage, Purpose};

use super::{Admin, AdminError, Result};

/// A mail as it is meant.
#[derive(Debug)]
pub(super) struct Letter {
    /// What it is for.
    pub(super) own: OwnMail,
    /// What it is about.
    pub(super) subject: String,
    /// In whose log it stands.
    pub(super) account: AccountId,
    /// The inbox that is asked, or the address that is written to.
    pub(super) about: Mailbox,
    /// Where it goes.
    pub(super) to: Mailbox,
    /// What the log says before the first try.
    pub(super) reason: &'static str,
}

/// A mail as it goes: which id, by which host, from whom, when.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) id: Uuid,
    pub(super) host: Domain,
    from: Mailbox,
    /// On the author's own domain: what its SPF says of us then speaks for the author as well (RFC 7489 §3.1.2).
    reverse_path: ReversePath,
    pub(super) at: Moment,
}

impl Sending {
    /// What a mail says that brings a link, which is good for so long.
    pub(super) fn text_of_link(
        &self,
        letter: &Letter,
        (link_for, link, lifetime): (LinkFor, &str, Duration),
    ) -> Vec<String> {
        let until = self.at.after(lifetime);
        LinkMail { link_for, host: &self.host, from: &self.from, to: &letter.about, until, link }.text()
    }
}

impl Admin {
    /// In whose name the next mail goes.
    pub(super) async fn begin_letter(&self) -> Result<Sending> {
        let host = self.facts.instance.load().hostname.clone();
        let domain = self.store.rules.sending_domain().await?.unwrap_or_else(|| host.clone());
        let from = Mailbox::parse(&format!("postmaster@{domain}")).map_err(|_| AdminError::Unwell)?;
        let at = self.clock.now();
        let reverse_path = ReversePath::Mailbox(Mailbox::new(self.srs_local(&from).await?, Host::Name(domain)));
        Ok(Sending { id: self.chance.id(at), host, from, reverse_path, at })
    }

    /// Sends one mail.
    pub(super) async fn send_letter(&self, sending: Sending, letter: Letter, text: &[String]) -> Result<()> {
        self.send_noting(vec![composed(&sending, &letter, text)], Noted::default()).await
    }

    /// Sends mails, and notes that in the same transaction. Their rows are in the log before the queue has them: what becomes
    /// of them has a place to be told.
    pub(super) async fn send_noting(&self, mails: Vec<Acceptance>, noted: Noted) -> Result<()> {
        self.store.activity.record(mails.iter().flat_map(|mail| mail.rows.clone()).collect()).await?;
        self.store.queue.accept_noting(mails, noted).await?;
        if let Some(courier) = &self.courier {
            courier.wake();
        }
        Ok(())
    }
}

/// The mail as the queue takes it.
pub(super) fn composed(sending: &Sending, letter: &Letter, text: &[String]) -> Acceptance {
    let mail = letter::Letter {
        host: &sending.host,
        from: &sending.from,
        to: &letter.about,
        at: sending.at,
        unique: &sending.id.to_string(),
        subject: &letter.subject,
        text,
    };
    let message = message(sending, mail.octets());
    let row = Row { message_id: Some(mail.message_id()), ..logged(letter, sending, &message) };
    Acceptance { message, deliveries: vec![delivery(letter, sending)], rows: vec![row] }
}

fn message(sending: &Sending, octets: Vec<u8>) -> NewMessage {
    let header_octets = memchr::memmem::find(&octets, b"\r\n\r\n").map_or(octets.len(), |end| end + 4);
    NewMessage {
        id: sending.id,
        sha256: Sha256::digest(&octets).into(),
        received_at: sending.at,
        reverse_path: sending.reverse_path.clone(),
        header_octets: header_octets as u64,
        eight_bit: !octets.is_ascii(),
        international: !octets.is_ascii(),
        octets: Octets::Memory(Bytes::from(octets)),
    }
}

fn delivery(letter: &Letter, sending: &Sending) -> NewDelivery {
    NewDelivery {
        id: sending.id,
        purpose: match letter.own {
            OwnMail::Notice => Purpose::Notice,
            OwnMail::Verification | OwnMail::Password => Purpose::Verification,
        },
        account: letter.account,
        domain: None,
        alias: None,
        recipient: letter.about.clone(),
        reverse_path: sending.reverse_path.clone(),
        destination: letter.to.clone(),
        prefix: Bytes::new(),
        tls: TlsPolicy::Opportunistic,
        reportable: false,
        tries: 0,
        entry: Entry::Due(sending.at),
        wishes: Default::default(),
        about: None,
    }
}

fn logged(letter: &Letter, sending: &Sending, message: &NewMessage) -> Row {
    let from = ReversePath::Mailbox(sending.from.clone());
    Row {
        id: sending.id,
        transaction: sending.id,
        received_at: sending.at,
        account: letter.account,
        domain: None,
        alias: None,
        passed: Vec::new(),
        own: Some(letter.own),
        author: None,
        status: Status::Queued,
        sender: sending.from.to_string(),
        recipient: letter.about.to_string(),
        destination: Some(letter.to.to_string()),
        subject: Some(letter.subject.clone()),
        message_id: None,
        size: message.octets.len(),
        reason: letter.reason.to_owned(),
        rule: None,
        client: Client { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), name: None, helo: sending.host.to_string(), tls: None },
        auth: Auth::default(),
        wishes: Default::default(),
        sha256_received: Some(message.sha256),
        sha256_sent: None,
        attempts: Vec::new(),
        next_attempt_at: Some(sending.at),
        envelope: EnvelopePair {
            before: Envelope { from, to: vec![letter.about.clone()] },
            after: Some(Envelope { from: sending.reverse_path.clone(), to: vec![letter.to.clone()] }),
        },
        trace: Vec::new(),
        dsn: None,
        bounced_at: None,
        count: 1,
    }
}
