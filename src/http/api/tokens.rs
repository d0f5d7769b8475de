//! `/v1/tokens`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{ListShape, TokenForm, TokenShape};
use crate::http::Site;
use crate::http::problem::Problem;

use super::Caller;
use super::extract::Written;
use super::tags::created;

/// Lists the account's tokens.
///
/// One that is limited to domains is told of those that go no further than itself, and revokes no other.
#[utoipa::path(get, path = "/tokens", responses((status = 200, body = ListShape<TokenShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    Ok(Json(site.admin.tokens(&actor).await?).into_response())
}

/// Makes a token: the only answer that holds the token itself.
#[utoipa::path(post, path = "/tokens", request_body = TokenForm, responses((status = 201, body = TokenShape)))]
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let token = site.admin.add_token(&actor, &body.0).await?;
    Ok(created(&format!("/v1/tokens/{}", token.id), Json(token).into_response()))
}

/// Revokes a token. It ends at once.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    params(("id" = String, Path, description = "Its id or name")),
    responses((status = 204))
)]
pub(super) async fn revoke(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    site.admin.revoke_token(&actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
