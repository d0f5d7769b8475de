//! `/destinations`: the inboxes, whether they are verified and take mail, and how to make one.

use std::collections::BTreeSet;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

use crate::admin::shapes::DestinationShape;
use crate::admin::{Actor, AdminError, Paging, Target};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;

use super::frame::{self, Frame};
use super::new_alias::Filled;
use super::text::{self, When};

/// Rows of a page.
const ROWS: u32 = 100;

/// A destination as the list shows it.
struct Line {
    id: String,
    address: String,
    full: String,
    /// `@domain`: all of its addresses.
    is_domain: bool,
    default: bool,
    /// The whole domain is verified, and this address with it.
    trusted: bool,
    verified: Option<When>,
    waiting: When,
    delivered: Option<When>,
    failing: Option<When>,
}

#[derive(Template)]
#[template(path = "destinations.html", config = "web/askama.toml")]
struct DestinationsPage {
    frame: Frame,
    done: Option<String>,
    wrong: Option<String>,
    written: String,
    vouched: bool,
    is_admin: bool,
    search: String,
    rows: Vec<Line>,
    more: Option<String>,
}

/// `GET /destinations?q=&cursor=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    answer(&site, &actor, &ask, (Filled::new(), None)).await
}

/// `POST /destinations`.
pub(super) async fn create(State(site): State<Site>, Caller(actor): Caller, Form(filled): Form<Filled>) -> Response {
    let mut written = Map::new();
    written
        .insert("address".to_owned(), Value::from(filled.get("address").map(|text| text.trim()).unwrap_or_default()));
    if filled.contains_key("verified") {
        written.insert("verified".to_owned(), Value::Bool(true));
    }
    match site.admin.add_destination(&actor, &written).await {
        Ok(row) => Redirect::to(&format!("/destinations?made={}", row.id)).into_response(),
        Err(error @ (AdminError::Unwell | AdminError::Changed)) => frame::failed(&site, &error),
        Err(error) => answer(&site, &actor, &Ask::default(), (filled, Some(error))).await,
    }
}

/// `POST /destinations/{id}/verify|resend|default|remove`.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((id, word)): Path<(String, String)>,
) -> Response {
    let done = match word.as_str() {
        "verify" => site.admin.verify_destination(&actor, &id).await.map(drop),
        "resend" => site.admin.resend_verification(&actor, &id).await.map(drop),
        "default" => site.admin.make_default(&actor, &id).await.map(drop),
        "remove" => site.admin.remove_destination(&actor, Target { id: &id, version: None }).await,
        _ => Err(AdminError::NotFound("There is nothing of this name to be done.".to_owned())),
    };
    match done {
        Ok(()) => Redirect::to(&format!("/destinations?done={word}")).into_response(),
        Err(error) => frame::failed(&site, &error),
    }
}

async fn answer(site: &Site, actor: &Actor, ask: &Ask, (filled, error): (Filled, Option<AdminError>)) -> Response {
    let status = match &error {
        None => StatusCode::OK,
        Some(AdminError::Conflict(_)) => StatusCode::CONFLICT,
        Some(AdminError::Forbidden(_)) => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    match build(site, actor, ask, (filled, error)).await {
        Ok(page) => frame::page(status, &page),
        Err(error) => frame::failed(site, &error),
    }
}

async fn build(
    site: &Site,
    actor: &Actor,
    ask: &Ask,
    (filled, error): (Filled, Option<AdminError>),
) -> Result<DestinationsPage, AdminError> {
    let now = site.admin.clock.now();
    let search = ask.owned("q").unwrap_or_default();
    let paging = Paging { limit: Some(ROWS), cursor: ask.owned("cursor") };
    let page = site.admin.destinations(actor, ask.owned("q"), &paging).await?;
    let more = page.next_cursor.as_deref();
    let more =
        more.map(|cursor| format!("/destinations?q={}&cursor={}", text::in_query(&search), text::in_query(cursor)));
    let trusted = trusted(site, actor, &page.items).await;
    Ok(DestinationsPage {
        frame: Frame::inside(site, "Destinations", "destinations"),
        done: told(site, actor, ask).await,
        wrong: error.map(|error| error.to_string()),
        written: filled.get("address").cloned().unwrap_or_default(),
        vouched: filled.contains_key("verified"),
        is_admin: actor.must_be_admin("vouch for a destination").is_ok(),
        search,
        rows: page.items.iter().map(|destination| line(destination, &trusted, now)).collect(),
        more,
    })
}

/// The domains among these whose every address counts as verified.
async fn trusted(site: &Site, actor: &Actor, items: &[DestinationShape]) -> BTreeSet<String> {
    let domains: BTreeSet<_> =
        items.iter().filter_map(|one| Some(one.address.rsplit_once('@')?.1.to_owned())).collect();
    let mut trusted = BTreeSet::new();
    for domain in domains {
        let whole = site.admin.destination(actor, &format!("@{domain}")).await;
        if whole.is_ok_and(|row| row.verified_at.is_some()) {
            trusted.insert(domain);
        }
    }
    trusted
}

fn line(destination: &DestinationShape, trusted: &BTreeSet<String>, now: Moment) -> Line {
    let when = |at: Option<Moment>| at.map(|at| When::new(at, now));
    let domain = destination.address.rsplit_once('@').map(|(_, domain)| domain);
    Line {
        id: destination.id.to_string(),
        address: text::short_address(&destination.address),
        full: text::visible(&destination.address),
        is_domain: destination.address.starts_with('@'),
        default: destination.default,
        trusted: domain.is_some_and(|domain| trusted.contains(domain)),
        verified: when(destination.verified_at),
        waiting: When::new(destination.created_at, now),
        delivered: when(destination.last_delivered_at),
        failing: when(destination.failing_since),
    }
}

async fn told(site: &Site, actor: &Actor, ask: &Ask) -> Option<String> {
    if let Some(id) = ask.get("made") {
        let row = site.admin.destination(actor, id).await.ok()?;
        let address = text::visible(&row.address);
        return Some(match row.verified_at {
            Some(_) => format!("{address} can be used now."),
            None => format!("{address} is added, and gets no mail until it is verified."),
        });
    }
    let words = match ask.get("done")? {
        "verify" => "Verified: mail goes there from now on.",
        "resend" => "A mail with a link is on its way: who opens it verifies the inbox.",
        "default" => "New aliases lead there where nothing else is said.",
        "remove" => "Removed.",
        _ => return None,
    };
    Some(words.to_owned())
}
