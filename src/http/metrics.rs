//! `/metrics`: the counters of the process, and what the queue has, as Prometheus reads them (text format 0.0.4). On a listener of its own
//! whoever reaches it may read; on the others it takes `admin:read` of the owner or an admin.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Site;
use super::api::{self, Caller};
use super::problem::{self, Problem};
use crate::admin::Admin;
use crate::certificates::Standing;
use crate::mail::Moment;
use crate::meter::Meter;
use crate::store::queue::InStock;

const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

/// A listener's whole router: `/metrics` and nothing else.
pub fn router(admin: Admin) -> Router {
    let open = |State(admin): State<Admin>| async move { text(&admin).await };
    Router::new().route("/metrics", get(open)).fallback(problem::no_such_path).with_state(admin)
}

/// `/metrics` among other paths.
pub(super) fn with_token(site: &Site) -> Router {
    Router::new()
        .route("/metrics", get(for_readers))
        .layer(middleware::from_fn_with_state(site.clone(), api::authenticate))
        .with_state(site.clone())
}

async fn for_readers(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    actor.must_see_all("read its counters")?;
    Ok(text(&site.admin).await)
}

async fn text(admin: &Admin) -> Response {
    let queue = match admin.in_stock().await {
        Ok(stock) => of_queue(&stock, admin.clock.now()),
        // What is known without the database is told all the same.
        Err(_) => String::new(),
    };
    let text = rendered(&admin.meter) + &queue + &certificates(&admin.certificates.standings());
    ([(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// What the queue has, and for how long.
fn of_queue(stock: &InStock, now: Moment) -> String {
    let age = stock.oldest.map_or(0, |oldest| now.since(oldest).as_secs());
    let mut text =
        head("queue_messages", "gauge", "Messages in the queue, once for each inbox, by whether they are held.");
    for (state, count) in [("waiting", stock.waiting), ("held", stock.held)] {
        text += &format!("waypost_queue_messages{{state=\"{state}\"}} {count}\n");
    }
    text += &head("queue_oldest_seconds", "gauge", "Age of the oldest message that waits; 0 where none does.");
    text + &format!("waypost_queue_oldest_seconds {age}\n")
}

/// Domain names need no escape in a label.
fn certificates(standings: &[Standing]) -> String {
    let expiry = standings.iter().filter_map(|standing| {
        let secs = standing.not_after?.millis() / 1000;
        Some(format!("waypost_certificate_not_after_seconds{{name=\"{}\"}} {secs}\n", standing.name))
    });
    let failing = standings.iter().filter_map(|standing| {
        let failing = u8::from(standing.acme.as_ref()?.failure.is_some());
        Some(format!("waypost_certificate_failing{{name=\"{}\"}} {failing}\n", standing.name))
    });
    let mut text = head("certificate_not_after_seconds", "gauge", "When what is presented ends, since 1970.");
    text.extend(expiry);
    text += &head("certificate_failing", "gauge", "Whether the last order brought nothing.");
    text.extend(failing);
    text
}

fn head(name: &str, kind: &str, help: &str) -> String {
    format!("# HELP waypost_{name} {help}\n# TYPE waypost_{name} {kind}\n")
}

fn rendered(meter: &Meter) -> String {
    let counter = "counter";
    let rows = [
        ("smtp_connections_total", counter, "SMTP connections accepted.", &meter.connections),
        ("smtp_connections_open", "gauge", "SMTP connections open now.", &meter.open_connections),
        ("smtp_connections_refused_total", counter, "Turned away: too many were open.", &meter.connections_refused),
        ("smtp_limited_total", counter, "Connections, recipients and messages beyond [limits].", &meter.limited),
        ("smtp_listed_total", counter, "Recipients refused for a DNS list.", &meter.listed),
        ("smtp_greylisted_total", counter, "Recipients asked to come again by greylisting.", &meter.greylisted),
        (
            "smtp_greetings_held_total",
            counter,
            "Greetings that clients not known yet waited for.",
            &meter.greetings_held,
        ),
        ("smtp_early_talkers_total", counter, "SMTP clients that spoke before the greeting.", &meter.early_talkers),
        ("smtp_held_back_total", counter, "Refusals held back by the tarpit.", &meter.held_back),
        ("smtp_foreign_total", counter, "SMTP clients that spoke something else.", &meter.foreign),
        ("messages_accepted_total", counter, "Messages answered 250.", &meter.accepted),
        ("messages_direct_total", counter, "Of these, delivered before the answer.", &meter.direct),
        ("messages_queued_total", counter, "Of these, answered from the queue.", &meter.queued),
        ("messages_refused_total", counter, "Messages answered 4xx or 5xx at their end.", &meter.turned_away),
        ("http_connections_refused_total", counter, "HTTP clients hung up on.", &meter.http_connections_refused),
    ];
    let row = |(name, kind, help, value): (&str, &str, &str, &crate::meter::Counter)| {
        format!("{}waypost_{name} {}\n", head(name, kind, help), value.get())
    };
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_help_and_type() {
        let meter = Meter::default();
        meter.connections.raise();
        meter.connections.raise();
        let text = rendered(&meter);
        let expected = "# HELP waypost_smtp_connections_total SMTP connections accepted.\n\
                        # TYPE waypost_smtp_connections_total counter\nwaypost_smtp_connections_total 2\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(text.lines().count() % 3, 0);
        assert!(text.ends_with("waypost_http_connections_refused_total 0\n"), "{text}");
    }
}
