//! `/v1`: the native API. Who asks is settled before any route is matched; every error is a problem.

mod activity;
mod aliases;
mod audit;
mod batch;
mod destinations;
mod doctor;
mod document;
mod domains;
mod export;
mod exports;
mod extract;
mod idempotency;
mod import;
mod live;
mod notices;
mod people;
mod queue;
mod rate;
mod route;
mod sessions;
mod settings;
mod shares;
mod sort;
mod stats;
mod tags;
mod tokens;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::{Actor, Bearer};

use super::problem::{self, Problem};
use super::{Site, shield};

pub(super) use document::{ABOUT, PARTS, text as openapi};
pub(super) use export::export;
pub(super) use exports::{CSV, Export, Pages, cell};
pub(super) use extract::{Ask, Caller};
pub(super) use live::{Live, follow};
pub(super) use queue::eml;

/// Octets of a request's body, import apart.
pub(super) const MAX_BODY_OCTETS: usize = 256 * 1024;

/// The routes, as seen from below `/v1`.
pub(super) fn router(site: &Site) -> Router {
    Router::from(routes())
        .fallback(problem::no_such_path)
        .layer(middleware::from_fn(tags::unless_known))
        .layer(middleware::from_fn_with_state(site.clone(), idempotency::once))
        .layer(middleware::from_fn_with_state(site.clone(), rate::limit))
        .layer(middleware::from_fn(problem::always))
        .layer(middleware::map_response(never_stored))
        .with_state(site.clone())
}

/// All routes, each with its description.
fn routes() -> OpenApiRouter<Site> {
    rules().merge(inboxes()).merge(mail()).merge(accounts())
}

fn rules() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        .routes(routes!(domains::list, domains::create))
        .routes(routes!(domains::show, domains::change, domains::remove))
        .routes(routes!(domains::verify))
        .routes(routes!(domains::create_many))
        .routes(routes!(domains::records))
        .routes(routes!(aliases::list, aliases::create))
        .routes(routes!(aliases::random))
        .routes(routes!(aliases::test))
        .routes(routes!(batch::batch))
        .routes(routes!(import::import))
        .routes(routes!(aliases::show, aliases::change, aliases::remove))
}

fn inboxes() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        .routes(routes!(destinations::list, destinations::create))
        .routes(routes!(destinations::show, destinations::remove))
        .routes(routes!(destinations::verify))
        .routes(routes!(destinations::resend))
        .routes(routes!(destinations::retry))
        .routes(routes!(destinations::make_default))
        .routes(routes!(destinations::replace))
}

fn mail() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        .routes(routes!(activity::list))
        .routes(routes!(live::stream))
        .routes(routes!(export::export))
        .routes(routes!(activity::show))
        .routes(routes!(queue::list))
        .routes(routes!(queue::message))
        .routes(routes!(queue::resend))
        .routes(routes!(queue::act))
        .routes(routes!(route::ask))
        .routes(routes!(stats::show))
}

fn accounts() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(people::list, people::create))
        .routes(routes!(people::change, people::remove))
        .routes(routes!(people::me, people::change_me))
        .routes(routes!(people::totp, people::no_totp))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(audit::list))
        .routes(routes!(audit::undo))
        .routes(routes!(settings::list, settings::change))
        .routes(routes!(doctor::checkup))
        .routes(routes!(notices::list))
        .routes(routes!(notices::test))
}

/// Settles who asks, by the bearer token (RFC 6750 §2.1).
pub(super) async fn authenticate(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let Some(token) = bearer(&request) else {
        let detail = "Say who you are: send a token as Authorization: Bearer wp_….";
        return Problem::unauthorized(detail, "Bearer realm=\"waypost\"").into_response();
    };
    let from = shield::client(&site.settings, &request);
    match site.admin.bearer(token).await {
        Ok(Some(Bearer { actor, unserved })) => {
            request.extensions_mut().insert(actor);
            let answer = next.run(request).await;
            if let Some(token) = unserved.filter(|_| answer.status().is_success()) {
                site.admin.was_served(token, from).await;
            }
            answer
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
