//! The native API, wherever it is: behind the control socket of a running gateway, else in this very process. Who calls
//! does not notice which.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tower::ServiceExt as _;

use super::owner;
use crate::config::Config;
use crate::gateway::{Offline, gateway_runs};

/// How long a gateway is waited for that holds the lock and has no socket yet, or no more.
const WAIT: Duration = Duration::from_secs(30);
/// How often it is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// What JSON is called.
pub(super) const JSON: &str = "application/json";
/// Octets of an answer that is held in memory: a page of 500 rows has far less.
const MAX_ANSWER_OCTETS: usize = 256 << 20;

/// The way to the API.
#[derive(Debug)]
pub(super) enum Api {
    /// To a running gateway.
    Socket(PathBuf),
    /// None runs; the data are opened here.
    Here(Box<Offline>),
    /// There are no data: those of a new gateway stand in for them, in a folder that is thrown away.
    Aside(Box<Offline>, PathBuf),
}

/// What the API answered: the very text, and what it means.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) value: Value,
}

/// The API said no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(String);

/// A request but for its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    /// The kind of answer that is wanted.
    pub(super) accept: &'a str,
    /// The kind of body that is sent.
    pub(super) content: &'a str,
}

impl Api {
    /// The socket of the gateway that holds the lock, if one does. A gateway without a socket is just starting or stopping:
    /// that is waited for.
    pub(super) async fn live(config: &Config) -> anyhow::Result<Option<Self>> {
        let socket = config.control_socket();
        let find = async {
            while gateway_runs(&config.data_dir) {
                match UnixStream::connect(&socket).await {
                    Ok(_) => return Ok(Some(Self::Socket(socket.clone()))),
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(owner::not_ours(config)),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
            Ok(None)
        };
        match tokio::time::timeout(WAIT, find).await {
            Ok(found) => found,
            Err(_) => {
                bail!("a gateway holds {} and does not answer at {}", config.data_dir.display(), socket.display())
            }
        }
    }

    /// Whether a gateway runs.
    pub(super) const fn is_live(&self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Lets go of the data.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Socket(_) => Ok(()),
            Self::Here(offline) => offline.close().await,
            Self::Aside(offline, folder) => {
                let closed = offline.close().await;
                let gone = std::fs::remove_dir_all(&folder);
                closed.and(gone.with_context(|| format!("cannot remove {}", folder.display())))
            }
        }
    }

    /// Asks.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(&Method::GET, path, None).await
    }

    /// Makes something, or has something done.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(&Method::POST, path, Some(body)).await
    }

    /// Changes something.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(&Method::PATCH, path, Some(body)).await
    }

    /// Removes something.
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(&Method::DELETE, path, None).await
    }

    async fn ask(&self, method: &Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let body = body.map_or_else(Body::empty, |value| Body::from(value.to_string()));
        let response = self.send(Call { method, path, accept: JSON, content: JSON }, body).await?;
        Answer::read(response).await
    }

    /// Sends any request; an answer that says no becomes an error.
    pub(super) async fn send(&self, call: Call<'_>, body: Body) -> anyhow::Result<Response<Body>> {
        let response = self.exchange(call, body).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await?.into()) }
    }

    /// Sends any request and hands on whatever is answered.
    pub(super) async fn exchange(&self, call: Call<'_>, body: Body) -> anyhow::Result<Response<Body>> {
        let request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, call.accept)
            .header(header::CONTENT_TYPE, call.content)
            .body(body)
            .with_context(|| format!("{:?} cannot be asked for", call.path))?;
        match self {
            Self::Socket(path) => send_over(path, request).await,
            Self::Here(offline) | Self::Aside(offline, _) => match offline.router.clone().oneshot(request).await {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            },
        }
    }
}

async fn send_over(socket: &Path, request: Request<Body>) -> anyhow::Result<Response<Body>> {
    let gone = || format!("the gateway does not answer at {}", socket.display());
    let stream = UnixStream::connect(socket).await.with_context(gone)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.with_context(gone)?;
    // It ends with the answer's body; what goes wrong shows there.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.with_context(gone)?;
    Ok(response.map(Body::new))
}

async fn refusal(response: Response<Body>) -> anyhow::Result<Refusal> {
    let status = response.status();
    let answer = Answer::read(response).await.unwrap_or_default();
    let unsaid = answer.value.is_null();
    Ok(Refusal(if unsaid { format!("the API answered {status}") } else { problem_line(&answer.value) }))
}

/// A problem (RFC 9457) on one line: its detail, and each field that is wrong.
pub(super) fn problem_line(problem: &Value) -> String {
    let word = |name: &str| problem[name].as_str().filter(|text| !text.is_empty());
    let whole = word("detail").or_else(|| word("title")).unwrap_or("the API said no").to_owned();
    let faults = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fault = |fault: &Value| {
        let (field, detail) =
            (fault["field"].as_str().unwrap_or_default(), fault["detail"].as_str().unwrap_or_default());
        if field.is_empty() { detail.to_owned() } else { format!("{field}: {detail}") }
    };
    let told: Vec<String> = faults.iter().map(fault).filter(|line| !whole.contains(line.as_str())).collect();
    let line = if told.is_empty() { whole } else { format!("{} ({})", whole.trim_end_matches('.'), told.join("; ")) };
    super::output::harmless(&line)
}

impl Answer {
    /// Reads an answer whole.
    pub(super) async fn read(response: Response<Body>) -> anyhow::Result<Self> {
        let body = http_body_util::Limited::new(response.into_body(), MAX_ANSWER_OCTETS);
        let octets = body.collect().await.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        let text = String::from_utf8(octets.into()).context("the answer is not text")?;
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).context("the answer is not JSON")?
        };
        Ok(Self { text, value })
    }

    /// The rows of a list.
    pub(super) fn items(&self) -> &[Value] {
        self.value["items"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// A piece of a path or query: all but the unreserved characters escaped (RFC 3986 §2.3).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(octet)),
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

/// A path with a query of those fields that have a value.
pub(super) fn with_query(path: &str, fields: &[(&str, Option<String>)]) -> String {
    let given = fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_deref()?))));
    let query: Vec<String> = given.collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_is_one_line() {
        let problem = json!({"title": "Bad", "detail": "Two fields are wrong.", "errors": [
            {"field": "address", "detail": "is taken"}, {"field": "quota", "detail": "must be\nmore"}]});
        let line = problem_line(&problem);
        assert_eq!(line, "Two fields are wrong (address: is taken; quota: must be\\u{a}more)");
        let told = json!({"detail": "quota: too small", "errors": [{"field": "quota", "detail": "too small"}]});
        assert_eq!(problem_line(&told), "quota: too small");
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_does_not_answer_is_named_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, &std::collections::BTreeMap::new()).unwrap().config;
        folder.path().clone_into(&mut config.data_dir);
        let lock = std::fs::File::create(config.data_dir.join("lock")).unwrap();
        lock.lock().unwrap();
        std::fs::write(config.data_dir.join("lock"), "gateway (process 4711)").unwrap();
        let error = Api::live(&config).await.unwrap_err().to_string();
        let folder = folder.path().display();
        assert_eq!(error, format!("a gateway holds {folder} and does not answer at {folder}/control.sock"));
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escaped("/^n([0-9]+)$/@a.example"), "%2F%5En%28%5B0-9%5D%2B%29%24%2F%40a.example");
        let fields = [("a", Some("x y".to_owned())), ("b", None), ("c", Some("1".to_owned()))];
        assert_eq!(with_query("/v1/x", &fields), "/v1/x?a=x%20y&c=1");
        assert_eq!(with_query("/v1/x", &[]), "/v1/x");
    }
}
