//! `/settings/people`: who has an account here.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, json};

use crate::admin::shapes::UserShape;
use crate::admin::{Actor, AdminError, Paging, PasswordLink, Target};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::policy::roles::Role;

use super::super::forms::Filled;
use super::super::frame::{self, Frame};
use super::super::text;
use super::{Around, done, person, status};

/// Rows of a page.
const ROWS: u32 = 50;

/// Somebody as the list shows them.
struct Line {
    id: String,
    email: String,
    about: String,
    disabled: bool,
    /// Whether the reader may change them.
    ours: bool,
    is_admin: bool,
    is_member: bool,
}

#[derive(Template)]
#[template(path = "settings_people.html", config = "web/askama.toml")]
struct PeoplePage {
    frame: Frame,
    around: Around,
    rows: Vec<Line>,
    more: Option<String>,
    /// A link that sets a password, shown once, and for whom.
    link: Option<(String, String)>,
    email: String,
    name: String,
    may_make_admins: bool,
}

const DONE: [(&str, &str); 6] = [
    ("role", "The role is changed, and counts at once."),
    ("disable", "The account is switched off. Its sessions have ended."),
    ("enable", "The account is switched on."),
    ("remove", "The account is removed."),
    ("handed", "The account is removed, and what it had is handed over."),
    ("add", "The account is made."),
];

/// `GET /settings/people?cursor=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, (&ask, &Filled::default()), (None, None)).await
}

/// `POST /settings/people`: an account, and the link with which its owner sets a password.
pub(super) async fn add(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    match site.admin.add_user(&actor, &filled.change(&["email", "name", "role"])).await {
        Ok((user, link)) => {
            let link = link.map(|link| site.url(&format!("/reset/{}", link.text())));
            let shown = link.map(|link| (user.email.unwrap_or_default(), link));
            show(&site, &actor, (&Ask::default(), &Filled::default()), (shown, None)).await
        }
        Err(error) => show(&site, &actor, (&Ask::default(), &filled), (None, Some(error))).await,
    }
}

/// `POST /settings/people/{id}/role|disable|enable|remove|link`.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((id, action)): Path<(String, String)>,
    filled: Filled,
) -> Response {
    if action == "link" {
        return match site.admin.draw_password_link(&actor, &id).await {
            Ok(PasswordLink { email, secret, .. }) => {
                let shown = (email, site.url(&format!("/reset/{}", secret.text())));
                show(&site, &actor, (&Ask::default(), &Filled::default()), (Some(shown), None)).await
            }
            Err(error) => show(&site, &actor, (&Ask::default(), &Filled::default()), (None, Some(error))).await,
        };
    }
    let target = Target { id: id.as_str(), version: None };
    let did = match action.as_str() {
        "remove" => return person::remove(&site, &actor, &id, &filled).await,
        "role" => site.admin.change_user(&actor, target, &filled.change(&["role"])).await.map(drop),
        "disable" | "enable" => {
            let written = Map::from_iter([("disabled".to_owned(), json!(action == "disable"))]);
            site.admin.change_user(&actor, target, &written).await.map(drop)
        }
        _ => Err(AdminError::missing("action", &action)),
    };
    match did {
        Ok(()) => done("people", &action),
        Err(error) => show(&site, &actor, (&Ask::default(), &Filled::default()), (None, Some(error))).await,
    }
}

/// The fields that say themselves what is wrong with them.
fn place(field: &str) -> Option<&str> {
    matches!(field, "email" | "name" | "role").then_some(field)
}

async fn show(
    site: &Site,
    actor: &Actor,
    (ask, filled): (&Ask, &Filled),
    (link, error): (Option<(String, String)>, Option<AdminError>),
) -> Response {
    let paging = Paging { limit: Some(ROWS), cursor: ask.owned("cursor") };
    let found = match site.admin.users(actor, &paging).await {
        Ok(found) => found,
        Err(error) => return frame::failed(&error),
    };
    let page = PeoplePage {
        frame: Frame::inside(site, "People", "settings"),
        around: Around::new(actor, "people").told(ask, &DONE).placed(error.as_ref(), place),
        rows: found.items.iter().map(|user| line(actor, user)).collect(),
        more: found.next_cursor.map(|cursor| format!("/settings/people?cursor={}", text::in_query(&cursor))),
        link,
        email: filled.get("email").to_owned(),
        name: filled.get("name").to_owned(),
        may_make_admins: actor.role == Role::Owner,
    };
    frame::page(status(error.as_ref()), &page)
}

fn line(actor: &Actor, user: &UserShape) -> Line {
    let is_nameless = user.email.is_none() && user.name.is_empty();
    let mut about = if is_nameless { Vec::new() } else { vec![user.role.as_str().to_owned()] };
    about.extend(user.domains.iter().map(|grant| format!("{} of {}", grant.role.as_str(), text::ours(&grant.domain))));
    if user.totp {
        about.push("with authenticator".to_owned());
    }
    if !user.has_password {
        about.push("no password yet".to_owned());
    }
    if user.disabled {
        about.push("switched off".to_owned());
    }
    let parts = [text::visible(&user.name), user.email.as_deref().map(text::ours).unwrap_or_default()];
    let who = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    Line {
        id: user.id.to_string(),
        email: if is_nameless { "The owner".to_owned() } else { who },
        about: text::visible(&about.join(" · ")),
        disabled: user.disabled,
        ours: actor.role > user.role,
        is_admin: user.role == Role::Admin,
        is_member: user.role == Role::Member,
    }
}
