//! `POST /v1/aliases/batch`: many changes in one request.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::admin::AliasBatch;
use crate::admin::shapes::{AliasShape, BatchForm};
use crate::http::Site;
use crate::http::problem::Problem;

use super::Caller;
use super::extract::Written;

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct Batch {
    /// How many of the operations were done.
    done: usize,
    /// One for each operation, in their order.
    items: Vec<Item>,
}

/// What became of one operation.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchItem)]
struct Item {
    /// What it would have been answered alone: 200, 204, or that of its problem.
    status: u16,
    /// The alias as it is now; none where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<AliasShape>,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Value>,
}

/// Makes, changes, switches and removes many aliases: all or none, unless `atomic` is false.
///
/// If all are done, the answer is 200. If one cannot be done, nothing has changed, and the answer is its problem, whose
/// `errors` name its place. With `atomic` false each is done by itself, and `items` says what became of it.
#[utoipa::path(post, path = "/aliases/batch", request_body = BatchForm, responses((status = 200, body = Batch)))]
pub(super) async fn batch(State(site): State<Site>, Caller(actor): Caller, body: Written) -> Result<Response, Problem> {
    let batch = AliasBatch::read(&body.0)?;
    let outcomes = site.admin.alias_batch(&actor, &batch).await?;
    let rows: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()?.clone()).collect();
    let mut shapes = site.admin.alias_shapes(&rows).await?.into_iter();
    let items: Vec<Item> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(None) => Item { status: StatusCode::NO_CONTENT.as_u16(), alias: None, problem: None },
            Ok(Some(_)) => Item { status: StatusCode::OK.as_u16(), alias: shapes.next(), problem: None },
            Err(error) => {
                let problem = Problem::from(error);
                Item { status: problem.status().as_u16(), alias: None, problem: Some(problem.to_json()) }
            }
        })
        .collect();
    let done = items.iter().filter(|item| item.problem.is_none()).count();
    Ok(Json(Batch { done, items }).into_response())
}
