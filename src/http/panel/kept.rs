//! A message whose octets are still here: it can be taken as a file, and sent on to another inbox.

use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use crate::admin::{Actor, AdminError, Paging, QueuePowers};
use crate::http::Site;
use crate::http::api::{Caller, eml};
use crate::policy::status::Status;
use crate::store::activity::Row;
use crate::store::queue::Entry;

use super::forms::Fields;
use super::frame;

/// Inboxes that are proposed, at most.
const MAX_INBOXES: u32 = 100;

/// What can be done with the octets.
pub(super) struct Kept {
    pub(super) words: String,
    /// The inboxes that it may be sent to, the one that it is meant for first; none where it goes nowhere else.
    pub(super) inboxes: Option<Vec<String>>,
    /// Where to, and what is wrong with that.
    pub(super) form: Fields,
    pub(super) may_read: bool,
}

/// Of a delivery that is in the queue, for somebody who has any power over it.
pub(super) async fn build(
    site: &Site,
    actor: &Actor,
    (row, powers): (&Row, QueuePowers),
) -> Result<Option<Kept>, AdminError> {
    if !powers.may_act && !powers.may_read {
        return Ok(None);
    }
    let words = match powers.entry {
        Entry::Due(_) | Entry::Leased => "It is here until it is delivered.".to_owned(),
        Entry::Held => "It is here as long as it is held.".to_owned(),
        Entry::Kept(_) => of_failed(row, &site.admin.span_in_words("queue.keep_failed")),
    };
    let movable = powers.may_redirect && powers.entry != Entry::Leased;
    let inboxes = if movable { Some(its_own_first(inboxes(site, actor).await?, row)) } else { None };
    let form = Fields::of([("destination", row.destination.clone().unwrap_or_default())]);
    Ok(Some(Kept { words, inboxes, form, may_read: powers.may_read }))
}

fn of_failed(row: &Row, span: &str) -> String {
    match &row.dsn {
        _ if row.status == Status::Consumed => format!("A report that came back is kept for {span}."),
        Some(dsn) if dsn.dsn == "sent" => format!("It is kept for {span}."),
        _ => format!("It is kept for {span}, since its sender was not told."),
    }
}

/// Inboxes that mail of the queue can be sent to.
pub(super) async fn inboxes(site: &Site, actor: &Actor) -> Result<Vec<String>, AdminError> {
    let found = site.admin.own_destinations(actor, &Paging { limit: Some(MAX_INBOXES), cursor: None }).await?;
    let verified = found.into_iter().filter(|inbox| inbox.verified_at.is_some() && !inbox.address.starts_with('@'));
    Ok(verified.map(|inbox| inbox.address).collect())
}

fn its_own_first(inboxes: Vec<String>, row: &Row) -> Vec<String> {
    let own = row.destination.clone().unwrap_or_default();
    let others = inboxes.into_iter().filter(|address| *address != own);
    std::iter::once(own.clone()).chain(others).collect()
}

/// `GET /activity/{id}/message`: the message as it came, for a mail program to open.
pub(super) async fn download(State(site): State<Site>, Caller(actor): Caller, Path(id): Path<String>) -> Response {
    let found = match Uuid::try_parse(&id) {
        Ok(uuid) => site.admin.message_octets(&actor, uuid).await.map(|octets| eml(uuid, octets)),
        Err(_) => Err(AdminError::missing("message", &id)),
    };
    found.unwrap_or_else(|error| frame::failed(&error))
}
