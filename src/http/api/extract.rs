//! What handlers take from a request, lenient in form: no content type and no body are fine where nothing is needed,
//! unknown query keys are ignored.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::admin::{Actor, AdminError, MAX_LIMIT, Paging};
use crate::http::problem::Problem;

use super::MAX_BODY_OCTETS;

/// What is said of a body that is compressed.
pub(super) const CODED: &str = "Send the body as it is: no Content-Encoding is taken.";

/// Who asks.
#[derive(Debug)]
pub(in crate::http) struct Caller(pub(in crate::http) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.get::<Actor>().cloned();
        actor.map(Self).ok_or_else(|| Problem::unauthorized("Say who you are.", "Bearer realm=\"waypost\""))
    }
}

/// The query: the last value of each key.
#[derive(Debug, Default)]
pub(in crate::http) struct Ask(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Ask {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        Ok(Self(query.map(|pairs| pairs.0.into_iter().collect()).unwrap_or_default()))
    }
}

impl Ask {
    /// A value that is not empty.
    pub(in crate::http) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same, owned.
    pub(in crate::http) fn owned(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    /// A value of which an empty one is as wrong as any other.
    pub(in crate::http) fn word(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    /// `true` or `false`.
    pub(in crate::http) fn flag(&self, key: &str) -> Result<Option<bool>, Problem> {
        match self.0.get(key).map(String::as_str) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(AdminError::field(key, "write true or false").into()),
        }
    }

    /// `limit` and `cursor`.
    pub(in crate::http) fn paging(&self) -> Result<Paging, Problem> {
        let wrong = || AdminError::field("limit", format!("write a number between 1 and {MAX_LIMIT}"));
        let within = |n: &u32| (1..=MAX_LIMIT).contains(n);
        let limit = match self.0.get("limit") {
            None if self.0.keys().any(|key| key.starts_with("limit[")) => return Err(wrong().into()),
            None => None,
            Some(text) => Some(text.parse().ok().filter(within).ok_or_else(wrong)?),
        };
        Ok(Paging { limit, cursor: self.owned("cursor") })
    }
}

/// The search of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what Ask::owned takes")]
pub(super) struct Search {
    /// Part of the name or address.
    search: Option<String>,
}

/// A JSON object; an absent or empty body is an empty object.
#[derive(Debug)]
pub(super) struct Written(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Written {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        announced(request.headers())?;
        let unfit = unfit(request.headers());
        let body = Bytes::from_request(request.map(limited), state).await;
        let body = body.map_err(|error| incomplete(&error))?;
        if body.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        if let Some(detail) = unfit {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Ok(Self(Map::new())),
            Ok(_) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The body must be a JSON object.")),
            Err(why) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("The body is not valid JSON: {why}."))),
        }
    }
}

/// Refuses a body that is announced as too large, before any of it comes (RFC 9110 §10.1.1).
pub(super) fn announced(fields: &HeaderMap) -> Result<(), Problem> {
    let length = fields.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY_OCTETS as u64) {
        return Err(too_large().with(header::CONNECTION, "close"));
    }
    Ok(())
}

pub(super) fn too_large() -> Problem {
    Problem::too_large(&format!("{} KiB", MAX_BODY_OCTETS / 1024))
}

fn incomplete(error: &BytesRejection) -> Problem {
    if let BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) = error {
        return too_large();
    }
    let detail = "The body is broken: its chunks are malformed, or it ended early. Nothing was changed.";
    Problem::new(StatusCode::BAD_REQUEST, detail).with(header::CONNECTION, "close")
}

fn limited(body: axum::body::Body) -> axum::body::Body {
    axum::body::Body::new(http_body_util::Limited::new(body, MAX_BODY_OCTETS))
}

/// Why a body is none that is read here, by what is said of it. No content type says nothing against JSON.
fn unfit(fields: &HeaderMap) -> Option<&'static str> {
    if is_coded(fields) {
        return Some(CODED);
    }
    let kind = fields.get(header::CONTENT_TYPE)?;
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = kind.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    if name != "application/json" && !(name.starts_with("application/") && name.ends_with("+json")) {
        return Some("Send the body as application/json.");
    }
    let charset = parts.find_map(|part| part.strip_prefix("charset="));
    let is_foreign = charset.is_some_and(|charset| charset.trim_matches('"') != "utf-8");
    is_foreign.then_some("Send the body in UTF-8, as JSON is exchanged (RFC 8259 §8.1).")
}

/// Whether a body is said to be compressed, or to be any other than as it is (RFC 9110 §8.4.1).
pub(super) fn is_coded(fields: &HeaderMap) -> bool {
    fields.get_all(header::CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// An id in the path that must be a UUID; anything else names nothing.
#[derive(Debug)]
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let text = path.ok().and_then(|path| path.get("id").cloned()).unwrap_or_default();
        Uuid::try_parse(&text).map(Self).map_err(|_| AdminError::missing("delivery", text).into())
    }
}
