//! `/simulator`: what would happen to a message, by the very function that decides at RCPT.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::admin::shapes::RouteShape;
use crate::admin::{Actor, AdminError, RouteQuestion, is_doubt};
use crate::http::Site;
use crate::http::api::{Ask, Caller};

use super::envelopes::Compared;
use super::forms::{self, Fields};
use super::frame::{self, Frame};
use super::step_words::{self, Step};
use super::text;

/// The fields that ask.
const FIELDS: [&str; 5] = ["to", "from", "author", "ip", "headers"];
/// What the page calls them.
const LABELS: [&str; 5] = ["To", "Envelope sender", "Author", "Client's address", "Header"];

/// The answer.
struct Told {
    look: (&'static str, &'static str),
    headline: &'static str,
    reason: String,
    reply: String,
    envelope: Compared,
    steps: Vec<Step>,
}

#[derive(Template)]
#[template(path = "simulator.html", config = "web/askama.toml")]
struct SimulatorPage {
    frame: Frame,
    to: String,
    from: String,
    author: String,
    ip: String,
    headers: String,
    /// There is no domain that it could be asked about.
    is_bare: bool,
    /// What is wrong, at its field; and above the answer that there is not, with the way there.
    marks: Fields,
    marked: Vec<(&'static str, String)>,
    told: Option<Told>,
}

/// `GET /simulator?to=&from=&author=&ip=&headers=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    let asked = |key| ask.owned(key).unwrap_or_default();
    let (error, told) = match answer(&site, &actor, &ask).await {
        Ok(told) => (None, told),
        Err(error @ AdminError::Invalid(_)) => (Some(error), None),
        Err(error) => return frame::failed(&error),
    };
    let status = error.as_ref().map_or(StatusCode::OK, frame::status_of);
    let marks = Fields::default().marked(error.as_ref(), |field| field);
    let marked = marked(error.as_ref());
    let [to, from, author, ip, headers] = FIELDS.map(asked);
    let is_bare = match site.admin.domain_names(&actor).await {
        Ok(names) => names.is_empty(),
        Err(error) => return frame::failed(&error),
    };
    let frame = Frame::inside(&site, "Simulator", "simulator");
    frame::page(status, &SimulatorPage { frame, is_bare, to, from, author, ip, headers, marks, marked, told })
}

/// What is wrong, by the name that its field has on the page, in the order of the fields.
fn marked(error: Option<&AdminError>) -> Vec<(&'static str, String)> {
    let Some(AdminError::Invalid(faults)) = error else { return Vec::new() };
    let wrong = |(key, label)| {
        let fault = faults.iter().find(|fault| fault.field == key)?;
        Some((key, forms::labelled(label, &fault.detail)))
    };
    FIELDS.into_iter().zip(LABELS).filter_map(wrong).collect()
}

async fn answer(site: &Site, actor: &Actor, ask: &Ask) -> Result<Option<Told>, AdminError> {
    if ask.owned("to").is_none() {
        return Ok(None);
    }
    let written = FIELDS.iter().filter_map(|key| Some(((*key).to_owned(), Value::from(ask.owned(key)?))));
    let question = RouteQuestion::read(&written.collect::<Map<_, _>>())?;
    Ok(Some(tell(&site.admin.route(actor, &question).await?)))
}

fn tell(route: &RouteShape) -> Told {
    let (look, headline) = match route.disposition {
        "forward" if route.trace.iter().any(is_doubt) => (("wait", "wait"), "It would be sent on, and may not arrive."),
        "forward" => (("ok", "done"), "It would be sent on."),
        "discard" => (("", "stop"), "It would be taken and thrown away, by rule."),
        "report" => (("", "stop"), "It would be taken as a report on earlier mail."),
        "hold" => (("wait", "held"), "It would be held for you."),
        "defer" => (("wait", "wait"), "It would be refused for now: the sender would try again."),
        _ => (("bad", "fail"), "It would be refused."),
    };
    Told {
        look,
        headline,
        reason: text::visible(&route.reason),
        reply: text::visible(&route.reply),
        envelope: Compared::of(&route.envelope.before, route.envelope.after.as_ref()),
        steps: step_words::told(&route.trace),
    }
}
