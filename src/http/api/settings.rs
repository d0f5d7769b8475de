//! `/v1/settings`: what the gateway runs with.

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use crate::admin::Setting;
use crate::admin::shapes::{ListShape, SettingsForm};
use crate::http::Site;
use crate::http::problem::Problem;

use super::Caller;
use super::extract::Written;
use super::tags::{IfMatch, digest, tagged};

/// Lists every setting with its value and the place that it comes from.
#[utoipa::path(get, path = "/settings", responses((status = 200, body = ListShape<Setting>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    Ok(shown(site.admin.settings(&actor)?))
}

/// Changes settings, all of those named or none; `null` takes back what was set here.
///
/// What the environment or the configuration file sets is changed there.
#[utoipa::path(
    patch,
    path = "/settings",
    params(IfMatch),
    request_body = Option<SettingsForm>,
    responses((status = 200, body = ListShape<Setting>))
)]
pub(super) async fn change(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    body: Written,
) -> Result<Response, Problem> {
    if_match.check(digest(&site.admin.settings(&actor)?))?;
    Ok(shown(site.admin.change_settings(&actor, &body.0).await?))
}

fn shown(settings: ListShape<Setting>) -> Response {
    tagged(digest(&settings), Json(settings))
}
