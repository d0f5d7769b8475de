//! Signing in: by password and second factor, by a one-time link, or by the first set-up. Each gives a session under a
//! secret of its own.

use std::net::IpAddr;
use std::time::Duration;

use crate::mail::{Mailbox, Moment};
use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, OWNER};
use crate::store::StoreError;
use crate::store::accounts::{AuditEntry, Credentials, LinkPurpose, NewSession};

use super::guesses::Whence;
use super::links::Secret;
use super::refused::StoppedAt;
use super::second_factor::MAX_CODE_CHARS;
use super::{Actor, ActorName, Admin, LINK_LIFETIME, Result, SESSION_LIFETIME, Subject, passwords};

/// A browser is known for so long after it signed in.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(180 * 24 * 3600);
/// Characters of what a browser calls itself that are kept.
const MAX_AGENT_CHARS: usize = 200;
/// Octets of an address that somebody signs in with.
const MAX_EMAIL_OCTETS: usize = 254;

/// What somebody writes into the form.
pub struct SignIn<'a> {
    /// The address.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
    /// A code of the authenticator, or a recovery code; empty without.
    pub code: &'a str,
}

impl std::fmt::Debug for SignIn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Who comes to sign in.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The client.
    pub ip: IpAddr,
    /// What the browser calls itself.
    pub agent: Option<String>,
    /// What it got when it signed in before.
    pub device: Option<String>,
}

impl Visitor {
    /// What is kept of what the browser calls itself.
    pub(super) fn kept_agent(&self) -> Option<String> {
        self.agent.as_ref().map(|text| text.chars().take(MAX_AGENT_CHARS).collect())
    }
}

/// What opens to them.
#[derive(Debug)]
pub struct Opened {
    /// The session.
    pub session: Secret,
    /// By which the browser is known again.
    pub device: Secret,
}

impl Admin {
    /// Signs in by password, and by second factor where there is one; none where anything is wrong, whatever it is.
    pub async fn sign_in(&self, written: &SignIn<'_>, visitor: &Visitor) -> Result<Option<Opened>> {
        let email = folded_email(written.email);
        let credentials = self.credentials(&email).await?;
        let device = self.known_device(credentials.as_ref(), visitor).await?;
        let from = Whence { ip: visitor.ip, device };
        let known = credentials.as_ref().map(|known| (known.account, email.as_str()));
        let guess = match self.guesses.begin(&email, from, self.clock.now()) {
            Ok(guess) => guess,
            Err(limited) => {
                self.note_refused(known, visitor, StoppedAt::Limit).await;
                return Err(limited);
            }
        };
        let hash =
            credentials.as_ref().filter(|known| !known.is_disabled).and_then(|known| known.password_hash.clone());
        let is_right = written.password.len() <= passwords::MAX_OCTETS;
        let is_right = self.passwords.verify(written.password, hash).await? && is_right;
        let Some(credentials) = credentials.as_ref().filter(|_| is_right) else {
            self.note_refused(known, visitor, StoppedAt::Password).await;
            return Ok(None);
        };
        if written.code.len() > MAX_CODE_CHARS || !self.second_factor(credentials, written.code).await? {
            self.note_refused(known, visitor, StoppedAt::Code).await;
            return Ok(None);
        }
        self.guesses.was_right(&guess);
        self.open(credentials.account, visitor, "password").await.map(Some)
    }

    async fn credentials(&self, email: &str) -> Result<Option<Credentials>> {
        match self.store.accounts.credentials_by_email(email).await {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NotFound) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// What is stored of a browser's secret, if it signed in to this account before.
    async fn known_device(&self, credentials: Option<&Credentials>, visitor: &Visitor) -> Result<Option<[u8; 32]>> {
        let Some(device) = &visitor.device else { return Ok(None) };
        let hash = Secret::from_text(device).hash();
        match self.store.accounts.link(hash, LinkPurpose::Device, self.clock.now()).await {
            Ok(account) => Ok(credentials.filter(|known| known.account == account).map(|_| hash)),
            Err(StoreError::NotFound) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Uses a sign-in link up and opens a session; none if the link is not good.
    pub async fn open_session(&self, link: &str, visitor: &Visitor) -> Result<Option<Opened>> {
        let hash = Secret::from_text(link).hash();
        match self.store.accounts.use_link(hash, LinkPurpose::SignIn, self.clock.now()).await {
            Ok(account) => self.open(account, visitor, "link").await.map(Some),
            Err(StoreError::NotFound) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Opens a session under a new secret.
    pub(super) async fn open(&self, account: AccountId, visitor: &Visitor, by: &str) -> Result<Opened> {
        let (now, session) = (self.clock.now(), Secret::draw(&self.chance, ""));
        let new = NewSession {
            hash: session.hash(),
            id: self.chance.id(now),
            account,
            now,
            expires_at: now.after(SESSION_LIFETIME),
            ip: Some(visitor.ip.to_canonical().to_string()),
            agent: visitor.kept_agent(),
        };
        let audit = self.session_audit(&new, by);
        self.store.accounts.add_session(new, audit).await?;
        Ok(Opened { session, device: self.know_browser(account).await? })
    }

    /// Draws a secret by which a browser is known at its next sign-in to this account.
    pub(super) async fn know_browser(&self, account: AccountId) -> Result<Secret> {
        let (now, device) = (self.clock.now(), Secret::draw(&self.chance, ""));
        let until: (Moment, Moment) = (now, now.after(DEVICE_LIFETIME));
        self.store.accounts.add_link(device.hash(), LinkPurpose::Device, account, until).await?;
        Ok(device)
    }

    fn session_audit(&self, new: &NewSession, by: &str) -> AuditEntry {
        let actor = Actor::whole(new.account, ActorName::Session);
        let told = serde_json::json!({ "id": new.id, "by": by, "ip": new.ip, "agent": new.agent });
        self.audit(
            &actor,
            Deed::SessionOpen,
            &Subject { object: &new.id.to_string(), before: None, after: Some(&told) },
        )
    }

    /// Whether the owner has been through the first set-up.
    pub async fn is_set_up(&self) -> Result<bool> {
        Ok(self.store.accounts.account(OWNER).await?.has_password)
    }

    /// Whether anybody has a password to sign in with.
    pub async fn anybody_signs_in(&self) -> Result<bool> {
        Ok(self.store.accounts.any_password().await?)
    }

    /// A link that leads through the first set-up; none once the owner has a password.
    pub async fn setup_link(&self, actor: &Actor) -> Result<Option<Secret>> {
        actor.must_be_admin("make a set-up link")?;
        if self.is_set_up().await? {
            return Ok(None);
        }
        self.draw_link(LinkPurpose::Setup, OWNER, LINK_LIFETIME).await.map(Some)
    }
}

/// An address as accounts are found by it.
pub(super) fn folded_email(text: &str) -> String {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MAX_EMAIL_OCTETS).last();
    let text = text[..end.unwrap_or(0)].trim();
    // An address is stored as the DNS has its domain, and written as people read it.
    Mailbox::parse(text).map_or_else(|_| text.to_owned(), |mailbox| mailbox.to_string()).to_lowercase()
}
