//! Who asks, and what one changes of one's own account.

use serde_json::{Map, Value};

use crate::policy::deeds::Deed;
use crate::store::accounts::AuditEntry;

use super::people::{check_password, object, password, read_own};
use super::shapes::MeShape;
use super::{Access, Actor, ActorName, Admin, Area, Form, Result};

impl Admin {
    /// Who asks, and what their account is.
    pub async fn me(&self, actor: &Actor) -> Result<MeShape> {
        let row = self.store.accounts.account(actor.account).await?;
        let codes = self.store.accounts.recovery_codes_left(actor.account).await?;
        Ok(MeShape {
            name: actor.name.to_string(),
            scopes: actor.scopes.iter().map(ToString::to_string).collect(),
            domains: actor.domains.clone(),
            default_domain: actor.defaults.domain.clone(),
            alias_format: actor.defaults.alias_format.clone(),
            default_destination: actor.defaults.destination.clone(),
            account: self.user_shape(&row).await?,
            recovery_codes_left: codes,
        })
    }

    /// Changes one's own account: `email`, `name`, `password`. All but the name ask for `current_password`. With a tag, only
    /// while the account is still what was seen.
    pub async fn change_me(
        &self,
        actor: &Actor,
        (written, tag): (&Map<String, Value>, Option<&str>),
    ) -> Result<MeShape> {
        actor.must(Area::Account, Access::Write)?;
        let before = self.store.accounts.account(actor.account).await?;
        let mut form = Form::new(written);
        let draft = read_own(&mut form);
        let address = draft.email.clone().or_else(|| before.email.clone()).unwrap_or_default();
        check_password(&mut form, draft.password.as_deref(), &address);
        let given = form.optional("current_password", password);
        let is_sensitive = draft.password.is_some() || (draft.email.is_some() && draft.email != before.email);
        if is_sensitive {
            actor.must_be_unlimited()?;
        }
        if is_sensitive && form.is_sound() {
            self.check_current(actor, &mut form, given).await?;
        }
        form.finish()?;
        let turn = self.store.accounts.turn().await;
        let before = self.as_judged(&before, tag).await?;
        let after = self.store_account(actor, &before, &draft).await?;
        drop(turn);
        self.store_secrets(actor, &after, &draft).await?;
        self.me(actor).await
    }

    /// What could lock somebody out of their account takes their password, whatever else opened the door.
    pub(super) async fn check_current(&self, actor: &Actor, form: &mut Form<'_>, given: Option<String>) -> Result<()> {
        let credentials = self.store.accounts.credentials(actor.account).await?;
        if actor.name == ActorName::Operator || credentials.password_hash.is_none() {
            return Ok(());
        }
        let Some(given) = given.filter(|given| !given.is_empty()) else {
            form.fault("current_password", "write your present password");
            return Ok(());
        };
        let guess = self.guesses.begin_own(actor.account, self.clock.now())?;
        if !self.passwords.verify(&given, credentials.password_hash).await? {
            form.fault("current_password", "this is not your present password");
            return Ok(());
        }
        self.guesses.was_right(&guess);
        Ok(())
    }

    /// The audit row of a change to somebody's account.
    pub(super) async fn account_audit(&self, actor: &Actor, action: Deed) -> Result<AuditEntry> {
        let row = self.store.accounts.account(actor.account).await?;
        Ok(self.audit_plain(actor, action, &object(&row)))
    }
}
