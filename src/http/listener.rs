//! Accepts HTTP/1.1, plain or inside TLS, within limits: how many connections, how large a header, how slow a client.
//!
//! Each request learns how it came ([`Arrival`]); what comes inside TLS is told to stay there (RFC 6797).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::{self, AddExtension, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;
use tower_http::set_header::SetResponseHeaderLayer;

use super::leavers::Place;
use super::problem::Problem;
use super::slow_bodies;
use crate::certificates::Certificates;
use crate::meter::Meter;
use crate::net::doors::{Doors, Permit};
use crate::net::network::Networks;

/// Connections at a time on all HTTP listeners together.
const MAX_CONNECTIONS: usize = 1024;
/// Connections of one address (IPv6: of one /64); a trusted proxy brings more than one client.
const MAX_CONNECTIONS_PER_IP: usize = 64;
/// From the first octet of TLS to its end.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// For the whole header of a request; it counts from the end of the request before, so it ends idle connections too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Milliseconds for which a client may leave unread what was sent to it; the kernel watches.
const UNREAD_TIMEOUT_MILLIS: u32 = 60_000;
/// Octets of a header; more is answered 431.
const MAX_HEADER_OCTETS: usize = 32 * 1024;
/// Fields of a header; more is answered 431.
const MAX_HEADER_FIELDS: usize = 100;
/// Accepting failed (no file descriptors left): wait so long before trying again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Browsers that have once been inside TLS do not leave it for half a year.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=15552000");

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it: the client, or a proxy in front of it.
    pub peer: SocketAddr,
    /// Whether somebody on the way could read along.
    pub over: Transport,
}

/// What a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP.
    Plain,
    /// TLS that ends here.
    Tls,
}

/// One listener: where, over what, and what it serves.
#[derive(Debug)]
pub struct Listener {
    /// Bound.
    pub socket: TcpListener,
    /// What is presented, if it speaks TLS.
    pub certificates: Option<Certificates>,
    /// What it serves.
    pub router: Router,
}

/// What all listeners share; cheap to clone.
#[derive(Debug, Clone)]
pub struct Entrance {
    doors: Arc<Doors>,
    proxies: Arc<Networks>,
    meter: Arc<Meter>,
    stop: CancellationToken,
}

impl Entrance {
    /// Counts anew; `proxies` are those of `http.trusted_proxies`.
    #[must_use]
    pub fn new(proxies: Networks, meter: Arc<Meter>, stop: CancellationToken) -> Self {
        Self { doors: Arc::default(), proxies: Arc::new(proxies), meter, stop }
    }

    /// Serves a listener until the stop; then each connection ends with the answer that it is at.
    pub async fn serve(self, listener: Listener) {
        let guest = Guest::new(&listener);
        let mut connections = JoinSet::new();
        let mut failing = false;
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = listener.socket.accept() => accepted,
                () = self.stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    if let Some(permit) = self.admit(peer.ip()) {
                        connections.spawn(guest.clone().converse(stream, peer, (permit, self.stop.clone())));
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "accepting an HTTP connection failed; tried again until it works");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Whoever finds no room is hung up on: an answer would want room too.
    fn admit(&self, peer: IpAddr) -> Option<Permit> {
        let permit = self.doors.enter(MAX_CONNECTIONS);
        let is_proxy = self.proxies.contain(peer);
        let permit = if is_proxy { permit } else { permit.and_then(|permit| permit.of(peer, MAX_CONNECTIONS_PER_IP)) };
        if permit.is_none() {
            self.meter.http_connections_refused.raise();
            tracing::info!(%peer, "hung up on an HTTP client: too many connections");
        }
        permit
    }
}

/// How the connections of one listener are served.
#[derive(Clone)]
struct Guest {
    tls: Option<TlsAcceptor>,
    router: Router,
}

impl Guest {
    fn new(listener: &Listener) -> Self {
        let tls = listener.certificates.as_ref().map(|certificates| TlsAcceptor::from(certificates.https_config()));
        let mut router = listener.router.clone().layer(middleware::from_fn(slow_bodies::bounded));
        router = router.layer(middleware::from_fn(sound));
        if tls.is_some() {
            let stay = SetResponseHeaderLayer::if_not_present(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
            router = router.layer(stay);
        }
        Self { tls, router }
    }

    async fn converse(self, stream: TcpStream, peer: SocketAddr, (permit, stop): (Permit, CancellationToken)) {
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD_TIMEOUT_MILLIS) {
            tracing::debug!(%error, "a connection without a time limit on what is not read");
        }
        match &self.tls {
            None => exchange(stream, self.service(Arrival { peer, over: Transport::Plain }, permit), stop).await,
            Some(tls) => {
                let shaken = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await;
                if let Ok(Ok(stream)) = shaken
                    && !Certificates::is_proof(stream.get_ref().1)
                {
                    exchange(stream, self.service(Arrival { peer, over: Transport::Tls }, permit), stop).await;
                }
            }
        }
    }

    fn service(&self, arrival: Arrival, permit: Permit) -> Service {
        Extension(Place::new(permit)).layer(Extension(arrival).layer(self.router.clone()))
    }
}

/// Turns away what no server may serve: a header that names another number of hosts than one (RFC 9112 §3.2), or that came in
/// one piece larger than there is room for.
async fn sound(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let is_named = hosts == 1 || hosts == 0 && request.version() < Version::HTTP_11;
    if octets_of(&request) > MAX_HEADER_OCTETS {
        let detail = format!("The header of this request is larger than {} KiB.", MAX_HEADER_OCTETS / 1024);
        return unsound(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail);
    }
    if !is_named {
        return unsound(StatusCode::BAD_REQUEST, "A request names one host, by one Host field.".to_owned());
    }
    next.run(request).await
}

fn unsound(status: StatusCode, detail: String) -> Response {
    Problem::new(status, detail).with(header::CONNECTION, "close").into_response()
}

/// Octets of a header as it came, but for the spaces that a client may add.
fn octets_of(request: &Request) -> usize {
    const LINE: usize = ": \r\n".len();
    let line = request.method().as_str().len() + request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + LINE);
    line + fields.sum::<usize>()
}

/// The router, which learns how a request came, and holds the place of its connection.
type Service = AddExtension<AddExtension<Router, Arrival>, Place>;

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, service: Service, stop: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.max_buf_size(MAX_HEADER_OCTETS).max_headers(MAX_HEADER_FIELDS);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // What goes wrong on the way out is the client's to see.
    let _ended = connection.await;
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    async fn guest() -> Guest {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let read = |body: Result<Bytes, _>| async move { if body.is_ok() { "whole" } else { "cut" } };
        Guest::new(&Listener { socket, certificates: None, router: Router::new().route("/", post(read)) })
    }

    /// What comes back after these octets and a silence.
    async fn answer(octets: &[u8], stop: CancellationToken) -> String {
        let (mut near, far): (DuplexStream, DuplexStream) = duplex(64 * 1024);
        let arrival = Arrival { peer: SocketAddr::from(([192, 0, 2, 1], 1)), over: Transport::Plain };
        let permit = Arc::new(Doors::default()).enter(1).unwrap();
        let served = tokio::spawn(exchange(far, guest().await.service(arrival, permit), stop));
        near.write_all(octets).await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        served.await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_finish_a_header_or_a_body_is_not_waited_for() {
        let began = tokio::time::Instant::now();
        for (octets, expected) in [
            (&b""[..], ""),
            (b"POST / HTTP/1.1\r\nHost: a\r\n", ""),
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", "cut"),
        ] {
            let heard = answer(octets, CancellationToken::new()).await;
            assert!(heard.ends_with(expected) && heard.is_empty() == expected.is_empty(), "{heard}");
        }
        assert!(began.elapsed() < 4 * HEADER_TIMEOUT, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_idle_connections_at_once() {
        let stop = CancellationToken::new();
        stop.cancel();
        let began = tokio::time::Instant::now();
        assert_eq!(answer(b"", stop).await, "");
        assert!(began.elapsed() < HEADER_TIMEOUT);
    }
}
