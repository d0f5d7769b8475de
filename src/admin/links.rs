//! One-time links and the sessions that they open. Secrets are 256 random bits; only their SHA-256 is stored.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::chance::Chance;
use crate::store::StoreError;
use crate::store::accounts::LinkPurpose;

use super::{Actor, Admin, Result};

/// How long a link is good.
pub const LINK_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a session lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// A secret that is told once: a token, a link, a session.
pub struct Secret(String);

impl Secret {
    /// Draws a new one.
    #[must_use]
    pub fn draw(chance: &Chance, prefix: &str) -> Self {
        Self(format!("{prefix}{}", BASE64URL_NOPAD.encode(&chance.token())))
    }

    /// Takes one that somebody brings.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The secret itself, for the one answer that holds it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Admin {
    /// Makes a link that signs in to the panel, once, within [`LINK_LIFETIME`].
    pub async fn add_panel_link(&self, actor: &Actor) -> Result<Secret> {
        actor.must_be_admin("make a sign-in link")?;
        let secret = Secret::draw(&self.chance, "");
        let until = self.clock.now().after(LINK_LIFETIME);
        self.store.accounts.add_link(secret.hash(), LinkPurpose::SignIn, actor.account, until).await?;
        self.store.accounts.audit(self.audit_plain(actor, "link.create", "panel")).await?;
        Ok(secret)
    }

    /// Whether a link could be used; looking uses none up.
    pub async fn link_is_good(&self, link: &str) -> Result<bool> {
        let hash = Secret::from_text(link).hash();
        Ok(self.store.accounts.link_is_good(hash, self.clock.now()).await?)
    }

    /// Uses a link up and opens a session; none if the link is not good.
    pub async fn open_session(&self, link: &str) -> Result<Option<Secret>> {
        let now = self.clock.now();
        let account = match self.store.accounts.use_link(Secret::from_text(link).hash(), now).await {
            Ok((LinkPurpose::SignIn | LinkPurpose::Setup, account)) => account,
            Err(StoreError::NotFound) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let secret = Secret::draw(&self.chance, "");
        self.store.accounts.add_session(secret.hash(), account, now, now.after(SESSION_LIFETIME)).await?;
        self.store.accounts.audit(self.audit_plain(&Actor::session(account), "session.open", "panel")).await?;
        Ok(Some(secret))
    }

    /// Who holds a session; none if it has ended.
    pub async fn session(&self, session: &str) -> Result<Option<Actor>> {
        match self.store.accounts.session(Secret::from_text(session).hash(), self.clock.now()).await {
            Ok(account) => Ok(Some(Actor::session(account))),
            Err(StoreError::NotFound) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Ends a session.
    pub async fn close_session(&self, session: &str) -> Result<()> {
        match self.store.accounts.end_session(Secret::from_text(session).hash()).await {
            Ok(()) | Err(StoreError::NotFound) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }
}
