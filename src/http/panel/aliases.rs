//! `/aliases`: the list with its switches, and the form that makes one.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::shapes::AliasShape;
use crate::admin::{Actor, AdminError, AliasFilter, Paging};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::rule::Action;

use super::frame::{self, Frame};
use super::new_alias::{Filled, NewAlias, written};
use super::text::{self, When};

/// Rows of a page.
const ROWS: u32 = 100;

/// An alias as the list shows it.
struct Line {
    id: String,
    enabled: bool,
    address: String,
    full: String,
    note: String,
    to: String,
    to_full: String,
    unverified: bool,
    counts: String,
    last: Option<When>,
}

/// What was just done, and how to undo it.
struct Toast {
    words: String,
    /// Something is still to be done.
    waits: bool,
    undo: Option<Undo>,
}

struct Undo {
    id: String,
    on: bool,
}

#[derive(Template)]
#[template(path = "aliases.html", config = "web/askama.toml")]
struct AliasesPage {
    frame: Frame,
    toast: Option<Toast>,
    form: NewAlias,
    search: String,
    filtered: bool,
    wrong: Option<String>,
    rows: Vec<Line>,
    more: Option<String>,
}

/// `GET /aliases?q=&new=&cursor=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    let filled = ask.get("new").map(|_| Filled::new());
    answer(&site, &actor, (&ask, filled), None).await
}

/// `POST /aliases`.
pub(super) async fn create(State(site): State<Site>, Caller(actor): Caller, Form(filled): Form<Filled>) -> Response {
    let made = site.admin.add_alias(&actor, &written(&filled)).await;
    match made {
        Ok(row) => Redirect::to(&format!("/aliases?made={}#a-{}", row.id, row.id)).into_response(),
        Err(error @ (AdminError::Unwell | AdminError::Changed)) => frame::failed(&site, &error),
        Err(error) => answer(&site, &actor, (&Ask::default(), Some(filled)), Some(error)).await,
    }
}

/// `POST /aliases/{id}/switch`.
pub(super) async fn switch(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Form(filled): Form<Filled>,
) -> Response {
    let on = filled.get("on").is_some_and(|on| on == "true");
    match site.admin.switch_alias(&actor, &id, on).await {
        Ok(row) => {
            let search = filled.get("q").filter(|q| !q.is_empty()).map(|q| format!("&q={}", text::in_query(q)));
            Redirect::to(&format!("/aliases?switched={}{}#a-{}", row.id, search.unwrap_or_default(), row.id))
                .into_response()
        }
        Err(error) => frame::failed(&site, &error),
    }
}

async fn answer(
    site: &Site,
    actor: &Actor,
    (ask, filled): (&Ask, Option<Filled>),
    error: Option<AdminError>,
) -> Response {
    let status = match &error {
        None => StatusCode::OK,
        Some(AdminError::Conflict(_)) => StatusCode::CONFLICT,
        Some(AdminError::Forbidden(_)) => StatusCode::FORBIDDEN,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    match build(site, actor, (ask, filled), error).await {
        Ok(page) => frame::page(status, &page),
        Err(error) => frame::failed(site, &error),
    }
}

async fn build(
    site: &Site,
    actor: &Actor,
    (ask, filled): (&Ask, Option<Filled>),
    error: Option<AdminError>,
) -> Result<AliasesPage, AdminError> {
    let now = site.admin.clock.now();
    let search = ask.owned("q").unwrap_or_default();
    let filter = AliasFilter {
        search: ask.owned("q"),
        paging: Paging { limit: Some(ROWS), cursor: ask.owned("cursor") },
        ..AliasFilter::default()
    };
    let (found, wrong) = match site.admin.aliases(actor, filter).await {
        Ok(page) => (Some(page), None),
        Err(error @ AdminError::Invalid(_)) => (None, Some(error.to_string())),
        Err(other) => return Err(other),
    };
    let next = found.as_ref().and_then(|page| page.next_cursor.as_deref());
    let more = next.map(|cursor| format!("/aliases?q={}&cursor={}", text::in_query(&search), text::in_query(cursor)));
    let rows: Vec<_> = found.iter().flat_map(|page| &page.items).map(|alias| line(alias, now)).collect();
    Ok(AliasesPage {
        frame: Frame::inside(site, "Aliases", "aliases"),
        toast: toast(site, actor, ask).await,
        form: NewAlias::show(site, actor, (filled, rows.is_empty() && search.is_empty()), error).await?,
        filtered: !search.is_empty(),
        search,
        wrong,
        rows,
        more,
    })
}

fn line(alias: &AliasShape, now: Moment) -> Line {
    let to_full = match alias.action {
        Action::Drop => "dropped".to_owned(),
        Action::Reject => "refused".to_owned(),
        Action::Forward | Action::Create => alias.destinations.join(", "),
    };
    let to = match alias.destinations.as_slice() {
        [only] if to_full == *only => format!("→ {}", text::short_address(only)),
        [first, rest @ ..] if to_full.contains('@') => {
            format!("→ {} and {} more", text::short_address(first), rest.len())
        }
        _ => to_full.clone(),
    };
    Line {
        id: alias.id.to_string(),
        enabled: alias.enabled,
        address: text::short_address(&alias.address),
        full: text::visible(&alias.address),
        note: text::short(&alias.description, text::SHORT),
        to,
        to_full: text::visible(&to_full),
        unverified: !alias.unverified.is_empty(),
        counts: counts(alias),
        last: alias.last_mail_at.map(|at| When::new(at, now)),
    }
}

fn counts(alias: &AliasShape) -> String {
    let counts = &alias.counts;
    let all = [
        (counts.forwarded, "forwarded"),
        (counts.refused, "refused"),
        (counts.dropped, "dropped"),
        (counts.failed, "failed"),
        (counts.bounced, "bounced"),
    ];
    let told: Vec<_> = all.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    told.join(" · ")
}

/// What was just done, told after the redirect.
async fn toast(site: &Site, actor: &Actor, ask: &Ask) -> Option<Toast> {
    if let Some(id) = ask.get("made") {
        let row = site.admin.alias(actor, id).await.ok()?;
        return made(site.admin.alias_shapes(&[row]).await.ok()?.first()?);
    }
    let row = site.admin.alias(actor, ask.get("switched")?).await.ok()?;
    let name = crate::admin::shapes::alias_name(&row);
    let words = match row.spec.enabled {
        true => format!("{name} is on: its mail is sent on again."),
        false => format!("{name} is off: its mail is refused as if there were no such address."),
    };
    let undo = Some(Undo { id: row.id.to_string(), on: !row.spec.enabled });
    Some(Toast { words: text::visible(&words), waits: false, undo })
}

fn made(alias: &AliasShape) -> Option<Toast> {
    let words = match alias.unverified.first() {
        None => format!("{} is ready to receive mail.", alias.address),
        Some(inbox) => format!(
            "{} is made, but {inbox} is not verified and gets no mail. If it is yours, say so on the command line: \
             waypost destination verify {inbox}",
            alias.address
        ),
    };
    Some(Toast { words: text::visible(&words), waits: !alias.unverified.is_empty(), undo: None })
}
