//! What every page has around it, and the pages of a few words: errors, hints, empty places.

use askama::Template;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use crate::admin::AdminError;
use crate::http::Site;

use super::by_domain::ByDomain;
use super::forms::NO_BUTTON;
use super::secrets::Secrets;
use super::{assets, session, text};

/// The frame of a page.
pub(super) struct Frame {
    /// Its title.
    pub(super) title: String,
    /// The entry of the rail it stands under.
    pub(super) here: &'static str,
    /// The filter by domain on top, where a page has one.
    pub(super) domains: Option<ByDomain>,
    /// Whether the rail is shown.
    pub(super) signed_in: bool,
    /// The server's clock.
    pub(super) now: String,
    /// Changes with every static file.
    pub(super) version: &'static str,
}

impl Frame {
    /// A page of somebody who is signed in.
    pub(super) fn inside(site: &Site, title: impl Into<String>, here: &'static str) -> Self {
        Self { title: title.into(), here, signed_in: true, ..Self::outside(site, String::new()) }
    }

    /// With the filter by domain on top.
    pub(super) fn by_domain(self, domains: Option<ByDomain>) -> Self {
        Self { domains, ..self }
    }

    /// Whether a narrow screen has its entry behind "More".
    pub(super) fn is_under_more(&self) -> bool {
        !matches!(self.here, "" | "overview" | "activity" | "aliases" | "queue")
    }

    /// A page for whoever comes: with the rail for who is signed in.
    pub(super) async fn for_anybody(site: &Site, secrets: &Secrets, (title, here): (&str, &'static str)) -> Self {
        if session::is_good(site, secrets).await { Self::inside(site, title, here) } else { Self::outside(site, title) }
    }

    /// A page without the rail.
    pub(super) fn outside(site: &Site, title: impl Into<String>) -> Self {
        let now = site.admin.clock.now().to_string();
        Self { title: title.into(), here: "", domains: None, signed_in: false, now, version: assets::version() }
    }
}

/// Renders a page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "A fault of ours stopped this page. It is in the log.").into_response()
        }
    }
}

/// A page of a few words. As an answer it has no frame yet: [`framed`] gives it the one of whoever asked.
#[derive(Clone)]
pub(super) struct Words {
    title: &'static str,
    paragraphs: Vec<String>,
    command: Option<String>,
    way_on: WayOn,
}

/// Where a page of a few words leads.
#[derive(Clone, Copy)]
enum WayOn {
    Nowhere,
    To(&'static str, &'static str),
    /// To the part of the panel that was asked for.
    Part,
}

#[derive(Template)]
#[template(path = "words.html", config = "web/askama.toml")]
struct WordsPage {
    frame: Frame,
    paragraphs: Vec<String>,
    command: Option<String>,
    link: Option<(&'static str, &'static str)>,
    /// That link leads to the handbook already.
    is_to_help: bool,
}

impl Words {
    /// A title and one paragraph.
    pub(super) fn new(title: &'static str, paragraph: impl Into<String>) -> Self {
        Self { title, paragraphs: vec![paragraph.into()], command: None, way_on: WayOn::Nowhere }
    }

    /// With another paragraph.
    pub(super) fn and(mut self, paragraph: &str) -> Self {
        self.paragraphs.push(paragraph.to_owned());
        self
    }

    /// With a command to copy.
    pub(super) fn command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }

    /// With a way on.
    pub(super) fn link(self, place: &'static str, words: &'static str) -> Self {
        Self { way_on: WayOn::To(place, words), ..self }
    }

    /// With a way to the part of the panel that was asked for.
    pub(super) fn back(self) -> Self {
        Self { way_on: WayOn::Part, ..self }
    }

    /// The page, as an answer.
    pub(super) fn answer(self, status: StatusCode) -> Response {
        (status, Extension(self)).into_response()
    }
}

/// The parts of the panel: where each begins, its entry of the rail, and the way there.
const PARTS: [(&str, &str, &str); 10] = [
    ("/aliases", "aliases", "Go to Aliases"),
    ("/domains", "domains", "Go to Domains"),
    ("/destinations", "destinations", "Go to Destinations"),
    ("/queue", "queue", "Go to Queue"),
    ("/simulator", "simulator", "Go to the simulator"),
    ("/connect", "connect", "Go to Connect"),
    ("/settings", "settings", "Go to Settings, Account"),
    ("/help", "help", "Show the handbook"),
    ("/docs/api", "help", "Show the reference"),
    ("/activity", "activity", "Go to Activity"),
];

/// Puts a page of a few words into its frame: with the rail for who is signed in.
pub(super) async fn framed(State(site): State<Site>, request: Request, next: Next) -> Response {
    let secrets = session::brought(&site, &request);
    let part = PARTS.iter().find(|(begin, ..)| request.uri().path().starts_with(begin));
    let mut answer = next.run(request).await;
    let Some(words) = answer.extensions_mut().remove::<Words>() else { return answer };
    let here = part.map_or("", |(_, here, _)| here);
    let (place, _, word) = part.unwrap_or(&PARTS[PARTS.len() - 1]);
    let Words { title, paragraphs, command, way_on } = words;
    let frame = Frame::for_anybody(&site, &secrets, (title, here)).await;
    let link = match way_on {
        WayOn::Nowhere => None,
        WayOn::To(place, words) => Some((place, words)),
        WayOn::Part => Some((*place, *word)),
    };
    let mut whole = page(
        answer.status(),
        &WordsPage { frame, paragraphs, command, is_to_help: link.is_some_and(|(to, _)| to == "/help"), link },
    );
    whole.headers_mut().extend(std::mem::take(answer.headers_mut()));
    whole
}

/// The page that was built, with the status of what was refused on it; else the page of why it could not be.
pub(super) fn answer(refused: Option<&AdminError>, built: Result<impl Template, AdminError>) -> Response {
    match built {
        Ok(template) => page(refused.map_or(StatusCode::OK, status_of), &template),
        Err(error) => failed(&error),
    }
}

/// The status of what was not done.
pub(super) const fn status_of(error: &AdminError) -> StatusCode {
    match error {
        AdminError::Forbidden(_) => StatusCode::FORBIDDEN,
        AdminError::NotFound(_) => StatusCode::NOT_FOUND,
        AdminError::Conflict(_) | AdminError::Changed => StatusCode::CONFLICT,
        AdminError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        AdminError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        AdminError::Unwell => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The page of an error that a page has no better place for.
pub(super) fn failed(error: &AdminError) -> Response {
    let title = match error {
        AdminError::Forbidden(_) => "You have no right to this",
        AdminError::NotFound(words) if words == NO_BUTTON => "Nothing was done",
        AdminError::NotFound(_) => "There is no such thing",
        AdminError::Conflict(_) | AdminError::Changed => "That is not possible",
        AdminError::Invalid(_) => "Something is wrong with this",
        AdminError::TooMany(_) => "Too many attempts",
        AdminError::Unwell => "The database cannot be reached",
    };
    let words = Words::new(title, text::said(error)).back();
    let words = match error {
        AdminError::Forbidden(_) => words.and("If you need it, ask the owner of this gateway."),
        AdminError::NotFound(why) if why != NO_BUTTON => {
            words.and("The address may be mistyped, or what it led to was removed or belongs to somebody else.")
        }
        _ => words,
    };
    let mut answer = words.answer(status_of(error));
    match error {
        AdminError::Unwell => retry_later(&mut answer, "5"),
        AdminError::TooMany(_) => retry_later(&mut answer, "60"),
        _ => {}
    }
    answer
}

/// Says how soon it may go better, in seconds.
pub(super) fn retry_later(answer: &mut Response, secs: &'static str) {
    answer.headers_mut().insert(header::RETRY_AFTER, axum::http::HeaderValue::from_static(secs));
}
