//! The panel.
use super::Site;
use axum::Router;
pub(super) fn router(site: &Site) -> Router {
    let _ = site;
    Router::new()
}
