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
use crate::policy::roles::DomainRole;

use super::super::forms::Filled;
use super::super::frame::{self, Frame};
use super::super::role_words::{self, Turn};
use super::super::text::{self, When};
use super::{Around, done, status};

/// Rows of a page.
const ROWS: u32 = 30;
/// Fields of one change that are shown.
const MAX_FIELDS: usize = 8;
/// Characters of a value that are shown.
const VALUE_CHARS: usize = 80;

/// A change as the list shows it.
struct Line {
    id: i64,
    at: When,
    who: String,
    what: String,
    object: String,
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
    let who = match (&entry.email, entry.actor.as_str()) {
        (Some(email), "session") => email.clone(),
        (Some(email), actor) if actor.starts_with("token ") => format!("{email}, {actor}"),
        (_, "operator") => "the command line".to_owned(),
        (_, "upkeep") => "the gateway itself".to_owned(),
        (_, "visitor") => "somebody not signed in".to_owned(),
        (_, actor) => actor.to_owned(),
    };
    Line {
        id: entry.id,
        at: When::new(entry.at, now),
        who: text::short(&who, text::SHORT),
        what: did(&entry.action),
        object: text::short(&told_in_unicode(&entry.object), text::SHORT),
        changes: refused(entry)
            .or_else(|| roles(entry))
            .unwrap_or_else(|| changes(entry.before.as_ref(), entry.after.as_ref())),
        undoable: entry.undoable,
        takes_password: false,
    }
}

/// Whether it changed a setting by which mail or people could be led elsewhere.
fn is_about_sensitive(entry: &AuditShape) -> bool {
    let changed = entry.after.as_ref().and_then(Value::as_object).filter(|_| entry.action == "settings.change");
    changed.is_some_and(|changed| changed.keys().any(|key| is_sensitive(key)))
}

/// What is said of some actions in words of their own, before what was done to.
const DEEDS: &[(&str, &str)] = &[
    ("session.open", "Signed in, session"),
    ("session.refused", "Turned away at the sign-in of"),
    ("account.password", "Changed the password of"),
    ("account.totp_on", "Switched the authenticator on for"),
    ("account.totp_off", "Switched the authenticator off for"),
    ("user.roles", "Changed the roles of"),
    ("domain.catch_all", "Changed the catch-all of"),
    ("destination.ask", "Asked by mail"),
    ("destination.default", "Made the default"),
    ("destination.put_back", "Put back in place of another"),
    ("link.create", "Made a link to the"),
    ("link.reset", "Made a password link for"),
    ("queue.resend", "Sent to another inbox"),
    ("settings.change", "Changed"),
];
/// What is done, and with what.
const VERBS: &[(&str, &str)] = &[
    ("create", "Made"),
    ("add", "Added"),
    ("change", "Changed"),
    ("set", "Changed"),
    ("enable", "Switched on"),
    ("disable", "Switched off"),
    ("remove", "Removed"),
    ("verify", "Verified"),
    ("replace", "Replaced"),
    ("revoke", "Revoked"),
    ("import", "Imported"),
    ("take", "Took"),
    ("end", "Ended"),
    ("cancel", "Cancelled"),
    ("hold", "Held"),
    ("release", "Released"),
    ("retry", "Tried again"),
];
const NOUNS: &[(&str, &str)] = &[
    ("alias", "the alias"),
    ("domain", "the domain"),
    ("destination", "the destination"),
    ("token", "the token"),
    ("user", "the account"),
    ("session", "the session"),
    ("queue", "the message"),
    ("backup", "a backup"),
];

/// What was done, in words that what it was done to follows: `alias.create` is `Made the alias`.
fn did(action: &str) -> String {
    let named = |table: &[(&str, &'static str)], word: &str| {
        table.iter().find(|(key, _)| *key == word).map(|(_, words)| *words)
    };
    if let Some(words) = named(DEEDS, action) {
        return words.to_owned();
    }
    let told = action.split_once('.').and_then(|(noun, verb)| Some((named(VERBS, verb)?, named(NOUNS, noun)?)));
    told.map_or_else(|| action.replace(['.', '_'], " "), |(verb, noun)| format!("{verb} {noun}"))
}

/// How often somebody did not get in, and from where.
fn refused(entry: &AuditShape) -> Option<Vec<String>> {
    let after = entry.after.as_ref().filter(|_| entry.action == "session.refused")?;
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

/// `quota: 5 → none`, for each field that differs.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) else { return Vec::new() };
    let differs = |key: &&String| known(before.get(*key)) != known(after.get(*key)) && *key != "updated_at";
    let told = after.keys().filter(differs).map(|key| {
        let side = |value: Option<&Value>| text::short(&shown(value), VALUE_CHARS);
        format!("{}: {} → {}", field_name(key), side(before.get(key)), side(after.get(key)))
    });
    told.take(MAX_FIELDS).collect()
}

/// What is null says as little as what is not there.
fn known(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// A field in words; a setting, whose name is one of the configuration, as it stands there.
fn field_name(key: &str) -> String {
    if key.contains('.') { key.to_owned() } else { key.replace('_', " ") }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
        Some(Value::Array(items)) => items.iter().map(|item| shown(Some(item))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_done_is_told_in_words() {
        let told = ["alias.create", "queue.hold", "session.open", "moon.land_on"].map(did);
        assert_eq!(told, ["Made the alias", "Held the message", "Signed in, session", "moon land on"]);
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({ "quota": 5, "labels": [], "address": "a@b", "updated_at": 1 });
        let after = json!({ "quota": null, "labels": ["x", "y"], "address": "a@b", "updated_at": 2 });
        assert_eq!(changes(Some(&before), Some(&after)), ["labels: none → x, y", "quota: 5 → none"]);
        assert!(changes(None, Some(&after)).is_empty());
        let settings = json!({ "delivery.relay_username": null, "log.max_bytes": "4GiB" });
        assert_eq!(changes(Some(&json!({})), Some(&settings)), ["log.max_bytes: none → 4GiB"]);
    }
}
