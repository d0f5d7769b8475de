//! HTTP: the native API, the panel, health; and the control socket, which serves the API to the command line.

use crate::admin::Admin;

/// What the pages and the API are made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The panel's URL as people reach it, if set.
    pub public_url: Option<String>,
    /// Names that the panel answers to, beside localhost and literals.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose X-Forwarded-Proto and -For count.
    pub trusted_proxies: Vec<std::net::IpAddr>,
}

/// The public router: panel, `/v1`, health.
pub fn router(admin: Admin, settings: Settings) -> axum::Router {
    let _ = (admin, settings);
    todo!("web")
}

/// The router behind `<data_dir>/control.sock`: `/v1` as the owner without a token, and `/control/…`.
pub fn control(admin: Admin, settings: Settings) -> axum::Router {
    let _ = (admin, settings);
    todo!("web")
}
