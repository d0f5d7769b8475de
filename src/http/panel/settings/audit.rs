//! `/settings/audit`: who changed what, field by field, and taking it back.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

use crate::admin::shapes::AuditShape;
use crate::admin::{Actor, AdminError, AuditFilter, Paging, is_sensitive};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::{Moment, told_in_unicode};
use crate::policy::deeds::Deed;
use crate::policy::roles::DomainRole;

use super::super::forms::Filled;
use super::super::frame::{self, Frame};
use super::super::role_words::{self, Turn};
use super::super::text::{self, When};
use super::audit_words::{self, MAX_FIELDS, VALUE_CHARS};
use super::{Around, done, status};

/// Rows of a page.
const ROWS: u32 = 30;

/// An id, and the longest address there is.
const REDIRECT_CHARS: usize = 300;

/// A change as the list shows it.
struct Line {
    id: i64,
    at: When,
    /// `by anna@my.example`; empty where nobody is to be named.
    who: String,
    what: String,
    object: String,
    /// What was done to it, as far as that is said behind it.
    then: &'static str,
    changes: Vec<String>,
    undoable: bool,
    /// Taking it back takes the present password.
    takes_password: bool,
}

#[derive(Template)]
#[template(path = "settings_audit.html", config = "web/askama.toml")]
struct AuditPage {
    frame: Frame,
    around: Around,
    search: String,
    rows: Vec<Line>,
    more: Option<String>,
}

/// `GET /settings/audit?q=&cursor=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, &ask, None).await
}

/// `POST /settings/audit/{id}/undo`.
pub(super) async fn undo(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    filled: Filled,
) -> Response {
    match site.admin.undo(&actor, &id, filled.given("current_password")).await {
        Ok(_) => done("audit", "undone"),
        Err(error) => show(&site, &actor, &Ask::default(), Some(error)).await,
    }
}

async fn show(site: &Site, actor: &Actor, ask: &Ask, error: Option<AdminError>) -> Response {
    let filter = AuditFilter {
        object: ask.owned("q"),
        paging: Paging { limit: Some(ROWS), cursor: ask.owned("cursor") },
        ..AuditFilter::default()
    };
    let (found, asks) = match tokio::try_join!(site.admin.audit_log(actor, &filter), site.admin.asks_again(actor)) {
        Ok(read) => read,
        Err(error) => return frame::failed(&error),
    };
    let now = site.admin.clock.now();
    let search = ask.owned("q").unwrap_or_default();
    let more = |cursor: String| text::with_query("/settings/audit", &[("q", &search), ("cursor", &cursor)]);
    let page = AuditPage {
        frame: Frame::inside(site, "Changes", "settings"),
        around: Around::new(actor, "audit").told(ask, &[("undone", "The change is taken back.")]).with(error.as_ref()),
        rows: found
            .items
            .iter()
            .map(|entry| Line { takes_password: asks && is_about_sensitive(entry), ..line(entry, now) })
            .collect(),
        more: found.next_cursor.map(more),
        search,
    };
    frame::page(status(error.as_ref()), &page)
}

fn line(entry: &AuditShape, now: Moment) -> Line {
    let (what, then) = did(&entry.action);
    Line {
        id: entry.id,
        at: When::new(entry.at, now),
        who: text::short(&who(entry), text::SHORT),
        object: text::short(&told_in_unicode(object(&what, entry)), object_chars(&entry.action)),
        what,
        then,
        changes: refused(entry).or_else(|| roles(entry)).unwrap_or_else(|| audit_words::fields(entry)),
        undoable: entry.undoable,
        takes_password: false,
    }
}

/// How deeds begin that are done to accounts.
const OF_ACCOUNTS: [&str; 4] = ["user.", "account.", "session.", "link."];

/// By whom, or where.
fn who(entry: &AuditShape) -> String {
    match (&entry.email, entry.actor.as_str()) {
        (Some(email), "session") => format!("by {email}"),
        (None, "session") => "by the owner".to_owned(),
        (Some(email), actor) if actor.starts_with("token ") => format!("by {email}, with the {actor}"),
        (_, "operator") => "on the command line".to_owned(),
        (_, "upkeep") => "by the gateway itself".to_owned(),
        // Whom it turned away.
        (_, "visitor") if Deed::parse(&entry.action) == Some(Deed::SessionRefused) => String::new(),
        (_, "visitor") => "by somebody not signed in".to_owned(),
        (_, "mail") => "by its first mail".to_owned(),
        (_, actor) => format!("by {actor}"),
    }
}

/// What it was done to; an account without an address is written down by its role.
fn object<'a>(what: &str, entry: &'a AuditShape) -> &'a str {
    let is_of_account = OF_ACCOUNTS.iter().any(|kind| entry.action.starts_with(kind));
    match entry.object.as_str() {
        "owner" if is_of_account && what.ends_with("account") => "of the owner",
        "owner" if is_of_account => "the owner",
        other => other,
    }
}

/// Characters of what it was done to; of a message that was sent elsewhere, the whole inbox.
fn object_chars(action: &str) -> usize {
    if Deed::parse(action) == Some(Deed::QueueResend) { REDIRECT_CHARS } else { text::SHORT }
}

/// Whether it changed a setting by which mail or people could be led elsewhere.
fn is_about_sensitive(entry: &AuditShape) -> bool {
    let changed = entry
        .after
        .as_ref()
        .and_then(Value::as_object)
        .filter(|_| Deed::parse(&entry.action) == Some(Deed::SettingsChange));
    changed.is_some_and(|changed| changed.keys().any(|key| is_sensitive(key)))
}

/// What was done; what this version does not know as it was written.
fn did(action: &str) -> (String, &'static str) {
    let told = Deed::parse(action).map(audit_words::done);
    told.map_or_else(|| (action.replace(['.', '_'], " "), ""), |(what, then)| (what.to_owned(), then))
}

/// How often somebody did not get in, and from where.
fn refused(entry: &AuditShape) -> Option<Vec<String>> {
    let after = entry.after.as_ref().filter(|_| Deed::parse(&entry.action) == Some(Deed::SessionRefused))?;
    let field = |key: &str| text::short(&shown(after.get(key)), VALUE_CHARS);
    let often = match &*field("count") {
        "1" => "once".to_owned(),
        count => format!("{count} times"),
    };
    Some(vec![format!("{often} from {}, stopped at the {}", field("ip"), field("stopped_at"))])
}

/// `my.example: viewer → manager`, for each domain on which somebody has another role.
fn roles(entry: &AuditShape) -> Option<Vec<String>> {
    let word = |role: Option<DomainRole>| role.map_or("none", DomainRole::as_str);
    let told = |turn: Turn| format!("{}: {} → {}", turn.domain, word(turn.before), word(turn.after));
    Some(role_words::turns(entry)?.into_iter().take(MAX_FIELDS).map(told).collect())
}

fn shown(value: Option<&Value>) -> String {
    value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_in_words() {
        let told = ["alias.create", "queue.hold", "session.open", "moon.land_on"].map(did);
        let told = told.each_ref().map(|(what, then)| (what.as_str(), *then));
        let wanted = [
            ("Made the alias", ""),
            ("Put the message", " on hold"),
            ("Signed in (session", ")"),
            ("moon land on", ""),
        ];
        assert_eq!(told, wanted);
    }
}
