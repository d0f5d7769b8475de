//! `/.well-known/acme-challenge/…`: what a CA asks for over plain HTTP to see that a name is ours (RFC 8555 §8.3).

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::certificates::Challenges;

/// `router`, with the answers to the CA's question in front.
pub fn with_challenges(router: Router, challenges: Challenges) -> Router {
    let answers = Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).with_state(challenges);
    answers.fallback_service(router)
}

async fn answer(State(challenges): State<Challenges>, Path(token): Path<String>) -> Response {
    match challenges.by_http(&token) {
        Some(answer) => ([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        None => (StatusCode::NOT_FOUND, "Nobody waits for this question.\n").into_response(),
    }
}
