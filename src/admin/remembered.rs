//! What the gateway remembers of the inboxes that a message would go to: how they fared at the last try, and what the DNS said
//! of their domains when the upkeep asked it. Nothing is looked up for it anywhere else, as nothing is at RCPT.

use crate::mail::Mailbox;
use crate::policy::admission::{Decision, MAX_TRACED_DESTINATIONS};
use crate::policy::ids::AccountId;
use crate::policy::status::TraceStep;
use crate::store::StoreError;

use super::{Admin, Result};

/// The verdicts of the steps that say it.
const TAKES_NONE: &str = "takes no mail";
const FAILED: &str = "failed last";

/// Whether a step says that an inbox may get nothing.
#[must_use]
pub fn is_doubt(step: &TraceStep) -> bool {
    step.step == "destination" && [TAKES_NONE, FAILED].contains(&&*step.verdict)
}

impl Admin {
    /// Says beside the way to an inbox what is remembered against it.
    pub(super) async fn tell_what_is_remembered(&self, decision: &mut Decision) -> Result<()> {
        let inboxes: Vec<Mailbox> = decision.destinations().take(MAX_TRACED_DESTINATIONS).cloned().collect();
        for inbox in inboxes {
            let Some((verdict, words)) = self.remembered_of(decision.account, &inbox).await? else { continue };
            if !decision.reason.contains(&words) {
                decision.reason = format!("{} {words}", decision.reason);
                decision.trace.push(TraceStep::new("destination", verdict, words));
            }
        }
        Ok(())
    }

    /// What the DNS says of its whole domain explains what was said of the inbox.
    async fn remembered_of(&self, account: AccountId, inbox: &Mailbox) -> Result<Option<(&'static str, String)>> {
        let domain = inbox.domain().map(ToString::to_string).unwrap_or_default();
        if let Some(found) = self.no_mail_among(&[&domain]).await?.first() {
            return Ok(Some((TAKES_NONE, found.why.told(&domain))));
        }
        Ok(self.last_failure(account, inbox).await?.map(|words| (FAILED, words)))
    }

    /// How the inbox fares of whom the alias belongs to; that of somebody else, where their alias leads on, is theirs to see.
    async fn last_failure(&self, account: AccountId, inbox: &Mailbox) -> Result<Option<String>> {
        if !self.store.directory.is_verified(account, inbox).await? {
            return Ok(None);
        }
        let row = match self.store.rules.destination(account, &inbox.to_string()).await {
            Err(StoreError::NotFound) => return Ok(None),
            found => found?,
        };
        let did = if row.sends_back { "has sent back what it took" } else { "has taken no mail" };
        let said = row.failing_reply.as_deref().map(|reply| format!(": {}", reply.trim_end_matches('.')));
        let said = said.unwrap_or_default();
        Ok(row.failing_since.map(|since| format!("{inbox} {did} since {}{said}.", since.in_words())))
    }
}
