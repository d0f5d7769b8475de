//! Errors as the API tells them: `application/problem+json` (RFC 9457), with the same words once more as `message`.

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, Request};
use axum::http::{HeaderName, HeaderValue, Method, Response as HttpResponse, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::{AdminError, Fault};

/// What a problem is called.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";
/// How soon a client may come again when storage is unwell.
const RETRY_AFTER_SECS: &str = "5";
/// How soon one that tried too often.
const TOO_MANY_RETRY_AFTER_SECS: &str = "60";

/// An error on its way to a client.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<Fault>,
    extra: Option<(HeaderName, &'static str)>,
}

/// A problem as it is written.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Written<'a> {
    /// Which kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, in one sentence.
    detail: &'a str,
    /// The same words, for clients that look here.
    message: &'a str,
    /// Each field that is wrong.
    errors: &'a [Fault],
}

impl Problem {
    /// A problem of this status, in one sentence.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), extra: None }
    }

    /// With a header field.
    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.extra = Some((name, value));
        self
    }

    /// Nobody said who asks, or a token that is not good (RFC 6750 §3).
    pub(super) fn unauthorized(detail: &str, challenge: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, challenge)
    }

    /// A body over its limit.
    pub(super) fn too_large(limit: &str) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {limit}."))
    }

    /// Its status.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The body as JSON, for a stream whose status has been sent.
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.written()).unwrap_or_default()
    }

    fn written(&self) -> Written<'_> {
        let title = self.status.canonical_reason().unwrap_or("Error");
        Written {
            kind: format!("urn:waypost:problem:{}", title.to_ascii_lowercase().replace(' ', "-")),
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            message: &self.detail,
            errors: &self.errors,
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        match error {
            AdminError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, detail),
            AdminError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, detail),
            AdminError::Conflict(_) => Self::new(StatusCode::CONFLICT, detail),
            AdminError::Changed => Self::new(StatusCode::PRECONDITION_FAILED, detail),
            AdminError::Invalid(errors) => Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) },
            AdminError::TooMany(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, detail).with(header::RETRY_AFTER, TOO_MANY_RETRY_AFTER_SECS)
            }
            AdminError::Unwell => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, RETRY_AFTER_SECS)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.written())).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some((name, value)) = self.extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The answer to a path that is none.
pub(super) async fn no_such_path(request: Request) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("There is nothing at {}.", whole_path(&request)))
}

/// The path as the client wrote it: a nested router sees only what follows its own.
fn whole_path(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>().map(|OriginalUri(uri)| uri);
    original.unwrap_or(request.uri()).path().to_owned()
}

/// Makes problems of errors that the framework itself answered in plain text.
pub(super) async fn always(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = whole_path(&request);
    let response = next.run(request).await;
    if method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return allowed(&response);
    }
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    if !is_error || is_problem {
        return response;
    }
    let detail = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => format!("{method} is not possible at {path}."),
        StatusCode::NOT_FOUND => format!("There is nothing at {path}."),
        status => format!("{}.", status.canonical_reason().unwrap_or("The request failed")),
    };
    let mut problem = Problem::new(response.status(), detail).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

/// What may be done with a path (RFC 9110 §9.3.7).
fn allowed(refusal: &Response) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    if let Some(allow) = refusal.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

/// The answer when a handler panicked: logged once, told as a 500.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands a panic over whole")]
pub(super) fn of_panic(panic: Box<dyn std::any::Any + Send + 'static>) -> HttpResponse<Body> {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("unknown"), "a request failed by a fault of ours");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "A fault of ours stopped this request. It is in the log.")
        .into_response()
}
