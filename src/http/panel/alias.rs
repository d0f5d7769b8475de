//! `/aliases/{address}`: one alias on one page: where its mail goes, what came, who wrote, its rule and limits.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::shapes::{AliasShape, alias_name};
use crate::admin::{ActivityFilter, Actor, AdminError, Paging, Target};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::store::rules::AliasRow;

use super::activity::Line;
use super::alias_fields::{Fields, change};
use super::alias_senders::{self, Came, Writer};
use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::rule_words;
use super::text::{self, When};
use super::toast::{self, Toast};

/// Rows of its mail that are shown.
const ROWS: u32 = 8;

/// What stands at the top.
struct Head {
    id: String,
    full: String,
    enabled: bool,
    tone: &'static str,
    icon: &'static str,
    state: String,
    counts: String,
    last: Option<When>,
    which: String,
    ending: Option<String>,
    unverified: Vec<String>,
    domain: String,
    domain_href: String,
    made: When,
}

#[derive(Template)]
#[template(path = "alias.html", config = "web/askama.toml")]
struct AliasPage {
    frame: Frame,
    toast: Option<Toast>,
    wrong: Option<String>,
    head: Head,
    may_change: bool,
    fields: Fields,
    mail: Vec<Line>,
    senders: Vec<Writer>,
    is_catch_all: bool,
    came: Vec<Came>,
}

/// `GET /aliases/{id, or the alias as it is written}`.
pub(super) async fn page(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    ask: Ask,
) -> Response {
    answer(&site, &actor, &id, (&ask, None)).await
}

/// `POST /aliases/{id}`: what is set for it.
pub(super) async fn save(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let Some(filled) = Filled::of(request).await else { return forms::unreadable(&site) };
    let target = Target { id: &id, version: filled.get("version").parse().ok() };
    match site.admin.change_alias(&actor, target, &change(&filled)).await {
        Ok(row) => done(&site, &actor, (&row, filled.get("back"))).await,
        Err(error @ (AdminError::Invalid(_) | AdminError::Conflict(_) | AdminError::Changed)) => {
            answer(&site, &actor, &id, (&Ask::default(), Some((filled, error)))).await
        }
        Err(error) => frame::failed(&site, &error),
    }
}

/// `POST /aliases/{id}/switch`.
pub(super) async fn switch(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let Some(filled) = Filled::of(request).await else { return forms::unreadable(&site) };
    match site.admin.switch_alias(&actor, &id, filled.get("on") == "true").await {
        Ok(row) => done(&site, &actor, (&row, &at_row(&row, filled.get("back")))).await,
        Err(error) => frame::failed(&site, &error),
    }
}

/// The row of the list that a switch stood in.
fn at_row(row: &AliasRow, back: &str) -> String {
    if back.is_empty() { String::new() } else { format!("{back}#a-{}", row.id) }
}

/// `POST /aliases/{id}/remove`.
pub(super) async fn remove(State(site): State<Site>, Caller(actor): Caller, Path(id): Path<String>) -> Response {
    let found = site.admin.alias(&actor, &id).await;
    let removed = match &found {
        Ok(_) => site.admin.remove_alias(&actor, Target { id: &id, version: None }).await,
        Err(error) => Err(error.clone()),
    };
    match (found, removed) {
        (Ok(row), Ok(())) => done(&site, &actor, (&row, "/aliases")).await,
        (_, Err(error)) | (Err(error), _) => frame::failed(&site, &error),
    }
}

/// Back to where the form was, or to the alias, with what was done to it.
pub(super) async fn done(site: &Site, actor: &Actor, (row, back): (&AliasRow, &str)) -> Response {
    let own = place(row);
    match site.admin.entry_of(actor, &alias_name(row).to_string()).await {
        Ok(span) => toast::noted(if back.is_empty() { &own } else { back }, span),
        // What was asked for is done.
        Err(_) => Redirect::to(&own).into_response(),
    }
}

/// The page of an alias.
pub(super) fn place(row: &AliasRow) -> String {
    format!("/aliases/{}", row.id)
}

async fn answer(
    site: &Site,
    actor: &Actor,
    id: &str,
    (ask, refused): (&Ask, Option<(Filled, AdminError)>),
) -> Response {
    let status = refused.as_ref().map_or(StatusCode::OK, |(_, error)| forms::status_of(error));
    match build(site, actor, id, (ask, refused)).await {
        Ok(page) => frame::page(status, &page),
        Err(error) => frame::failed(site, &error),
    }
}

async fn build(
    site: &Site,
    actor: &Actor,
    id: &str,
    (ask, refused): (&Ask, Option<(Filled, AdminError)>),
) -> Result<AliasPage, AdminError> {
    let now = site.admin.clock.now();
    let row = site.admin.alias(actor, id).await?;
    let mut shapes = site.admin.alias_shapes(std::slice::from_ref(&row)).await?;
    let alias = shapes.pop().ok_or_else(|| AdminError::missing("alias", id))?;
    let subaddressing = site.admin.domain(actor, &alias.domain).await?.subaddressing;
    let is_catch_all = alias.kind == crate::policy::rule::Kind::CatchAll;
    let mail = latest(site, actor, &row).await?;
    let came = if is_catch_all { alias_senders::came(site, actor, &row, now).await? } else { Vec::new() };
    let mut fields = Fields::of(&alias, row.version);
    let wrong = refused.as_ref().and_then(|(_, error)| summary(error));
    if let Some((filled, error)) = &refused {
        fields = fields.refused(filled, error);
    }
    Ok(AliasPage {
        frame: Frame::inside(site, text::short_address(&alias.address), "aliases"),
        toast: Toast::of(site, actor, (ask, place(&row))).await,
        wrong,
        head: head(&alias, subaddressing, now),
        may_change: site.admin.may_change_alias(actor, &row),
        fields,
        senders: alias_senders::of(site, actor, &row, now).await?,
        mail: mail.iter().map(|row| Line::new(row, now)).collect(),
        is_catch_all,
        came,
    })
}

/// What is wrong beside the fields.
fn summary(error: &AdminError) -> Option<String> {
    const SHOWN: [&str; 14] = [
        "action",
        "destinations",
        "reject_message",
        "description",
        "labels",
        "priority",
        "quota",
        "expires_at",
        "expires_after",
        "then",
        "privacy",
        "allow",
        "block",
        "policy",
    ];
    match error {
        AdminError::Invalid(faults) if faults.iter().all(|fault| SHOWN.contains(&fault.field.as_str())) => {
            Some("Nothing was saved yet: mend what is marked.".to_owned())
        }
        AdminError::Changed => {
            Some("Somebody changed this alias meanwhile. Look at what it says now, and save again.".to_owned())
        }
        other => Some(text::said(other)),
    }
}

async fn latest(site: &Site, actor: &Actor, row: &AliasRow) -> Result<Vec<crate::store::activity::Row>, AdminError> {
    let filter = ActivityFilter {
        alias: Some(row.id.to_string()),
        paging: Paging { limit: Some(ROWS), cursor: None },
        ..ActivityFilter::default()
    };
    Ok(site.admin.activity_rows(actor, &filter).await?.rows)
}

fn head(alias: &AliasShape, subaddressing: bool, now: Moment) -> Head {
    let (tone, icon, state) = rule_words::state(alias, now);
    Head {
        id: alias.id.to_string(),
        full: text::visible(&alias.address),
        enabled: alias.enabled,
        tone,
        icon,
        state,
        counts: super::aliases::counts(alias),
        last: alias.last_mail_at.map(|at| When::new(at, now)),
        which: rule_words::which(alias, subaddressing),
        ending: rule_words::ending(alias),
        unverified: alias.unverified.iter().map(|address| text::visible(address)).collect(),
        domain: text::visible(&alias.domain),
        domain_href: format!("/domains/{}", text::in_query(&alias.domain)),
        made: When::new(alias.created_at, now),
    }
}
