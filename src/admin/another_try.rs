//! What waits for an inbox, and what its owner does about one that refuses: verifies it again, or has it tried again. What
//! stands against it was true once; who acts on it is not to wait until time has passed.

use crate::mail::Mailbox;
use crate::policy::deeds::Deed;
use crate::store::queue::WaitingQuery;
use crate::store::rules::DestinationRow;

use super::shapes::WaitingMailShape;
use super::{Access, Actor, Admin, AdminError, Area, Paging, QueueAction, QueueFilter, Result, Scope};

/// Messages that one word has tried again, the oldest first; the others follow by themselves where it takes those.
const MAX_TRIED: u32 = 500;

/// What is tried of what waits for an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnotherTry {
    /// The inbox, as it stands.
    pub row: DestinationRow,
    /// How many messages are tried now.
    pub tried: usize,
}

impl Admin {
    /// Has what waits for an inbox tried now, and new mail with it: the next delivery shows how it stands. Until then stands
    /// what it said last.
    pub async fn try_destination(&self, actor: &Actor, id: &str) -> Result<AnotherTry> {
        actor.must(Area::Destinations, Access::Write)?;
        actor.must(Area::Queue, Access::Write)?;
        let row = self.find_destination(actor, id).await?;
        let Ok(inbox) = Mailbox::parse(&row.address) else {
            return Err(AdminError::Conflict(format!("{} is no inbox that could be tried.", row.address)));
        };
        if !self.is_verified(&row).await? {
            let words = format!("{} is not verified: verify it, and its mail goes on.", row.address);
            return Err(AdminError::Conflict(words));
        }
        self.store.directory.forget_failing(&inbox);
        self.store.activity.believe_next_delivery(&row.address).await?;
        self.look_at_inbox(actor, id).await?;
        let tried = self.try_what_waits(actor, &row).await?;
        self.store.accounts.audit(self.audit_plain(actor, Deed::DestinationRetry, &row.address)).await?;
        Ok(AnotherTry { row: self.find_destination(actor, id).await?, tried })
    }

    /// What waits to be sent on to an inbox, as far as the actor sees the queue.
    pub async fn waiting_for(&self, actor: &Actor, row: &DestinationRow) -> Result<Option<WaitingMailShape>> {
        if !actor.has(Scope::Of(Area::Queue, Access::Read)) {
            return Ok(None);
        }
        let paging = Paging { limit: Some(super::MAX_LIMIT), cursor: None };
        let filter = QueueFilter { destination: Some(row.address.clone()), paging, ..QueueFilter::default() };
        let page = self.queue(actor, &filter).await?;
        let waits: Vec<_> = page.items.iter().filter(|one| one.purpose == "forward" && one.state != "kept").collect();
        let Some(oldest) = waits.iter().min_by_key(|one| one.received_at) else { return Ok(None) };
        let said = self.store.activity.last_said(&[oldest.id]).await?.remove(&oldest.id).unwrap_or_default();
        Ok(Some(WaitingMailShape {
            messages: waits.len() as u64,
            held: waits.iter().filter(|one| one.state == "held").count() as u64,
            more: page.next_cursor.is_some(),
            since: oldest.received_at,
            reply: said.words,
            activity_id: oldest.id,
        }))
    }

    async fn try_what_waits(&self, actor: &Actor, row: &DestinationRow) -> Result<usize> {
        let (account, destination) = (Some(row.account), Some(row.address.clone()));
        let query = WaitingQuery { account, destination, limit: MAX_TRIED, ..WaitingQuery::default() };
        let (mut tried, asked) = (0, self.clock.instant());
        for one in self.store.queue.list_of(&query).await? {
            match one.state {
                // It is being tried at this moment.
                "leased" => tried += 1,
                "due" => match self.queue_action_of(actor, one.id, (QueueAction::Retry, asked)).await {
                    // Or delivered, or taken up for delivery, since it was listed.
                    Ok(()) | Err(AdminError::NotFound(_) | AdminError::Conflict(_)) => tried += 1,
                    Err(other) => return Err(other),
                },
                _ => {}
            }
        }
        Ok(tried)
    }

    /// It is verified: what was said of it before that says nothing of it now.
    pub(super) async fn forget_refusals(&self, address: &str) -> Result<()> {
        Mailbox::parse(address).iter().for_each(|inbox| self.store.directory.forget_failing(inbox));
        Ok(self.store.activity.forget_failing(address).await?)
    }
}
