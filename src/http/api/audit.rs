//! `/v1/audit`.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{AuditShape, ListShape};
use crate::admin::{AuditFilter, Paging};
use crate::http::Site;
use crate::http::problem::Problem;

use super::sort::{self, SortAudit};
use super::{Ask, Caller};

/// Lists who changed what, newest first: all of it for admins, else what was done on the account's behalf.
#[utoipa::path(get, path = "/audit", params(AuditFilter, SortAudit, Paging), responses((status = 200, body = ListShape<AuditShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    ask.sort(sort::LATEST_CHANGE)?;
    Ok(Json(site.admin.audit_log(&actor, &filter(&ask)?).await?).into_response())
}

/// What a query asks for.
pub(in crate::http) fn filter(ask: &Ask) -> Result<AuditFilter, Problem> {
    Ok(AuditFilter {
        actor: ask.owned("actor"),
        action: ask.owned("action"),
        object: ask.owned("object"),
        since: ask.owned("since"),
        until: ask.owned("until"),
        paging: ask.paging()?,
    })
}

/// Takes a change of an alias or a domain back, where what it made still stands.
#[utoipa::path(
    post,
    path = "/audit/{id}/undo",
    params(("id" = String, Path, description = "The entry's number")),
    responses((status = 200, body = AuditShape))
)]
pub(super) async fn undo(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(Json(site.admin.undo(&actor, &id, None).await?).into_response())
}
