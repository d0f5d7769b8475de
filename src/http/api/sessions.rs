//! `/v1/sessions`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{ListShape, SessionShape};
use crate::http::Site;
use crate::http::problem::Problem;

use super::Caller;

/// Lists the account's sessions of the panel, the last used first.
///
/// A token that is limited to domains is told of none, and ends none.
#[utoipa::path(get, path = "/sessions", responses((status = 200, body = ListShape<SessionShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    Ok(Json(site.admin.sessions(&actor).await?).into_response())
}

/// Ends a session, at once.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204))
)]
pub(super) async fn end(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    site.admin.end_session(&actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
