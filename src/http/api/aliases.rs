//! `/v1/aliases`: an alias is named by its id, or as it is written (percent-encoded).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::AliasFilter;
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::rules::AliasRow;

use super::extract::Written;
use super::tags::{IfMatch, created, tagged};
use super::{Ask, Caller};

/// `GET /aliases?domain=&search=&enabled=&limit=&cursor=`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let filter = AliasFilter {
        domain: ask.owned("domain"),
        search: ask.owned("search"),
        enabled: ask.flag("enabled")?,
        paging: ask.paging()?,
    };
    Ok(Json(site.admin.aliases(&actor, filter).await?).into_response())
}

/// `POST /aliases`.
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let row = site.admin.add_alias(&actor, &body.0).await?;
    Ok(created(&place(&row), shown(&site, &row).await?))
}

/// `POST /aliases/random`.
pub(super) async fn random(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let row = site.admin.add_random_alias(&actor, &body.0).await?;
    Ok(created(&place(&row), shown(&site, &row).await?))
}

/// `GET /aliases/{id or address}`.
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = site.admin.alias(&actor, &id).await?;
    shown(&site, &row).await
}

/// `PATCH /aliases/{id or address}`.
pub(super) async fn change(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(id): Path<String>,
    body: Written,
) -> Result<Response, Problem> {
    let seen = site.admin.alias(&actor, &id).await?;
    if_match.check(seen.version)?;
    let row = site.admin.change_alias(&actor, if_match.target(&id, seen.version), &body.0).await?;
    shown(&site, &row).await
}

/// `DELETE /aliases/{id or address}`.
pub(super) async fn remove(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let seen = site.admin.alias(&actor, &id).await?;
    if_match.check(seen.version)?;
    site.admin.remove_alias(&actor, if_match.target(&id, seen.version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(site: &Site, row: &AliasRow) -> Result<Response, Problem> {
    let shapes = site.admin.alias_shapes(std::slice::from_ref(row)).await?;
    Ok(tagged(row.version, Json(shapes.into_iter().next())))
}

fn place(row: &AliasRow) -> String {
    format!("/v1/aliases/{}", row.id)
}
