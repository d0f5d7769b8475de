//! A message whose octets are still here: it can be taken as a file, and sent on to another inbox.

use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use crate::admin::{Actor, AdminError, Paging, QueuePowers};
use crate::http::Site;
use crate::http::api::{Caller, eml};
use crate::policy::redirected;
use crate::policy::status::Status;
use crate::store::activity::Row;
use crate::store::queue::Entry;

use super::forms::Fields;
use super::{frame, text};

/// Inboxes that are proposed, at most.
const MAX_INBOXES: u32 = 100;

/// What can be done with the octets.
pub(super) struct Kept {
    pub(super) words: String,
    /// The inboxes that it may be sent to, the one that it is meant for first; none where it goes nowhere else.
    pub(super) inboxes: Option<Vec<String>>,
    /// It failed, and its inbox is hardly the one to ask again.
    pub(super) is_the_way: bool,
    /// Where to, and what is wrong with that.
    pub(super) form: Fields,
    pub(super) may_read: bool,
}

/// Where mail that failed goes by now, where its alias leads no more to the inbox that it failed at.
pub(super) struct Moved {
    pub(super) inbox: String,
    /// That inbox has this message, or may get it yet, as one of several.
    pub(super) has_copy: bool,
}

impl Moved {
    /// Of a row among all of its message. What somebody sent elsewhere by hand went past the alias.
    pub(super) async fn of(site: &Site, actor: &Actor, (row, all): (&Row, &[Row])) -> Option<Self> {
        let was = row.destination.as_ref()?;
        let has_failed = matches!(row.status, Status::Failed | Status::Expired);
        if !has_failed || row.own.is_some() || row.trace.iter().any(|step| redirected::read(step).is_some()) {
            return None;
        }
        let inboxes = site.admin.leads_by_now(actor, row).await.ok()?;
        if inboxes.iter().any(|inbox| inbox.eq_ignore_ascii_case(was)) {
            return None;
        }
        let has_copy = |inbox: &String| {
            let others = all.iter().filter(|other| other.id != row.id && other.recipient == row.recipient);
            others
                .filter(|other| other.has_arrived() || other.may_arrive())
                .any(|other| other.destination.as_ref() == Some(inbox))
        };
        let without = inboxes.iter().find(|inbox| !has_copy(inbox));
        let inbox = without.or(inboxes.first())?.clone();
        Some(Self { has_copy: without.is_none(), inbox })
    }
}

/// Of a delivery that is in the queue, for somebody who has any power over it.
pub(super) async fn build(
    site: &Site,
    actor: &Actor,
    (row, moved, powers): (&Row, Option<&Moved>, QueuePowers),
) -> Result<Option<Kept>, AdminError> {
    if !powers.may_act && !powers.may_read {
        return Ok(None);
    }
    let words = match powers.entry {
        Entry::Due(_) | Entry::Leased => "It is here until it is delivered.".to_owned(),
        Entry::Held => "It is here as long as it is held.".to_owned(),
        Entry::Kept(until) => of_failed(row, &text::full(until)),
    };
    let movable = powers.may_redirect && powers.entry != Entry::Leased;
    let all = if movable { inboxes(site, actor).await? } else { Vec::new() };
    let meant = match moved {
        Some(Moved { has_copy: true, .. }) => String::new(),
        Some(moved) => moved.inbox.clone(),
        None => meant_for(site, actor, (row, powers.has_a_way), &all).await,
    };
    let is_the_way = matches!(powers.entry, Entry::Kept(_)) && row.status == Status::Failed;
    let has_refused = is_the_way && row.destination.as_ref() == Some(&meant);
    let inboxes = movable.then(|| first(&meant, all));
    let form = Fields::of([("destination", if has_refused { String::new() } else { meant })]);
    Ok(Some(Kept { words, inboxes, is_the_way, form, may_read: powers.may_read }))
}

fn of_failed(row: &Row, until: &str) -> String {
    match &row.dsn {
        _ if row.status == Status::Consumed => format!("A report that came back is kept until {until}."),
        Some(dsn) if dsn.dsn == "sent" => format!("It is kept until {until}."),
        _ => format!("It is kept until {until}, because its sender was not told."),
    }
}

/// Inboxes that mail of the queue can be sent to.
pub(super) async fn inboxes(site: &Site, actor: &Actor) -> Result<Vec<String>, AdminError> {
    let found = site.admin.own_destinations(actor, &Paging { limit: Some(MAX_INBOXES), cursor: None }).await?;
    let verified = found.into_iter().filter(|inbox| inbox.verified_at.is_some() && !inbox.address.starts_with('@'));
    Ok(verified.map(|inbox| inbox.address).collect())
}

/// Where it was to go; where no mail goes there any more, where its alias sends mail now.
async fn meant_for(site: &Site, actor: &Actor, (row, has_a_way): (&Row, bool), inboxes: &[String]) -> String {
    let own = row.destination.clone().unwrap_or_default();
    if has_a_way || inboxes.contains(&own) {
        return own;
    }
    let Some(rule) = &row.rule else { return String::new() };
    let alias = site.admin.alias(actor, &rule.id.to_string()).await;
    let now = alias.map(|alias| alias.spec.destinations).unwrap_or_default();
    now.into_iter().find(|inbox| inboxes.contains(inbox)).unwrap_or_default()
}

fn first(meant: &str, inboxes: Vec<String>) -> Vec<String> {
    let others = inboxes.into_iter().filter(|address| address != meant);
    std::iter::once(meant.to_owned()).filter(|meant| !meant.is_empty()).chain(others).collect()
}

/// `GET /activity/{id}/message`: the message as it came, for a mail program to open.
pub(super) async fn download(State(site): State<Site>, Caller(actor): Caller, Path(id): Path<String>) -> Response {
    let found = match Uuid::try_parse(&id) {
        Ok(uuid) => site.admin.message_octets(&actor, uuid).await.map(|octets| eml(uuid, octets)),
        Err(_) => Err(AdminError::missing("message", &id)),
    };
    found.unwrap_or_else(|error| frame::failed(&error))
}
