//! The listener that sends browsers on to HTTPS. Pages only: a request of the API has shown its token to everybody on the
//! way already, and must fail loudly, not be made to work.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect as SendOn, Response};

use super::problem::Problem;
use super::{Settings, shield};

/// Whose paths begin so is no browser.
const APIS: [&str; 3] = ["v1", "api", "client"];
/// The port that an `https` address leaves out.
const HTTPS_PORT: u16 = 443;

/// Where to.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// Which names are ours, and the panel's URL.
    pub settings: Settings,
    /// Where HTTPS listens.
    pub https_port: u16,
}

/// A listener's whole router.
pub fn router(redirect: Redirect) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(redirect))
}

async fn answer(State(redirect): State<Arc<Redirect>>, request: Request) -> Response {
    let request = shield::collapse_slashes(request);
    let Some(base) = redirect.base(&request) else {
        let words = "This gateway does not answer to this name. If it should, add it to http.allowed_hosts.\n";
        return (StatusCode::MISDIRECTED_REQUEST, words).into_response();
    };
    let uri = request.uri();
    if uri.path().split('/').nth(1).is_some_and(|first| APIS.contains(&first)) {
        return of_the_api(&request, &base).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let words = format!("Nothing was changed. Forms are sent over HTTPS only: {base}\n");
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], words).into_response();
    }
    let rest = uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    // Not for ever: who gives up HTTPS some day wants to be reached again.
    ([(header::CACHE_CONTROL, "no-store")], SendOn::temporary(&format!("{base}{rest}"))).into_response()
}

fn of_the_api(request: &Request, base: &str) -> Problem {
    let where_to = format!("Plain HTTP takes no API requests; ask at {base}{}.", request.uri().path());
    let secrets = [header::AUTHORIZATION.as_str(), "authentication"];
    let shown = secrets.iter().any(|name| request.headers().contains_key(*name));
    let warning = " The token that came along was readable for everybody on the way: revoke it and make another.";
    Problem::new(StatusCode::FORBIDDEN, where_to + if shown { warning } else { "" })
}

impl Redirect {
    /// Scheme, host and port: of the panel's URL, else by the name that was asked for, if it is ours.
    fn base(&self, request: &Request) -> Option<String> {
        let host = shield::host(request).filter(|host| shield::is_known_host(&self.settings, host))?;
        let public = self.settings.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
        if let Some(authority) =
            public.filter(|url| url.scheme_str() == Some("https")).and_then(|url| url.into_parts().authority)
        {
            return Some(format!("https://{authority}"));
        }
        let name = shield::without_port(host);
        let port = if self.https_port == HTTPS_PORT { String::new() } else { format!(":{}", self.https_port) };
        Some(format!("https://{name}{port}"))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;

    use super::*;
    use crate::mail::Domain;
    use crate::net::network::Networks;

    async fn asked(
        public_url: Option<&str>,
        (method, uri): (&str, &str),
        fields: &[(&str, &str)],
    ) -> (u16, String, String) {
        let settings = Settings {
            hostname: Domain::parse("mx.my.example").unwrap(),
            public_url: public_url.map(str::to_owned),
            allowed_hosts: vec!["panel.lan".to_owned()],
            trusted_proxies: Networks::default(),
            serves_https: false,
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let router = router(Redirect { settings, https_port: 8443 });
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let field = |name: header::HeaderName| {
            answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (status, location, kind) = (answer.status().as_u16(), field(header::LOCATION), field(header::CONTENT_TYPE));
        let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, location, format!("{kind}: {}", String::from_utf8_lossy(&body)))
    }

    const OURS: (&str, &str) = ("host", "mx.my.example:80");

    #[tokio::test]
    async fn pages_are_sent_on_to_where_they_are_safe() {
        let (status, location, _) = asked(None, ("GET", "/aliases?page=2"), &[OURS]).await;
        assert_eq!((status, location.as_str()), (307, "https://mx.my.example:8443/aliases?page=2"));
        let public = Some("https://panel.my.example");
        let (status, location, _) = asked(public, ("HEAD", "/sign-in/link"), &[OURS]).await;
        assert_eq!((status, location.as_str()), (307, "https://panel.my.example/sign-in/link"));
        // What looks like another host in the path stays within ours.
        let (_, location, _) = asked(public, ("GET", "//evil.example/x"), &[OURS]).await;
        assert_eq!(location, "https://panel.my.example/evil.example/x");
    }

    #[tokio::test]
    async fn the_apis_are_refused_in_words_and_never_sent_on() {
        for path in ["/v1/aliases", "//v1/aliases", "/api/v1/aliases", "/client/v4/zones", "/v1"] {
            for method in ["GET", "POST"] {
                let token = ("authorization", "Bearer wp_secret");
                let (status, location, body) = asked(None, (method, path), &[OURS, token]).await;
                assert_eq!((status, location.as_str()), (403, ""), "{method} {path}");
                assert!(body.starts_with("application/problem+json: ") && body.contains("revoke it"), "{body}");
            }
        }
        assert!(!asked(None, ("GET", "/v1/aliases"), &[OURS]).await.2.contains("revoke"));
    }

    #[tokio::test]
    async fn forms_and_foreign_names_go_nowhere() {
        let (status, location, body) = asked(None, ("POST", "/aliases"), &[OURS]).await;
        assert_eq!((status, location.as_str()), (405, ""));
        assert!(body.contains("Nothing was changed"), "{body}");
        for fields in [&[("host", "evil.example")][..], &[]] {
            let (status, location, _) = asked(None, ("GET", "/"), fields).await;
            assert_eq!((status, location.as_str()), (421, ""));
        }
    }
}
