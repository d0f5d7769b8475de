//! `/settings/sessions`: where one is signed in.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::admin::shapes::SessionShape;
use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;

use super::super::frame::{self, Frame};
use super::super::text::{self, When};
use super::{Around, done, status};

/// A session as the list shows it.
struct Line {
    id: String,
    agent: String,
    ip: String,
    current: bool,
    seen: When,
}

#[derive(Template)]
#[template(path = "settings_sessions.html", config = "web/askama.toml")]
struct SessionsPage {
    frame: Frame,
    around: Around,
    rows: Vec<Line>,
}

/// `GET /settings/sessions`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, &ask, None).await
}

/// `POST /settings/sessions/{id}/end`.
pub(super) async fn end(State(site): State<Site>, Caller(actor): Caller, Path(id): Path<String>) -> Response {
    match site.admin.end_session(&actor, &id).await {
        Ok(()) => done("sessions", "ended"),
        Err(error) => show(&site, &actor, &Ask::default(), Some(error)).await,
    }
}

async fn show(site: &Site, actor: &Actor, ask: &Ask, error: Option<AdminError>) -> Response {
    let found = match site.admin.sessions(actor).await {
        Ok(found) => found.items,
        Err(error) => return frame::failed(site, &error),
    };
    let now = site.admin.clock.now();
    let page = SessionsPage {
        frame: Frame::inside(site, "Sessions", "settings"),
        around: Around::new(actor, "sessions").told(ask, &[("ended", "The session has ended.")]).with(error.as_ref()),
        rows: found.iter().map(|session| line(session, now)).collect(),
    };
    frame::page(status(error.as_ref()), &page)
}

fn line(session: &SessionShape, now: Moment) -> Line {
    let agent = session.agent.as_deref().unwrap_or("An unknown browser");
    Line {
        id: session.id.to_string(),
        agent: text::short(agent, text::LINE),
        ip: text::visible(session.ip.as_deref().unwrap_or_default()),
        current: session.current,
        seen: When::new(session.seen_at, now),
    }
}
