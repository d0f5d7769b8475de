//! `/settings/tokens`: what programs sign in with.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::admin::shapes::TokenShape;
use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::deeds::Deed;

use super::super::forms::Filled;
use super::super::frame::{self, Frame};
use super::super::text::{self, When};
use super::{Around, done, status};

/// What a token can be for, in words: every scope that there is, the one that goes further behind the one that only looks.
pub(super) const SCOPES: [(&str, &str); 15] = [
    ("aliases:create", "Create aliases, and nothing else"),
    ("aliases:read", "See aliases, and ask what would become of a message"),
    ("aliases", "See, create and change aliases"),
    ("destinations:read", "See destinations"),
    ("destinations", "See and change destinations"),
    ("domains:read", "See domains and their records"),
    ("domains", "See and change domains"),
    ("activity:read", "See what became of mail"),
    ("activity", "See what became of mail"),
    ("queue:read", "See what waits, and read the messages that wait"),
    ("queue", "See, hold, cancel and send again what waits"),
    ("account:read", "See this account, its tokens and sessions"),
    ("account", "See and change this account, its tokens and sessions"),
    ("admin:read", "See everything that this account may, metrics included, and change nothing"),
    ("admin", "Everything that this account may"),
];

/// It opens no more than the scope that only looks: of mail that came, nothing can be changed. It is not offered beside it.
const NO_MORE: &str = "activity";

/// A token as the list shows it.
struct Line {
    id: String,
    name: String,
    about: String,
    used: Option<When>,
}

/// Something to tick.
struct Choice {
    scope: &'static str,
    words: &'static str,
    ticked: bool,
}

#[derive(Template)]
#[template(path = "settings_tokens.html", config = "web/askama.toml")]
struct TokensPage {
    frame: Frame,
    around: Around,
    rows: Vec<Line>,
    /// The token itself, shown once.
    token: Option<String>,
    choices: Vec<Choice>,
    name: String,
    domain: String,
    expires: String,
}

/// `GET /settings/tokens`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, (&ask, &Filled::default()), (None, None)).await
}

/// `POST /settings/tokens`: the answer alone shows the token.
pub(super) async fn create(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    match site.admin.add_token(&actor, &written(&filled)).await {
        Ok(made) => show(&site, &actor, (&Ask::default(), &Filled::default()), (made.token, None)).await,
        Err(error) => show(&site, &actor, (&Ask::default(), &filled), (None, Some(error))).await,
    }
}

/// The form as the change that it means.
fn written(filled: &Filled) -> Map<String, Value> {
    let mut change = filled.change(&["name", "expires_at"]);
    let ticked: Vec<_> = SCOPES.iter().map(|(scope, _)| *scope).filter(|scope| is_ticked(filled, scope)).collect();
    change.insert("scopes".to_owned(), json!(ticked));
    if !filled.get("domain").is_empty() {
        change.insert("domains".to_owned(), json!([filled.get("domain")]));
    }
    change
}

fn is_ticked(filled: &Filled, scope: &str) -> bool {
    !filled.get(&format!("scope {scope}")).is_empty()
}

/// `POST /settings/tokens/{id}/revoke`.
pub(super) async fn revoke(State(site): State<Site>, Caller(actor): Caller, Path(id): Path<String>) -> Response {
    match site.admin.revoke_token(&actor, &id).await {
        Ok(()) => done("tokens", "revoked"),
        Err(AdminError::NotFound(_)) if site.admin.just_did(&actor, Deed::TokenRevoke).await => {
            done("tokens", "revoked")
        }
        Err(error) => show(&site, &actor, (&Ask::default(), &Filled::default()), (None, Some(error))).await,
    }
}

/// The fields that say themselves what is wrong with them.
fn place(field: &str) -> Option<&str> {
    match field {
        "name" => Some("name"),
        "scopes" => Some("scopes"),
        "domains" => Some("domain"),
        "expires_at" => Some("expires"),
        _ => None,
    }
}

async fn show(
    site: &Site,
    actor: &Actor,
    (ask, filled): (&Ask, &Filled),
    (token, error): (Option<String>, Option<AdminError>),
) -> Response {
    let found = match site.admin.tokens(actor).await {
        Ok(found) => found.items,
        Err(error) => return frame::failed(&error),
    };
    let now = site.admin.clock.now();
    let choice =
        |(scope, words): &(&'static str, &'static str)| Choice { scope, words, ticked: is_ticked(filled, scope) };
    let page = TokensPage {
        frame: Frame::inside(site, "Tokens", "settings"),
        around: Around::new(actor, "tokens")
            .told(ask, &[("revoked", "The token opens nothing any more.")])
            .placed(error.as_ref(), place),
        rows: found.iter().map(|token| line(token, now)).collect(),
        token,
        choices: SCOPES.iter().filter(|(scope, _)| *scope != NO_MORE).map(choice).collect(),
        name: filled.get("name").to_owned(),
        domain: filled.get("domain").to_owned(),
        expires: filled.get("expires_at").to_owned(),
    };
    frame::page(status(error.as_ref()), &page)
}

fn line(token: &TokenShape, now: Moment) -> Line {
    let mut about = vec![format!("{}…", token.prefix), token.scopes.join(", ")];
    if !token.domains.is_empty() {
        about.push(format!("only {}", text::all_ours(&token.domains)));
    }
    if let Some(at) = token.expires_at {
        let when = if at <= now { "ended" } else { "ends" };
        about.push(format!("{when} {}", When::new(at, now).full));
    }
    Line {
        id: token.id.to_string(),
        name: text::short(&token.name, text::LINE),
        about: text::visible(&about.join(" · ")),
        used: token.last_used_at.map(|at| When::new(at, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Area, Scope};

    #[test]
    fn each_scope_that_there_is_can_be_ticked_once() {
        let mut offered: Vec<_> = SCOPES.iter().map(|(scope, _)| scope.parse::<Scope>().unwrap().to_string()).collect();
        let both = |(_, area): &(Area, &str)| [(*area).to_owned(), format!("{area}:read")];
        let mut all: Vec<_> = Area::ALL.iter().flat_map(both).chain(["aliases:create".to_owned()]).collect();
        offered.sort();
        all.sort();
        assert_eq!(offered, all);
    }
}
