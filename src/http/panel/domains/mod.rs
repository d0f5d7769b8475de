//! `/domains`: the hosted domains, and how to add one or many. One domain's own page is [`page`]'s.

mod form;
mod page;
pub(super) mod records;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

use crate::admin::shapes::DomainShape;
use crate::admin::{Actor, AdminError, KnownRecords, Paging};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::{Domain, Moment};
use crate::policy::replies;

use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::text::{self, When};
use super::told;

/// Rows of a page.
const ROWS: u32 = 100;
/// Domains that a new one is proposed to begin like.
const TEMPLATES: usize = 50;

/// The pages, as seen from the root.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route("/domains", get(list).post(create))
        .route("/domains/{name}", get(page::show).post(page::change))
        .route("/domains/{name}/zone", get(page::zone))
        .route("/domains/{name}/{action}", post(page::act))
}

/// A domain as the list shows it.
struct Line {
    name: String,
    full: String,
    /// The name as the DNS has it, where it is written otherwise.
    ascii: Option<String>,
    verified: Option<When>,
    tone: &'static str,
    icon: &'static str,
    dns: String,
    /// What its catch-all does, or whose mirror it is.
    about: String,
}

#[derive(Template)]
#[template(path = "domains.html", config = "web/askama.toml")]
struct DomainsPage {
    frame: Frame,
    done: Option<String>,
    wrong: Option<String>,
    one: String,
    many: String,
    like: String,
    templates: Vec<String>,
    rows: Vec<Line>,
    more: Option<String>,
}

/// `GET /domains`.
async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    listed(&site, &actor, &ask, (&Filled::default(), None)).await
}

/// `POST /domains`: one domain, or many of them, all or none.
async fn create(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    match add(&site, &actor, &filled).await {
        Ok(answer) => answer,
        Err(error @ (AdminError::Unwell | AdminError::Changed)) => frame::failed(&error),
        Err(error) => listed(&site, &actor, &Ask::default(), (&filled, Some(error))).await,
    }
}

async fn add(site: &Site, actor: &Actor, filled: &Filled) -> Result<Response, AdminError> {
    let mut written = filled.change(&["like"]);
    let all = filled.get("names").split([',', ' ', '\r', '\n', '\t']);
    let mut names: Vec<&str> = all.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        written.insert("name".to_owned(), filled.trimmed("name").into());
        let domain = site.admin.add_domain(actor, &written).await?;
        return Ok(told::go(&format!("/domains/{}", domain.name), &[("done", "added")]));
    }
    names.extend(Some(filled.trimmed("name")).filter(|name| !name.is_empty()));
    written.insert("names".to_owned(), Value::from(names));
    let added = site.admin.add_domains(actor, &written).await?.items;
    Ok(told::go("/domains", &[("done", "many"), ("count", &added.len().to_string())]))
}

async fn listed(site: &Site, actor: &Actor, ask: &Ask, (filled, error): (&Filled, Option<AdminError>)) -> Response {
    frame::answer(error.as_ref(), build(site, actor, ask, (filled, error.as_ref())).await)
}

async fn build(
    site: &Site,
    actor: &Actor,
    ask: &Ask,
    (filled, error): (&Filled, Option<&AdminError>),
) -> Result<DomainsPage, AdminError> {
    let paging = Paging { limit: Some(ROWS), cursor: ask.owned("cursor") };
    let (domains, next) = site.admin.domains_known(actor, &paging).await?;
    let now = site.admin.clock.now();
    Ok(DomainsPage {
        frame: Frame::inside(site, "Domains", "domains"),
        done: told(ask),
        wrong: error.map(forms::details),
        one: filled.get("name").to_owned(),
        many: filled.get("names").to_owned(),
        like: filled.get("like").to_owned(),
        templates: site.admin.domains_to_copy(actor).await?.into_iter().take(TEMPLATES).collect(),
        more: next.map(|cursor| format!("/domains?cursor={}", text::in_query(&cursor))),
        rows: domains.iter().map(|(domain, known)| line(domain, known, now)).collect(),
    })
}

fn told(ask: &Ask) -> Option<String> {
    match ask.get("done")? {
        "removed" => Some("Removed, with its aliases.".to_owned()),
        "many" => {
            let count: u32 = ask.get("count")?.parse().ok()?;
            Some(format!("{count} domains are added. Each has a page with the records to publish."))
        }
        _ => None,
    }
}

fn line(domain: &DomainShape, known: &KnownRecords, now: Moment) -> Line {
    let state = records::State::known(known, domain, now);
    let about = match &domain.mirror_of {
        Some(original) => format!("mirror of {original}"),
        None => format!("catch-all: {}", forms::small(form::label_of(domain.catch_all))),
    };
    Line {
        name: text::short_sender(&domain.unicode),
        full: domain.name.clone(),
        ascii: (domain.unicode != domain.name).then(|| domain.name.clone()),
        verified: domain.verified_at.map(|at| When::new(at, now)),
        tone: state.tone,
        icon: state.icon,
        dns: state.words,
        about,
    }
}

/// What senders hear who write to a domain that nobody has proved; nothing of others.
pub(super) fn put_off(site: &Site, name: &str) -> Option<String> {
    let claimed = Domain::parse(name).ok().filter(|name| !site.admin.is_proved(name));
    claimed.map(|_| replies::unproven_domain().to_string())
}

/// A text that a browser keeps as a file.
fn download(name: &str, text: String) -> Response {
    let fields = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (fields, text).into_response()
}
