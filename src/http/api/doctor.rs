//! `/v1/doctor`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::http::Site;
use crate::http::problem::Problem;

use super::{Ask, Caller};
use crate::policy::checkup::Checkup;

/// Looks at the gateway, its surroundings and its domains: what is wrong, what to do, and what no look from inside proves.
#[utoipa::path(get, path = "/doctor", params(("domain" = Option<String>, Query, description = "Only the records of this domain, beside the gateway itself")), responses((status = 200, body = Checkup)))]
pub(super) async fn checkup(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    Ok(Json(site.admin.doctor(&actor, ask.get("domain")).await?).into_response())
}
