//! Aliases whose after-state is `delete`: once they have expired, they are removed, with an audit row like any change.

use super::actor::Actor;
use super::{Admin, Result, Target};
use crate::policy::admission::ended;
use crate::policy::ids::AliasId;
use crate::policy::rule::Rule;

/// Rules that are looked at together.
const PAGE: u32 = 500;

impl Admin {
    /// Removes what has expired and is to be deleted; says how many.
    pub async fn delete_expired(&self) -> Result<u64> {
        let (mut last, mut deleted) = (AliasId(0), 0);
        loop {
            let rules = self.store.rules.to_delete(last, PAGE).await?;
            let Some(end) = rules.last() else { return Ok(deleted) };
            last = end.id;
            for rule in &rules {
                deleted += u64::from(self.delete_if_expired(rule).await?);
            }
        }
    }

    async fn delete_if_expired(&self, rule: &Rule) -> Result<bool> {
        let usage = self.store.directory.usage(rule).await?;
        let end = (rule.expiry, rule.created_at);
        let Some(how) = ended(end, usage, self.clock.cautious()) else { return Ok(false) };
        tracing::info!(alias = %rule.uuid, ?how, "an expired alias is deleted, as its owner chose");
        let id = rule.uuid.to_string();
        self.remove_alias(&Actor::upkeep(rule.account), Target { id: &id, version: None }).await?;
        Ok(true)
    }
}
