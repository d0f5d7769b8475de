//! The queue as people work it: list, look, retry, hold, release, cancel, resend. Each change is told to the log's row too.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::mail::{Mailbox, Moment};
use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::redirected;
use crate::policy::status::{CANCELLED_BY_HAND, Status};
use crate::store::StoreError;
use crate::store::activity::{DsnNote, Progress};
use crate::store::octets::Octets;
use crate::store::queue::{Claim, Entry, InStock, Outline, Purpose, Waiting, WaitingQuery, Waits};

use super::error::OrMissing;
use super::shapes::{ListShape, QueueShape};
use super::{Access, Actor, ActorName, Admin, AdminError, Area, Form, Paging, Reach, Result, fields, over};

/// What is to be tried is due by itself after so long, should the process end between that and its row.
const TOLD_WITHIN: Duration = Duration::from_secs(120);

/// A change to a delivery that waits, is held, or is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum QueueAction {
    /// Try it now; what is held stays where it is.
    Retry,
    /// Wait until it is released.
    Hold,
    /// Let it go on, now.
    Release,
    /// Take it out of the queue.
    Cancel,
}

impl QueueAction {
    /// Reads the word of the API.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "retry" => Some(Self::Retry),
            "hold" => Some(Self::Hold),
            "release" => Some(Self::Release),
            "cancel" => Some(Self::Cancel),
            _ => None,
        }
    }

    /// What it is called in the audit log.
    #[must_use]
    pub const fn deed(self) -> Deed {
        match self {
            Self::Retry => Deed::QueueRetry,
            Self::Hold => Deed::QueueHold,
            Self::Release => Deed::QueueRelease,
            Self::Cancel => Deed::QueueCancel,
        }
    }

    /// Whether it makes sense in this state.
    #[must_use]
    pub const fn fits(self, entry: Entry) -> bool {
        match self {
            Self::Retry => matches!(entry, Entry::Due(_) | Entry::Kept(_)),
            Self::Hold => matches!(entry, Entry::Due(_)),
            Self::Release => matches!(entry, Entry::Held),
            Self::Cancel => matches!(entry, Entry::Due(_) | Entry::Held | Entry::Kept(_)),
        }
    }

    const fn outcome(self) -> (Status, &'static str) {
        match self {
            Self::Retry => (Status::Queued, "Another try was asked for"),
            Self::Hold => (Status::Held, "Put on hold by hand"),
            Self::Release => (Status::Queued, "Released by hand"),
            Self::Cancel => (Status::Cancelled, CANCELLED_BY_HAND),
        }
    }
}

/// What somebody may do with a delivery that is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePowers {
    /// In what state it is.
    pub entry: Entry,
    /// Its fate is theirs.
    pub may_act: bool,
    /// It can go where it was to go.
    pub has_a_way: bool,
    /// It may go to another inbox.
    pub may_redirect: bool,
    /// Its octets are theirs to read.
    pub may_read: bool,
}

/// Which of what waits to list, as written.
#[derive(Debug, Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QueueFilter {
    /// Only what came for this domain.
    pub domain: Option<String>,
    /// Only what is for this inbox.
    pub destination: Option<String>,
    /// Which page.
    #[param(ignore)]
    pub paging: Paging,
}

impl Admin {
    /// What the whole queue has, for whoever draws it.
    pub async fn in_stock(&self) -> Result<InStock> {
        Ok(self.store.queue.in_stock().await?)
    }

    /// Lists what waits, is held, or is kept; oldest first.
    pub async fn queue(&self, actor: &Actor, filter: &QueueFilter) -> Result<ListShape<QueueShape>> {
        let seen = self.seen_queue(actor, filter.domain.as_deref()).await?;
        let cursor = match filter.paging.cursor.as_deref().map(Uuid::try_parse) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Err(AdminError::field("cursor", "this is no cursor of this list")),
        };
        let inbox = |text: &str| Mailbox::parse(text).map_or_else(|_| text.to_owned(), |inbox| inbox.to_string());
        let destination = filter.destination.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(inbox);
        let query = WaitingQuery { destination, cursor, limit: filter.paging.rows(), ..seen };
        let rows = self.store.queue.list_of(&query).await?;
        let is_full = rows.len() == query.limit as usize;
        let next_cursor = rows.last().filter(|_| is_full).map(|row| row.id.to_string());
        Ok(ListShape { items: shown(actor, rows), next_cursor })
    }

    /// The oldest of what is in the queue in a line each, of what came for one of ours, or for any; and whether there is more.
    /// A token that is limited to some domains is told of none.
    pub async fn queue_outline(&self, actor: &Actor, domain: Option<&str>) -> Result<(Vec<Outline>, bool)> {
        let query = self.seen_queue(actor, domain).await?;
        if query.domain.is_none() && !actor.domains.is_empty() {
            return Ok((Vec::new(), false));
        }
        Ok(self.store.queue.outline(&query).await?)
    }

    /// Those of some deliveries that the actor may see, oldest first.
    pub async fn queue_of(&self, actor: &Actor, domain: Option<&str>, ids: &[Uuid]) -> Result<Vec<QueueShape>> {
        let query = self.seen_queue(actor, domain).await?;
        Ok(shown(actor, self.store.queue.listed(&query, ids).await?))
    }

    /// The domains for which the most waits, of what came for one of ours, or for any. A token that is limited to some domains
    /// is told of none.
    pub async fn waiting(&self, actor: &Actor, domain: Option<&str>, limit: u32) -> Result<Vec<Waits>> {
        let query = self.seen_queue(actor, domain).await?;
        if query.domain.is_none() && !actor.domains.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.store.queue.waits(&WaitingQuery { limit, ..query }).await?)
    }

    /// What of the queue an actor may see, of one domain or of all.
    async fn seen_queue(&self, actor: &Actor, domain: Option<&str>) -> Result<WaitingQuery> {
        actor.must(Area::Queue, Access::Read)?;
        let domain = self.one_domain(actor, domain).await?.map(|row| row.key);
        // Whose it is was found out with the domain itself.
        let (account, beside) = if domain.is_some() { (None, Vec::new()) } else { self.seen_by(actor).await? };
        Ok(WaitingQuery { account, beside, domain, ..WaitingQuery::default() })
    }

    /// Makes a change to one delivery.
    pub async fn queue_action(&self, actor: &Actor, id: Uuid, action: QueueAction) -> Result<()> {
        self.queue_action_of(actor, id, (action, self.clock.instant())).await
    }

    /// The same as one of several changes that were asked for at that moment, with one word: a site that is left alone is
    /// tried once for it.
    pub async fn queue_action_of(
        &self,
        actor: &Actor,
        id: Uuid,
        (action, asked): (QueueAction, Instant),
    ) -> Result<()> {
        actor.must(Area::Queue, Access::Write)?;
        let claim = self.managed_delivery(actor, id).await?;
        let entry = claim.delivery.entry;
        if !action.fits(entry) {
            return Err(unfit(entry));
        }
        if action == QueueAction::Retry {
            self.refuse_lost(&claim).await?;
        }
        if matches!(action, QueueAction::Retry | QueueAction::Release) {
            self.ask_for(&claim.delivery.destination, asked);
        }
        match action {
            QueueAction::Retry | QueueAction::Release => self.store.queue.retry(id, self.due_untold()).await,
            QueueAction::Hold => self.store.queue.hold(id, self.clock.now()).await,
            QueueAction::Cancel => self.store.queue.cancel(id).await,
        }
        .or_missing("waiting delivery", id)?;
        let (status, reason) = action.outcome();
        self.tell_row(&claim, status, reason.to_owned()).await?;
        if status == Status::Queued {
            self.store.queue.let_go(id, self.clock.now()).await?;
        }
        self.store.accounts.audit(self.audit_plain(actor, action.deed(), &id.to_string())).await?;
        self.wake();
        Ok(())
    }

    /// Sends again: to another verified destination, or to the same one.
    pub async fn resend(&self, actor: &Actor, id: Uuid, written: &Map<String, Value>) -> Result<()> {
        actor.must(Area::Queue, Access::Write)?;
        let mut form = Form::new(written);
        let destination = form.optional("destination", fields::mailbox);
        form.finish()?;
        self.send_again(actor, id, (destination, self.clock.instant())).await
    }

    /// The same as one of several that were asked for at that moment.
    pub(super) async fn send_again(
        &self,
        actor: &Actor,
        id: Uuid,
        (destination, asked): (Option<Mailbox>, Instant),
    ) -> Result<()> {
        let claim = self.managed_delivery(actor, id).await?;
        if claim.delivery.entry == Entry::Leased {
            return Err(unfit(Entry::Leased));
        }
        let to = self.resend_to(&claim, destination).await?;
        self.ask_for(&to, asked);
        let now = self.clock.now();
        if to == claim.delivery.destination && claim.delivery.purpose != Purpose::Returned {
            self.store.queue.retry(id, self.due_untold()).await.or_missing("waiting delivery", id)?;
        } else {
            self.store.queue.redirect(id, to.clone(), self.due_untold()).await.or_missing("waiting delivery", id)?;
            let from = Some(&claim.delivery.destination).filter(|_| claim.delivery.purpose != Purpose::Returned);
            let step = redirected::step((from, &to), &self.who(actor).await?, now);
            self.store.activity.redirect(id, &to, &step).await?;
        }
        self.tell_row(&claim, Status::Queued, format!("Sent again by hand, to {to}")).await?;
        self.store.queue.let_go(id, now).await?;
        self.store.accounts.audit(self.audit_plain(actor, Deed::QueueResend, &format!("{id} to {to}"))).await?;
        self.wake();
        Ok(())
    }

    /// When what is to be tried is due until its row has been told: an attempt that came before would write down its end, and
    /// have it written over.
    fn due_untold(&self) -> Moment {
        self.clock.now().after(TOLD_WITHIN)
    }

    /// Who did it, in words for the message's own page.
    async fn who(&self, actor: &Actor) -> Result<String> {
        Ok(match &actor.name {
            ActorName::Session => {
                let person = self.store.accounts.account(actor.account).await?;
                person.email.unwrap_or_else(|| "the owner".to_owned())
            }
            ActorName::Token(name) => format!("the token {name}"),
            ActorName::Operator => "the command line".to_owned(),
            other => other.to_string(),
        })
    }

    /// Mail goes to verified destinations only, however it is sent (promise 6).
    async fn resend_to(&self, claim: &Claim, destination: Option<Mailbox>) -> Result<Mailbox> {
        let Some(mailbox) = destination else {
            self.refuse_lost(claim).await?;
            return Ok(claim.delivery.destination.clone());
        };
        if claim.delivery.purpose == Purpose::Dsn {
            return Err(AdminError::Conflict("A report goes to its sender and nowhere else.".to_owned()));
        }
        if claim.delivery.purpose == Purpose::Verification {
            let words = "A mail that brings a link goes to its inbox and nowhere else.";
            return Err(AdminError::Conflict(words.to_owned()));
        }
        if !self.store.directory.is_verified(claim.delivery.account, &mailbox).await? {
            let why = format!("{mailbox} is not a verified destination: add and verify it first");
            return Err(AdminError::field("destination", why));
        }
        self.refuse_in_vain(&mailbox).await?;
        Ok(mailbox)
    }

    /// What is sent where no mail goes, fails for good.
    async fn refuse_in_vain(&self, inbox: &Mailbox) -> Result<()> {
        let domain = inbox.domain().map(ToString::to_string).unwrap_or_default();
        match self.no_mail_among(&[&domain]).await?.first() {
            None => Ok(()),
            Some(found) => {
                let why = format!("{} If that is over, look its domain up again first", found.why.told(&domain));
                Err(AdminError::field("destination", why))
            }
        }
    }

    /// The octets of a message that waits or is kept, as they came.
    pub async fn message_octets(&self, actor: &Actor, id: Uuid) -> Result<Octets> {
        actor.must(Area::Queue, Access::Read)?;
        let claim = self.managed_delivery(actor, id).await?;
        if claim.delivery.purpose == Purpose::Verification {
            let words = "This mail holds a link that is its inbox's alone to read: whoever has it can use it.";
            return Err(AdminError::Forbidden(words.to_owned()));
        }
        Ok(claim.message.octets)
    }

    /// What an actor may do with a delivery, if it is in the queue.
    pub async fn queue_powers(&self, actor: &Actor, id: Uuid) -> Result<Option<QueuePowers>> {
        let claim = match self.find_delivery(actor, id).await {
            Ok(claim) => claim,
            Err(AdminError::NotFound(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        let manages = delivery_reach(actor, &claim) >= Some(Reach::Manage);
        let may_act = manages && actor.must(Area::Queue, Access::Write).is_ok();
        let purpose = claim.delivery.purpose;
        Ok(Some(QueuePowers {
            entry: claim.delivery.entry,
            may_act,
            has_a_way: self.has_a_way(&claim).await?,
            may_redirect: may_act && !matches!(purpose, Purpose::Dsn | Purpose::Verification),
            may_read: manages && purpose != Purpose::Verification && actor.must(Area::Queue, Access::Read).is_ok(),
        }))
    }

    /// Whether what is kept can go where it was to go: a report that was read was to go nowhere, and an inbox may have lost
    /// its owner's word.
    async fn has_a_way(&self, claim: &Claim) -> Result<bool> {
        let delivery = &claim.delivery;
        match (delivery.purpose, delivery.entry) {
            (Purpose::Returned, _) => Ok(false),
            (Purpose::Forward, Entry::Kept(_)) => {
                Ok(self.store.directory.is_verified(delivery.account, &delivery.destination).await?)
            }
            _ => Ok(true),
        }
    }

    async fn refuse_lost(&self, claim: &Claim) -> Result<()> {
        if self.has_a_way(claim).await? {
            return Ok(());
        }
        let words = match claim.delivery.purpose {
            Purpose::Returned => "A report that came back goes to nobody by itself: send it to an inbox of yours.",
            _ => "It has no verified inbox to go to: send it to one of yours.",
        };
        Err(AdminError::Conflict(words.to_owned()))
    }

    /// Whether an actor may work on any of these.
    pub async fn may_work_on(&self, actor: &Actor, rows: &[&QueueShape]) -> Result<bool> {
        if actor.grants.is_empty() {
            return Ok(actor.must(Area::Queue, Access::Write).is_ok());
        }
        for row in rows {
            if self.queue_powers(actor, row.id).await?.is_some_and(|powers| powers.may_act) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn find_delivery(&self, actor: &Actor, id: Uuid) -> Result<Claim> {
        let claim = self.store.queue.get(id).await.or_missing("waiting delivery", id)?;
        match delivery_reach(actor, &claim) {
            Some(_) => Ok(claim),
            None => Err(AdminError::missing("waiting delivery", id)),
        }
    }

    /// What an actor may work on: a viewer sees that it waits, and neither its octets nor its fate are theirs.
    async fn managed_delivery(&self, actor: &Actor, id: Uuid) -> Result<Claim> {
        let claim = match self.find_delivery(actor, id).await {
            Err(gone @ AdminError::NotFound(_)) => return Err(self.told_of(actor, id).await.unwrap_or(gone)),
            found => found?,
        };
        if delivery_reach(actor, &claim) >= Some(Reach::Manage) {
            return Ok(claim);
        }
        let detail = "You have no right to this on the domain that it came for: that takes the role manager.";
        Err(AdminError::Forbidden(detail.to_owned()))
    }

    /// Why there is nothing left of a message that the log knows.
    async fn told_of(&self, actor: &Actor, id: Uuid) -> Option<AdminError> {
        let rows = self.activity_of(actor, &id.to_string()).await.ok()?;
        let row = rows.iter().find(|row| row.id == id)?;
        Some(AdminError::NotFound(format!("The message {id} {}.", over::why(row)?)))
    }

    /// A report of ours has no row in the log: the one that it is about says that it was cancelled.
    async fn tell_row(&self, claim: &Claim, status: Status, reason: String) -> Result<()> {
        if claim.delivery.purpose == Purpose::Dsn {
            let about = claim.delivery.about.filter(|_| status == Status::Cancelled);
            let Some(about) = about else { return Ok(()) };
            let note = DsnNote::suppressed("the report was cancelled, so its sender was not told".to_owned());
            return Ok(self.store.activity.reported((about, claim.delivery.id), &note).await?);
        }
        let next_attempt_at: Option<Moment> = (status == Status::Queued).then(|| self.clock.now());
        let change = Progress {
            id: claim.delivery.id,
            status,
            reason,
            attempt: None,
            next_attempt_at,
            sha256_sent: None,
            dsn: None,
        };
        match self.store.activity.progress(vec![change]).await {
            Ok(()) | Err(StoreError::NotFound) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Whoever asks for a try gets one, even where the site is left alone: said before it is due, so that no look at the
    /// queue comes between.
    fn ask_for(&self, inbox: &Mailbox, asked: Instant) {
        if let Some(courier) = &self.courier {
            courier.ask_for(inbox.host(), asked);
        }
    }

    fn wake(&self) {
        if let Some(courier) = &self.courier {
            courier.wake();
        }
    }
}

fn shown(actor: &Actor, rows: Vec<Waiting>) -> Vec<QueueShape> {
    rows.into_iter().filter(|row| sees_recipient(actor, &row.recipient)).map(QueueShape::new).collect()
}

/// Why something cannot be done with a delivery in this state, and what can.
fn unfit(entry: Entry) -> AdminError {
    let words = match entry {
        Entry::Leased => "It is being delivered at this moment. Look again in a minute.",
        Entry::Held => "It is on hold: release lets it go on, cancel takes it out of the queue.",
        Entry::Kept(_) => "It has failed and is kept for you: send it again, or cancel it.",
        Entry::Due(_) => "It is not on hold.",
    };
    AdminError::Conflict(words.to_owned())
}

fn delivery_reach(actor: &Actor, claim: &Claim) -> Option<Reach> {
    let delivery = &claim.delivery;
    mail_reach(actor, (delivery.account, delivery.domain), &delivery.recipient.to_string())
}

/// How far an actor's rights on mail go: those on the domain that it came for.
pub(super) fn mail_reach(
    actor: &Actor,
    (account, domain): (AccountId, Option<DomainId>),
    recipient: &str,
) -> Option<Reach> {
    match Mailbox::parse(recipient).ok().as_ref().and_then(Mailbox::domain) {
        Some(name) => actor.reach_of_mail(account, domain, name),
        // What came for no domain, such as a bare postmaster, is for its account without limits.
        None if !actor.domains.is_empty() => None,
        None if actor.sees_all() || account == actor.account => Some(Reach::Own),
        None => None,
    }
}

/// Whether a token that is limited to domains may see mail for this recipient.
pub(super) fn sees_recipient(actor: &Actor, recipient: &str) -> bool {
    if actor.domains.is_empty() {
        return true;
    }
    Mailbox::parse(recipient).ok().and_then(|mailbox| mailbox.domain().map(|d| actor.sees_domain(d))).unwrap_or(false)
}
