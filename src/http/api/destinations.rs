//! `/v1/destinations`: a destination is named by its id or address.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::Paging;
use crate::admin::shapes::{DestinationForm, DestinationShape, ListShape};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::rules::DestinationRow;

use super::extract::{Search, Written};
use super::tags::{IfMatch, created, tagged};
use super::{Ask, Caller};

/// Lists destinations, by address.
#[utoipa::path(get, path = "/destinations", params(Search, Paging), responses((status = 200, body = ListShape<DestinationShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let page = site.admin.destinations(&actor, ask.owned("search"), &ask.paging()?).await?;
    Ok(Json(page).into_response())
}

/// Adds a destination. The first one becomes the default; one that is not verified is sent a mail with a link that verifies it.
#[utoipa::path(post, path = "/destinations", request_body = DestinationForm, responses((status = 201, body = DestinationShape)))]
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let row = site.admin.add_destination(&actor, &body.0).await?;
    Ok(created(&format!("/v1/destinations/{}", row.id), shown(&site, &row).await?))
}

/// Shows a destination.
#[utoipa::path(get, path = "/destinations/{id}", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&site, &site.admin.destination(&actor, &id).await?).await
}

/// Removes a destination that no alias uses.
#[utoipa::path(delete, path = "/destinations/{id}", params(("id" = String, Path, description = "Its id or address"), IfMatch), responses((status = 204)))]
pub(super) async fn remove(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let seen = site.admin.destination(&actor, &id).await?;
    if_match.check(seen.version)?;
    site.admin.remove_destination(&actor, if_match.target(&id, seen.version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Verifies a destination by the word of the gateway's owner.
#[utoipa::path(post, path = "/destinations/{id}/verify", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn verify(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&site, &site.admin.verify_destination(&actor, &id).await?).await
}

/// Sends an inbox another mail with a link that verifies it: one a minute and five a day at most.
#[utoipa::path(post, path = "/destinations/{id}/resend", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn resend(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&site, &site.admin.resend_verification(&actor, &id).await?).await
}

/// Makes a destination the one that new aliases use.
#[utoipa::path(post, path = "/destinations/{id}/default", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn make_default(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&site, &site.admin.make_default(&actor, &id).await?).await
}

async fn shown(site: &Site, row: &DestinationRow) -> Result<Response, Problem> {
    let shape = site.admin.destination_shape(row).await?;
    Ok(tagged(row.version, Json(shape).into_response()))
}
