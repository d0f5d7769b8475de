//! Roles on domains of others, one at a time: what a page shows of somebody, what it gives and takes, and taking that back.

use serde_json::{Map, Value, json};

use crate::mail::Domain;
use crate::policy::deeds::Deed;
use crate::policy::roles::DomainRole;
use crate::store::accounts::{AuditRow, AuditSpan};

use super::audit::changed_since;
use super::shapes::{GrantShape, UserShape};
use super::{Actor, Admin, Result, Target};

impl Admin {
    /// Somebody whose account the actor looks after.
    pub async fn user(&self, actor: &Actor, id: &str) -> Result<UserShape> {
        self.user_shape(&self.managed_user(actor, id).await?).await
    }

    /// Gives somebody this role on a domain in place of one that they had there; none takes it away. The entry of the audit
    /// log, or nothing where it was so already.
    pub async fn set_role(
        &self,
        actor: &Actor,
        id: &str,
        (domain, role): (&str, Option<DomainRole>),
    ) -> Result<Option<AuditSpan>> {
        let user = self.user(actor, id).await?;
        let domain = Domain::parse(domain.trim()).map_or_else(|_| domain.to_owned(), |name| name.to_string());
        let had = user.domains.iter().find(|grant| grant.domain == domain).map(|grant| grant.role);
        if had == role {
            return Ok(None);
        }
        let others = user.domains.iter().filter(|grant| grant.domain != domain).cloned();
        let all: Vec<_> = others.chain(role.map(|role| GrantShape { domain: domain.clone(), role })).collect();
        let changed = self.change_user(actor, Target { id, version: None }, &of(json!(all))).await?;
        self.entry_of(actor, (Deed::UserRoles.as_str(), &changed.email.unwrap_or_default())).await
    }

    /// Somebody has again the roles that they had, where they still have those that the change gave.
    pub(super) async fn undo_roles(&self, actor: &Actor, entry: &AuditRow) -> Result<()> {
        let has = json!(self.user(actor, &entry.object).await?.domains);
        match (&entry.before, &entry.after) {
            (Some(before), Some(after)) if *after == has => self
                .change_user(actor, Target { id: &entry.object, version: None }, &of(before.clone()))
                .await
                .map(drop),
            _ => Err(changed_since(entry)),
        }
    }
}

/// The change of an account to these roles.
fn of(roles: Value) -> Map<String, Value> {
    Map::from_iter([("domains".to_owned(), roles)])
}
