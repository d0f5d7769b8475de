//! `POST /v1/route`: the simulator.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::admin::RouteQuestion;
use crate::http::Site;
use crate::http::problem::Problem;

use super::Caller;
use super::extract::Written;

/// What would happen, and why, without sending.
pub(super) async fn ask(State(site): State<Site>, Caller(actor): Caller, body: Written) -> Result<Response, Problem> {
    let question = RouteQuestion::read(&body.0)?;
    Ok(Json(site.admin.route(&actor, &question).await?).into_response())
}
