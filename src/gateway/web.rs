//! What each HTTP listener serves.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

use crate::admin::Admin;
use crate::certificates::Certificates;
use crate::http::{self, Listener, Redirect, Settings};

use super::Listening;

/// The port of HTTPS where nobody says another.
const HTTPS_PORT: u16 = 443;

/// What the listeners serve from.
#[derive(Debug)]
pub(super) struct Web {
    pub(super) admin: Admin,
    pub(super) certificates: Certificates,
    pub(super) settings: Settings,
}

impl Web {
    /// Panel and API, plain and inside TLS; the way from the former to the latter; metrics.
    pub(super) fn listeners(
        self,
        sockets: Listening<Vec<TcpListener>>,
        listening: &Listening<Vec<SocketAddr>>,
    ) -> Vec<Listener> {
        let Self { admin, certificates, settings } = self;
        let https_port = listening.https.first().map_or(HTTPS_PORT, SocketAddr::port);
        let challenges = certificates.challenges();
        let redirect = http::redirect_router(Redirect { settings: settings.clone(), https_port });
        let redirect = http::with_challenges(redirect, challenges.clone());
        let metrics = http::metrics_router(admin.clone());
        let public = http::router(admin, settings);
        let plain = |sockets: Vec<TcpListener>, router: Router| {
            let each = move |socket| Listener { socket, certificates: None, router: router.clone() };
            sockets.into_iter().map(each)
        };
        let inside_tls = plain(sockets.https, public.clone())
            .map(|listener| Listener { certificates: Some(certificates.clone()), ..listener });
        let public = http::with_challenges(public, challenges.clone());
        let outside =
            plain(sockets.http, public).chain(plain(sockets.redirect, redirect)).chain(plain(sockets.metrics, metrics));
        outside.chain(inside_tls).collect()
    }
}
