//! Notices: looks for causes by the clock, tells their beginning and their end by mail, shows them, and sends a digest and
//! a heartbeat. What a cause is, what is news and whom to tell is decided by [`crate::policy::notices`].

mod digest;
mod gather;
mod hear_again;
mod heartbeat;
mod tell;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::mail::{Mailbox, Moment};
use crate::policy::checkup::Severity;
use crate::policy::notices::digest::Digests;
use crate::policy::notices::memory::{self, Changes, Remembered, Seen, State};
use crate::policy::notices::{Kind, causes};
use crate::store::notices::Noted;

use super::shapes::ListShape;
use super::{Access, Actor, Admin, AdminError, Area, Paging, Result};

pub use heartbeat::{Beat, Heartbeat};

/// `[notify]` as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Who is told; empty: the owner.
    pub to: Vec<Mailbox>,
    /// Kinds that send no mail.
    pub mute: BTreeSet<Kind>,
    /// How often a digest is sent.
    pub digest: Digests,
    /// What is called as long as all is well.
    pub heartbeat_url: Option<String>,
}

/// Which notices, as written.
#[derive(Debug, Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NoticeFilter {
    /// Only those in this state; several parted by commas: `pending`, `open`, `over`.
    pub state: Option<String>,
}

/// A cause and how it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Notice)]
pub struct NoticeShape {
    /// Of what kind.
    pub kind: Kind,
    /// A word that stays the same; with the subject it names the cause.
    pub cause: String,
    /// Which domain, destination or address it is about.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// `pending` (seen, and not to be told yet), `open` (told, or told as soon as there is a way), `over`.
    pub state: &'static str,
    /// Since when it stands, or stood.
    pub since: Moment,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// Where people see to it, in the panel.
    pub page: String,
    /// When it was told last.
    pub told_at: Option<Moment>,
    /// Who was told by mail; who refused that mail is not among them.
    pub told: Vec<String>,
    /// Whose mail about it came to nothing. Who is to be told first is written to again once it takes mail, or is verified.
    pub refused: Vec<String>,
    /// When it was over.
    pub ended_at: Option<Moment>,
    /// How often it has begun lately.
    pub turns: u32,
}

impl NoticeShape {
    fn new(remembered: Remembered) -> Self {
        let Remembered { cause, state, began_at, told_at, ended_at, turns, told, refused, .. } = remembered;
        Self {
            kind: cause.kind,
            page: cause.page(),
            since: cause.since.unwrap_or(began_at),
            cause: cause.id,
            subject: cause.subject,
            severity: cause.severity,
            state: state.as_str(),
            what: cause.what,
            remedy: cause.remedy,
            told_at,
            told: in_order(told),
            refused: refused.into_keys().collect(),
            ended_at,
            turns,
        }
    }
}

/// Who was told first comes first.
fn in_order(told: BTreeMap<String, Moment>) -> Vec<String> {
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort_by_key(|(_, at)| *at);
    told.into_iter().map(|(to, _)| to).collect()
}

/// Where a mail of the gateway went.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TestNotice)]
pub struct TestShape {
    /// Who it is sent to.
    pub to: Vec<String>,
}

impl Admin {
    /// What of that which this actor may see needs attention now, the worst first.
    pub async fn attention(&self, actor: &Actor) -> Result<Seen> {
        for area in [Area::Domains, Area::Destinations, Area::Queue] {
            actor.must(area, Access::Read)?;
        }
        Ok(causes::seen(&self.facts_of_notices(actor).await?))
    }

    /// What the clock has the gateway do about notices: look, tell, send the digest, call.
    pub async fn notice_by_the_clock(&self) -> Result<()> {
        let looked = self.look_for_causes().await;
        let digested = self.send_digest().await;
        self.beat().await;
        looked.and(digested)
    }

    async fn look_for_causes(&self) -> Result<()> {
        let mut seen = causes::seen(&self.facts_of_notices(&Actor::operator()).await?);
        let standing = seen.causes.clone();
        let (remembered, now) = (self.store.notices.remembered().await?, self.clock.now());
        let recipients = self.recipients().await?;
        seen.again = self.who_hears_again(&remembered, &recipients, now).await?;
        let Changes { mut changed, forgotten } = memory::look(remembered.clone(), seen, now);
        let mails = self.mails_of_news(&mut changed, &recipients, (&standing, now)).await?;
        changed.retain(|change| !remembered.contains(&change.after));
        if changed.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        let changed = changed.into_iter().map(|change| change.after).collect();
        self.send_noting(mails, Noted { changed, forgotten, digest: None }).await
    }

    /// Lists causes that were told, are to be told, or are over; the newest first. What is open stands at this moment.
    pub async fn notices(
        &self,
        actor: &Actor,
        filter: &NoticeFilter,
        paging: &Paging,
    ) -> Result<ListShape<NoticeShape>> {
        actor.must_see_all("see its notices")?;
        let before = match paging.cursor.as_deref().map(str::parse) {
            None => i64::MAX,
            Some(Ok(before)) => before,
            Some(Err(_)) => return Err(AdminError::field("cursor", "this is no cursor of this list")),
        };
        let states = states(filter)?;
        let mut rows = self.standing_now().await?;
        rows.retain(|(number, one)| *number < before && states.contains(&one.state));
        let limit = paging.rows() as usize;
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| is_more).map(|(number, _)| number.to_string());
        let items = rows.into_iter().map(|(_, remembered)| NoticeShape::new(remembered)).collect();
        Ok(ListShape { items, next_cursor })
    }

    /// What stands at this moment, told or not, and what is over; the newest first.
    pub async fn notices_now(&self, actor: &Actor) -> Result<Vec<NoticeShape>> {
        actor.must_see_all("see its notices")?;
        Ok(self.standing_now().await?.into_iter().map(|(_, remembered)| NoticeShape::new(remembered)).collect())
    }

    /// Memory knows what was told, and the table of causes what stands.
    async fn standing_now(&self) -> Result<Vec<(i64, Remembered)>> {
        let remembered = self.store.notices.numbered().await?;
        let facts = self.facts_of_notices(&Actor::operator()).await?;
        Ok(memory::shown(remembered, causes::seen(&facts), facts.now))
    }
}

fn states(filter: &NoticeFilter) -> Result<Vec<State>> {
    let Some(words) = &filter.state else { return Ok(vec![State::Pending, State::Open, State::Over]) };
    let states: Option<Vec<State>> = words.split(',').map(|word| State::parse(word.trim())).collect();
    states.ok_or_else(|| AdminError::field("state", "write pending, open or over, or several of them parted by commas"))
}
