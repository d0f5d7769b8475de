//! Tells by mail: whom, and each of them once.

use std::collections::BTreeMap;

use crate::mail::{Mailbox, Moment};
use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, OWNER};
use crate::policy::notices::Cause;
use crate::policy::notices::memory::{Change, News, Remembered};
use crate::policy::notices::recipients::Recipients;
use crate::policy::notices::words::{self, Item, Writer};
use crate::policy::roles::Role;
use crate::policy::status::OwnMail;
use crate::store::StoreError;
use crate::store::notices::Noted;
use crate::store::queue::Acceptance;
use crate::store::rules::{DestinationRow, ListQuery};

use super::super::letters::{Letter, composed};
use super::super::{Actor, Admin, AdminError, Result};
use super::TestShape;

/// Inboxes of the owner that are thought of.
const MAX_INBOXES: u32 = 50;
/// Accounts among which owners are looked for.
const MAX_ACCOUNTS: u32 = 100;
const REASON: &str = "A notice of the gateway itself; it waits for its first try";

impl Admin {
    /// The mails that tell what is news now, and in the changes who is told.
    pub(super) async fn mails_of_news(
        &self,
        changes: &mut [Change],
        recipients: &Recipients,
        (standing, now): (&[Cause], Moment),
    ) -> Result<Vec<Acceptance>> {
        if changes.iter().all(|change| change.news.is_none()) {
            return Ok(Vec::new());
        }
        let mute = self.settings.notify().mute;
        let mut mails: BTreeMap<String, (Mailbox, Vec<usize>)> = BTreeMap::new();
        for (number, change) in changes.iter_mut().enumerate() {
            let Some(news) = change.news else { continue };
            let cause = &change.after.cause;
            log(news, cause);
            if mute.contains(&cause.kind) || news == News::Ended && !wants_end(change) {
                continue;
            }
            let told = match news {
                News::Ended => recipients.of(None, standing, &[]),
                News::Began | News::Unheard => who_can_hear(recipients, change, (standing, now)),
            };
            for to in &told {
                mails.entry(to.key()).or_insert_with(|| ((*to).clone(), Vec::new())).1.push(number);
            }
            if news != News::Ended {
                change.tell(told.into_iter().map(ToString::to_string), now);
            }
        }
        let mut composed = Vec::with_capacity(mails.len());
        for (to, numbers) in mails.into_values() {
            let items: Vec<Item<'_>> = numbers.iter().filter_map(|number| item(&changes[*number])).collect();
            composed.push(self.mail_to(to, now, &|writer: &Writer<'_>| words::mail(writer, &items)).await?);
        }
        Ok(composed)
    }

    /// Sends a mail that shows that notices arrive.
    pub async fn test_notice(&self, actor: &Actor) -> Result<TestShape> {
        actor.must_be_admin("send a test notice")?;
        let recipients = self.recipients().await?;
        if recipients.first.is_empty() {
            return Err(AdminError::Conflict(NOBODY.to_owned()));
        }
        let mut mails = Vec::with_capacity(recipients.first.len());
        for to in &recipients.first {
            mails.push(self.mail_to(to.clone(), self.clock.now(), &words::test).await?);
        }
        self.send_noting(mails, Noted::default()).await?;
        let to: Vec<String> = recipients.first.iter().map(ToString::to_string).collect();
        self.store.accounts.audit(self.audit_plain(actor, Deed::NoticeTest, &to.join(", "))).await?;
        Ok(TestShape { to })
    }

    /// One mail, as of `now`.
    pub(super) async fn mail_to(
        &self,
        to: Mailbox,
        now: Moment,
        words: &(dyn Fn(&Writer<'_>) -> (String, Vec<String>) + Sync),
    ) -> Result<Acceptance> {
        let mut sending = self.begin_letter().await?;
        sending.at = now;
        let panel = self.links_at.as_deref();
        let (subject, text) = words(&Writer { host: &sending.host, panel, now: sending.at });
        let about = to.clone();
        let letter = Letter { own: OwnMail::Notice, subject, account: OWNER, about, to, reason: REASON };
        Ok(composed(&sending, &letter, &text))
    }

    /// Who is told of what the gateway has to say.
    pub async fn who_is_told(&self, actor: &Actor) -> Result<Recipients> {
        actor.must_see_all("see whom it tells")?;
        self.recipients().await
    }

    pub(super) async fn recipients(&self) -> Result<Recipients> {
        let named = self.settings.notify().to;
        let wanted = if named.is_empty() { self.owners().await? } else { named };
        let spare = self.own_inboxes().await?;
        let mut first: Vec<Mailbox> = Vec::new();
        for to in wanted {
            for inbox in self.inboxes_of(to).await? {
                if first.iter().all(|known| known.key() != inbox.key()) {
                    first.push(inbox);
                }
            }
        }
        if first.is_empty() {
            first.extend(spare.first().cloned());
        }
        Ok(Recipients { first, spare })
    }

    async fn owners(&self) -> Result<Vec<Mailbox>> {
        let accounts = self.store.accounts.list(AccountId(0), MAX_ACCOUNTS).await?;
        let owners = accounts.iter().filter(|row| row.role == Role::Owner && row.disabled_at.is_none());
        Ok(owners.filter_map(|row| Mailbox::parse(row.email.as_deref()?).ok()).collect())
    }

    /// Verified inboxes of the owner, the default one first.
    async fn own_inboxes(&self) -> Result<Vec<Mailbox>> {
        let mut rows = self.verified_inboxes().await?;
        rows.sort_by_key(|row| !row.default);
        Ok(rows.iter().filter_map(|row| Mailbox::parse(&row.address).ok()).collect())
    }

    pub(super) async fn verified_inboxes(&self) -> Result<Vec<DestinationRow>> {
        let query = ListQuery { limit: MAX_INBOXES, ..ListQuery::default() };
        let mut rows = self.store.rules.destinations(OWNER, query).await?.items;
        rows.retain(|row| row.verified_at.is_some());
        Ok(rows)
    }

    /// Where mail to this address ends: an alias of ours leads on, and we send no mail to ourselves.
    async fn inboxes_of(&self, to: Mailbox) -> Result<Vec<Mailbox>> {
        let Some(domain) = to.domain() else { return Ok(vec![to]) };
        match self.store.rules.domain(domain).await {
            Ok(_) => {}
            Err(StoreError::NotFound) => return Ok(vec![to]),
            Err(other) => return Err(other.into()),
        }
        Ok(self.own_mail(&to).await?.destinations().cloned().collect())
    }
}

const NOBODY: &str =
    "Nobody is told yet: set notify.to, or give the owner's account an address, or verify a destination.";

/// Who has not heard of it yet; but not those whose mail about it came to nothing, unless nobody else is left and it is a
/// while since.
fn who_can_hear<'r>(
    recipients: &'r Recipients,
    Change { after, again, .. }: &Change,
    (standing, now): (&[Cause], Moment),
) -> Vec<&'r Mailbox> {
    let deaf: Vec<String> = after.refused.keys().filter(|to| !again.contains(*to)).cloned().collect();
    let mut told = recipients.of(Some(&after.cause), standing, &deaf);
    if told.is_empty() && after.may_try_again(now) {
        told = recipients.of(Some(&after.cause), standing, &[]);
    }
    told.retain(|to| !after.told.contains_key(&to.to_string()));
    told
}

/// Nobody is told of the end of what they never heard of; but for what kept them from hearing.
fn wants_end(change: &Change) -> bool {
    !change.after.told.is_empty() || change.after.cause.is_in_the_way()
}

fn item(change: &Change) -> Option<Item<'_>> {
    let Remembered { cause, began_at, ended_at, .. } = &change.after;
    Some(Item { news: change.news?, cause, began_at: *began_at, ended_at: *ended_at })
}

fn log(news: News, cause: &Cause) {
    let (kind, subject) = (cause.kind.as_str(), cause.subject.as_str());
    match news {
        News::Began => tracing::warn!(kind, subject, "a notice begins: {}", cause.what),
        News::Unheard => {}
        News::Ended => tracing::info!(kind, subject, "a notice is over"),
    }
}
