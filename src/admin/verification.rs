//! Asks inboxes whether they want to be destinations: a mail with a link to a page whose button verifies. Looking at the
//! link uses none up, since mail scanners look at links too.

use std::time::Duration;

use crate::mail::link_mail::LinkFor;
use crate::mail::{Mailbox, Moment};
use crate::policy::deeds::Deed;
use crate::policy::status::OwnMail;
use crate::store::StoreError;
use crate::store::rules::DestinationRow;
use crate::store::rules::verification::{Allowance, Asked, NewVerification};

use super::activity::shows;
use super::letters::{Letter, Sending};
use super::links::Secret;
use super::no_mail::domain_of;
use super::shapes::{DestinationShape, NoMailShape, VerificationShape, status_word};
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

impl Admin {
    /// Sends an inbox another mail that asks it, within limits.
    pub async fn resend_verification(&self, actor: &Actor, id: &str) -> Result<DestinationRow> {
        actor.must(Area::Destinations, Access::Write)?;
        let row = self.find_destination(actor, id).await?;
        if self.is_verified(&row).await? {
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
        let asked = match self.is_verified(row).await {
            Ok(true) => Ok(()),
            Ok(false) => self.ask_inbox(actor, row).await,
            Err(error) => Err(error),
        };
        if let Err(error) = asked {
            tracing::warn!(%error, destination = %row.address, "no verification mail is sent now");
        }
    }

    /// Addresses of this gateway are resolved inside, and need no verification. Who was asked since the destination was made
    /// has an answer to give: another mail is asked for by somebody.
    pub(super) async fn ask_if_never(&self, actor: &Actor, row: &DestinationRow) {
        let Ok(inbox) = Mailbox::parse(&row.address) else { return };
        let hosted = inbox.domain().and_then(|domain| self.store.directory.domain(domain));
        if hosted.is_some_and(|hosted| hosted.account == row.account) {
            return;
        }
        match self.store.rules.last_verification(row.account, &inbox).await {
            Ok(Some((asked_at, _))) if asked_at >= row.created_at => {}
            Ok(_) => self.ask_new_inbox(actor, row).await,
            Err(error) => tracing::warn!(%error, destination = %row.address, "no verification mail is sent now"),
        }
    }

    async fn ask_inbox(&self, actor: &Actor, row: &DestinationRow) -> Result<()> {
        let Some(base) = &self.links_at else { return Err(AdminError::Conflict(NO_ADDRESS.to_owned())) };
        let to = Mailbox::parse(&row.address);
        let to = to.map_err(|_| AdminError::Conflict(format!("{} is no inbox that could be asked.", row.address)))?;
        let secret = Secret::draw(&self.chance, "");
        let link = format!("{}/verify/{}", base.trim_end_matches('/'), secret.text());
        let letter = Letter {
            own: OwnMail::Verification,
            subject: LinkFor::Verification.subject().to_owned(),
            account: row.account,
            about: to.clone(),
            to,
            reason: "Waypost's own mail, with a link that verifies this inbox. It waits for its first try.",
        };
        let sending = self.begin_letter().await?;
        self.keep_link(actor, row, (&secret, &letter, &sending)).await?;
        let text = sending.text_of_link(&letter, (LinkFor::Verification, &link, VERIFICATION_LIFETIME));
        self.send_letter(sending, letter, &text).await
    }

    async fn keep_link(
        &self,
        actor: &Actor,
        row: &DestinationRow,
        (secret, letter, sending): (&Secret, &Letter, &Sending),
    ) -> Result<()> {
        let link = NewVerification {
            hash: secret.hash(),
            account: row.account,
            asked_by: actor.only_account().filter(|asker| *asker != row.account),
            address: letter.to.clone(),
            delivery: sending.id,
            at: sending.at,
            expires_at: sending.at.after(VERIFICATION_LIFETIME),
        };
        let audit = self.audit_plain(actor, Deed::DestinationAsk, &row.address);
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
        let audit = self.audit_plain(&Actor::inbox(found.account), Deed::DestinationVerify, address);
        match self.store.rules.verify_by_link(hash, self.clock.now(), audit).await {
            Ok(row) => {
                // The mail that brought the link has arrived.
                self.forget_refusals(&row.address).await?;
                Ok(Proof::Verified(row.address))
            }
            // Somebody else was there first, or time has run out since the look.
            Err(StoreError::NotFound) => self.verification_link(link).await,
            Err(other) => Err(other.into()),
        }
    }

    /// A destination as the API shows it, with whose it is and how the mail fares that asks its inbox.
    pub async fn destination_shape(&self, actor: &Actor, row: &DestinationRow) -> Result<DestinationShape> {
        let mut shapes = self.destination_shapes(actor, std::slice::from_ref(row)).await?;
        Ok(shapes.remove(0))
    }

    /// The same of several, in their order.
    pub(super) async fn destination_shapes(
        &self,
        actor: &Actor,
        rows: &[DestinationRow],
    ) -> Result<Vec<DestinationShape>> {
        let no_mail = self.no_mail_of(rows).await?;
        let mut shapes = Vec::with_capacity(rows.len());
        for row in rows {
            let takes_no_mail = no_mail.get(domain_of(row)).map(NoMailShape::new);
            shapes.push(DestinationShape { takes_no_mail, ..self.asked_shape(actor, row).await? });
        }
        Ok(shapes)
    }

    async fn asked_shape(&self, actor: &Actor, row: &DestinationRow) -> Result<DestinationShape> {
        let shape = DestinationShape { owner: self.owner_of(actor, row).await?, ..DestinationShape::new(row) };
        let Ok(inbox) = Mailbox::parse(&row.address) else { return Ok(shape) };
        let not_asked_until = self.store.directory.not_asked_until(&inbox);
        if row.verified_at.is_some() {
            return Ok(DestinationShape { not_asked_until, ..shape });
        }
        let trusted = self.store.directory.is_verified(row.account, &inbox).await?;
        if trusted {
            return Ok(DestinationShape { trusted, not_asked_until, ..shape });
        }
        let verification = Some(self.verification_of(actor, (row, &inbox)).await?);
        Ok(DestinationShape { verification, ..shape.untold() })
    }

    async fn verification_of(
        &self,
        actor: &Actor,
        (row, inbox): (&DestinationRow, &Mailbox),
    ) -> Result<VerificationShape> {
        let Some((sent_at, id)) = self.store.rules.last_verification(row.account, inbox).await? else {
            let reply = if self.links_at.is_some() { NOT_ASKED } else { NO_ADDRESS };
            return Ok(VerificationShape {
                sent_at: None,
                status: "not_sent".to_owned(),
                reply: reply.to_owned(),
                activity_id: None,
            });
        };
        let mut told = VerificationShape {
            sent_at: Some(sent_at),
            status: "not_sent".to_owned(),
            reply: "The log has no row of this mail any more.".to_owned(),
            activity_id: Some(id),
        };
        match self.store.activity.get(id).await {
            Ok(mut row) => {
                // It may stand in the log of whom it was sent for, whose aliases the actor leads there.
                told.activity_id = shows(actor, &mut row).then_some(id);
                status_word(&row).clone_into(&mut told.status);
                told.reply = row.attempts.last().map_or(row.reason, |last| last.reply.clone());
            }
            Err(StoreError::NotFound) => {}
            Err(other) => return Err(other.into()),
        }
        Ok(told)
    }
}

const NOT_ASKED: &str = "This inbox was not asked yet. Have a mail sent that asks it.";
const NO_ADDRESS: &str = "No mail can ask this inbox, because the gateway has no address that a link could lead to: set \
                          http.public_url (or http.https_listen), which counts after a restart. An admin may vouch for it instead: \
                          Verify in the panel, or waypost destination verify.";
