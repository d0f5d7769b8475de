//! Whether the process is up, and whether it can do its work.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Site;

/// `/healthz` and `/readyz`.
pub(super) fn router(site: &Site) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(site.clone())
}

async fn healthz() -> Response {
    plain(StatusCode::OK, "ok\n")
}

async fn readyz(State(site): State<Site>) -> Response {
    match site.admin.unready().await {
        None => plain(StatusCode::OK, "ready\n"),
        Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

fn plain(status: StatusCode, text: impl IntoResponse) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}
