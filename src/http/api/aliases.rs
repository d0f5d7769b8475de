//! `/v1/aliases`: an alias is named by its id, or as it is written (percent-encoded).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{AliasForm, AliasShape, AliasTrialForm, ListShape, RandomAliasForm, TriedShape};
use crate::admin::{Access, AliasFilter, Area, Paging};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::rules::AliasRow;

use super::extract::Written;
use super::sort::{self, SortAliases};
use super::tags::{IfMatch, created, versioned};
use super::{Ask, Caller};

/// Lists aliases, newest first unless `sort` says otherwise.
#[utoipa::path(get, path = "/aliases", params(AliasFilter, SortAliases, Paging), responses((status = 200, body = ListShape<AliasShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let filter = AliasFilter {
        domain: ask.owned("domain"),
        search: ask.owned("search").or_else(|| ask.owned("q")),
        enabled: ask.flag("enabled")?,
        destination: ask.owned("destination"),
        kind: ask.word("kind"),
        action: ask.word("action"),
        label: ask.owned("label"),
        ending: ask.flag("ending")?,
        last_mail_before: ask.owned("last_mail_before"),
        order: ask.sort(sort::ALIASES)?,
        paging: ask.paging()?,
    };
    Ok(Json(site.admin.aliases(&actor, filter).await?).into_response())
}

/// Makes an alias.
#[utoipa::path(post, path = "/aliases", request_body = AliasForm, responses((status = 201, body = AliasShape)))]
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let row = site.admin.add_alias(&actor, &body.0).await?;
    Ok(created(&place(&row), shown(&site, &row).await?))
}

/// Makes an alias of a random name.
#[utoipa::path(
    post,
    path = "/aliases/random",
    request_body = Option<RandomAliasForm>,
    responses((status = 201, body = AliasShape))
)]
pub(super) async fn random(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let row = site.admin.add_random_alias(&actor, &body.0).await?;
    Ok(created(&place(&row), shown(&site, &row).await?))
}

/// Tries an alias before it is saved: which recipients of the last days' mail it would match, and which alias would take
/// their mail then. Of a domain the newest 5,000 rows of the log and 300 recipients among them are looked at.
#[utoipa::path(post, path = "/aliases/test", request_body = AliasTrialForm, responses((status = 200, body = TriedShape)))]
pub(super) async fn test(State(site): State<Site>, Caller(actor): Caller, body: Written) -> Result<Response, Problem> {
    Ok(Json(site.admin.try_alias(&actor, &body.0).await?).into_response())
}

/// Shows an alias.
#[utoipa::path(get, path = "/aliases/{id}", params(("id" = String, Path, description = "Its id, or the alias as it is written, percent-encoded")), responses((status = 200, body = AliasShape)))]
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = site.admin.alias(&actor, &id).await?;
    shown(&site, &row).await
}

/// Changes an alias: what is left out stays as it is.
#[utoipa::path(patch, path = "/aliases/{id}", params(("id" = String, Path, description = "Its id, or the alias as it is written, percent-encoded"), IfMatch), request_body = Option<AliasForm>, responses((status = 200, body = AliasShape)))]
pub(super) async fn change(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(id): Path<String>,
    body: Written,
) -> Result<Response, Problem> {
    actor.must(Area::Aliases, Access::Write)?;
    let seen = site.admin.alias(&actor, &id).await?;
    if_match.check(seen.version)?;
    let row = site.admin.change_alias(&actor, if_match.target(&id, seen.version), &body.0).await?;
    shown(&site, &row).await
}

/// Removes an alias. Its log stays.
#[utoipa::path(delete, path = "/aliases/{id}", params(("id" = String, Path, description = "Its id, or the alias as it is written, percent-encoded"), IfMatch), responses((status = 204)))]
pub(super) async fn remove(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actor.must(Area::Aliases, Access::Write)?;
    let seen = site.admin.alias(&actor, &id).await?;
    if_match.check(seen.version)?;
    site.admin.remove_alias(&actor, if_match.target(&id, seen.version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(site: &Site, row: &AliasRow) -> Result<Response, Problem> {
    let shapes = site.admin.alias_shapes(std::slice::from_ref(row)).await?;
    Ok(versioned(row.version, &shapes.into_iter().next()))
}

fn place(row: &AliasRow) -> String {
    format!("/v1/aliases/{}", row.id)
}
