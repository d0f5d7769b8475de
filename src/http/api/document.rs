//! The API's own description: OpenAPI 3.1, generated from the handlers and the types that they answer.
//!
//! A handler says what is its own (path, parameters, body, answer); what holds of all of them (who asks, problems, keys of
//! repetition, tags) is added here, by rules over the whole document.

use std::sync::LazyLock;

use axum::http::StatusCode;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required, Response, ResponseBuilder, Server,
};
use utoipa::{PartialSchema, ToSchema};

use crate::admin::QueueAction;
use crate::http::problem::{MEDIA_TYPE, Written};

use super::idempotency;

/// What the API is, in a few sentences.
pub(in crate::http) const ABOUT: &str = "Domains, aliases, destinations, and what became of every message. Send a token as \
    `Authorization: Bearer wp_…`. Every error is a problem (RFC 9457). Lists take `limit` and `cursor` and answer `items` \
    and `next_cursor`. Times are RFC 3339, in UTC. A POST with an `Idempotency-Key` is done once, however often it is sent.";

/// What each part of the API is for, in the order of the reference.
pub(in crate::http) const PARTS: [(&str, &str); 15] = [
    ("domains", "The domains whose mail comes here."),
    ("aliases", "The addresses that are given away."),
    ("destinations", "The real inboxes."),
    ("activity", "What became of the mail: a row for each recipient of each message and each of its destinations."),
    ("queue", "What waits, is held, or is kept."),
    ("stats", "Counts by the hour, the day and the month."),
    ("route", "The simulator."),
    ("tokens", "What programs sign in with."),
    ("me", "Who asks."),
    ("users", "The accounts."),
    ("sessions", "Who is signed in to the panel."),
    ("settings", "What the gateway runs with, and where each value comes from."),
    ("audit", "Who changed what."),
    ("doctor", "What is wrong, and what to do."),
    ("notices", "What the gateway tells its owner, by mail too."),
];

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| {
    let mut document =
        utoipa_axum::router::OpenApiRouter::with_openapi(frame()).nest("/v1", super::routes()).into_openapi();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete(path, &method, operation);
        }
    }
    document
});

/// The document as text.
pub(in crate::http) fn text() -> &'static str {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| DOCUMENT.to_pretty_json().map(|text| text + "\n").unwrap_or_default());
    &TEXT
}

/// What the document has beside its paths.
fn frame() -> OpenApi {
    let info = InfoBuilder::new().title("Waypost").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token: wp_…")).build();
    let mut schemas = vec![(Written::name().into_owned(), Written::schema())];
    Written::schemas(&mut schemas);
    // These are named by parameters alone, whose types are not gathered.
    schemas.push((QueueAction::name().into_owned(), QueueAction::schema()));
    let problems = PROBLEMS.map(|(status, words)| (name_of(status), problem(status, words)));
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(problems)
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .build();
    OpenApiBuilder::new()
        .info(info.license(Some(license)).build())
        .servers(Some([Server::new("/")]))
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", [] as [&str; 0])]))
        .build()
}

/// The problems that any part of the API may answer.
const PROBLEMS: [(StatusCode, &str); 11] = [
    (
        StatusCode::BAD_REQUEST,
        "The body is not valid JSON, a header field is malformed, or `sort` names an order that the list does not have.",
    ),
    (StatusCode::UNAUTHORIZED, "No token, or one that is unknown, expired or revoked."),
    (StatusCode::FORBIDDEN, "The token has no right to this."),
    (StatusCode::NOT_FOUND, "There is no such thing, or it is somebody else's."),
    (StatusCode::CONFLICT, "Not possible in the present state."),
    (StatusCode::PRECONDITION_FAILED, "It was changed meanwhile."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another kind than is asked for."),
    (StatusCode::UNPROCESSABLE_ENTITY, "Something in the request is wrong; `errors` names each field."),
    (StatusCode::TOO_MANY_REQUESTS, "Too many requests; Retry-After says how long to wait."),
    (StatusCode::SERVICE_UNAVAILABLE, "The database cannot be reached right now."),
];

/// `NotFound`.
fn name_of(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().replace(' ', "")
}

fn problem(status: StatusCode, words: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(Written::name()))).build();
    let response = ResponseBuilder::new().description(words).content(MEDIA_TYPE, body);
    match status {
        StatusCode::TOO_MANY_REQUESTS => response.header("Retry-After", seconds()).build(),
        _ => response.build(),
    }
}

fn seconds() -> Header {
    Header::builder().schema(Some(u32::schema())).description(Some("Seconds to wait.")).build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let PathItem { get, post, patch, put, delete, .. } = item;
    let named = [
        (HttpMethod::Get, get),
        (HttpMethod::Post, post),
        (HttpMethod::Patch, patch),
        (HttpMethod::Put, put),
        (HttpMethod::Delete, delete),
    ];
    named.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds what follows from method and path.
fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let part = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    let function = operation.operation_id.take().unwrap_or_default();
    operation.operation_id = Some(format!("{part}_{function}"));
    operation.tags = Some(vec![part.to_owned()]);
    let is_post = *method == HttpMethod::Post;
    if is_post && !idempotency::is_left_out(path.trim_start_matches("/v1")) {
        operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
    }
    describe(operation);
    for status in possible(path, method, operation) {
        let reference = RefOr::Ref(Ref::from_response_name(name_of(status)));
        operation.responses.responses.entry(status.as_str().to_owned()).or_insert(reference);
    }
}

/// Answers say what they are, and with which entity tag.
fn describe(operation: &mut Operation) {
    let is_tagged = operation.has("If-Match");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            let known = status.parse().ok().and_then(|status: StatusCode| status.canonical_reason());
            known.unwrap_or_default().clone_into(&mut response.description);
        }
        if is_tagged && status == "200" {
            let tag = Header::builder().schema(Some(String::schema())).description(Some("For If-Match.")).build();
            response.headers.insert("ETag".to_owned(), RefOr::T(tag));
        }
    }
}

/// The problems that an operation may answer.
fn possible(path: &str, method: &HttpMethod, operation: &Operation) -> Vec<StatusCode> {
    let takes_body = operation.request_body.is_some();
    let writes = *method != HttpMethod::Get;
    let asks =
        operation.parameters.iter().flatten().any(|p| matches!(p, RefOr::T(p) if p.parameter_in == ParameterIn::Query));
    let rules = [
        (StatusCode::BAD_REQUEST, takes_body || operation.has(idempotency::NAME)),
        (StatusCode::UNAUTHORIZED, true),
        (StatusCode::FORBIDDEN, true),
        (StatusCode::NOT_FOUND, path.contains('{') || asks),
        (StatusCode::CONFLICT, writes),
        (StatusCode::PRECONDITION_FAILED, operation.has("If-Match")),
        (StatusCode::PAYLOAD_TOO_LARGE, takes_body || operation.has(idempotency::NAME)),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, takes_body),
        (StatusCode::UNPROCESSABLE_ENTITY, takes_body || asks || operation.has(idempotency::NAME)),
        (StatusCode::TOO_MANY_REQUESTS, true),
        (StatusCode::SERVICE_UNAVAILABLE, true),
    ];
    rules.into_iter().filter(|(_, may)| *may).map(|(status, _)| status).collect()
}

trait Takes {
    /// Whether it has a parameter of this name.
    fn has(&self, name: &str) -> bool;
}

impl Takes for Operation {
    fn has(&self, name: &str) -> bool {
        self.parameters.iter().flatten().any(|parameter| matches!(parameter, RefOr::T(p) if p.name == name))
    }
}

fn idempotency_key() -> Parameter {
    let field = ParameterBuilder::new().name(idempotency::NAME).parameter_in(ParameterIn::Header);
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).pattern(Some("^[ -~]+$"));
    let field = field.required(Required::False).schema(Some(text.max_length(Some(idempotency::MAX_KEY_OCTETS))));
    field.description(Some("Any text, new for each request: the same request under the same key is done once.")).build()
}
