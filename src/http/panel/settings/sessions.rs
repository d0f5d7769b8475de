//! `/settings/sessions`: where one is signed in.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::admin::shapes::SessionShape;
use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::deeds::Deed;

use super::super::frame::{self, Frame};
use super::super::text::{self, When};
use super::{Around, done, status};

/// What was done, by a word of it.
const TOLD: [(&str, &str); 2] = [("ended", "The session has ended."), ("others", "All other sessions have ended.")];

/// A session as the list shows it.
struct Line {
    id: String,
    agent: String,
    /// What it calls itself, where that is more.
    full: Option<String>,
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
    has_others: bool,
}

/// `GET /settings/sessions`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, &ask, None).await
}

/// `POST /settings/sessions/{id}/end`.
pub(super) async fn end(State(site): State<Site>, Caller(actor): Caller, Path(id): Path<String>) -> Response {
    match site.admin.end_session(&actor, &id).await {
        Ok(()) => done("sessions", "ended"),
        Err(AdminError::NotFound(_)) if site.admin.just_did(&actor, Deed::SessionEnd).await => {
            done("sessions", "ended")
        }
        Err(error) => show(&site, &actor, &Ask::default(), Some(error)).await,
    }
}

/// `POST /settings/sessions/end-others`.
pub(super) async fn end_others(State(site): State<Site>, Caller(actor): Caller) -> Response {
    match site.admin.end_other_sessions(&actor).await {
        Ok(()) => done("sessions", "others"),
        Err(error) => show(&site, &actor, &Ask::default(), Some(error)).await,
    }
}

async fn show(site: &Site, actor: &Actor, ask: &Ask, error: Option<AdminError>) -> Response {
    let found = match site.admin.sessions(actor).await {
        Ok(found) => found.items,
        Err(error) => return frame::failed(&error),
    };
    let now = site.admin.clock.now();
    let page = SessionsPage {
        frame: Frame::inside(site, "Sessions", "settings"),
        around: Around::new(actor, "sessions").told(ask, &TOLD).with(error.as_ref()),
        rows: found.iter().map(|session| line(session, now)).collect(),
        has_others: found.iter().any(|session| !session.current),
    };
    frame::page(status(error.as_ref()), &page)
}

fn line(session: &SessionShape, now: Moment) -> Line {
    let agent = session.agent.as_deref();
    let named = agent.and_then(named);
    Line {
        id: session.id.to_string(),
        full: named.as_ref().and(agent).map(text::visible),
        agent: named.unwrap_or_else(|| text::short(agent.unwrap_or("An unknown browser"), text::LINE)),
        ip: text::visible(session.ip.as_deref().unwrap_or_default()),
        current: session.current,
        seen: When::new(session.seen_at, now),
    }
}

/// Browsers and systems by a word of what they call themselves; the first that is there counts, for most also call themselves
/// by the names of others.
const BROWSERS: [(&str, &str); 5] =
    [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
const SYSTEMS: [(&str, &str); 6] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Mac OS", "a Mac"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`.
fn named(agent: &str) -> Option<String> {
    let found = |all: &[(&str, &'static str)]| all.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name);
    Some(format!("{} on {}", found(&BROWSERS)?, found(&SYSTEMS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_as_people_call_it() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        let safari =
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Version/19.1 Safari/604.1";
        assert_eq!(named(chrome).as_deref(), Some("Chrome on Linux"));
        assert_eq!(named(safari).as_deref(), Some("Safari on an iPhone"));
        assert_eq!(named("curl/8.5"), None);
    }
}
