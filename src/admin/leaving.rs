//! Removing somebody's account: what is theirs is handed to somebody else, or must be gone before. The owner stays.

use serde_json::json;

use crate::policy::deeds::Deed;
use crate::policy::ids::OWNER;
use crate::store::StoreError;
use crate::store::accounts::{AccountRow, AuditEntry};
use crate::store::rules::hand_over::Belongings;
use crate::store::rules::uses::COUNTED_ALIASES;

use super::people::object;
use super::shapes::UserShape;
use super::{Actor, Admin, AdminError, Result, Subject, Target};

impl Admin {
    /// What somebody has whose account the actor looks after: domains, aliases, inboxes.
    pub async fn belongings(&self, actor: &Actor, id: &str) -> Result<Belongings> {
        let row = self.managed_user(actor, id).await?;
        Ok(self.store.rules.belongings(row.key).await?)
    }

    /// Removes somebody's account; with its tag, only while it is still what was seen. What they have goes to the account
    /// `heir`; where none is named, an account that has domains stays, and its inboxes go with it.
    pub async fn remove_user(&self, actor: &Actor, target: Target<'_, &str>, heir: Option<&str>) -> Result<()> {
        let row = self.managed_user(actor, target.id).await?;
        let _turn = self.store.accounts.turn().await;
        let row = self.as_judged(&row, target.version).await?;
        if row.key == OWNER {
            return Err(AdminError::Conflict("The owner of this gateway cannot be removed.".to_owned()));
        }
        let shape = UserShape::new(&row, &[]);
        let subject = Subject { object: &object(&row), before: Some(&shape), after: None };
        let audit = self.audit(actor, Deed::UserRemove, &subject);
        let removed = match heir {
            None => self.store.accounts.remove_account(row.key, audit).await,
            Some(id) => {
                let heir = self.heir(&row, id).await?;
                let audit = self.audit_heir(audit, (&row, &heir)).await?;
                self.store.rules.hand_over((row.key, heir.key), audit).await
            }
        };
        removed.map_err(|error| stays(&row, error))
    }

    /// Who gets what somebody had.
    async fn heir(&self, row: &AccountRow, id: &str) -> Result<AccountRow> {
        let refuse = |why: String| AdminError::field("hand_over_to", why);
        let heir = match self.account_of(id).await {
            Err(AdminError::NotFound(_)) => return Err(refuse(format!("there is no account {id} here"))),
            found => found?,
        };
        if heir.key == row.key {
            return Err(refuse("this is the account that is to be removed".to_owned()));
        }
        if heir.disabled_at.is_some() {
            return Err(refuse(format!("{} is switched off", object(&heir))));
        }
        Ok(heir)
    }

    async fn audit_heir(&self, audit: AuditEntry, (row, heir): (&AccountRow, &AccountRow)) -> Result<AuditEntry> {
        let had = self.store.rules.belongings(row.key).await?;
        let counts =
            json!({ "domains": had.domains, "aliases": had.aliases.min(COUNTED_ALIASES), "inboxes": had.destinations });
        Ok(AuditEntry { after: Some(json!({ "handed_over_to": object(heir), "handed_over": counts })), ..audit })
    }
}

fn stays(row: &AccountRow, error: StoreError) -> AdminError {
    match error {
        StoreError::Invalid(why) => AdminError::Conflict(format!(
            "{} is not removed: {why}. Hand over to somebody what it has, remove that first, or switch the account off.",
            object(row)
        )),
        other => other.into(),
    }
}
