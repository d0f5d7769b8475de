//! `/v1/destinations`: a destination is named by its id or address.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{DestinationForm, DestinationShape, ListShape, ReplaceForm, ReplacedShape};
use crate::admin::{Access, Actor, Area, Paging};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::rules::DestinationRow;

use super::extract::{Search, Written};
use super::sort::{self, SortDestinations};
use super::tags::{IfMatch, created, versioned};
use super::{Ask, Caller};

/// Lists destinations, by address unless `sort` says otherwise.
///
/// The owner and admins see those of all accounts, those of one after those of another, each with whose it is.
#[utoipa::path(get, path = "/destinations", params(Search, SortDestinations, Paging), responses((status = 200, body = ListShape<DestinationShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let order = ask.sort(sort::DESTINATIONS)?;
    let page = site.admin.destinations_in(&actor, ask.owned("search"), (order, &ask.paging()?)).await?;
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
    Ok(created(&format!("/v1/destinations/{}", row.id), shown(&site, &actor, &row).await?))
}

/// Shows a destination, with where it is used.
#[utoipa::path(get, path = "/destinations/{id}", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = site.admin.destination(&actor, &id).await?;
    let uses = Some(site.admin.destination_uses(&actor, &row).await?);
    let waiting = site.admin.waiting_for(&actor, &row).await?;
    let shape = DestinationShape { uses, waiting, ..site.admin.destination_shape(&actor, &row).await? };
    Ok(versioned(row.version, &shape))
}

/// Removes a destination that no alias uses.
#[utoipa::path(delete, path = "/destinations/{id}", params(("id" = String, Path, description = "Its id or address"), IfMatch), responses((status = 204)))]
pub(super) async fn remove(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    actor.must(Area::Destinations, Access::Write)?;
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
    shown(&site, &actor, &site.admin.verify_destination(&actor, &id).await?).await
}

/// Sends an inbox another mail with a link that verifies it: one a minute and five a day at most.
#[utoipa::path(post, path = "/destinations/{id}/resend", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn resend(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&site, &actor, &site.admin.resend_verification(&actor, &id).await?).await
}

/// Tries the mail that waits for a refusing inbox now, and new mail as it comes. Until one of these tries has ended, the
/// inbox is shown with what it said last.
#[utoipa::path(post, path = "/destinations/{id}/retry", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn retry(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&site, &actor, &site.admin.try_destination(&actor, &id).await?.row).await
}

/// Makes a destination the one that new aliases use.
#[utoipa::path(post, path = "/destinations/{id}/default", params(("id" = String, Path, description = "Its id or address")), responses((status = 200, body = DestinationShape)))]
pub(super) async fn make_default(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&site, &actor, &site.admin.make_default(&actor, &id).await?).await
}

/// Puts another destination in its place, everywhere and in one step: in aliases, as the default, as the contact of domains,
/// in tokens. Destinations that a pattern computes stay as they are and are listed as `untouched`. The entry in the audit log
/// can be undone.
#[utoipa::path(post, path = "/destinations/{id}/replace", params(("id" = String, Path, description = "Its id or address")), request_body = ReplaceForm, responses((status = 200, body = ReplacedShape)))]
pub(super) async fn replace(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    body: Written,
) -> Result<Response, Problem> {
    Ok(Json(site.admin.replace_destination(&actor, &id, &body.0).await?).into_response())
}

async fn shown(site: &Site, actor: &Actor, row: &DestinationRow) -> Result<Response, Problem> {
    let shape = site.admin.destination_shape(actor, row).await?;
    Ok(versioned(row.version, &shape))
}
