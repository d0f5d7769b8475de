//! `/v1`: the native API. Who asks is settled before any route is matched; every error is a problem.

mod activity;
mod aliases;
mod destinations;
mod domains;
mod extract;
mod idempotency;
mod import;
mod live;
mod queue;
mod route;
mod tags;
mod tokens;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::admin::Actor;

use super::Site;
use super::problem::{self, Problem};

pub(super) use extract::{Ask, Caller};
pub(super) use live::{Live, follow};

/// Octets of a request's body, import apart.
pub(super) const MAX_BODY_OCTETS: usize = 256 * 1024;

/// The routes, as seen from below `/v1`.
pub(super) fn router(site: &Site) -> Router {
    Router::new()
        .merge(rules())
        .merge(mail())
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", axum::routing::delete(tokens::revoke))
        .route("/me", get(tokens::me))
        .fallback(problem::no_such_path)
        .layer(middleware::from_fn_with_state(site.clone(), idempotency::once))
        .layer(middleware::from_fn(problem::always))
        .layer(middleware::map_response(never_stored))
        .with_state(site.clone())
}

fn rules() -> Router<Site> {
    Router::new()
        .route("/domains", get(domains::list).post(domains::create))
        .route("/domains/{name}", get(domains::show).patch(domains::change).delete(domains::remove))
        .route("/domains/{name}/verify", post(domains::verify))
        .route("/aliases", get(aliases::list).post(aliases::create))
        .route("/aliases/random", post(aliases::random))
        .route("/aliases/import", post(import::import))
        .route("/aliases/{id}", get(aliases::show).patch(aliases::change).delete(aliases::remove))
        .route("/destinations", get(destinations::list).post(destinations::create))
        .route("/destinations/{id}", get(destinations::show).delete(destinations::remove))
        .route("/destinations/{id}/verify", post(destinations::verify))
        .route("/destinations/{id}/default", post(destinations::make_default))
}

fn mail() -> Router<Site> {
    Router::new()
        .route("/activity", get(activity::list))
        .route("/activity/stream", get(live::stream))
        .route("/activity/{id}", get(activity::show))
        .route("/queue", get(queue::list))
        .route("/queue/{id}/message", get(queue::message))
        .route("/queue/{id}/resend", post(queue::resend))
        .route("/queue/{id}/{action}", post(queue::act))
        .route("/route", post(route::ask))
}

/// Settles who asks, by the bearer token (RFC 6750 §2.1).
pub(super) async fn authenticate(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let Some(token) = bearer(&request) else {
        let detail = "Say who you are: send a token as Authorization: Bearer wp_….";
        return Problem::unauthorized(detail, "Bearer realm=\"waypost\"").into_response();
    };
    match site.admin.bearer(token).await {
        Ok(Some(actor)) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Ok(None) => {
            let challenge = "Bearer realm=\"waypost\", error=\"invalid_token\"";
            Problem::unauthorized("This token is unknown, expired or revoked.", challenge).into_response()
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Behind the control socket, whoever reaches it is the operator.
pub(super) async fn as_operator(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Actor::operator());
    next.run(request).await
}

fn bearer(request: &Request) -> Option<&str> {
    let text = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

async fn never_stored(mut response: Response) -> Response {
    let fields = response.headers_mut();
    fields.entry(header::CACHE_CONTROL).or_insert(axum::http::HeaderValue::from_static("no-store"));
    response
}
