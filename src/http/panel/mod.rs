//! The panel: pages rendered here, which work without script. Who is not signed in is shown how to be; a write must come
//! from our own pages; a host that is not ours gets no page (PANEL.md has the design, `web/` the templates).

mod activity;
mod alias;
mod alias_export;
mod alias_fields;
mod alias_filters;
mod alias_import;
mod alias_senders;
mod aliases;
mod assets;
mod author;
mod by_domain;
mod changed;
mod chart;
mod connect;
mod destination;
mod destinations;
mod domains;
mod elsewhere;
mod envelopes;
mod forgotten;
mod forms;
mod frame;
mod help;
mod kept;
mod look;
mod many;
mod message;
mod new_alias;
mod new_password;
mod next_step;
mod overview;
mod own_words;
mod policy_words;
mod qr;
mod queue;
mod ready;
mod reference;
mod remedy;
mod role_words;
mod rule_words;
mod secrets;
mod session;
mod settings;
mod setup;
mod sign_in;
mod simulator;
mod spark;
mod step_words;
mod story;
mod sure;
mod text;
mod toast;
mod told;
mod tried;
mod verify;
mod withheld;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::shield;
use super::slow_bodies::Lateness;
use frame::Words;

/// Octets of a form.
const MAX_FORM_OCTETS: usize = 64 * 1024;

/// The pages.
pub(super) fn router(site: &Site) -> Router {
    let inside = Router::new()
        .route("/", get(overview::page).post(overview::look_again))
        .route("/activity", get(activity::page))
        .route("/activity/stream", get(activity::stream))
        .route("/activity/export", get(activity::export))
        .route("/activity/{id}", get(message::page))
        .route("/activity/{id}/message", get(kept::download))
        .route("/activity/{id}/{action}", post(message::act))
        .route("/aliases", get(aliases::page).post(aliases::create))
        .route("/aliases/export", get(alias_export::export))
        .route("/aliases/import", get(alias_import::page).post(alias_import::act).layer(alias_import::size()))
        .route("/aliases/many", post(many::change))
        .route("/aliases/try", post(aliases::try_out))
        .route("/aliases/random", post(aliases::random))
        .route("/aliases/{id}", get(alias::page).post(alias::save))
        .route("/aliases/{id}/try", post(alias::try_out))
        .route("/aliases/{id}/switch", post(alias::switch))
        .route("/aliases/{id}/remove", post(alias::remove))
        .route("/aliases/{id}/sender", post(alias_senders::say))
        .route("/aliases/{id}/address", post(alias_senders::make))
        .route("/undo", post(toast::undo))
        .route("/destinations", get(destinations::page).post(destinations::create))
        .route("/destinations/{id}", get(destination::page))
        .route("/destinations/{id}/{action}", get(destination::ask_first).post(destination::act))
        .route("/queue", get(queue::page))
        .route("/queue/resend", post(elsewhere::send))
        .route("/queue/{action}", post(queue::act))
        .route("/simulator", get(simulator::page))
        .route("/connect", get(connect::list))
        .route("/connect/{client}", get(connect::page).post(connect::connect))
        .merge(domains::router())
        .merge(settings::router())
        .layer(middleware::from_fn_with_state(site.clone(), told::once))
        .layer(middleware::from_fn_with_state(site.clone(), session::required));
    Router::new()
        .merge(inside)
        .route("/sign-in", get(sign_in::how).post(sign_in::by_password))
        .route("/sign-in/{link}", get(sign_in::offer).post(sign_in::by_link))
        .route("/setup/{link}", get(setup::begin).post(setup::act))
        .route("/reset", get(forgotten::how).post(forgotten::ask))
        .route("/reset/{link}", get(new_password::offer).post(new_password::reset))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/verify/{link}", get(verify::offer).post(verify::verify))
        .route("/help", get(help::list))
        .route("/help/{page}", get(help::page))
        .route("/docs/api", get(reference::page))
        .route("/docs/api/{part}", get(reference::part))
        .route("/openapi.json", get(reference::document))
        .route("/static/{file}", get(assets::file))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(DefaultBodyLimit::max(MAX_FORM_OCTETS))
        .layer(middleware::from_fn(in_our_words))
        .layer(middleware::from_fn_with_state(site.clone(), guard))
        .layer(middleware::from_fn_with_state(site.clone(), frame::framed))
        .layer(middleware::from_fn(shield::page_headers))
        .with_state(site.clone())
}

/// Known hosts only; writes only from our own pages.
async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let hostname = site.admin.facts.instance.load().hostname.clone();
    let is_ours = |host: &str| shield::is_known_host(&site.settings, host) || shield::is_called(&hostname, host);
    // How pages look is no secret, and the refusal is a page too.
    let is_look = request.uri().path().starts_with("/static/");
    if !is_look && !shield::host(&request).is_some_and(is_ours) {
        let words = "This gateway does not answer to this name. If it should, add it to http.allowed_hosts, or set \
                     http.public_url.";
        return Words::new("Not a name of this gateway", words).answer(StatusCode::MISDIRECTED_REQUEST);
    }
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    if is_write && !shield::may_write(&request) {
        let words = "This request did not come from the panel's own page, so nothing was changed. Open the page and try \
                     again there.";
        return Words::new("Nothing was changed", words).answer(StatusCode::FORBIDDEN);
    }
    next.run(request).await
}

/// What the framework refuses by itself, an address or a form that cannot be read, is answered by a page like all others.
async fn in_our_words(request: Request, next: Next) -> Response {
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    let late = request.extensions().get::<Lateness>().cloned();
    let answer = next.run(request).await;
    if late.is_some_and(|late| late.is_so()) && answer.status().is_client_error() {
        let words = "What was sent did not come to its end in time. Open the page and try again there.";
        return Words::new("Nothing was changed", words).back().answer(StatusCode::REQUEST_TIMEOUT);
    }
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !answer.status().is_client_error() || !kind.starts_with("text/plain") {
        return answer;
    }
    if is_look {
        return nothing_here().await;
    }
    let words = "What was sent cannot be read: it is broken, or too large. Open the page and try again there.";
    Words::new("Nothing was changed", words).back().answer(answer.status())
}

async fn nothing_here() -> Response {
    let page = Words::new("There is no such page", "The address may be mistyped, or what it showed is gone.");
    page.back().answer(StatusCode::NOT_FOUND)
}

async fn not_that_way() -> Response {
    let page = Words::new("Nothing was changed", "This page cannot be asked for in this way.");
    page.back().answer(StatusCode::METHOD_NOT_ALLOWED)
}
