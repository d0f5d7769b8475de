//! Clients that leave half-way, as a browser does where another page is wanted meanwhile. The server drops such a request
//! where it stands; but a change of several steps that has begun is finished, or the log and the audit would not know of it.

use std::panic::resume_unwind;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::net::doors::Permit;

/// The place of a request's connection, which is not given to another as long as anything is done for it.
pub(super) type Place = Arc<Permit>;

/// Answers; what is not safe (RFC 9110 §9.2.1) ends whether or not anybody waits for its answer.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let place = request.extensions().get::<Place>().cloned();
    let work = tokio::spawn(async move {
        let answer = next.run(request).await;
        drop(place);
        answer
    });
    match work.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(answer) => answer,
        Err(Ok(panic)) => resume_unwind(panic),
        // The process ends.
        Err(Err(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
