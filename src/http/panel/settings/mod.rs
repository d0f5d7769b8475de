//! `/settings/…`: one's own account, people, tokens, sessions, the server, and who changed what. What is set is changed in place; what
//! is shown once (a token, a link, recovery codes) stands on the page that answers the form, and nowhere else.

mod account;
mod audit;
pub(super) mod audit_words;
mod notices;
mod people;
mod person;
mod server;
mod server_keys;
mod sessions;
mod tokens;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};

use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::Ask;

use super::forms::{self, Fields, Marked};
use super::frame;
use super::told;

/// The pages, as seen from the root.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route("/settings", get(|| async { Redirect::to("/settings/account") }))
        .route("/settings/account", get(account::page).post(account::change))
        .route("/settings/account/password", post(account::password))
        .route("/settings/account/totp", post(account::totp))
        .route("/settings/account/totp/off", post(account::no_totp))
        .route("/settings/people", get(people::page).post(people::add))
        .route("/settings/people/{id}", get(person::page).post(person::give))
        .route("/settings/people/{id}/{action}", post(people::act))
        .route("/settings/tokens", get(tokens::page).post(tokens::create))
        .route("/settings/tokens/{id}/revoke", post(tokens::revoke))
        .route("/settings/sessions", get(sessions::page))
        .route("/settings/sessions/end-others", post(sessions::end_others))
        .route("/settings/sessions/{id}/end", post(sessions::end))
        .route("/settings/notices", get(notices::page).post(notices::change))
        .route("/settings/notices/test", post(notices::test))
        .route("/settings/server", get(server::page).post(server::change))
        .route("/settings/audit", get(audit::page))
        .route("/settings/audit/{id}/undo", post(audit::undo))
}

/// What every page of the settings has around its own part.
struct Around {
    here: &'static str,
    tabs: Vec<(&'static str, &'static str)>,
    done: Option<&'static str>,
    /// What is wrong and stands above, and what stands beside its field.
    wrong: Vec<String>,
    marks: Fields,
    /// The places of those fields, and what is wrong with each.
    marked: Vec<Marked>,
}

/// The fields that can say so, by their place.
const NAMES: [(&str, &str); 14] = [
    ("email", "E-mail address"),
    ("name", "Name"),
    ("present", "Present password"),
    ("old", "Present password"),
    ("new", "New password"),
    ("code", "Code"),
    ("proof", "Present password"),
    ("role", "Role"),
    ("scopes", "It may"),
    ("domain", "Domain"),
    ("expires", "Ends on"),
    ("to", "To"),
    ("heartbeat", "Heartbeat"),
    ("heir", "Hand it over to"),
];

/// What is marked as wrong, where `place` says at which field.
fn marked(error: Option<&AdminError>, place: impl Fn(&str) -> Option<&str>) -> Vec<Marked> {
    let Some(AdminError::Invalid(faults)) = error else { return Vec::new() };
    let at = |name: &str| faults.iter().find(|fault| place(&fault.field) == Some(name));
    let wrong = NAMES.iter().filter_map(|(name, label)| Some((name, forms::labelled(label, &at(name)?.detail))));
    wrong.map(|(name, words)| ((*name).to_owned(), words)).collect()
}

impl Around {
    fn new(actor: &Actor, here: &'static str) -> Self {
        let all = [
            ("account", "Account"),
            ("people", "People"),
            ("tokens", "Tokens"),
            ("sessions", "Sessions"),
            ("notices", "Notices"),
            ("server", "Server"),
            ("audit", "Changes"),
        ];
        let for_admins = ["people", "notices", "server"];
        let tabs = all.into_iter().filter(|(place, _)| !for_admins.contains(place) || actor.sees_all()).collect();
        Self { here, tabs, done: None, wrong: Vec::new(), marks: Fields::default(), marked: Vec::new() }
    }

    /// With what was just done, told by a word of it.
    fn told(self, ask: &Ask, words: &[(&'static str, &'static str)]) -> Self {
        let done = ask.get("done").and_then(|done| words.iter().find(|(word, _)| *word == done));
        Self { done: done.map(|(_, sentence)| *sentence), ..self }
    }

    /// With what is wrong, beside its field where `place` says which that is.
    fn placed(self, error: Option<&AdminError>, place: impl Fn(&str) -> Option<&str>) -> Self {
        let (wrong, marks) = forms::placed(error, &place);
        Self { wrong, marked: marked(error, &place), marks, ..self }
    }

    /// With what is wrong.
    fn with(self, error: Option<&AdminError>) -> Self {
        Self { wrong: error.map(forms::faults).unwrap_or_default(), ..self }
    }
}

fn status(error: Option<&AdminError>) -> StatusCode {
    error.map_or(StatusCode::OK, frame::status_of)
}

/// Back to a page, which tells what was done.
fn done(page: &str, word: &str) -> Response {
    told::go(&format!("/settings/{page}"), &[("done", word)])
}
