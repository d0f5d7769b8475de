//! One-time links and the sessions that they open. Secrets are 256 random bits; only their SHA-256 is stored.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use uuid::Uuid;

use crate::chance::Chance;
use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::store::StoreError;
use crate::store::accounts::LinkPurpose;

use super::error::{OrMissing, if_there};
use super::shapes::{ListShape, SessionShape};
use super::{Access, Actor, Admin, AdminError, Area, Result};

/// How long a link is good.
pub const LINK_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a link is good that was sent to somebody who forgot their password.
pub const RESET_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a session lasts at most; without a request it ends sooner.
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
        let secret = self.draw_link(LinkPurpose::SignIn, actor.account, LINK_LIFETIME).await?;
        self.store.accounts.audit(self.audit_plain(actor, Deed::LinkCreate, "panel")).await?;
        Ok(secret)
    }

    /// Makes a link; whoever hands it out has checked that they may.
    pub(super) async fn draw_link(
        &self,
        purpose: LinkPurpose,
        account: AccountId,
        lifetime: Duration,
    ) -> Result<Secret> {
        let secret = Secret::draw(&self.chance, "");
        let now = self.clock.now();
        self.store.accounts.add_link(secret.hash(), purpose, account, (now, now.after(lifetime))).await?;
        Ok(secret)
    }

    /// Whether a link could be used for this; looking uses none up.
    pub async fn link_is_good(&self, link: &str, purpose: LinkPurpose) -> Result<bool> {
        let found = self.store.accounts.link(Secret::from_text(link).hash(), purpose, self.clock.now()).await;
        match found {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// Who holds a session; none if it has ended.
    pub async fn session(&self, session: &str) -> Result<Option<Actor>> {
        let accounts = &self.store.accounts;
        let found = async {
            let row = accounts.session(Secret::from_text(session).hash(), self.clock.now()).await?;
            let standing = accounts.standing(row.account).await?;
            Ok(Actor::session(&row, standing))
        };
        if_there(found.await)
    }

    /// Ends the session of this secret; false where there is none.
    pub async fn close_session(&self, session: &str) -> Result<bool> {
        Ok(self.store.accounts.end_session(Secret::from_text(session).hash()).await?)
    }

    /// The account's sessions, the last used first. A session is for all domains: what is for some of them is told of none.
    pub async fn sessions(&self, actor: &Actor) -> Result<ListShape<SessionShape>> {
        actor.must(Area::Account, Access::Read)?;
        if actor.is_limited() {
            return Ok(ListShape { items: Vec::new(), next_cursor: None });
        }
        let rows = self.store.accounts.sessions(actor.account, self.clock.now()).await?;
        let items = rows.into_iter().map(|row| SessionShape::new(row, actor.session_id())).collect();
        Ok(ListShape { items, next_cursor: None })
    }

    /// Ends one of the account's sessions that the actor is told of, at once.
    pub async fn end_session(&self, actor: &Actor, id: &str) -> Result<()> {
        actor.must(Area::Account, Access::Write)?;
        let uuid = Uuid::try_parse(id).ok().filter(|_| !actor.is_limited());
        let uuid = uuid.ok_or_else(|| AdminError::missing("session", id))?;
        let audit = self.audit_plain(actor, Deed::SessionEnd, id);
        self.store.accounts.end_session_by_id(actor.account, uuid, audit).await.or_missing("session", id)
    }

    /// Ends all of the account's sessions that the actor is told of, but the one by which it asks.
    pub async fn end_other_sessions(&self, actor: &Actor) -> Result<()> {
        actor.must(Area::Account, Access::Write)?;
        for session in self.sessions(actor).await?.items.iter().filter(|session| !session.current) {
            match self.end_session(actor, &session.id.to_string()).await {
                // It has ended by itself since.
                Ok(()) | Err(AdminError::NotFound(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}
