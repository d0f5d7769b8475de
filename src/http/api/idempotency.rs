//! `Idempotency-Key` on POST: the same request under the same key is done once and answered alike for a day, to the same
//! token while its rights are the same. What was refused changed nothing, so it is judged anew.
//!
//! Left out are `/tokens`, `/users` and `/me/totp`, whose answers hold secrets that must not be stored, and `/aliases/import`, which changes nothing
//! when repeated (its aliases exist then).

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::admin::Actor;
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::accounts::{Answer, STAND_IN};

use super::{MAX_BODY_OCTETS, extract};

/// The field's name.
pub(super) const NAME: &str = "Idempotency-Key";
/// Octets of a key.
pub(super) const MAX_KEY_OCTETS: usize = 255;
/// Octets of an answer that is kept whole: of a larger one it is kept that it was given.
const MAX_ANSWER_OCTETS: u64 = 64 << 10;
const LEFT_OUT: [&str; 4] = ["/tokens", "/users", "/me/totp", "/aliases/import"];

/// Whether a path, as seen from below `/v1`, takes no key.
pub(super) fn is_left_out(path: &str) -> bool {
    LEFT_OUT.contains(&path)
}

/// Does a request once.
pub(super) async fn once(State(site): State<Site>, request: Request, next: Next) -> Response {
    let path = request.uri().path().trim_start_matches("/v1");
    let key = request.headers().get(NAME).cloned();
    let actor = request.extensions().get::<Actor>().cloned();
    match (key, actor) {
        (Some(key), Some(actor)) if request.method() == Method::POST && !is_left_out(path) => {
            keyed(&site, (key, actor), request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn keyed(
    site: &Site,
    (key, actor): (HeaderValue, Actor),
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = key.to_str().ok().filter(|key| is_key(key)).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, format!("An Idempotency-Key has 1 to {MAX_KEY_OCTETS} ASCII characters."))
    })?;
    let key = format!("{} {key}", actor.by);
    extract::announced(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_OCTETS).await;
    let body = body.map_err(|_| extract::too_large())?;
    let hash = request_hash(&actor, &parts, &body);
    let _turn = site
        .live
        .begin(&key)
        .ok_or_else(|| Problem::new(StatusCode::CONFLICT, "A request with this Idempotency-Key is being worked on."))?;
    if let Some(given) = site.admin.given_answer(actor.account, &key).await? {
        return if given.request == hash { Ok(repeated(given)) } else { Err(reused()) };
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    kept(site, (&actor, &key, hash), response).await
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_OCTETS).contains(&text.len()) && text.bytes().all(|octet| (b' '..=b'~').contains(&octet))
}

/// What is asked for, and by which rights: an answer is for whoever could still get it.
fn request_hash(actor: &Actor, parts: &axum::http::request::Parts, body: &Bytes) -> [u8; 32] {
    let mut hash = Sha256::new();
    for right in rights(actor) {
        hash.update(right.as_bytes());
        hash.update([0]);
    }
    hash.update([0]);
    hash.update(parts.uri.path().as_bytes());
    hash.update([0]);
    hash.update(parts.uri.query().unwrap_or_default().as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

fn rights(actor: &Actor) -> impl Iterator<Item = String> {
    let scopes = actor.scopes.iter().map(|scope| format!("scope {scope}"));
    let domains = actor.domains.iter().map(|domain| format!("domain {domain}"));
    let grants = actor.grants.iter().map(|grant| format!("{} of {}", grant.role.as_str(), grant.domain.0));
    std::iter::once(actor.role.as_str().to_owned()).chain(scopes).chain(domains).chain(grants)
}

fn reused() -> Problem {
    let detail = "This Idempotency-Key was used for another request, or with other rights: draw a new key for each.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

/// Keeps the answer to what was done.
async fn kept(
    site: &Site,
    (actor, key, request): (&Actor, &str, [u8; 32]),
    response: Response,
) -> Result<Response, Problem> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let is_small = body.size_hint().upper().is_some_and(|octets| octets <= MAX_ANSWER_OCTETS);
    let unreadable = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The answer cannot be read.");
    let (text, body) = if is_small {
        let octets = to_bytes(body, usize::MAX).await.map_err(unreadable)?;
        (String::from_utf8_lossy(&octets).into_owned(), Body::from(octets))
    } else {
        (STAND_IN.to_owned(), body)
    };
    let field = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let answer = Answer {
        request,
        status: parts.status.as_u16(),
        etag: field(header::ETAG),
        location: field(header::LOCATION),
        body: text,
    };
    site.admin.keep_answer(actor.account, key, answer).await?;
    Ok(Response::from_parts(parts, body))
}

fn repeated(given: Answer) -> Response {
    let status = StatusCode::from_u16(given.status).unwrap_or(StatusCode::OK);
    let replayed = HeaderName::from_static("idempotent-replayed");
    let fields = [(header::CONTENT_TYPE, "application/json"), (replayed, "true")];
    let mut response = (status, fields, given.body).into_response();
    for (name, value) in [(header::ETAG, given.etag), (header::LOCATION, given.location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
