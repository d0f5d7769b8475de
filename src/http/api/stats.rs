//! `/v1/stats`: counts over time.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::admin::{StatsFilter, StatsShape};
use crate::http::Site;
use crate::http::problem::Problem;

use super::{Ask, Caller};

/// Counts by the hour, the day or the month, of what became of the mail, of domains, sites, aliases, or verdicts.
#[utoipa::path(get, path = "/stats", params(StatsFilter), responses((status = 200, body = StatsShape)))]
pub(super) async fn show(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let filter = StatsFilter {
        since: ask.owned("since"),
        until: ask.owned("until"),
        step: ask.word("step"),
        by: ask.word("by"),
        domain: ask.owned("domain"),
        status: ask.owned("status"),
    };
    Ok(Json(site.admin.stats(&actor, &filter).await?).into_response())
}
