//! `/settings/people/{id}`: on which domains of others somebody has a role, and giving, changing and taking one.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::admin::shapes::{GrantShape, UserShape};
use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::policy::roles::{DomainRole, Role};

use super::super::forms::{self, Fields, Filled};
use super::super::frame::{self, Frame};
use super::super::text;
use super::super::toast::{self, Toast};

/// A role as the list shows it, and the one that it can be made.
struct Line {
    domain: String,
    role: &'static str,
    other: &'static str,
}

#[derive(Template)]
#[template(path = "settings_person.html", config = "web/askama.toml")]
struct PersonPage {
    frame: Frame,
    toast: Option<Toast>,
    wrong: Vec<String>,
    fields: Fields,
    id: String,
    email: String,
    is_admin: bool,
    rows: Vec<Line>,
    /// What may be chosen.
    domains: Vec<String>,
}

/// `GET /settings/people/{id}`.
pub(super) async fn page(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    ask: Ask,
) -> Response {
    frame::answer(None, build(&site, &actor, &id, (&ask, None)).await)
}

/// `POST /settings/people/{id}`: a role on a domain, in place of one that they had there; `none` takes it away.
pub(super) async fn give(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    filled: Filled,
) -> Response {
    let given = match role(filled.get("role")) {
        Ok(role) => site.admin.set_role(&actor, &id, (filled.get("domain"), role)).await,
        Err(error) => Err(error),
    };
    match given {
        Ok(span) => toast::noted(&format!("/settings/people/{}", text::in_query(&id)), span),
        Err(error @ (AdminError::Invalid(_) | AdminError::Changed)) => {
            let built = build(&site, &actor, &id, (&Ask::default(), Some((&filled, &error)))).await;
            frame::answer(Some(&error), built)
        }
        Err(error) => frame::failed(&error),
    }
}

fn role(word: &str) -> Result<Option<DomainRole>, AdminError> {
    match (word, DomainRole::parse(word)) {
        ("none", _) => Ok(None),
        (_, Some(role)) => Ok(Some(role)),
        _ => Err(AdminError::field("role", "write one of manager, viewer")),
    }
}

async fn build(
    site: &Site,
    actor: &Actor,
    id: &str,
    (ask, refused): (&Ask, Option<(&Filled, &AdminError)>),
) -> Result<PersonPage, AdminError> {
    let user = site.admin.user(actor, id).await?;
    let (filled, error) = refused.unzip();
    let (wrong, marks) = forms::placed(error, place);
    let email = user.email.clone().unwrap_or_default();
    Ok(PersonPage {
        frame: Frame::inside(site, text::short_address(&email), "settings"),
        toast: Toast::of(site, actor, (ask, format!("/settings/people/{}", user.id))).await,
        wrong,
        fields: marks.with([("domain", String::new()), ("role", String::new())]).filled(filled),
        id: user.id.to_string(),
        email: text::ours(&email),
        is_admin: user.role > Role::Member,
        rows: lines(&user),
        domains: site.admin.domain_names(actor).await?,
    })
}

/// The fields that say themselves what is wrong with them.
fn place(field: &str) -> Option<&str> {
    match field {
        "domains" => Some("domain"),
        "role" => Some("role"),
        _ => None,
    }
}

fn lines(user: &UserShape) -> Vec<Line> {
    let line = |GrantShape { domain, role }: &GrantShape| Line {
        domain: domain.clone(),
        role: role.as_str(),
        other: if *role == DomainRole::Viewer { "manager" } else { "viewer" },
    };
    user.domains.iter().map(line).collect()
}
