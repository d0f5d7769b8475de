//! Tokens: create, list, revoke. A token is shown once and stored as its SHA-256; it never has more rights than whoever
//! made it.

use std::net::IpAddr;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::store::StoreError;
use crate::store::accounts::{Answer, TokenRow};

use super::error::{OrMissing, if_there};
use super::form::{Misread, Read};
use super::links::Secret;
use super::shapes::{ListShape, TokenShape};
use super::{Access, Actor, Admin, AdminError, Area, Form, Result, Scope, Subject, fields, random};

/// What every token begins with, so that a leaked one is known for what it is.
pub(super) const TOKEN_PREFIX: &str = "wp_";
/// Characters of a token that lists show.
const SHOWN_CHARS: usize = 9;
/// Scopes of one token at most.
const MAX_SCOPES: usize = 20;

/// Who bears a token.
#[derive(Debug)]
pub struct Bearer {
    /// What they may.
    pub actor: Actor,
    /// The token, where no call with it was served yet.
    pub unserved: Option<Uuid>,
}

impl Admin {
    /// Makes a token. The answer alone holds the token itself.
    pub async fn add_token(&self, actor: &Actor, written: &Map<String, Value>) -> Result<TokenShape> {
        actor.must(Area::Account, Access::Write)?;
        let secret = Secret::draw(&self.chance, TOKEN_PREFIX);
        let mut form = Form::new(written);
        let row = self.read_token(actor, &mut form, &secret).await?;
        form.finish()?;
        let shown = TokenShape::new(&row);
        let audit =
            self.audit(actor, Deed::TokenCreate, &Subject { object: &row.name, before: None, after: Some(&shown) });
        self.store.accounts.add_token(&row, secret.hash(), audit).await.map_err(|error| match error {
            StoreError::Exists(_) => AdminError::Conflict(format!("A token of the name {} exists already.", row.name)),
            other => other.into(),
        })?;
        Ok(TokenShape { token: Some(secret.text().to_owned()), ..shown })
    }

    async fn read_token(&self, actor: &Actor, form: &mut Form<'_>, secret: &Secret) -> Result<TokenRow> {
        let now = self.clock.now();
        let mut row = TokenRow {
            id: self.chance.id(now),
            account: actor.account,
            name: String::new(),
            prefix: secret.text().chars().take(SHOWN_CHARS).collect(),
            scopes: Vec::new(),
            domains: actor.domains.clone(),
            default_domain: None,
            alias_format: None,
            default_destination: None,
            expires_at: None,
            last_used_at: None,
            first_used_at: None,
            first_used_from: None,
            created_at: now,
        };
        form.require("name", &mut row.name, fields::name);
        form.require("scopes", &mut row.scopes, |v| fields::list(v, MAX_SCOPES, |entry| scope(actor, entry)));
        form.set("domains", &mut row.domains, |v| fields::list(v, fields::MAX_ENTRIES, |entry| domain(actor, entry)));
        form.set("default_domain", &mut row.default_domain, |v| domain(actor, v).map(Some));
        form.set("alias_format", &mut row.alias_format, |v| random::format_name(v).map(Some));
        form.set("default_destination", &mut row.default_destination, |v| {
            fields::mailbox(v).map(|m| Some(m.to_string()))
        });
        form.set("expires_at", &mut row.expires_at, |v| fields::moment(v).map(Some));
        require_given(form, &row);
        if row.domains.is_empty() && !actor.domains.is_empty() {
            form.fault("domains", "you are limited to some domains yourself, so name those that the token is for");
        }
        fields::refuse_past(form, "expires_at", (row.expires_at, now));
        self.check_own(actor, form, &row).await?;
        Ok(row)
    }

    /// What a token brings along must be the account's own.
    async fn check_own(&self, actor: &Actor, form: &mut Form<'_>, row: &TokenRow) -> Result<()> {
        for (field, name) in
            row.domains.iter().map(|d| ("domains", d)).chain(row.default_domain.iter().map(|d| ("default_domain", d)))
        {
            match self.find_domain(actor, name).await {
                Err(AdminError::NotFound(_)) => form.fault(field, format!("{name} is not one of your domains")),
                other => drop(other?),
            }
        }
        if let Some(address) = &row.default_destination {
            match self.store.rules.destination(actor.account, address).await {
                Err(StoreError::NotFound) => {
                    form.fault("default_destination", format!("{address} is not one of your destinations"))
                }
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Lists the account's tokens: to one that is limited to domains those that go no further than itself.
    pub async fn tokens(&self, actor: &Actor) -> Result<ListShape<TokenShape>> {
        actor.must(Area::Account, Access::Read)?;
        let rows = self.known_tokens(actor).await?;
        Ok(ListShape { items: rows.iter().map(TokenShape::new).collect(), next_cursor: None })
    }

    async fn known_tokens(&self, actor: &Actor) -> Result<Vec<TokenRow>> {
        let mut rows = self.store.accounts.tokens(actor.account).await?;
        rows.retain(|row| actor.covers(&row.domains));
        Ok(rows)
    }

    /// Revokes a token that the actor is told of, by its id, its prefix or its name. It ends at once. A name that several bear revokes none of them: whoever
    /// means one must not believe that it was that one.
    pub async fn revoke_token(&self, actor: &Actor, id: &str) -> Result<()> {
        actor.must(Area::Account, Access::Write)?;
        let rows = self.known_tokens(actor).await?;
        let uuid = Uuid::try_parse(id).ok();
        let meant = |row: &&TokenRow| Some(row.id) == uuid || row.prefix == id || row.name == id;
        let row = match *rows.iter().filter(meant).collect::<Vec<_>>() {
            [] => return Err(AdminError::missing("token", id)),
            [row] => row,
            ref several => {
                let prefixes = several.iter().map(|row| row.prefix.as_str()).collect::<Vec<_>>().join(", ");
                let detail = format!("Several tokens are called {id}. Name the one by how it begins: {prefixes}.");
                return Err(AdminError::Conflict(detail));
            }
        };
        let audit = self.audit_plain(actor, Deed::TokenRevoke, &row.name);
        self.store.accounts.revoke_token(row.id, audit).await.or_missing("token", id)
    }

    /// Who bears this token; none if it is unknown, expired or revoked.
    pub async fn bearer(&self, token: &str) -> Result<Option<Bearer>> {
        if !token.starts_with(TOKEN_PREFIX) {
            return Ok(None);
        }
        let accounts = &self.store.accounts;
        let found = async {
            let row = accounts.token_by_hash(Secret::from_text(token).hash(), self.clock.now()).await?;
            // What the account may now: a token goes no further, whatever it was made for.
            let standing = accounts.standing(row.account).await?;
            Ok(Bearer { actor: Actor::token(&row, standing), unserved: row.first_used_at.is_none().then_some(row.id) })
        };
        if_there(found.await)
    }

    /// Notes the first call of a token that was served: whoever connects a program waits for it.
    pub async fn was_served(&self, token: Uuid, from: IpAddr) {
        if let Err(error) = self.store.accounts.token_was_served(token, (self.clock.now(), from)).await {
            tracing::warn!(%error, "the first call of a token could not be noted");
        }
    }

    /// An answer given before to this idempotency key.
    pub async fn given_answer(&self, account: AccountId, key: &str) -> Result<Option<Answer>> {
        Ok(self.store.accounts.idempotent(account, key, self.clock.now()).await?)
    }

    /// Keeps an answer under its idempotency key.
    pub async fn keep_answer(&self, account: AccountId, key: &str, answer: Answer) -> Result<()> {
        Ok(self.store.accounts.keep_idempotent(account, key, answer, self.clock.now()).await?)
    }
}

fn require_given(form: &mut Form<'_>, row: &TokenRow) {
    if !form.has("name") {
        form.fault("name", "give the token a name to know it by");
    }
    if row.scopes.is_empty() && form.is_sound() {
        form.fault("scopes", "say what the token is for, such as aliases:create");
    }
}

/// A scope that the actor has too, as it was written.
fn scope(actor: &Actor, value: &Value) -> Read<String> {
    let text = fields::text(value)?.trim();
    let scope: Scope = text.parse().map_err(|why: String| Misread::from(why))?;
    if actor.has(scope) { Ok(text.to_owned()) } else { Err(format!("you have no right to {scope} yourself").into()) }
}

fn domain(actor: &Actor, value: &Value) -> Read<String> {
    let name = fields::domain(value)?;
    if actor.sees_domain(&name) {
        Ok(name.to_string())
    } else {
        Err(format!("you have no right to {name} yourself").into())
    }
}
