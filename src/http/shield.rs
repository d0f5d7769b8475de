//! What stands before every page: tidy paths, known hosts only (against rebinding), writes only from our own pages (against
//! forged requests), and the header fields that keep a page from running what is not ours.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{Arrival, Settings};

const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                   form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Hops of X-Forwarded-For that are looked at.
const MAX_HOPS: usize = 20;

/// Field names of browsers and proxies that `http` has no constants for.
pub(super) mod names {
    /// Where a request came from, by the browser's own word.
    pub(in crate::http) const SEC_FETCH_SITE: &str = "sec-fetch-site";
    /// The scheme that the client used, by a proxy's word.
    pub(in crate::http) const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
    /// The client, by a proxy's word.
    pub(in crate::http) const X_FORWARDED_FOR: &str = "x-forwarded-for";
    /// The host that the client asked for, by a proxy's word.
    pub(in crate::http) const X_FORWARDED_HOST: &str = "x-forwarded-host";
}

/// `//v1///aliases/` means `/v1/aliases`: clients join base addresses as they please.
pub(super) fn collapse_slashes(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.contains("//") && (path == "/" || !path.ends_with('/')) {
        return request;
    }
    let mut tidy: String = path.split('/').filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
    if tidy.is_empty() {
        tidy.push('/');
    }
    if let Some(query) = request.uri().query() {
        tidy.push('?');
        tidy.push_str(query);
    }
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(tidy).ok().or(parts.path_and_query);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// No answer is taken for another kind than it says.
pub(super) async fn no_sniffing(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    set(response.headers_mut(), header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

/// The fields of a page.
pub(super) async fn page_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fields = response.headers_mut();
    set(fields, header::CONTENT_SECURITY_POLICY, CSP);
    set(fields, header::REFERRER_POLICY, "no-referrer");
    set(fields, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(fields, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if !fields.contains_key(header::CACHE_CONTROL) {
        set(fields, header::CACHE_CONTROL, "no-store");
    }
    response
}

fn set(fields: &mut HeaderMap, name: HeaderName, value: &'static str) {
    fields.insert(name, HeaderValue::from_static(value));
}

/// A field as text.
pub(super) fn text<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The host that the client asked for, with its port: of the URI (HTTP/2), else the field.
pub(super) fn host(request: &Request) -> Option<&str> {
    request.uri().authority().map(axum::http::uri::Authority::as_str).or_else(|| text(request.headers(), "host"))
}

/// Whether the panel answers to this host: localhost, an address (rebinding needs a name), the gateway's own name, or a
/// name of the settings.
pub(super) fn is_known_host(settings: &Settings, host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let public = settings.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
    name == "localhost"
        || literal(&name).is_some()
        || settings.hostname.as_str() == name
        || settings.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
        || public.as_ref().and_then(Uri::host).is_some_and(|public| public.eq_ignore_ascii_case(&name))
}

/// Whether this is what the gateway is called by now: its name may be set while it runs.
pub(super) fn is_called(hostname: &crate::mail::Domain, host: &str) -> bool {
    without_port(host).eq_ignore_ascii_case(hostname.as_str())
}

/// Whether this host is the client's own machine.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost") || literal(name).is_some_and(|address| address.is_loopback())
}

fn literal(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse().ok(),
    }
}

/// The client: the peer, or before a trusted proxy the last hop that is none of ours.
pub(super) fn client(settings: &Settings, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Arrival>().map(|arrival| arrival.peer.ip().to_canonical());
    let Some(peer) = peer else { return IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    if !settings.trusted_proxies.contain(peer) {
        return peer;
    }
    let hops = request.headers().get_all(names::X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<_> = hops.flat_map(|text| text.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
    let told = hops.iter().rev().take(MAX_HOPS).map(IpAddr::to_canonical);
    // A proxy that names nobody counts as one stranger, and never as this machine.
    let nobody = if peer.is_loopback() { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { peer };
    told.into_iter().find(|hop| !settings.trusted_proxies.contain(*hop)).unwrap_or(nobody)
}

/// The host without its port.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// Whether a request may change something: only one that the browser says comes from our own pages. One that says nothing
/// is let through only without a cookie, when there is nothing to forge.
pub(super) fn may_write(request: &Request) -> bool {
    let fields = request.headers();
    if let Some(site) = text(fields, names::SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    match text(fields, "origin") {
        Some(origin) => origin.split_once("://").map(|(_, rest)| rest) == host(request),
        None => !fields.contains_key(header::COOKIE),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::mail::Domain;
    use crate::net::network::{Network, Networks};

    fn request(uri: &str, fields: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().uri(uri);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn slashes_collapse_and_the_query_stays() {
        for (from, to) in [
            ("//v1///aliases/", "/v1/aliases"),
            ("/v1/aliases?a=//", "/v1/aliases?a=//"),
            ("/v1/aliases/?limit=1", "/v1/aliases?limit=1"),
            ("/", "/"),
            ("//", "/"),
            ("/v1/aliases/%2Fx%2F@d", "/v1/aliases/%2Fx%2F@d"),
        ] {
            assert_eq!(collapse_slashes(request(from, &[])).uri(), to, "{from}");
        }
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_none_of_ours() {
        let settings = Settings {
            hostname: Domain::parse("mx.my.example").unwrap(),
            public_url: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: ["10.0.0.0/30", "127.0.0.1"].map(|text| Network::parse(text).unwrap()).to_vec().into(),
            serves_https: false,
        };
        let from = |peer: &str, hops: &str| {
            let mut request = request("/", &[("x-forwarded-for", hops)]);
            let peer = std::net::SocketAddr::new(peer.parse().unwrap(), 40000);
            request.extensions_mut().insert(Arrival { peer, over: crate::http::Transport::Plain });
            client(&settings, &request).to_string()
        };
        assert_eq!(from("10.0.0.1", "198.51.100.9, 203.0.113.7"), "203.0.113.7", "what came before is hearsay");
        assert_eq!(from("10.0.0.1", "203.0.113.7, 127.0.0.1"), "203.0.113.7");
        assert_eq!(from("192.0.2.1", "127.0.0.1"), "192.0.2.1", "nobody's word");
        assert_eq!(from("127.0.0.1", "nonsense"), "::", "a stranger, and not this machine");
    }

    #[test]
    fn only_known_hosts() {
        let settings = Settings {
            hostname: Domain::parse("mx.my.example").unwrap(),
            public_url: Some("https://mail.my.example/".into()),
            allowed_hosts: vec!["panel.lan".into()],
            trusted_proxies: Networks::default(),
            serves_https: false,
        };
        for host in [
            "localhost:8080",
            "127.0.0.1",
            "[::1]:8080",
            "192.0.2.7:80",
            "mail.my.example",
            "Panel.LAN:8080",
            "MX.my.example",
        ] {
            assert!(is_known_host(&settings, host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", ":80", "my.example"] {
            assert!(!is_known_host(&settings, host), "{host}");
        }
    }

    #[test]
    fn writes_come_from_our_own_pages() {
        let own = [("host", "localhost:8080")];
        let with = |more: &[(&'static str, &'static str)]| request("/aliases", &[&own[..], more].concat());
        assert!(may_write(&with(&[("sec-fetch-site", "same-origin"), ("cookie", "a=b")])));
        assert!(may_write(&with(&[("origin", "http://localhost:8080"), ("cookie", "a=b")])));
        assert!(may_write(&with(&[])));
        assert!(!may_write(&with(&[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8080")])));
        assert!(!may_write(&with(&[("sec-fetch-site", "same-site")])));
        assert!(!may_write(&with(&[("origin", "http://localhost:9090"), ("cookie", "a=b")])));
        assert!(!may_write(&with(&[("origin", "null")])));
        assert!(!may_write(&with(&[("cookie", "a=b")])));
    }
}
