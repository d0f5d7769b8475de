//! `/control/…`: what only the command line asks, over the control socket. OpenAPI does not list it.

mod backup;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::json;

use super::Site;
use super::api::{Ask, Caller};
use super::problem::{self, Problem};

/// The routes.
pub(super) fn router(site: &Site) -> Router {
    Router::new()
        .route("/control/srs/forward", get(srs_forward))
        .route("/control/srs/reverse", get(srs_reverse))
        .route("/control/doubt", get(doubt))
        .route("/control/panel-link", post(panel_link))
        .route("/control/backup", get(backup::stream))
        .layer(middleware::from_fn(problem::always))
        .with_state(site.clone())
}

async fn srs_forward(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let address = address(&ask)?;
    let made = site.admin.srs_forward(&actor, address, ask.get("domain")).await?;
    Ok(Json(json!({ "address": made })).into_response())
}

async fn srs_reverse(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let address = address(&ask)?;
    let sender = site.admin.srs_reverse(&actor, address).await?;
    Ok(Json(json!({ "address": sender })).into_response())
}

/// What speaks against mail for an inbox, `null` where nothing does.
async fn doubt(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let doubt = site.admin.doubt_inbox(&actor, address(&ask)?).await?;
    Ok(Json(json!({ "doubt": doubt })).into_response())
}

fn address(ask: &Ask) -> Result<&str, Problem> {
    ask.get("address").ok_or_else(|| crate::admin::AdminError::field("address", "name the address").into())
}

/// A link that signs in; before the owner has a password, one through the first set-up, unless `purpose=sign-in` asks for
/// the other (the demonstration has nobody to set up).
async fn panel_link(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let setup = match ask.get("purpose") {
        Some("sign-in") => None,
        _ => site.admin.setup_link(&actor).await?,
    };
    let path = match setup {
        Some(link) => format!("/setup/{}", link.text()),
        None => format!("/sign-in/{}", site.admin.add_panel_link(&actor).await?.text()),
    };
    Ok((StatusCode::CREATED, Json(json!({ "url": site.url(&path) }))).into_response())
}
