//! `/reset`: somebody forgot their password and asks for a link. The answer is the same whether or not there is such an
//! account.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::AdminError;
use crate::http::Site;

use super::forms::{self, Filled};
use super::frame::{self, Frame, Words};
use super::session::{self, Channel};

#[derive(Template)]
#[template(path = "forgotten.html", config = "web/askama.toml")]
struct ForgottenPage {
    frame: Frame,
    wrong: Option<String>,
    /// Why nobody is sent a link.
    cannot: Option<&'static str>,
}

/// `GET /reset`.
pub(super) async fn how(State(site): State<Site>, request: Request) -> Response {
    match Channel::of(&site.settings, &request) {
        Channel::Open(why) => session::refused(why),
        _ => form(&site, (StatusCode::OK, None)),
    }
}

/// `POST /reset`.
pub(super) async fn ask(State(site): State<Site>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Channel::Open(why) = channel {
        return session::refused(why);
    }
    let visitor = session::visitor(&site.settings, &channel, &request);
    let Some(filled) = Filled::of(request).await else { return forms::unreadable() };
    match site.admin.forgotten_password(filled.get("email"), visitor.ip) {
        Ok(()) => {
            let words = "If there is an account of that address, a mail with a link is on its way there. The link works once, \
                         within an hour. No mail? Look among the spam; an account gets three such mails an hour at most. If none comes, \
                         whoever looks after this gateway makes you a link in Settings, under People; its owner is let in by \
                         waypost panel-link on the server.";
            Words::new("Look into your inbox", words).link("/sign-in", "Sign in").answer(StatusCode::OK)
        }
        Err(error) => {
            let mut answer = form(&site, (frame::status_of(&error), Some(error.to_string())));
            if matches!(error, AdminError::TooMany(_)) {
                frame::retry_later(&mut answer, "600");
            }
            answer
        }
    }
}

fn form(site: &Site, (status, wrong): (StatusCode, Option<String>)) -> Response {
    let cannot = site.admin.no_link_by_mail();
    // What is wrong is then told already.
    let wrong = wrong.filter(|_| cannot.is_none());
    frame::page(status, &ForgottenPage { frame: Frame::outside(site, "Forgotten password"), wrong, cannot })
}
