//! An HTTPS client for what the gateway itself fetches: one request over one connection, its certificate verified, no redirect
//! followed, nothing cached, size and time bounded. Which address is connected to is checked after resolution. Only a
//! knock, which carries and brings nothing, may go by plain HTTP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::guard;
use super::resolver::{Dns, DnsFailure};
use crate::mail::Domain;

/// The port of HTTPS, and of HTTP.
const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;
/// Addresses of one host that are tried.
const MAX_ADDRESSES: usize = 4;
/// Until a connection to one address stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the question for the address to the last octet of the answer.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Octets of an answer's body.
const MAX_BODY_OCTETS: usize = 256 * 1024;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an `https` address with a host.
    #[error("{0} is no https address")]
    NotHttps(Uri),
    /// The host has no address, or DNS failed.
    #[error("{host} has no address: {reason}")]
    Unresolved {
        /// Which.
        host: String,
        /// Why.
        reason: DnsFailure,
    },
    /// Every address of the host is one that is never connected to.
    #[error("{host} has {reason}, which is never connected to")]
    Forbidden {
        /// Which.
        host: String,
        /// What kind of address.
        reason: &'static str,
    },
    /// No address could be connected to, or TLS failed.
    #[error("{host} cannot be reached at {address}: {error}")]
    Unreached {
        /// Which.
        host: String,
        /// The last address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The connection broke or what came was no HTTP.
    #[error("{host} did not answer as HTTP has it: {error}")]
    Broken {
        /// Which.
        host: String,
        /// What it was.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("{0} took longer than {secs} s to answer", secs = WHOLE_TIMEOUT.as_secs())]
    TooSlow(String),
}

/// How far a fetch may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses only.
    Public,
    /// Those of our own network too: the operator named the host.
    OwnNetwork,
}

/// What was got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The body.
    pub octets: Bytes,
}

/// Fetches; cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Looks up.
    pub dns: Dns,
    /// Whom to believe.
    pub tls: Arc<ClientConfig>,
    /// How far.
    pub reach: Reach,
}

impl Fetcher {
    /// Asks, and reads the whole answer.
    pub async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        match Target::of(request.uri()) {
            Some(target) if target.is_secure => self.ask(request, target).await,
            _ => Err(FetchError::NotHttps(request.uri().clone())),
        }
    }

    /// Asks for a web address, and says whether the answer was a yes, or which status it had instead.
    pub async fn knock(&self, url: &str) -> Result<Result<(), u16>, FetchError> {
        let uri: Uri = url.parse().unwrap_or_default();
        let Some(target) = Target::of(&uri) else { return Err(FetchError::NotHttps(uri)) };
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("Waypost"));
        let status = self.ask(request, target).await?.status();
        Ok(if status.is_success() { Ok(()) } else { Err(status.as_u16()) })
    }

    async fn ask(&self, request: Request<Bytes>, target: Target) -> Result<Response<Bytes>, FetchError> {
        let whole = async {
            let stream = self.connect(&target).await?;
            exchange(stream, request, &target).await
        };
        timeout(WHOLE_TIMEOUT, whole).await.unwrap_or_else(|_| Err(FetchError::TooSlow(target.host.clone())))
    }

    /// Gets a page.
    pub async fn get(&self, url: &str) -> Result<Page, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::NotHttps(Uri::default()))?;
        let request = Request::get(uri.clone()).body(Bytes::new()).map_err(|_| FetchError::NotHttps(uri))?;
        let answer = self.fetch(request).await?;
        Ok(Page { status: answer.status().as_u16(), octets: answer.into_body() })
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Wire>, FetchError> {
        let host = || target.host.clone();
        let mut failed = None;
        for ip in self.addresses(target).await?.into_iter().take(MAX_ADDRESSES) {
            let address = SocketAddr::new(ip, target.port);
            let reached = match self.refuses(ip, None) {
                Some(reason) => Err(FetchError::Forbidden { host: host(), reason }),
                None => self.connect_to(address, target).await,
            };
            match reached {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| FetchError::Unresolved { host: host(), reason: DnsFailure::NoData }))
    }

    async fn connect_to(&self, address: SocketAddr, target: &Target) -> Result<Box<dyn Wire>, FetchError> {
        let unreached = |error| FetchError::Unreached { host: target.host.clone(), address, error };
        let stream = in_time(TcpStream::connect(address)).await.map_err(unreached)?;
        if let Some(reason) = self.refuses(address.ip(), stream.local_addr().ok()) {
            return Err(FetchError::Forbidden { host: target.host.clone(), reason });
        }
        if !target.is_secure {
            return Ok(Box::new(stream));
        }
        let shaking = TlsConnector::from(Arc::clone(&self.tls)).connect(target.name.clone(), stream);
        let shaken = in_time(shaking).await.map_err(unreached)?;
        Ok(Box::new(shaken))
    }

    /// The kernel gives a connection to one of this machine's own addresses that address on both ends.
    fn refuses(&self, ip: IpAddr, local: Option<SocketAddr>) -> Option<&'static str> {
        if self.reach == Reach::OwnNetwork {
            return None;
        }
        guard::forbidden(ip, local.map(|local| local.ip().to_canonical()).as_slice())
    }

    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, FetchError> {
        let unresolved = |reason| FetchError::Unresolved { host: target.host.clone(), reason };
        match &target.name {
            ServerName::IpAddress(address) => Ok(vec![IpAddr::from(*address)]),
            _ => {
                let name = Domain::parse(&target.host).map_err(|_| unresolved(DnsFailure::NoSuchName))?;
                self.dns.addresses(&name).await.map_err(unresolved)
            }
        }
    }
}

/// What requests go over: TLS, or plain TCP.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// Whom to ask.
struct Target {
    /// As the address writes it, for errors.
    host: String,
    name: ServerName<'static>,
    port: u16,
    is_secure: bool,
}

impl Target {
    fn of(uri: &Uri) -> Option<Self> {
        let (is_secure, usual_port) = match uri.scheme_str() {
            Some("https") => (true, HTTPS_PORT),
            Some("http") => (false, HTTP_PORT),
            _ => return None,
        };
        let host = uri.host()?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).ok()?;
        Some(Self { host: bare.to_owned(), name, port: uri.port_u16().unwrap_or(usual_port), is_secure })
    }
}

async fn in_time<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn exchange(
    stream: Box<dyn Wire>,
    request: Request<Bytes>,
    target: &Target,
) -> Result<Response<Bytes>, FetchError> {
    let broken = |error| FetchError::Broken { host: target.host.clone(), error };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.into()))?;
    let mut answered = pin!(async {
        let response = sender.send_request(in_origin_form(request)).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_OCTETS).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    });
    // The connection does the work; what it has read when it ends is still to be taken.
    tokio::select! {
        answer = &mut answered => answer.map_err(broken),
        _ended = connection => answered.await.map_err(broken),
    }
}

/// What a server expects (RFC 9112 §3.2.1): the path alone, and the host in a field.
fn in_origin_form(request: Request<Bytes>) -> Request<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    if let Some(host) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        parts.headers.insert(HOST, host);
    }
    parts.uri = parts.uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
    Request::from_parts(parts, Full::new(body))
}

#[cfg(test)]
mod tests;
