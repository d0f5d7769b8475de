//! `/settings/people/{id}`: on which domains of others somebody has a role, and giving, changing and taking one; and
//! removing them, with who is to have what is theirs.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::admin::shapes::{GrantShape, UserShape};
use crate::admin::{Actor, AdminError, MAX_LIMIT, Paging, Target};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::policy::deeds::Deed;
use crate::policy::roles::{DomainRole, Role};
use crate::store::rules::hand_over::Belongings;
use crate::store::rules::uses::COUNTED_ALIASES;

use super::super::forms::{self, Fields, Filled};
use super::super::frame::{self, Frame};
use super::super::text;
use super::super::toast::{self, Toast};
use super::{Marked, done, marked};

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
    marked: Vec<Marked>,
    fields: Fields,
    id: String,
    email: String,
    is_admin: bool,
    rows: Vec<Line>,
    /// What may be chosen.
    domains: Vec<String>,
    leaving: Leaving,
}

/// What goes where when somebody is removed.
struct Leaving {
    /// `2 domains with 14 aliases, and 3 inboxes`; none where they have nothing.
    has: Option<String>,
    /// Why that cannot be handed over.
    obstacle: Option<String>,
    /// Whether they may go without handing anything over.
    may_lose: bool,
    /// Who may get it: id, words, and whether they are chosen.
    heirs: Vec<(String, String, bool)>,
    is_open: bool,
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

/// `POST /settings/people/{id}/remove`.
pub(super) async fn remove(site: &Site, actor: &Actor, id: &str, filled: &Filled) -> Response {
    let heir = Some(filled.get("hand_over_to")).filter(|heir| !heir.is_empty());
    match site.admin.remove_user(actor, Target { id, version: None }, heir).await {
        Ok(()) => done("people", if heir.is_some() { "handed" } else { "remove" }),
        Err(AdminError::NotFound(_)) if site.admin.just_did(actor, Deed::UserRemove).await => done("people", "remove"),
        Err(error @ (AdminError::Invalid(_) | AdminError::Conflict(_))) => {
            let built = build(site, actor, id, (&Ask::default(), Some((filled, &error)))).await;
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
        marked: marked(error, place),
        fields: marks.with(["domain", "role", "heir"].map(|key| (key, String::new()))).filled(filled),
        leaving: leaving(site, actor, (&user, filled)).await?,
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
        "hand_over_to" => Some("heir"),
        _ => None,
    }
}

async fn leaving(
    site: &Site,
    actor: &Actor,
    (user, filled): (&UserShape, Option<&Filled>),
) -> Result<Leaving, AdminError> {
    let has = site.admin.belongings(actor, &user.id.to_string()).await?;
    let chosen = match filled.and_then(|filled| filled.given("hand_over_to")) {
        Some(chosen) => chosen.to_owned(),
        None => site.admin.me(actor).await?.account.id.to_string(),
    };
    let everybody = site.admin.users(actor, &Paging { limit: Some(MAX_LIMIT), cursor: None }).await?.items;
    let others = everybody.iter().filter(|other| other.id != user.id && !other.disabled);
    let heir = |other: &UserShape| {
        let id = other.id.to_string();
        let email = other.email.clone().unwrap_or_else(|| "the owner".to_owned());
        let is_chosen = id == chosen;
        (id, text::ours(&email), is_chosen)
    };
    Ok(Leaving {
        obstacle: has.obstacle(),
        may_lose: has.domains == 0 && has.aliases == 0,
        heirs: others.map(heir).collect(),
        is_open: filled.is_some_and(|filled| filled.has("hand_over_to")),
        has: named(&has),
    })
}

fn named(has: &Belongings) -> Option<String> {
    let is_more = has.aliases > COUNTED_ALIASES;
    let domains = text::counted(has.domains, false, ("domain", "domains"));
    let aliases = text::counted(has.aliases.min(COUNTED_ALIASES), is_more, ("alias", "aliases"));
    let inboxes = text::counted(has.destinations, false, ("inbox", "inboxes"));
    let hosted = match (domains, aliases) {
        (Some(domains), Some(aliases)) => Some(format!("{domains} with {aliases}")),
        (domains, aliases) => domains.or(aliases),
    };
    let told: Vec<_> = hosted.into_iter().chain(inboxes).collect();
    (!told.is_empty()).then(|| told.join(", and "))
}

fn lines(user: &UserShape) -> Vec<Line> {
    let line = |GrantShape { domain, role }: &GrantShape| Line {
        domain: domain.clone(),
        role: role.as_str(),
        other: if *role == DomainRole::Viewer { "manager" } else { "viewer" },
    };
    user.domains.iter().map(line).collect()
}
