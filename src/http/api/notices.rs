//! `/v1/notices`: what the gateway tells its owner.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::ListShape;
use crate::admin::{NoticeFilter, NoticeShape, Paging, TestShape};
use crate::http::Site;
use crate::http::problem::Problem;

use super::{Ask, Caller};

/// Lists what needs attention and what did lately, the newest first.
#[utoipa::path(get, path = "/notices", params(NoticeFilter, Paging), responses((status = 200, body = ListShape<NoticeShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let filter = NoticeFilter { state: ask.owned("state") };
    Ok(Json(site.admin.notices(&actor, &filter, &ask.paging()?).await?).into_response())
}

/// Sends a test notice to whoever is told.
#[utoipa::path(post, path = "/notices/test", responses((status = 202, body = TestShape)))]
pub(super) async fn test(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    Ok((StatusCode::ACCEPTED, Json(site.admin.test_notice(&actor).await?)).into_response())
}
