//! `/v1/activity`.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{ActivityDetail, ActivityShape, ListShape};
use crate::admin::{ActivityFilter, Paging};
use crate::http::Site;
use crate::http::problem::Problem;

use super::sort::{self, SortActivity};
use super::{Ask, Caller};

/// Lists what became of the mail, newest first.
///
/// One page looks through some thousand rows at most: where few of them match, it has fewer than `limit`, or none. There are no
/// more once `next_cursor` is null.
#[utoipa::path(get, path = "/activity", params(ActivityFilter, SortActivity, Paging), responses((status = 200, body = ListShape<ActivityShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    ask.sort(sort::LATEST)?;
    Ok(Json(site.admin.activity(&actor, &filter(&ask)?).await?).into_response())
}

/// Shows one message with its envelope and trace.
#[utoipa::path(
    get,
    path = "/activity/{id}",
    params(("id" = String, Path, description = "The id of a row, or of a transaction")),
    responses((status = 200, body = ActivityDetail))
)]
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(Json(site.admin.activity_detail(&actor, &id).await?).into_response())
}

pub(super) fn filter(ask: &Ask) -> Result<ActivityFilter, Problem> {
    Ok(ActivityFilter {
        status: ask.owned("status").into_iter().collect(),
        alias: ask.owned("alias"),
        domain: ask.owned("domain"),
        sender: ask.owned("sender"),
        recipient: ask.owned("recipient"),
        destination: ask.owned("destination"),
        since: ask.owned("since"),
        until: ask.owned("until"),
        own: ask.flag("own")?,
        search: ask.owned("search").or_else(|| ask.owned("q")),
        paging: ask.paging()?,
    })
}
