//! `/v1/tokens` and `/v1/me`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::http::Site;
use crate::http::problem::Problem;

use super::Caller;
use super::extract::Written;
use super::tags::created;

/// `GET /tokens`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    Ok(Json(site.admin.tokens(&actor).await?).into_response())
}

/// `POST /tokens`: the only answer that holds the token itself.
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let token = site.admin.add_token(&actor, &body.0).await?;
    Ok(created(&format!("/v1/tokens/{}", token.id), Json(token).into_response()))
}

/// `DELETE /tokens/{id or name}`.
pub(super) async fn revoke(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    site.admin.revoke_token(&actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /me`.
pub(super) async fn me(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    Ok(Json(site.admin.me(&actor)).into_response())
}
