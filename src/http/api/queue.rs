//! `/v1/queue`: what waits, is held, or is kept.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use uuid::Uuid;

use crate::admin::{AdminError, QueueAction};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::octets::Octets;

use super::extract::{Id, Written};
use super::{Ask, Caller};

/// `GET /queue?limit=&cursor=`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    Ok(Json(site.admin.queue(&actor, &ask.paging()?).await?).into_response())
}

/// `POST /queue/{id}/retry|hold|release|cancel`.
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
    Ok(Json(json!({ "id": uuid, "done": word })).into_response())
}

/// `POST /queue/{id}/resend`, with another `destination` or to the same.
pub(super) async fn resend(
    State(site): State<Site>,
    Caller(actor): Caller,
    Id(id): Id,
    body: Written,
) -> Result<Response, Problem> {
    let destination = match body.0.get("destination") {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text.as_str()),
        Some(_) => return Err(AdminError::field("destination", "write an address in quotes").into()),
    };
    site.admin.resend(&actor, id, destination).await?;
    Ok(Json(json!({ "id": id, "done": "resend" })).into_response())
}

/// `GET /queue/{id}/message`: the octets as they came.
pub(super) async fn message(State(site): State<Site>, Caller(actor): Caller, Id(id): Id) -> Result<Response, Problem> {
    let octets = site.admin.message_octets(&actor, id).await?;
    let fields = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        (header::CONTENT_LENGTH, octets.len().to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.eml\"")),
    ];
    Ok((fields, pieces(octets)).into_response())
}

/// Reads the next piece only when the last one has gone out.
fn pieces(octets: Octets) -> Body {
    Body::from_stream(stream::try_unfold((octets, 0), |(octets, offset)| async move {
        let piece = octets.read(offset).await?;
        let next = offset + piece.len() as u64;
        Ok::<_, crate::store::StoreError>((!piece.is_empty()).then_some((piece, (octets, next))))
    }))
}
