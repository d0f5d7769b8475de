//! `/v1/destinations`: a destination is named by its id or address.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::DestinationShape;
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::rules::DestinationRow;

use super::extract::Written;
use super::tags::{IfMatch, created, tagged};
use super::{Ask, Caller};

/// `GET /destinations?search=&limit=&cursor=`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let page = site.admin.destinations(&actor, ask.owned("search"), &ask.paging()?).await?;
    Ok(Json(page).into_response())
}

/// `POST /destinations`.
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let row = site.admin.add_destination(&actor, &body.0).await?;
    Ok(created(&format!("/v1/destinations/{}", row.id), shown(&row)))
}

/// `GET /destinations/{id or address}`.
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(shown(&site.admin.destination(&actor, &id).await?))
}

/// `DELETE /destinations/{id or address}`.
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

/// `POST /destinations/{id or address}/verify`: by the owner's word.
pub(super) async fn verify(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(shown(&site.admin.verify_destination(&actor, &id).await?))
}

/// `POST /destinations/{id or address}/default`.
pub(super) async fn make_default(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(shown(&site.admin.make_default(&actor, &id).await?))
}

fn shown(row: &DestinationRow) -> Response {
    tagged(row.version, Json(DestinationShape::new(row)).into_response())
}
