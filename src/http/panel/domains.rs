//! `/domains` and `/domains/{name}`: the hosted domains, and what is set for one.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

use crate::admin::shapes::{CatchAll, DomainShape};
use crate::admin::{Actor, AdminError, Paging, Target};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;

use super::frame::{self, Frame};
use super::new_alias::Filled;
use super::text::{self, When};

/// Rows of a page.
const ROWS: u32 = 100;
/// The modes of a catch-all: the word of the API, and ours.
const CATCH_ALL: [(&str, CatchAll, &str); 5] = [
    ("off", CatchAll::Off, "Refuse it: there is no such address"),
    ("forward", CatchAll::Forward, "Send it on"),
    ("create", CatchAll::Create, "Make an alias of it, and send it on"),
    ("drop", CatchAll::Drop, "Take it and throw it away"),
    ("reject", CatchAll::Reject, "Refuse it with words of your own"),
];

/// A domain as the list shows it.
struct Line {
    name: String,
    full: String,
    /// The name as the DNS has it, where it is written otherwise.
    ascii: Option<String>,
    verified: Option<When>,
    tone: &'static str,
    icon: &'static str,
    dns: &'static str,
    catch_all: &'static str,
}

/// A mode to choose.
struct Mode {
    word: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "domains.html", config = "web/askama.toml")]
struct DomainsPage {
    frame: Frame,
    done: Option<&'static str>,
    wrong: Option<String>,
    written: String,
    rows: Vec<Line>,
    more: Option<String>,
}

#[derive(Template)]
#[template(path = "domain.html", config = "web/askama.toml")]
struct DomainPage {
    frame: Frame,
    done: Option<&'static str>,
    wrong: Option<String>,
    domain: Line,
    modes: Vec<Mode>,
    to: String,
    subaddressing: bool,
    keep_tag: bool,
    contact: String,
    srs_domain: String,
}

/// `GET /domains`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    listed(&site, &actor, &ask, (String::new(), None)).await
}

/// `POST /domains`.
pub(super) async fn create(State(site): State<Site>, Caller(actor): Caller, Form(filled): Form<Filled>) -> Response {
    let name = filled.get("name").map(|name| name.trim().to_owned()).unwrap_or_default();
    let written = Map::from_iter([("name".to_owned(), Value::from(name.clone()))]);
    match site.admin.add_domain(&actor, &written).await {
        Ok(domain) => Redirect::to(&format!("/domains/{}?done=added", domain.name)).into_response(),
        Err(error @ (AdminError::Unwell | AdminError::Changed)) => frame::failed(&site, &error),
        Err(error) => listed(&site, &actor, &Ask::default(), (name, Some(error))).await,
    }
}

/// `GET /domains/{name}`.
pub(super) async fn page(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    ask: Ask,
) -> Response {
    shown(&site, &actor, &name, (ask.get("done").and_then(told), None)).await
}

/// `POST /domains/{name}`: what is set for it.
pub(super) async fn change(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Form(filled): Form<Filled>,
) -> Response {
    match site.admin.change_domain(&actor, Target { id: &name, version: None }, &settings(&filled)).await {
        Ok(domain) => Redirect::to(&format!("/domains/{}?done=saved", domain.name)).into_response(),
        Err(error @ (AdminError::Invalid(_) | AdminError::Conflict(_))) => {
            shown(&site, &actor, &name, (None, Some(error))).await
        }
        Err(error) => frame::failed(&site, &error),
    }
}

/// `POST /domains/{name}/verify|remove`.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((name, word)): Path<(String, String)>,
) -> Response {
    let done = match word.as_str() {
        "verify" => site.admin.verify_domain(&actor, &name).await.map(|_| format!("/domains/{name}?done=verified")),
        "remove" => {
            let removed = site.admin.remove_domain(&actor, Target { id: &name, version: None }).await;
            removed.map(|()| "/domains?done=removed".to_owned())
        }
        _ => Err(AdminError::NotFound("There is nothing of this name to be done.".to_owned())),
    };
    done.map_or_else(|error| frame::failed(&site, &error), |place| Redirect::to(&place).into_response())
}

/// What the form of one domain says, as the API takes it.
fn settings(filled: &Filled) -> Map<String, Value> {
    let text = |key: &str| filled.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut written = Map::new();
    let mut set = |key: &str, value: Value| written.insert(key.to_owned(), value);
    set("subaddressing", filled.contains_key("subaddressing").into());
    set("keep_tag", filled.contains_key("keep_tag").into());
    set("contact", text("contact").into());
    set("srs_domain", text("srs_domain").into());
    if let Some(mode) = text("catch_all") {
        set("catch_all", mode.into());
        if let Some(to) = text("to").filter(|_| matches!(mode, "forward" | "create")) {
            set("catch_all_destinations", to.split(',').map(str::trim).collect::<Vec<_>>().into());
        }
    }
    written
}

async fn listed(site: &Site, actor: &Actor, ask: &Ask, (written, error): (String, Option<AdminError>)) -> Response {
    let status = error.as_ref().map_or(StatusCode::OK, status);
    let paging = Paging { limit: Some(ROWS), cursor: ask.owned("cursor") };
    match site.admin.domains(actor, None, &paging).await {
        Ok(page) => {
            let now = site.admin.clock.now();
            let next = page.next_cursor.as_deref();
            let page = DomainsPage {
                frame: Frame::inside(site, "Domains", "domains"),
                done: ask.get("done").and_then(told),
                wrong: error.map(|error| error.to_string()),
                written,
                more: next.map(|cursor| format!("/domains?cursor={}", text::in_query(cursor))),
                rows: page.items.iter().map(|domain| line(domain, now)).collect(),
            };
            frame::page(status, &page)
        }
        Err(error) => frame::failed(site, &error),
    }
}

async fn shown(
    site: &Site,
    actor: &Actor,
    name: &str,
    (done, error): (Option<&'static str>, Option<AdminError>),
) -> Response {
    let status = error.as_ref().map_or(StatusCode::OK, status);
    match build(site, actor, name, (done, error)).await {
        Ok(page) => frame::page(status, &page),
        Err(error) => frame::failed(site, &error),
    }
}

async fn build(
    site: &Site,
    actor: &Actor,
    name: &str,
    (done, error): (Option<&'static str>, Option<AdminError>),
) -> Result<DomainPage, AdminError> {
    let domain = site.admin.domain(actor, name).await?;
    let to = match site.admin.alias(actor, &format!("*@{}", domain.name)).await {
        Ok(row) => site.admin.alias_shapes(&[row]).await?.remove(0).destinations.join(", "),
        Err(_) => String::new(),
    };
    Ok(DomainPage {
        frame: Frame::inside(site, text::short(&domain.unicode, text::SHORT), "domains"),
        done,
        wrong: error.map(|error| error.to_string()),
        domain: line(&domain, site.admin.clock.now()),
        modes: CATCH_ALL.map(|(word, mode, label)| Mode { word, label, chosen: mode == domain.catch_all }).into(),
        to,
        subaddressing: domain.subaddressing,
        keep_tag: domain.keep_tag,
        contact: domain.contact.unwrap_or_default(),
        srs_domain: domain.srs_domain.unwrap_or_default(),
    })
}

fn line(domain: &DomainShape, now: Moment) -> Line {
    let (tone, icon, dns) = match domain.dns.as_str() {
        "ok" => ("ok", "done", "all records found"),
        "drift" => ("bad", "fail", "some records differ"),
        _ => ("", "stop", "records not checked yet"),
    };
    let catch_all = CATCH_ALL.iter().find(|(_, mode, _)| *mode == domain.catch_all).map_or("", |(word, _, _)| word);
    Line {
        name: text::short(&domain.unicode, text::SHORT),
        full: domain.name.clone(),
        ascii: (domain.unicode != domain.name).then(|| domain.name.clone()),
        verified: domain.verified_at.map(|at| When::new(at, now)),
        tone,
        icon,
        dns,
        catch_all,
    }
}

const fn status(error: &AdminError) -> StatusCode {
    match error {
        AdminError::Conflict(_) => StatusCode::CONFLICT,
        AdminError::Forbidden(_) => StatusCode::FORBIDDEN,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn told(word: &str) -> Option<&'static str> {
    Some(match word {
        "added" => "Added. Publish its records in the DNS; then make its first alias.",
        "saved" => "Saved: it counts from now on.",
        "verified" => "Verified on your word.",
        "removed" => "Removed, with its aliases.",
        _ => return None,
    })
}
