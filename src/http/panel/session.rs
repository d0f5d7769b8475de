//! The session cookie, and over what it may travel: HTTPS (our own, or by the word of a trusted proxy), or plain HTTP on the
//! machine itself.

use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::{Actor, DEVICE_LIFETIME, Opened, SESSION_LIFETIME, Secret, Visitor};
use crate::http::shield::{self, names};
use crate::http::{Arrival, Settings, Site, Transport};

use super::frame::{self, Words};
use super::secrets::Secrets;
use super::text;

/// The cookie over HTTPS: bound to this host, its whole path, and HTTPS (RFC 6265bis §4.1.3.2).
const SECURE_COOKIE: &str = "__Host-waypost";
/// The cookie over plain HTTP on the machine itself.
const LOCAL_COOKIE: &str = "waypost";
/// What is behind a cookie's name where a browser is to be known again at its next sign-in.
const DEVICE: &str = "-device";
/// And where it holds what the next page tells; for so many seconds.
const TOLD: &str = "-told";
const TOLD_LIFETIME: u64 = 60;

/// How a request came, as far as secrets are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Channel {
    /// HTTPS.
    Secure,
    /// Plain HTTP that never left the machine.
    Local,
    /// Not fit for a sign-in; says why, and what would be.
    Open(&'static str),
}

impl Channel {
    /// Judges a request.
    pub(super) fn of(settings: &Settings, request: &Request) -> Self {
        let Some(arrival) = request.extensions().get::<Arrival>() else {
            return Self::Open("it cannot be told where this request comes from");
        };
        let fields = request.headers();
        let peer = arrival.peer.ip().to_canonical();
        if settings.trusted_proxies.contain(peer) {
            let proto = shield::text(fields, names::X_FORWARDED_PROTO).unwrap_or_default();
            return if proto.eq_ignore_ascii_case("https") { Self::Secure } else { Self::Open(PROXY_WITHOUT_HTTPS) };
        }
        if is_forwarded(fields) {
            // It may have come to that proxy over plain HTTP, whatever it came to us over.
            return Self::Open(UNKNOWN_PROXY);
        }
        if arrival.over == Transport::Tls {
            return Self::Secure;
        }
        let host_is_local = shield::host(request).is_some_and(shield::is_loopback_host);
        if peer.is_loopback() && host_is_local { Self::Local } else { Self::Open(OPEN_HTTP) }
    }
}

const PROXY_WITHOUT_HTTPS: &str =
    "the proxy in front says that you came over plain HTTP (X-Forwarded-Proto). Use its https address";
const UNKNOWN_PROXY: &str =
    "a proxy stands in front that this gateway does not know. Name its address in http.trusted_proxies";
const OPEN_HTTP: &str = "plain HTTP over a network would show your session to everybody on the way. Use https, or open a tunnel \
                         on your own machine and use http://127.0.0.1:8080 there";

fn is_forwarded(fields: &HeaderMap) -> bool {
    let proxied = [names::X_FORWARDED_PROTO, names::X_FORWARDED_FOR, names::X_FORWARDED_HOST, "forwarded"];
    proxied.iter().any(|name| fields.contains_key(*name))
}

/// The page that says why there is no sign-in this way.
pub(super) fn refused(why: &str) -> Response {
    let page = Words::new("Sign-in is not safe this way", format!("Nobody can sign in here, because {why}."));
    page.command("ssh -L 8080:127.0.0.1:8080 your-server").answer(StatusCode::FORBIDDEN)
}

/// Signs somebody in: ends the session that is replaced, and sets the cookies of the new one, and by which the browser is
/// known again.
pub(super) async fn open(site: &Site, (channel, brought): (&Channel, Secrets), opened: &Opened) -> HeaderMap {
    let others = brought.end(site).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "a session that was replaced could not be ended");
        Secrets::default()
    });
    let mut fields = HeaderMap::new();
    keep(channel, &others.behind(&opened.session), &mut fields);
    set(&mut fields, written(channel, DEVICE, (opened.device.text(), DEVICE_LIFETIME.as_secs())));
    fields
}

/// Sets the cookie by which a browser is known again.
pub(super) fn know(channel: &Channel, device: &Secret, answer: &mut Response) {
    set(answer.headers_mut(), written(channel, DEVICE, (device.text(), DEVICE_LIFETIME.as_secs())));
}

fn set(fields: &mut HeaderMap, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        fields.append(header::SET_COOKIE, cookie);
    }
}

/// Sets the cookie of these sessions, or ends it where there is none.
pub(super) fn keep(channel: &Channel, secrets: &Secrets, fields: &mut HeaderMap) {
    let text = secrets.text();
    let age = if text.is_empty() { 0 } else { SESSION_LIFETIME.as_secs() };
    set(fields, written(channel, "", (&text, age)));
}

/// Has the next page tell these words; none takes them back.
pub(super) fn tell(channel: &Channel, words: &str, answer: &mut Response) {
    let lifetime = if words.is_empty() { 0 } else { TOLD_LIFETIME };
    set(answer.headers_mut(), written(channel, TOLD, (words, lifetime)));
}

/// The words that this page is to tell.
pub(super) fn told(channel: &Channel, fields: &HeaderMap) -> Option<String> {
    carried(channel, TOLD, fields)
}

const fn name(channel: &Channel) -> Option<&'static str> {
    match channel {
        Channel::Secure => Some(SECURE_COOKIE),
        Channel::Local => Some(LOCAL_COOKIE),
        Channel::Open(_) => None,
    }
}

fn written(channel: &Channel, suffix: &str, (value, age): (&str, u64)) -> Option<HeaderValue> {
    let secure = if *channel == Channel::Secure { " Secure;" } else { "" };
    let text = format!("{}{suffix}={value}; Path=/; Max-Age={age};{secure} HttpOnly; SameSite=Lax", name(channel)?);
    HeaderValue::try_from(text).ok()
}

/// What a cookie holds that a request brings, for the channel that it came over.
pub(super) fn carried(channel: &Channel, suffix: &str, fields: &HeaderMap) -> Option<String> {
    let name = format!("{}{suffix}", name(channel)?);
    let cookies = fields.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.to_owned())
}

/// Who comes to sign in, over a channel that is fit for it.
pub(super) fn visitor(settings: &Settings, channel: &Channel, request: &Request) -> Visitor {
    Visitor {
        ip: shield::client(settings, request),
        agent: shield::text(request.headers(), "user-agent").map(str::to_owned),
        device: carried(channel, DEVICE, request.headers()),
    }
}

/// The sessions' secrets that a request brings.
pub(super) fn brought(site: &Site, request: &Request) -> Secrets {
    Secrets::of(&Channel::of(&site.settings, request), request.headers())
}

/// Whether somebody is signed in. Whoever cannot be looked up is not.
pub(super) async fn is_good(site: &Site, secrets: &Secrets) -> bool {
    matches!(secrets.actor(site).await, Ok(Some(_)))
}

/// Lets in who is signed in; shows everybody else how to be.
pub(super) async fn required(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    match brought(&site, &request).actor(&site).await {
        Ok(Some(actor)) => {
            request.extensions_mut().insert::<Actor>(actor);
            next.run(request).await
        }
        Ok(None) if *request.method() == Method::GET => {
            let wanted = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            let to = if wanted == "/" { String::new() } else { format!("?to={}", text::in_query(wanted)) };
            Redirect::to(&format!("/sign-in{to}")).into_response()
        }
        Ok(None) => super::sign_in::ended(),
        Err(error) => frame::failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body;

    use super::*;
    use crate::net::network::Network;

    fn settings() -> Settings {
        Settings {
            hostname: crate::mail::Domain::parse("mx.my.example").unwrap(),
            public_url: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: vec![Network::parse("10.0.0.1").unwrap()].into(),
            serves_https: false,
        }
    }

    fn request(arrival: Arrival, fields: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().uri("/sign-in");
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let mut request = builder.body(Body::empty()).unwrap();
        request.extensions_mut().insert(arrival);
        request
    }

    fn plain(peer: &str) -> Arrival {
        Arrival { peer: SocketAddr::new(peer.parse().unwrap(), 40000), over: Transport::Plain }
    }

    fn channel(peer: &str, fields: &[(&str, &str)]) -> Channel {
        judged(plain(peer), fields)
    }

    fn judged(arrival: Arrival, fields: &[(&str, &str)]) -> Channel {
        Channel::of(&settings(), &request(arrival, fields))
    }

    #[test]
    fn secrets_travel_over_https_or_not_at_all() {
        let local = ("host", "localhost:8080");
        assert_eq!(channel("127.0.0.1", &[local]), Channel::Local);
        assert_eq!(channel("::ffff:127.0.0.1", &[local]), Channel::Local);
        assert_eq!(channel("10.0.0.1", &[("x-forwarded-proto", "https")]), Channel::Secure);
        for (peer, fields) in [
            ("127.0.0.1", vec![("host", "panel.lan")]),
            ("127.0.0.1", vec![local, ("x-forwarded-proto", "https")]),
            ("192.0.2.1", vec![local]),
            ("192.0.2.1", vec![local, ("x-forwarded-proto", "https")]),
            ("10.0.0.1", vec![("x-forwarded-proto", "http")]),
            ("10.0.0.1", vec![]),
        ] {
            assert!(matches!(channel(peer, &fields), Channel::Open(_)), "{peer} {fields:?}");
        }
    }

    #[test]
    fn tls_that_ends_here_is_safe_unless_an_unknown_proxy_brings_it() {
        let inside = |peer: &str| Arrival { peer: SocketAddr::new(peer.parse().unwrap(), 40000), over: Transport::Tls };
        assert_eq!(judged(inside("192.0.2.1"), &[("host", "panel.my.example")]), Channel::Secure);
        assert_eq!(judged(inside("10.0.0.1"), &[("x-forwarded-proto", "https")]), Channel::Secure);
        let plain_before = [("x-forwarded-proto", "http")];
        assert!(matches!(judged(inside("10.0.0.1"), &plain_before), Channel::Open(_)));
        assert!(matches!(judged(inside("192.0.2.1"), &plain_before), Channel::Open(_)));
    }

    #[test]
    fn the_cookie_is_bound_to_its_channel() {
        let fields =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("x=1; waypost=local; __Host-waypost=s"))]);
        assert_eq!(carried(&Channel::Local, "", &fields).as_deref(), Some("local"));
        assert_eq!(carried(&Channel::Secure, "", &fields).as_deref(), Some("s"));
        assert_eq!(carried(&Channel::Open(""), "", &fields), None);
        let cookie = written(&Channel::Secure, "", ("s", 60)).unwrap();
        assert!(cookie.to_str().unwrap().contains("; Secure; HttpOnly; SameSite=Lax"));
        assert_eq!(written(&Channel::Open(""), "", ("s", 60)), None);
    }
}
