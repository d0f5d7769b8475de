//! Somebody with a browser without script: forms over real sockets, cookies that are kept, redirects that are followed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::{Method, Request};
use http_body_util::BodyExt as _;

use crate::support::World;

/// What they see.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// Where they ended, behind all redirects.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Seen {
    /// Fails unless the page says this.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.text.contains(words), "{} ({}) does not say {words:?}:\n{}", self.path, self.status, self.text);
        self
    }

    /// Fails if the page says this.
    #[track_caller]
    pub(crate) fn does_not_say(self, words: &str) -> Self {
        assert!(!self.text.contains(words), "{} says {words:?}:\n{}", self.path, self.text);
        self
    }
}

/// Somebody.
pub(crate) struct Visitor {
    at: SocketAddr,
    cookies: BTreeMap<String, String>,
}

/// Redirects that are followed.
const MAX_HOPS: usize = 5;

impl Visitor {
    /// Nobody yet.
    pub(crate) fn of(world: &World) -> Self {
        Self { at: world.gateway.listening.http[0], cookies: BTreeMap::new() }
    }

    /// The same person, at a gateway that was started again.
    pub(crate) fn visit(&mut self, world: &World) {
        self.at = world.gateway.listening.http[0];
    }

    pub(crate) async fn get(&mut self, path: &str) -> Seen {
        self.go(Method::GET, path, &[]).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Seen {
        self.go(Method::POST, path, form).await
    }

    async fn go(&mut self, method: Method, path: &str, form: &[(&str, &str)]) -> Seen {
        let (mut method, mut path, mut body) = (method, path.to_owned(), written(form));
        for _ in 0..MAX_HOPS {
            let (status, location, text) = self.ask(&method, &path, &body).await;
            match location {
                None => return Seen { status, path, text },
                Some(place) => (method, path, body) = (Method::GET, place, String::new()),
            }
        }
        panic!("{path} leads round in circles");
    }

    async fn ask(&mut self, method: &Method, path: &str, body: &str) -> (u16, Option<String>, String) {
        let stream = tokio::net::TcpStream::connect(self.at).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path.split('#').next().unwrap())
            .header("host", "localhost")
            .header("sec-fetch-site", "same-origin")
            .header(
                "cookie",
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "),
            )
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let field = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.cookies.retain(|_, value| !value.is_empty());
        let (status, location) = (answer.status().as_u16(), field("location"));
        let octets = answer.into_body().collect().await.unwrap().to_bytes();
        (status, location, String::from_utf8(octets.to_vec()).unwrap())
    }
}

fn written(form: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        let octets = text.bytes().map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(octet).to_string(),
            other => format!("%{other:02X}"),
        });
        octets.collect()
    };
    form.iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value))).collect::<Vec<_>>().join("&")
}
