//! `POST /v1/route`: the simulator.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::admin::RouteQuestion;
use crate::admin::shapes::{RouteForm, RouteShape};
use crate::http::Site;
use crate::http::problem::Problem;

use super::Caller;
use super::extract::Written;

/// What would happen to a message, and why, without sending one.
#[utoipa::path(post, path = "/route", request_body = RouteForm, responses((status = 200, body = RouteShape)))]
pub(super) async fn ask(State(site): State<Site>, Caller(actor): Caller, body: Written) -> Result<Response, Problem> {
    let question = RouteQuestion::read(&body.0)?;
    Ok(Json(site.admin.route(&actor, &question).await?).into_response())
}
