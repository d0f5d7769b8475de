//! `/activity`: what became of my mail, newest first.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::admin::{ActivityFilter, Actor, AdminError, AliasFilter, Paging};
use crate::http::Site;
use crate::http::api::{Ask, Caller, follow};
use crate::mail::Moment;
use crate::store::activity::Row;

use super::frame::{self, Frame};
use super::look::{self, Look};
use super::text::{self, When};

/// Rows of a page.
const ROWS: u32 = 50;
/// Filters by what became of mail: the word, and the statuses that it means.
const FILTERS: [(&str, &str); 7] = [
    ("All", ""),
    ("Forwarded", "forwarded"),
    ("Waiting", "queued,deferred,held"),
    ("Failed", "failed,expired"),
    ("Bounced", "bounced"),
    ("Refused", "refused,refused_temporarily"),
    ("Dropped", "dropped"),
];

/// A filter to choose, or to take away.
struct Chip {
    word: String,
    href: String,
    current: bool,
}

/// A row as the list shows it.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) look: Look,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) destination: String,
    pub(super) subject: String,
    pub(super) at: When,
    pub(super) count: u64,
}

impl Line {
    /// Shows a row as seen from `now`.
    pub(super) fn new(row: &Row, now: Moment) -> Self {
        Self {
            id: row.id.to_string(),
            look: look::of(row),
            from: if row.sender.is_empty() { "<>".to_owned() } else { text::short_address(&row.sender) },
            to: text::short_address(text::recipient(&row.recipient)),
            destination: row.destination.as_deref().map(text::short_address).unwrap_or_default(),
            subject: text::short(row.subject.as_deref().unwrap_or_default(), text::LINE),
            at: When::new(row.received_at, now),
            count: row.count,
        }
    }
}

#[derive(Template)]
#[template(path = "activity.html", config = "web/askama.toml")]
struct ActivityPage {
    frame: Frame,
    search: String,
    status: String,
    alias: String,
    domain: String,
    domains: Vec<String>,
    chips: Vec<Chip>,
    alias_chip: Option<Chip>,
    wrong: Option<String>,
    rows: Vec<Line>,
    filtered: bool,
    no_aliases: bool,
    live: bool,
    older: Option<String>,
}

/// `GET /activity?q=&status=&domain=&alias=&cursor=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    match build(&site, &actor, &ask).await {
        Ok(page) => frame::page(StatusCode::OK, &page),
        Err(error) => frame::failed(&site, &error),
    }
}

async fn build(site: &Site, actor: &Actor, ask: &Ask) -> Result<ActivityPage, AdminError> {
    let now = site.admin.clock.now();
    let wanted = |key| ask.owned(key).unwrap_or_default();
    let (search, status, alias, domain) = (wanted("q"), wanted("status"), wanted("alias"), wanted("domain"));
    let (found, wrong) = match site.admin.activity_rows(actor, &filter(ask)).await {
        Ok(found) => (Some(found), None),
        Err(error @ (AdminError::NotFound(_) | AdminError::Invalid(_))) => (None, Some(error.to_string())),
        Err(other) => return Err(other),
    };
    let older = found.as_ref().and_then(|page| page.next_cursor.as_deref());
    let older = older.map(|cursor| href(ask, &[("cursor", cursor)]));
    let rows: Vec<_> = found.iter().flat_map(|page| &page.rows).map(|row| Line::new(row, now)).collect();
    let filtered = [&search, &status, &alias, &domain].iter().any(|value| !value.is_empty());
    Ok(ActivityPage {
        frame: Frame::inside(site, "Activity", "activity"),
        chips: chips(ask, &status),
        alias_chip: alias_chip(site, actor, ask).await,
        domains: domains(site, actor).await?,
        no_aliases: rows.is_empty() && !filtered && has_no_aliases(site, actor).await?,
        live: !filtered && ask.get("cursor").is_none(),
        search,
        status,
        alias,
        domain,
        wrong,
        rows,
        filtered,
        older,
    })
}

fn filter(ask: &Ask) -> ActivityFilter {
    ActivityFilter {
        status: ask.owned("status").into_iter().collect(),
        alias: ask.owned("alias"),
        domain: ask.owned("domain"),
        search: ask.owned("q"),
        paging: Paging { limit: Some(ROWS), cursor: ask.owned("cursor") },
        ..ActivityFilter::default()
    }
}

/// This page with other filters: those of `changes` count, an empty value takes one away.
fn href(ask: &Ask, changes: &[(&str, &str)]) -> String {
    let value = |key: &str| match changes.iter().find(|(changed, _)| *changed == key) {
        Some((_, value)) => (*value).to_owned(),
        None if key == "cursor" => String::new(),
        None => ask.owned(key).unwrap_or_default(),
    };
    let keys = ["q", "status", "domain", "alias", "cursor"].map(|key| (key, value(key)));
    let pairs = keys.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<_> = pairs.map(|(key, value)| format!("{key}={}", text::in_query(value))).collect();
    if query.is_empty() { "/activity".to_owned() } else { format!("/activity?{}", query.join("&")) }
}

fn chips(ask: &Ask, status: &str) -> Vec<Chip> {
    let chip = |(word, statuses): (&str, &str)| Chip {
        word: word.to_owned(),
        href: href(ask, &[("status", statuses)]),
        current: status == statuses,
    };
    FILTERS.into_iter().map(chip).collect()
}

async fn alias_chip(site: &Site, actor: &Actor, ask: &Ask) -> Option<Chip> {
    let wanted = ask.get("alias")?;
    let found = site.admin.alias(actor, wanted).await;
    let word = found.map_or_else(|_| wanted.to_owned(), |row| crate::admin::shapes::alias_name(&row).to_string());
    Some(Chip { word: text::short_address(&word), href: href(ask, &[("alias", "")]), current: true })
}

/// The domains to choose from, where there is more than one.
async fn domains(site: &Site, actor: &Actor) -> Result<Vec<String>, AdminError> {
    let page = site.admin.domains(actor, None, &Paging { limit: Some(crate::admin::MAX_LIMIT), cursor: None }).await?;
    let names: Vec<_> = page.items.into_iter().map(|domain| domain.name).collect();
    Ok(if names.len() > 1 { names } else { Vec::new() })
}

async fn has_no_aliases(site: &Site, actor: &Actor) -> Result<bool, AdminError> {
    let paging = Paging { limit: Some(1), cursor: None };
    Ok(site.admin.aliases(actor, AliasFilter { paging, ..AliasFilter::default() }).await?.items.is_empty())
}

/// `GET /activity/stream`: what the page needs to say "3 new" and to change the rows that it shows.
pub(super) async fn stream(State(site): State<Site>, Caller(actor): Caller) -> Response {
    follow(&site, actor, event).unwrap_or_else(IntoResponse::into_response)
}

fn event(row: &Row) -> Event {
    let look = look::of(row);
    let told = json!({ "id": row.id, "icon": look.icon, "tone": look.tone, "word": look.word });
    Event::default().event("row").data(told.to_string())
}
