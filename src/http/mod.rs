//! HTTP: the native API, the panel, health; and the control socket, which serves the API to the command line.
//!
//! Every answer of `/v1` that is an error is a problem (RFC 9457), whoever made it; a panic becomes a 500 and never a
//! dropped connection. Rules are reached only through `admin`.

mod api;
mod challenge;
mod control;
mod health;
mod leavers;
mod leftover;
mod listener;
mod metrics;
mod panel;
mod problem;
mod redirect;
mod shield;
mod slow_bodies;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::admin::Admin;
use crate::mail::Domain;
use crate::net::network::Networks;

pub use challenge::with_challenges;
pub use listener::{Arrival, Entrance, Listener, Transport};
pub use metrics::router as metrics_router;
pub use redirect::{Redirect, router as redirect_router};

/// What the pages and the API are made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The gateway's name, which the panel answers to.
    pub hostname: Domain,
    /// The panel's URL as people reach it, if set.
    pub public_url: Option<String>,
    /// Names that the panel answers to, beside localhost and literals.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose X-Forwarded-Proto and -For count.
    pub trusted_proxies: Networks,
    /// HTTPS ends at a listener of this gateway, with its own certificate.
    pub serves_https: bool,
}

/// Where the panel is when nobody says: the default listener.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// What handlers share; cheap to clone.
#[derive(Clone, Debug)]
struct Site {
    admin: Admin,
    settings: Arc<Settings>,
    live: Arc<api::Live>,
}

impl Site {
    fn new(admin: Admin, settings: Settings) -> Self {
        Self { admin, settings: Arc::new(settings), live: Arc::default() }
    }

    /// Where people reach a page of the panel.
    fn url(&self, path: &str) -> String {
        url(&self.settings, path)
    }
}

/// Where people reach a page of the panel.
#[must_use]
pub fn url(settings: &Settings, path: &str) -> String {
    format!("{}{path}", settings.public_url.as_deref().unwrap_or(DEFAULT_URL).trim_end_matches('/'))
}

/// The public router: panel, `/v1`, health, metrics. Served with an [`Arrival`], by which it is known over what a secret
/// would travel.
pub fn router(admin: Admin, settings: Settings) -> Router {
    let site = Site::new(admin, settings);
    let api = api::router(&site).layer(middleware::from_fn_with_state(site.clone(), api::authenticate));
    let metrics = metrics::with_token(&site);
    guarded(health::router(&site).merge(metrics).nest("/v1", api).merge(panel::router(&site)))
}

/// The router behind `<data_dir>/control.sock`: `/v1` as the owner without a token, and `/control/…`.
pub fn control(admin: Admin, settings: Settings) -> Router {
    let site = Site::new(admin, settings);
    let own = control::router(&site).merge(Router::new().nest("/v1", api::router(&site)));
    guarded(
        health::router(&site).merge(own.layer(middleware::from_fn(api::as_operator))).fallback(problem::no_such_path),
    )
}

/// The API's description (OpenAPI 3.1, JSON).
#[must_use]
pub fn openapi() -> &'static str {
    api::openapi()
}

/// What lies around every route: paths tidied before they are matched, panics caught, changes finished.
fn guarded(routes: Router) -> Router {
    let routes = routes.layer(middleware::from_fn(leavers::finish));
    let routes = routes.layer(middleware::from_fn(shield::no_sniffing)).layer(middleware::from_fn(leftover::read_out));
    let tidy = ServiceBuilder::new().layer(MapRequestLayer::new(|request: Request| shield::collapse_slashes(request)));
    Router::new().fallback_service(tidy.service(routes)).layer(CatchPanicLayer::custom(problem::of_panic))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn breaks() -> &'static str {
        panic!("a fault of ours")
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        let router = guarded(Router::new().route("/break", get(breaks)));
        let request = Request::builder().uri("//break/").body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}
