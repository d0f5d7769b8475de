//! `/v1/activity`.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::admin::ActivityFilter;
use crate::http::Site;
use crate::http::problem::Problem;

use super::{Ask, Caller};

/// `GET /activity?status=&alias=&domain=&since=&until=&search=&limit=&cursor=`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    Ok(Json(site.admin.activity(&actor, &filter(&ask)?).await?).into_response())
}

/// `GET /activity/{id of a row or transaction}`.
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(Json(site.admin.activity_detail(&actor, &id).await?).into_response())
}

fn filter(ask: &Ask) -> Result<ActivityFilter, Problem> {
    Ok(ActivityFilter {
        status: ask.owned("status").into_iter().collect(),
        alias: ask.owned("alias"),
        domain: ask.owned("domain"),
        since: ask.owned("since"),
        until: ask.owned("until"),
        search: ask.owned("search").or_else(|| ask.owned("q")),
        paging: ask.paging()?,
    })
}
