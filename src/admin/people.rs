//! People: who has an account, what it is, and what one changes of one's own. The owner is account 1, for ever; admins look
//! after members, and the owner after admins.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::mail::Domain;
use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, DomainId, OWNER};
use crate::policy::roles::{DomainRole, Role};
use crate::store::StoreError;
use crate::store::accounts::{AccountRow, Grant, LinkPurpose, NewAccount};

use super::error::OrMissing;
use super::form::{Misread, Read};
use super::links::Secret;
use super::shapes::{ListShape, UserShape};
use super::sign_in::folded_email;
use super::{
    Actor, ActorName, Admin, AdminError, Form, LINK_LIFETIME, Paging, Result, Subject, Target, fields, passwords,
};

/// Roles on domains of others that one account has, at most.
const MAX_GRANTS: usize = 100;

/// A change to an account as it was read.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) email: Option<String>,
    name: Option<String>,
    role: Option<Role>,
    disabled: Option<bool>,
    pub(super) password: Option<String>,
    grants: Option<Vec<(Domain, DomainRole)>>,
    totp: Option<bool>,
}

impl Admin {
    /// Lists accounts, in the order in which they were made.
    pub async fn users(&self, actor: &Actor, paging: &Paging) -> Result<ListShape<UserShape>> {
        actor.must_see_all("see who has an account")?;
        let wrong = || AdminError::field("cursor", "write the next_cursor of an earlier page of this list");
        let last = paging.cursor.as_deref().map_or(Ok(0), |text| text.parse().map_err(|_| wrong()))?;
        let rows = self.store.accounts.list(AccountId(last), paging.rows()).await?;
        let is_full = rows.len() == paging.rows() as usize;
        let next_cursor = rows.last().filter(|_| is_full).map(|row| row.key.0.to_string());
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            items.push(self.user_shape(row).await?);
        }
        Ok(ListShape { items, next_cursor })
    }

    pub(super) async fn user_shape(&self, row: &AccountRow) -> Result<UserShape> {
        Ok(UserShape::new(row, &self.store.accounts.grants(row.key).await?))
    }

    /// Makes an account. Without a password, the answer has a link with which its owner sets one.
    pub async fn add_user(&self, actor: &Actor, written: &Map<String, Value>) -> Result<(UserShape, Option<Secret>)> {
        actor.must_be_admin("make accounts")?;
        let mut form = Form::new(written);
        let mut draft = read(&mut form);
        if !form.has("email") {
            form.fault("email", "write the address that the person signs in with");
        }
        let email = draft.email.take().unwrap_or_default();
        check_password(&mut form, draft.password.as_deref(), &email);
        let grants = self.read_grants(&mut form, draft.grants.take()).await?;
        form.finish()?;
        let role = draft.role.unwrap_or(Role::Member);
        must_outrank(actor, role)?;
        let row = self.store_user(actor, (email, role), draft).await?;
        if let Some(grants) = grants {
            self.store_grants(actor, &row, grants).await?;
        }
        let link = if row.has_password {
            None
        } else {
            Some(self.draw_link(LinkPurpose::Reset, row.key, LINK_LIFETIME).await?)
        };
        Ok((self.user_shape(&row).await?, link))
    }

    async fn store_user(&self, actor: &Actor, (email, role): (String, Role), draft: Draft) -> Result<AccountRow> {
        let password_hash = match &draft.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let id = self.chance.id(self.clock.now());
        let name = draft.name.unwrap_or_default();
        let told = serde_json::json!({ "email": email, "name": name, "role": role.as_str() });
        let audit = self.audit(actor, Deed::UserAdd, &Subject { object: &email, before: None, after: Some(&told) });
        let new = NewAccount { id, email: email.clone(), name, role, password_hash };
        self.store.accounts.add_account(new, audit).await.map_err(|error| taken(error, &email))
    }

    /// Changes somebody's account; with its tag, only while it is still what was seen.
    pub async fn change_user(
        &self,
        actor: &Actor,
        target: Target<'_, &str>,
        written: &Map<String, Value>,
    ) -> Result<UserShape> {
        let before = self.managed_user(actor, target.id).await?;
        let mut form = Form::new(written);
        let draft = read(&mut form);
        let email = draft.email.clone().or_else(|| before.email.clone()).unwrap_or_default();
        check_password(&mut form, draft.password.as_deref(), &email);
        if draft.totp == Some(true) {
            form.fault("totp", "only its owner switches an authenticator on");
        }
        if before.key == OWNER && (draft.role.is_some_and(|role| role != Role::Owner) || draft.disabled == Some(true)) {
            form.fault("role", "the owner stays the owner, and switched on");
        }
        let grants = self.read_grants(&mut form, draft.grants.clone()).await?;
        form.finish()?;
        if before.key != OWNER {
            must_outrank(actor, draft.role.unwrap_or(before.role))?;
        }
        let turn = self.store.accounts.turn().await;
        let before = self.as_judged(&before, target.version).await?;
        let after = self.store_account(actor, &before, &draft).await?;
        if let Some(grants) = grants {
            self.store_grants(actor, &before, grants).await?;
        }
        drop(turn);
        self.store_secrets(actor, &after, &draft).await?;
        let row = self.store.accounts.account(before.key).await?;
        self.user_shape(&row).await
    }

    /// An account as it is by now, in the turn of its change: its rank must be the one that was judged, and where there is a
    /// condition, all of it what was seen.
    pub(super) async fn as_judged(&self, judged: &AccountRow, tag: Option<&str>) -> Result<AccountRow> {
        let row = self.store.accounts.account(judged.key).await?;
        if row.role != judged.role {
            return Err(AdminError::busy());
        }
        match tag {
            Some(tag) if tag != self.user_shape(&row).await?.tag() => Err(AdminError::Changed),
            _ => Ok(row),
        }
    }

    /// Writes what of a draft stands in the account's row itself.
    pub(super) async fn store_account(&self, actor: &Actor, before: &AccountRow, draft: &Draft) -> Result<AccountRow> {
        let mut after = before.clone();
        after.email = draft.email.clone().or(after.email);
        after.name = draft.name.clone().unwrap_or(after.name);
        after.role = draft.role.unwrap_or(after.role);
        after.disabled_at = match draft.disabled {
            Some(true) => after.disabled_at.or_else(|| Some(self.clock.now())),
            Some(false) => None,
            None => after.disabled_at,
        };
        if after == *before {
            return Ok(after);
        }
        let (old, new) = (UserShape::new(before, &[]), UserShape::new(&after, &[]));
        let subject = Subject { object: &object(before), before: Some(&old), after: Some(&new) };
        let audit = self.audit(actor, Deed::UserChange, &subject);
        let email = after.email.clone().unwrap_or_default();
        self.store.accounts.change_account(&after, audit).await.map_err(|error| taken(error, &email))
    }

    pub(super) async fn store_secrets(&self, actor: &Actor, row: &AccountRow, draft: &Draft) -> Result<()> {
        if let Some(password) = &draft.password {
            self.store_password(actor, row, password).await?;
        }
        if draft.totp == Some(false) && row.has_totp {
            let audit = self.audit_plain(actor, Deed::AccountTotpOff, &object(row));
            self.store.accounts.set_totp(row.key, None, audit).await?;
        }
        Ok(())
    }

    pub(super) async fn store_password(&self, actor: &Actor, row: &AccountRow, password: &str) -> Result<()> {
        let hash = self.passwords.hash(password).await?;
        let audit = self.audit_plain(actor, Deed::AccountPassword, &object(row));
        let keep = actor.session_id().filter(|_| actor.account == row.key);
        Ok(self.store.accounts.set_password(row.key, hash, keep, audit).await?)
    }

    async fn store_grants(&self, actor: &Actor, row: &AccountRow, mut new: Vec<Grant>) -> Result<()> {
        new.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        let old = self.store.accounts.grants(row.key).await?;
        let told = |grants: &[Grant]| UserShape::new(row, grants).domains;
        let (before, after) = (told(&old), told(&new));
        let subject = Subject { object: &object(row), before: Some(&before), after: Some(&after) };
        let audit = self.audit(actor, Deed::UserRoles, &subject);
        let pairs: Vec<(DomainId, DomainRole)> = new.iter().map(|grant| (grant.domain, grant.role)).collect();
        Ok(self.store.accounts.set_grants(row.key, pairs, audit).await?)
    }

    /// Somebody's account, by its id or address, that the actor may change.
    pub(super) async fn managed_user(&self, actor: &Actor, id: &str) -> Result<AccountRow> {
        actor.must_be_admin("change accounts")?;
        let row = self.account_of(id).await?;
        if actor.name == ActorName::Operator {
            return Ok(row);
        }
        if row.key == actor.account {
            let place = if actor.session_id().is_some() { "in Settings, under Account" } else { "under /v1/me" };
            let detail = format!("This is your own account: change it {place}, which asks for your password.");
            return Err(AdminError::Conflict(detail));
        }
        must_outrank(actor, row.role)?;
        Ok(row)
    }

    /// An account, by its id or address.
    pub(super) async fn account_of(&self, id: &str) -> Result<AccountRow> {
        let found = match Uuid::try_parse(id) {
            Ok(uuid) => self.store.accounts.account_by_id(uuid).await,
            // Before the first set-up the owner has no address.
            Err(_) if id == Role::Owner.as_str() => self.store.accounts.account(OWNER).await,
            Err(_) => self.store.accounts.account_by_email(&folded_email(id)).await,
        };
        found.or_missing("account", id)
    }

    /// Reads whose domains somebody is to have a role on.
    async fn read_grants(
        &self,
        form: &mut Form<'_>,
        wanted: Option<Vec<(Domain, DomainRole)>>,
    ) -> Result<Option<Vec<Grant>>> {
        let Some(wanted) = wanted else { return Ok(None) };
        let mut grants: Vec<Grant> = Vec::with_capacity(wanted.len());
        for (index, (name, role)) in wanted.into_iter().enumerate() {
            match self.store.rules.domain(&name).await {
                Ok(row) if grants.iter().any(|grant| grant.domain == row.key) => {
                    form.fault_at("domains", index, format!("{name} stands here twice"));
                }
                Ok(row) => grants.push(Grant { domain: row.key, name, role }),
                Err(StoreError::NotFound) => form.fault_at("domains", index, format!("there is no domain {name} here")),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(Some(grants))
    }
}

/// What an account is called in the audit log, and wherever else it is named.
pub(super) fn object(row: &AccountRow) -> String {
    row.email.clone().unwrap_or_else(|| row.role.as_str().to_owned())
}

pub(super) fn taken(error: StoreError, email: &str) -> AdminError {
    match error {
        StoreError::Exists(_) => AdminError::Conflict(format!("An account of {email} exists already.")),
        other => other.into(),
    }
}

/// Refuses to touch, or to make, whoever stands as high as oneself.
fn must_outrank(actor: &Actor, role: Role) -> Result<()> {
    if actor.name == ActorName::Operator && role < Role::Owner || actor.role > role {
        return Ok(());
    }
    Err(AdminError::Forbidden(match role {
        Role::Owner => "There is one owner, and nobody else changes that account.".to_owned(),
        _ => "Only the owner of this gateway makes admins and changes them.".to_owned(),
    }))
}

/// What anybody changes of their own account.
pub(super) fn read_own(form: &mut Form<'_>) -> Draft {
    Draft {
        email: form.optional("email", email),
        name: form.optional("name", |v| fields::prose(v, fields::MAX_NAME_CHARS)),
        password: form.optional("password", password),
        ..Draft::default()
    }
}

/// What whoever looks after accounts changes of them.
fn read(form: &mut Form<'_>) -> Draft {
    let own = read_own(form);
    Draft {
        role: form.optional("role", role),
        disabled: form.optional("disabled", fields::boolean),
        grants: form.optional("domains", |v| fields::list(v, MAX_GRANTS, grant)),
        totp: form.optional("totp", fields::boolean),
        ..own
    }
}

/// What somebody can be made: there is one owner.
fn role(value: &Value) -> Read<Role> {
    let role = fields::word(value, "member, admin")?;
    if role == Role::Owner { Err("write one of member, admin: there is one owner".into()) } else { Ok(role) }
}

pub(super) fn email(value: &Value) -> Read<String> {
    fields::mailbox(value).map(|mailbox| folded_email(&mailbox.to_string()))
}

pub(super) fn password(value: &Value) -> Read<String> {
    fields::text(value).map(str::to_owned)
}

pub(super) fn check_password(form: &mut Form<'_>, password: Option<&str>, email: &str) {
    if let Some(why) = password.and_then(|password| passwords::fault_of(password, email)) {
        form.fault("password", why);
    }
}

/// `{"domain": "my.example", "role": "viewer"}`.
fn grant(value: &Value) -> Read<(Domain, DomainRole)> {
    let how = || Misread::from("write {\"domain\": …, \"role\": \"manager\" or \"viewer\"}");
    let (domain, role) = (value.get("domain").ok_or_else(how)?, value.get("role").ok_or_else(how)?);
    Ok((fields::domain(domain)?, fields::word(role, "manager, viewer")?))
}
