//! `/v1/queue`: what waits, is held, or is kept.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::shapes::{ListShape, QueueShape, ResendForm};
use crate::admin::{AdminError, Paging, QueueAction, QueueFilter};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::octets::Octets;

use super::extract::{Id, Written};
use super::sort::{self, SortQueue};
use super::{Ask, Caller};

/// What was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    /// With which delivery.
    id: Uuid,
    /// What.
    done: String,
}

/// Lists what waits, is held, or is kept; oldest first.
#[utoipa::path(get, path = "/queue", params(QueueFilter, SortQueue, Paging), responses((status = 200, body = ListShape<QueueShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    ask.sort(sort::FIRST_CAME)?;
    let filter =
        QueueFilter { domain: ask.owned("domain"), destination: ask.owned("destination"), paging: ask.paging()? };
    Ok(Json(site.admin.queue(&actor, &filter).await?).into_response())
}

/// Does something with a delivery: `retry`, `hold`, `release` or `cancel`.
#[utoipa::path(
    post,
    path = "/queue/{id}/{action}",
    params(("id" = String, Path, description = "The id of the activity row"), ("action" = QueueAction, Path, description = "What to do")),
    responses((status = 200, body = Done))
)]
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((id, word)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let no_action =
        || Problem::new(StatusCode::NOT_FOUND, format!("“{word}” is nothing that can be done with a delivery."));
    let action = QueueAction::parse(&word).ok_or_else(no_action)?;
    let uuid = Uuid::try_parse(&id).map_err(|_| AdminError::missing("waiting delivery", &id))?;
    site.admin.queue_action(&actor, uuid, action).await?;
    Ok(Json(Done { id: uuid, done: word }).into_response())
}

/// Sends again, to another verified destination or to the same.
#[utoipa::path(
    post,
    path = "/queue/{id}/resend",
    params(("id" = String, Path, description = "The id of the activity row")),
    request_body = Option<ResendForm>,
    responses((status = 200, body = Done))
)]
pub(super) async fn resend(
    State(site): State<Site>,
    Caller(actor): Caller,
    Id(id): Id,
    body: Written,
) -> Result<Response, Problem> {
    site.admin.resend(&actor, id, &body.0).await?;
    Ok(Json(Done { id, done: "resend".to_owned() }).into_response())
}

/// The octets of a message that waits or is kept, as they came.
#[utoipa::path(
    get,
    path = "/queue/{id}/message",
    params(("id" = String, Path, description = "The id of the activity row")),
    responses((status = 200, body = String, content_type = "message/rfc822"))
)]
pub(super) async fn message(State(site): State<Site>, Caller(actor): Caller, Id(id): Id) -> Result<Response, Problem> {
    Ok(eml(id, site.admin.message_octets(&actor, id).await?))
}

/// A message as a file of its own, never to be shown in the browser.
pub(in crate::http) fn eml(id: Uuid, octets: Octets) -> Response {
    let fields = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        (header::CONTENT_LENGTH, octets.len().to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.eml\"")),
    ];
    (fields, pieces(octets)).into_response()
}

/// Reads the next piece only when the last one has gone out.
fn pieces(octets: Octets) -> Body {
    Body::from_stream(stream::try_unfold((octets, 0), |(octets, offset)| async move {
        let piece = octets.read(offset).await?;
        let next = offset + piece.len() as u64;
        Ok::<_, crate::store::StoreError>((!piece.is_empty()).then_some((piece, (octets, next))))
    }))
}
