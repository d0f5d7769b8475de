//! Entity tags: `ETag` on what can change, `If-Match` on changes, `If-None-Match` on readings (RFC 9110 §8.8.3, §13.1.1,
//! §13.1.2).
//!
//! Much is shown that no version counts: how mail fared, what the DNS said. So the tag of what has a version is that, and
//! behind it what tells one answer from another: a change is held to the version alone, a reading to the whole tag.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::{IntoParams, PartialSchema};

use crate::admin::Target;
use crate::http::problem::Problem;

/// Octets of the digest that tells one answer from another.
const DIGEST_OCTETS: usize = 8;
/// What stands between a version and the digest of what is shown; no version has it.
const SEAM: char = '-';

/// The condition under which a change may be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// None was given, or `*`.
    Any,
    /// One of these tags.
    Tags(Vec<String>),
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let field =
            ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header).required(Required::False);
        let field = field.description(Some("The `ETag` of what you saw: changes it only while it is still that."));
        vec![field.schema(Some(String::schema())).build()]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values: Vec<_> = parts.headers.get_all(header::IF_MATCH).iter().filter_map(|v| v.to_str().ok()).collect();
        Ok(Self::read(&values.join(",")))
    }
}

impl IfMatch {
    fn read(text: &str) -> Self {
        if text.trim().is_empty() || text.trim() == "*" {
            return Self::Any;
        }
        Self::Tags(text.split(',').map(|tag| tag.trim().to_owned()).collect())
    }

    /// Whether the thing still has the version that the client saw. A weak tag never is it (strong comparison).
    pub(super) fn check(&self, version: impl std::fmt::Display) -> Result<(), Problem> {
        let is = version.to_string();
        match self {
            Self::Any => Ok(()),
            Self::Tags(tags) if tags.iter().any(|tag| version_of(tag) == Some(&is)) => Ok(()),
            Self::Tags(_) => {
                let detail = "It was changed meanwhile. Read it again and repeat your change.";
                Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail))
            }
        }
    }

    /// What is to be changed, held to its version where a condition was given.
    pub(super) fn target<'a, V>(&self, id: &'a str, version: V) -> Target<'a, V> {
        Target { id, version: (*self != Self::Any).then_some(version) }
    }
}

fn version_of(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
    Some(tag.split_once(SEAM).map_or(tag, |(version, _)| version))
}

/// What is shown of a thing of this version, with a tag that changes with any of it (RFC 9110 §8.8.1).
pub(super) fn versioned(version: impl std::fmt::Display, shown: &impl Serialize) -> Response {
    tagged(format!("{version}{SEAM}{}", digest(shown)), Json(shown))
}

/// What changes with anything that is shown.
pub(super) fn digest(shown: &impl Serialize) -> String {
    let text = serde_json::to_vec(shown).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(text)[..DIGEST_OCTETS])
}

/// An answer with its entity tag.
pub(super) fn tagged(tag: impl std::fmt::Display, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if let Ok(value) = HeaderValue::try_from(format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// 304 to who reads what they have already; a weak tag is as good as a strong one (RFC 9110 §13.1.2).
pub(super) async fn unless_known(request: Request, next: Next) -> Response {
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let known = known.collect::<Vec<_>>().join(",");
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    let tag = response.headers().get(header::ETAG).cloned();
    match tag {
        Some(tag) if is_reading && response.status() == StatusCode::OK && names(&known, &tag) => {
            (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response()
        }
        _ => response,
    }
}

fn names(known: &str, tag: &HeaderValue) -> bool {
    let mut known = known.split(',').map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes())
}

/// 201 with the place of what was made.
pub(super) fn created(place: &str, answer: Response) -> Response {
    let mut response = answer;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(value) = HeaderValue::try_from(place) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_compare_strongly() {
        assert!(IfMatch::read("").check(3).is_ok());
        assert!(IfMatch::read("*").check(3).is_ok());
        assert!(IfMatch::read("\"2\", \"3\"").check(3).is_ok());
        assert!(IfMatch::read("W/\"3\"").check(3).is_err());
        assert!(IfMatch::read("3").check(3).is_err());
        assert!(IfMatch::read("\"4\"").check(3).is_err());
        assert!(IfMatch::read("\"3-4f\"").check(3).is_ok());
        assert!(IfMatch::read("\"4-3\"").check(3).is_err());
    }
}
