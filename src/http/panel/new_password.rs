//! The page behind a one-time link that sets a password, for whoever forgot theirs or has none yet. Looking uses no link up.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::AdminError;
use crate::http::Site;
use crate::store::accounts::LinkPurpose;

use super::forms::{self, Filled};
use super::frame::{self, Frame, Words};
use super::session::{self, Channel};
use super::sign_in::MAX_LINK_CHARS;

#[derive(Template)]
#[template(path = "new_password.html", config = "web/askama.toml")]
struct NewPasswordPage {
    frame: Frame,
    action: String,
    wrong: Vec<String>,
}

/// `GET /reset/{link}`.
pub(super) async fn offer(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    match usable(&site, &link, &Channel::of(&site.settings, &request)).await {
        Ok(()) => form(&site, &link, None),
        Err(refusal) => refusal,
    }
}

/// `POST /reset/{link}`: one signs in with it afterwards, by second factor too where there is one, from a browser that is known.
pub(super) async fn reset(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Err(refusal) = usable(&site, &link, &channel).await {
        return refusal;
    }
    let Some(filled) = Filled::of(request).await else { return forms::unreadable() };
    match site.admin.reset_password(&link, filled.get("password")).await {
        Ok(Some(new)) => {
            let words = if new.is_first {
                "Sign in with it from now on."
            } else {
                "It counts from now on, and every earlier session has ended."
            };
            let page = Words::new("Your password is set", words).link("/sign-in", "Sign in");
            let mut answer = page.answer(StatusCode::OK);
            session::know(&channel, &new.device, &mut answer);
            answer
        }
        Ok(None) => used_up_by_somebody(),
        Err(error @ AdminError::Unwell) => frame::failed(&error),
        Err(error) => form(&site, &link, Some(&error)),
    }
}

/// Whether a request came over a channel that is fit for secrets, and its link is good.
async fn usable(site: &Site, link: &str, channel: &Channel) -> Result<(), Response> {
    if let Channel::Open(why) = channel {
        return Err(session::refused(why));
    }
    let is_good = link.len() <= MAX_LINK_CHARS
        && site.admin.link_is_good(link, LinkPurpose::Reset).await.map_err(|error| frame::failed(&error))?;
    if is_good { Ok(()) } else { Err(used_up_by_somebody()) }
}

fn used_up_by_somebody() -> Response {
    let words = "This link was used already, or its time is over. Ask for another one, or ask the person who looks after this gateway.";
    Words::new("This link is used up", words).link("/reset", "Ask for another link").answer(StatusCode::GONE)
}

fn form(site: &Site, link: &str, error: Option<&AdminError>) -> Response {
    let status = error.map_or(StatusCode::OK, frame::status_of);
    let wrong = error.map(forms::faults).unwrap_or_default();
    let frame = Frame::outside(site, "Set your password");
    frame::page(status, &NewPasswordPage { frame, action: format!("/reset/{link}"), wrong })
}
