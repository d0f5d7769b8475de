//! Asks inboxes whether they want to be destinations: a mail with a link to a page whose button verifies. Looking at the
//! link uses none up, since mail scanners look at links too.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::mail::verification::{SUBJECT, Verification};
use crate::mail::{Domain, Envelope, Mailbox, Moment, ReversePath};
use crate::policy::settings::TlsPolicy;
use crate::policy::status::Status;
use crate::store::StoreError;
use crate::store::activity::{Auth, Client, EnvelopePair, Row};
use crate::store::octets::Octets;
use crate::store::queue::{Entry, NewDelivery, NewMessage, Purpose};
use crate::store::rules::DestinationRow;
use crate::store::rules::verification::{Allowance, Asked, NewVerification};

use super::links::Secret;
use super::shapes::{DestinationShape, VerificationShape};
use super::{Access, Actor, Admin, AdminError, Area, Result};

/// How long a link is good.
pub const VERIFICATION_LIFETIME: Duration = Duration::from_secs(3 * 86_400);
/// How often inboxes are asked: strangers are not to be pestered through us.
const ALLOWANCE: Allowance = Allowance { pause: Duration::from_secs(60), per_address: 5, per_account: 50 };

/// How a link stands, or what it has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It can verify this address.
    Good(String),
    /// It has just verified this address.
    Verified(String),
    /// This address is verified already.
    Already(String),
    /// It was used before.
    Used,
    /// It was good until then.
    Expired(Moment),
    /// Nobody sent it, or the destination was removed.
    Unknown,
}

/// A mail as it goes: which id, from whom, to whom, when.
struct Sending {
    id: Uuid,
    from: Mailbox,
    to: Mailbox,
    at: Moment,
}

impl Admin {
    /// Sends an inbox another mail that asks it, within limits.
    pub async fn resend_verification(&self, actor: &Actor, id: &str) -> Result<DestinationRow> {
        actor.must(Area::Destinations, Access::Write)?;
        let row = self.find_destination(actor, id).await?;
        if row.verified_at.is_some() {
            let words = format!("{} is verified already: there is nothing to ask.", row.address);
            return Err(AdminError::Conflict(words));
        }
        self.ask_inbox(actor, &row).await?;
        Ok(row)
    }

    /// The same for a destination that was just added: it is added, whether or not its inbox can be asked now.
    pub(super) async fn ask_new_inbox(&self, actor: &Actor, row: &DestinationRow) {
        if row.verified_at.is_some() || self.links_at.is_none() {
            return;
        }
        if let Err(error) = self.ask_inbox(actor, row).await {
            tracing::warn!(%error, destination = %row.address, "no verification mail is sent now");
        }
    }

    async fn ask_inbox(&self, actor: &Actor, row: &DestinationRow) -> Result<()> {
        let Some(base) = &self.links_at else { return Err(AdminError::Conflict(NO_ADDRESS.to_owned())) };
        let to = Mailbox::parse(&row.address);
        let to = to.map_err(|_| AdminError::Conflict(format!("{} is no inbox that could be asked.", row.address)))?;
        let at = self.clock.now();
        let host = self.facts.instance.load().hostname.clone();
        let from = postmaster(&self.store.rules.sending_domain().await?.unwrap_or_else(|| host.clone()))?;
        let sending = Sending { id: self.chance.id(at), from, to, at };
        let secret = Secret::draw(&self.chance, "");
        self.keep_link(actor, row, (&secret, &sending)).await?;
        let mail = Verification {
            host: &host,
            from: &sending.from,
            to: &sending.to,
            at,
            until: at.after(VERIFICATION_LIFETIME),
            unique: &sending.id.to_string(),
            link: &format!("{}/verify/{}", base.trim_end_matches('/'), secret.text()),
        };
        let message = message(&sending, mail.octets());
        let logged = Row { message_id: Some(mail.message_id()), ..logged(row, &sending, (&host, &message)) };
        self.send(message, delivery(row, sending), logged).await
    }

    async fn keep_link(&self, actor: &Actor, row: &DestinationRow, asked: (&Secret, &Sending)) -> Result<()> {
        let (secret, sending) = asked;
        let link = NewVerification {
            hash: secret.hash(),
            account: row.account,
            address: sending.to.clone(),
            delivery: sending.id,
            at: sending.at,
            expires_at: sending.at.after(VERIFICATION_LIFETIME),
        };
        let audit = self.audit_plain(actor, "destination.ask", &row.address);
        let words = match self.store.rules.ask_inbox(link, ALLOWANCE, audit).await? {
            Asked::Kept => return Ok(()),
            Asked::TooSoon => {
                let words = format!("{} was asked less than a minute ago. Wait for that mail first.", row.address);
                return Err(AdminError::TooMany(words));
            }
            Asked::AddressSpent => {
                format!("{} was asked {} times in 24 hours, which is the limit.", row.address, ALLOWANCE.per_address)
            }
            Asked::AccountSpent => {
                format!("You had {} inboxes asked in 24 hours, which is the limit.", ALLOWANCE.per_account)
            }
        };
        Err(AdminError::TooMany(words))
    }

    /// The row is in the log before the queue has the mail: what becomes of it has a place to be told.
    async fn send(&self, message: NewMessage, delivery: NewDelivery, row: Row) -> Result<()> {
        self.store.activity.record(vec![row.clone()]).await?;
        self.store.queue.accept(message, vec![delivery], vec![row]).await?;
        if let Some(courier) = &self.courier {
            courier.wake();
        }
        Ok(())
    }

    /// How a link stands; looking uses none up.
    pub async fn verification_link(&self, link: &str) -> Result<Proof> {
        let hash = Secret::from_text(link).hash();
        let Some(found) = self.store.rules.verification_link(hash).await? else { return Ok(Proof::Unknown) };
        Ok(match found.destination {
            None => Proof::Unknown,
            Some((address, Some(_))) => Proof::Already(address),
            Some(_) if found.used_at.is_some() => Proof::Used,
            Some(_) if found.expires_at <= self.clock.now() => Proof::Expired(found.expires_at),
            Some((address, None)) => Proof::Good(address),
        })
    }

    /// Uses a link up: the destination that it was sent to is verified.
    pub async fn verify_by_link(&self, link: &str) -> Result<Proof> {
        let proof = self.verification_link(link).await?;
        let Proof::Good(address) = &proof else { return Ok(proof) };
        let hash = Secret::from_text(link).hash();
        let Some(found) = self.store.rules.verification_link(hash).await? else { return Ok(Proof::Unknown) };
        let audit = self.audit_plain(&Actor::inbox(found.account), "destination.verify", address);
        match self.store.rules.verify_by_link(hash, self.clock.now(), audit).await {
            Ok(row) => Ok(Proof::Verified(row.address)),
            // Somebody else was there first, or time has run out since the look.
            Err(StoreError::NotFound) => self.verification_link(link).await,
            Err(other) => Err(other.into()),
        }
    }

    /// A destination as the API shows it, with how the mail fares that asks its inbox.
    pub async fn destination_shape(&self, row: &DestinationRow) -> Result<DestinationShape> {
        let verification = match Mailbox::parse(&row.address) {
            Ok(inbox) if row.verified_at.is_none() => Some(self.verification_of(row, &inbox).await?),
            _ => None,
        };
        Ok(DestinationShape { verification, ..DestinationShape::new(row) })
    }

    async fn verification_of(&self, row: &DestinationRow, inbox: &Mailbox) -> Result<VerificationShape> {
        let Some((sent_at, id)) = self.store.rules.last_verification(row.account, inbox).await? else {
            let reply = if self.links_at.is_some() { NOT_ASKED } else { NO_ADDRESS };
            return Ok(VerificationShape {
                sent_at: None,
                status: "not_sent".to_owned(),
                reply: reply.to_owned(),
                activity_id: None,
            });
        };
        let (status, reply) = match self.store.activity.get(id).await {
            Ok(row) => (row.status.as_str(), row.attempts.last().map_or(row.reason, |last| last.reply.clone())),
            Err(StoreError::NotFound) => ("not_sent", "The log has no row of this mail any more.".to_owned()),
            Err(other) => return Err(other.into()),
        };
        Ok(VerificationShape { sent_at: Some(sent_at), status: status.to_owned(), reply, activity_id: Some(id) })
    }
}

const NOT_ASKED: &str = "This inbox was not asked yet. Have a mail sent that asks it.";
const NO_ADDRESS: &str = "No mail can ask this inbox, because the gateway has no address that a link could lead to: set \
                          http.public_url (or http.https_listen), or let the operator vouch with waypost destination verify.";

fn postmaster(domain: &Domain) -> Result<Mailbox> {
    Mailbox::parse(&format!("postmaster@{domain}")).map_err(|_| AdminError::Unwell)
}

fn message(sending: &Sending, octets: Vec<u8>) -> NewMessage {
    let header_octets = memchr::memmem::find(&octets, b"\r\n\r\n").map_or(octets.len(), |end| end + 4);
    NewMessage {
        id: sending.id,
        sha256: Sha256::digest(&octets).into(),
        received_at: sending.at,
        reverse_path: reverse_path(sending),
        header_octets: header_octets as u64,
        eight_bit: !octets.is_ascii(),
        international: !octets.is_ascii(),
        octets: Octets::Memory(Bytes::from(octets)),
    }
}

/// The author's own: what the domain's SPF says of us then speaks for the author as well (RFC 7489 §3.1.2).
fn reverse_path(sending: &Sending) -> ReversePath {
    ReversePath::Mailbox(sending.from.clone())
}

fn delivery(row: &DestinationRow, sending: Sending) -> NewDelivery {
    NewDelivery {
        id: sending.id,
        purpose: Purpose::Verification,
        account: row.account,
        domain: None,
        alias: None,
        recipient: sending.to.clone(),
        reverse_path: reverse_path(&sending),
        destination: sending.to,
        prefix: Bytes::new(),
        tls: TlsPolicy::Opportunistic,
        reportable: false,
        tries: 0,
        entry: Entry::Due(sending.at),
        wishes: Default::default(),
    }
}

fn logged(row: &DestinationRow, sending: &Sending, (host, message): (&Domain, &NewMessage)) -> Row {
    let envelope = Envelope { from: reverse_path(sending), to: vec![sending.to.clone()] };
    Row {
        id: sending.id,
        transaction: sending.id,
        received_at: sending.at,
        account: row.account,
        domain: None,
        alias: None,
        status: Status::Queued,
        sender: sending.from.to_string(),
        recipient: row.address.clone(),
        destination: Some(row.address.clone()),
        subject: Some(SUBJECT.to_owned()),
        message_id: None,
        size: message.octets.len(),
        reason: "A mail of the gateway itself, which asks the inbox; it waits for its first try".to_owned(),
        rule: None,
        client: Client { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), name: None, helo: host.to_string(), tls: None },
        auth: Auth::default(),
        sha256_received: Some(message.sha256),
        sha256_sent: None,
        attempts: Vec::new(),
        next_attempt_at: Some(sending.at),
        envelope: EnvelopePair { before: envelope.clone(), after: Some(envelope) },
        trace: Vec::new(),
        dsn: None,
        bounced_at: None,
        count: 1,
    }
}
