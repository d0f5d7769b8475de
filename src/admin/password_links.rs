//! Links with which somebody sets a password: the first set-up, a forgotten one, an invitation.

use serde_json::{Map, Value};

use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, OWNER};
use crate::store::StoreError;
use crate::store::accounts::{AccountRow, LinkPurpose, SetUp};

use super::links::Secret;
use super::people::{check_password, email, object, password, taken};
use super::shapes::UserShape;
use super::sign_in::{Opened, Visitor, folded_email};
use super::{Actor, ActorName, Admin, AdminError, Form, LINK_LIFETIME, RESET_LIFETIME, Result, Subject, passwords};

/// What a link has set.
#[derive(Debug)]
pub struct NewPassword {
    /// Whether the account had none before.
    pub is_first: bool,
    /// By which the browser is known when it signs in: whoever has the inbox is not kept out by what strangers guess.
    pub device: Secret,
}

/// A link that sets a password, and who is to get it.
#[derive(Debug)]
pub struct PasswordLink {
    /// Whose.
    pub account: AccountId,
    /// The address of the account.
    pub email: String,
    /// What stands in `/reset/{token}`.
    pub secret: Secret,
}

impl Admin {
    /// The account of an address that may be sent a link, and the address as it stands there; none where there is none, or it
    /// is switched off.
    pub(super) async fn account_to_help(&self, email: &str) -> Result<Option<(AccountId, String)>> {
        match self.store.accounts.account_by_email(&folded_email(email)).await {
            Ok(row) if row.disabled_at.is_none() => Ok(row.email.map(|email| (row.key, email))),
            Ok(_) | Err(StoreError::NotFound) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// The link with which somebody who forgot their password sets a new one; none where there is no such account. It is
    /// sent to the address that it names, and to no other; whoever asks hears the same either way.
    pub async fn password_link(&self, email: &str) -> Result<Option<PasswordLink>> {
        let Some((account, email)) = self.account_to_help(email).await? else { return Ok(None) };
        let secret = self.draw_link(LinkPurpose::Reset, account, RESET_LIFETIME).await?;
        self.store.accounts.audit(self.audit_plain(&Actor::upkeep(account), Deed::LinkReset, &email)).await?;
        Ok(Some(PasswordLink { account, email, secret }))
    }

    /// Draws a link with which somebody sets a new password, for whoever looks after accounts to hand over.
    pub async fn draw_password_link(&self, actor: &Actor, id: &str) -> Result<PasswordLink> {
        let row = self.managed_user(actor, id).await?;
        let email = object(&row);
        if row.disabled_at.is_some() {
            return Err(AdminError::Conflict(format!("{email} is switched off: no password signs in there.")));
        }
        let secret = self.draw_link(LinkPurpose::Reset, row.key, LINK_LIFETIME).await?;
        self.store.accounts.audit(self.audit_plain(actor, Deed::LinkReset, &email)).await?;
        Ok(PasswordLink { account: row.key, email, secret })
    }

    /// Uses a link up and sets the password behind it; none if the link is not good. Every session ends.
    pub async fn reset_password(&self, link: &str, new: &str) -> Result<Option<NewPassword>> {
        let (accounts, hash) = (&self.store.accounts, Secret::from_text(link).hash());
        let account = match accounts.link(hash, LinkPurpose::Reset, self.clock.now()).await {
            Ok(account) => accounts.account(account).await?,
            Err(StoreError::NotFound) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        if let Some(why) = passwords::fault_of(new, account.email.as_deref().unwrap_or_default()) {
            return Err(AdminError::field("password", why));
        }
        match accounts.use_link(hash, LinkPurpose::Reset, self.clock.now()).await {
            Ok(_) => {}
            Err(StoreError::NotFound) => return Ok(None),
            Err(other) => return Err(other.into()),
        }
        self.store_password(&Actor::whole(account.key, ActorName::Session), &account, new).await?;
        Ok(Some(NewPassword { is_first: !account.has_password, device: self.know_browser(account.key).await? }))
    }

    /// The first set-up: uses its link up, gives the owner an address and a password, and opens a session; none if the
    /// link is not good, or somebody was quicker.
    pub async fn set_up(
        &self,
        (link, visitor): (&str, &Visitor),
        written: &Map<String, Value>,
    ) -> Result<Option<Opened>> {
        let owner = self.store.accounts.account(OWNER).await?;
        if owner.has_password || !self.link_is_good(link, LinkPurpose::Setup).await? {
            return Ok(None);
        }
        let mut form = Form::new(written);
        let (address, password) = (form.optional("email", email), form.optional("password", password));
        if address.is_none() && form.is_sound() {
            form.fault("email", "write the address that you will sign in with");
        }
        check_password(
            &mut form,
            Some(password.as_deref().unwrap_or_default()),
            address.as_deref().unwrap_or_default(),
        );
        form.finish()?;
        let (address, password) = (address.unwrap_or_default(), password.unwrap_or_default());
        if !self.store_owner(link, owner, (address, &password)).await? {
            return Ok(None);
        }
        self.open(OWNER, visitor, "set-up").await.map(Some)
    }

    /// The owner's account and the end of the link in one step, so that a refusal leaves the link good. False where the link
    /// is good no more.
    async fn store_owner(&self, link: &str, owner: AccountRow, (email, password): (String, &str)) -> Result<bool> {
        let actor = Actor::whole(OWNER, ActorName::Session);
        let after = AccountRow { email: Some(email.clone()), ..owner.clone() };
        let (old, new) = (UserShape::new(&owner, &[]), UserShape::new(&after, &[]));
        let subject = Subject { object: &object(&owner), before: Some(&old), after: Some(&new) };
        let set_up = SetUp {
            link: Secret::from_text(link).hash(),
            at: self.clock.now(),
            password_hash: self.passwords.hash(password).await?,
            audit: [
                self.audit(&actor, Deed::UserChange, &subject),
                self.audit_plain(&actor, Deed::AccountPassword, &object(&after)),
            ],
            account: after,
        };
        match self.store.accounts.set_up(set_up).await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(taken(error, &email)),
        }
    }
}
