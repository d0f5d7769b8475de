//! `/activity`: what became of my mail, newest first.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::admin::{ActivityFilter, Actor, AdminError, AliasFilter, Paging};
use crate::http::Site;
use crate::http::api::{self, Ask, Caller, follow};
use crate::mail::{Mailbox, Moment};
use crate::policy::status::Status;
use crate::store::activity::{Page, Row};

use super::author::Writer;
use super::by_domain;
use super::forms;
use super::frame::{self, Frame};
use super::look::{self, Look};
use super::step_words;
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

/// What narrows the list, as the address has it.
const KEYS: [&str; 7] = ["q", "status", "domain", "alias", "own", "time", "since"];
/// What the gateway itself wrote alone, or the rest, as the address has it.
const OWN: [(&str, bool); 2] = [("true", true), ("false", false)];
/// Stretches of time: as the address has them, in words, and how long.
const TIMES: [(&str, &str, Duration); 4] = [
    ("1h", "Last hour", Duration::from_secs(3600)),
    ("24h", "Last 24 hours", DAY),
    ("7d", "Last 7 days", DAY.saturating_mul(7)),
    ("30d", "Last 30 days", DAY.saturating_mul(30)),
];
const DAY: Duration = Duration::from_secs(86_400);

/// A stretch of time to choose.
struct Stretch {
    key: &'static str,
    word: &'static str,
    chosen: bool,
}

/// A filter to choose, or to take away.
struct Chip {
    word: String,
    href: String,
    current: bool,
}

/// What is missing before any mail can come: in words, and where it is made.
struct First {
    words: &'static str,
    href: &'static str,
    action: &'static str,
}

const NO_DOMAIN: First = First {
    words: "No mail has come yet, and there is no domain that it could come to.",
    href: "/domains",
    action: "Add a domain",
};
const NO_ALIAS: First = First {
    words: "No mail has come yet, and there is no alias that it could come to.",
    href: "/aliases?new=1",
    action: "Create an alias",
};

/// A row as the list shows it.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) look: Look,
    pub(super) from: Writer,
    pub(super) to: String,
    pub(super) destination: String,
    /// The list has the same message for another destination too.
    pub(super) is_copy: bool,
    pub(super) subject: String,
    pub(super) at: When,
    pub(super) count: u64,
}

impl Line {
    /// Shows a list as seen from `now`.
    pub(super) fn all(rows: &[Row], now: Moment) -> Vec<Self> {
        let mut copies: HashMap<_, usize> = HashMap::new();
        rows.iter().for_each(|row| *copies.entry((row.transaction, &row.recipient)).or_default() += 1);
        let is_copy = |row: &Row| row.destination.is_some() && copies[&(row.transaction, &row.recipient)] > 1;
        rows.iter().map(|row| Self { is_copy: is_copy(row), ..Self::new(row, now) }).collect()
    }

    /// Shows a row.
    pub(super) fn new(row: &Row, now: Moment) -> Self {
        Self {
            id: row.id.to_string(),
            look: look::of(row),
            from: Writer::of(row),
            to: text::short_address(text::recipient(&row.recipient)),
            destination: row.destination.as_deref().map(text::short_address).unwrap_or_default(),
            is_copy: false,
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
    own: String,
    chips: Vec<Chip>,
    /// What else narrows the list, each to be taken away.
    narrowed: Vec<Chip>,
    /// Where an address says it, that what the gateway itself wrote is left out, and the list with it.
    without_own: Option<String>,
    /// From when on, where an address says it, and the list without that.
    since: Option<(When, String)>,
    times: Vec<Stretch>,
    exports: Vec<Chip>,
    /// Where the log begins, on the page that ends with its first row.
    begins: Option<(When, String)>,
    wrong: Option<String>,
    rows: Vec<Line>,
    /// The domain of an address that was searched for, and the list by that: mail refused before a recipient keeps no more.
    by_domain_alone: Option<(String, String)>,
    filtered: bool,
    first: Option<First>,
    live: bool,
    older: Option<String>,
}

/// `GET /activity?q=&status=&domain=&alias=&time=&since=&cursor=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    frame::answer(None, build(&site, &actor, &ask).await)
}

async fn build(site: &Site, actor: &Actor, ask: &Ask) -> Result<ActivityPage, AdminError> {
    let now = site.admin.clock.now();
    let wanted = |key| ask.owned(key).unwrap_or_default();
    let [search, status, alias, domain, own] = ["q", "status", "alias", "domain", "own"].map(wanted);
    let (found, wrong) = found(site, actor, &filter(ask, now)).await?;
    let older = found.as_ref().and_then(|page| page.next_cursor.as_deref());
    let older = older.map(|cursor| href(ask, &[("cursor", cursor)]));
    let rows = found.as_ref().map(|page| Line::all(&page.rows, now)).unwrap_or_default();
    let filtered = KEYS.iter().any(|key| !wanted(key).is_empty());
    let last = found.iter().flat_map(|page| &page.rows).next_back().filter(|_| !filtered && older.is_none());
    Ok(ActivityPage {
        frame: Frame::inside(site, "Activity", "activity")
            .by_domain(by_domain::filter(site, actor, ask, &["q", "status", "alias", "own", "time", "since"]).await?),
        chips: chips(ask, &status),
        narrowed: status_chip(ask, &status).into_iter().chain(alias_chip(site, actor, ask).await).collect(),
        without_own: (wants_own(ask) == Some(false)).then(|| href(ask, &[("own", "")])),
        since: beginning(ask, now),
        times: times(ask),
        exports: exports(ask, now),
        by_domain_alone: sender_domain(&search).filter(|_| actor.sees_all()),
        begins: last.map(|row| (When::new(row.received_at, now), site.admin.span_in_words("log.retention"))),
        first: if rows.is_empty() && !filtered { first(site, actor).await? } else { None },
        live: !filtered && ask.get("cursor").is_none(),
        search,
        status,
        alias,
        domain,
        own,
        wrong,
        rows,
        filtered,
        older,
    })
}

/// The rows, or why these filters find none.
async fn found(
    site: &Site,
    actor: &Actor,
    filter: &ActivityFilter,
) -> Result<(Option<Page>, Option<String>), AdminError> {
    if let Some(wrong) = filter.status.iter().find_map(|asked| no_such_state(asked)) {
        return Ok((None, Some(wrong)));
    }
    match site.admin.activity_rows(actor, filter).await {
        Ok(found) => Ok((Some(found), None)),
        Err(error @ (AdminError::NotFound(_) | AdminError::Invalid(_))) => Ok((None, Some(forms::details(&error)))),
        Err(other) => Err(other),
    }
}

/// What is no state of mail, and what to choose in its place.
fn no_such_state(asked: &str) -> Option<String> {
    let is_known = |word: &str| word.is_empty() || word == "bounced" || Status::parse(word).is_some();
    let word = asked.split(',').map(str::trim).find(|word| !is_known(word))?;
    Some(format!("There is no state “{}”. Choose one of the filters above.", text::short(word, text::SHORT)))
}

fn filter(ask: &Ask, now: Moment) -> ActivityFilter {
    ActivityFilter {
        since: since(ask, now),
        status: ask.owned("status").into_iter().collect(),
        alias: ask.owned("alias"),
        domain: ask.owned("domain"),
        own: wants_own(ask),
        search: ask.owned("q"),
        paging: Paging { limit: Some(ROWS), cursor: ask.owned("cursor") },
        ..ActivityFilter::default()
    }
}

fn sender_domain(search: &str) -> Option<(String, String)> {
    let domain = Mailbox::parse(search.trim()).ok()?.domain()?.to_string();
    let href = text::with_query("/activity", &[("q", &domain)]);
    Some((domain, href))
}

fn wants_own(ask: &Ask) -> Option<bool> {
    OWN.iter().find(|(word, _)| ask.get("own") == Some(*word)).map(|(_, own)| *own)
}

/// This page with other filters: those of `changes` count, an empty value takes one away.
fn href(ask: &Ask, changes: &[(&str, &str)]) -> String {
    let changed = |key: &str| changes.iter().find(|(changed, _)| *changed == key).map(|(_, value)| *value);
    let kept = KEYS.map(|key| (key, changed(key).or_else(|| ask.get(key)).unwrap_or_default()));
    let cursor = ("cursor", changed("cursor").unwrap_or_default());
    text::with_query("/activity", &[kept.as_slice(), &[cursor]].concat())
}

/// When the chosen stretch of time begins; else the moment that the address says.
fn since(ask: &Ask, now: Moment) -> Option<String> {
    let chosen = ask.get("time").and_then(|time| TIMES.iter().find(|(key, ..)| *key == time));
    chosen.map(|(_, _, span)| now.before(*span).rfc3339()).or_else(|| ask.owned("since"))
}

fn beginning(ask: &Ask, now: Moment) -> Option<(When, String)> {
    let at = Moment::parse_rfc3339(ask.get("since")?)?;
    Some((When::new(at, now), href(ask, &[("since", "")])))
}

fn times(ask: &Ask) -> Vec<Stretch> {
    TIMES.iter().map(|(key, word, _)| Stretch { key, word, chosen: ask.get("time") == Some(*key) }).collect()
}

/// What the filters show, as files.
fn exports(ask: &Ask, now: Moment) -> Vec<Chip> {
    let since = since(ask, now).unwrap_or_default();
    let file = |(format, word): (&str, &str)| {
        let kept = ["q", "status", "domain", "alias", "own"].map(|key| (key, ask.get(key).unwrap_or_default()));
        let pairs = [kept.as_slice(), &[("since", &since), ("format", format)]].concat();
        Chip { word: word.to_owned(), href: text::with_query("/activity/export", &pairs), current: false }
    };
    [("csv", "CSV"), ("ndjson", "JSON lines")].map(file).into()
}

/// `GET /activity/export?format=`: what the filters show, as a file, by the very function of the API.
pub(super) async fn export(site: State<Site>, caller: Caller, ask: Ask, fields: HeaderMap) -> Response {
    api::export(site, caller, ask, fields).await.unwrap_or_else(IntoResponse::into_response)
}

fn chips(ask: &Ask, status: &str) -> Vec<Chip> {
    let chip = |(word, statuses): (&str, &str)| Chip {
        word: word.to_owned(),
        href: href(ask, &[("status", statuses)]),
        current: status == statuses,
    };
    let is_own = wants_own(ask) == Some(true);
    let own = href(ask, &[("own", if is_own { "" } else { "true" })]);
    let own = Chip { word: "Waypost's own".to_owned(), href: own, current: is_own };
    FILTERS.into_iter().map(chip).chain([own]).collect()
}

/// Statuses that no filter of ours asks for together, as a link of another page may.
fn status_chip(ask: &Ask, status: &str) -> Option<Chip> {
    let is_other = FILTERS.iter().all(|(_, statuses)| *statuses != status);
    let words = || text::short(&step_words::capital(&status.replace(',', ", ").replace('_', " ")), text::SHORT);
    is_other.then(|| Chip { word: words(), href: href(ask, &[("status", "")]), current: true })
}

async fn alias_chip(site: &Site, actor: &Actor, ask: &Ask) -> Option<Chip> {
    let wanted = ask.get("alias")?;
    let found = site.admin.alias(actor, wanted).await;
    let word = found.map_or_else(|_| wanted.to_owned(), |row| crate::admin::shapes::alias_name(&row).to_string());
    Some(Chip { word: text::short_address(&word), href: href(ask, &[("alias", "")]), current: true })
}

async fn first(site: &Site, actor: &Actor) -> Result<Option<First>, AdminError> {
    let paging = Paging { limit: Some(1), cursor: None };
    if site.admin.domains(actor, None, &paging).await?.items.is_empty() {
        return Ok(Some(NO_DOMAIN));
    }
    let aliases = site.admin.aliases(actor, AliasFilter { paging, ..AliasFilter::default() }).await?;
    Ok(aliases.items.is_empty().then_some(NO_ALIAS))
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
