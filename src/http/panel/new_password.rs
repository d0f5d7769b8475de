//! Pages behind one-time links that set a password: the first set-up of the owner, and whoever forgot theirs or has none
//! yet. Looking uses no link up.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::AdminError;
use crate::http::Site;
use crate::store::accounts::LinkPurpose;

use super::forms::{self, Filled};
use super::frame::{self, Frame, Words};
use super::session::{self, Channel};
use super::sign_in::{MAX_LINK_CHARS, used_up};

#[derive(Template)]
#[template(path = "new_password.html", config = "web/askama.toml")]
struct NewPasswordPage {
    frame: Frame,
    action: String,
    /// The address that is asked for too, as it was written; none where the account has one.
    email: Option<String>,
    wrong: Vec<String>,
}

/// `GET /setup/{link}`.
pub(super) async fn begin(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    match usable(&site, (&link, LinkPurpose::Setup), &Channel::of(&site.settings, &request)).await {
        Ok(()) => setup_form(&site, &link, (&Filled::default(), None)),
        Err(refusal) => refusal,
    }
}

/// `POST /setup/{link}`: address and password of the owner, who is then signed in.
pub(super) async fn set_up(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Err(refusal) = usable(&site, (&link, LinkPurpose::Setup), &channel).await {
        return refusal;
    }
    let visitor = session::visitor(&site.settings, &channel, &request);
    let Some(filled) = Filled::of(request).await else { return forms::unreadable(&site) };
    match site.admin.set_up((&link, &visitor), &filled.change(&["email", "password"])).await {
        Ok(Some(opened)) => {
            let mut answer = Redirect::to("/").into_response();
            session::open(&channel, &opened, &mut answer);
            answer
        }
        Ok(None) => used_up(&site),
        Err(error @ AdminError::Unwell) => frame::failed(&site, &error),
        Err(error) => setup_form(&site, &link, (&filled, Some(&error))),
    }
}

fn setup_form(site: &Site, link: &str, (filled, error): (&Filled, Option<&AdminError>)) -> Response {
    let email = Some(filled.get("email").to_owned());
    form(site, ("Welcome to Waypost", format!("/setup/{link}"), email), error)
}

/// `GET /reset/{link}`.
pub(super) async fn offer(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    match usable(&site, (&link, LinkPurpose::Reset), &Channel::of(&site.settings, &request)).await {
        Ok(()) => form(&site, ("Set your password", format!("/reset/{link}"), None), None),
        Err(refusal) => refusal,
    }
}

/// `POST /reset/{link}`: one signs in with it afterwards, by second factor too where there is one.
pub(super) async fn reset(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Err(refusal) = usable(&site, (&link, LinkPurpose::Reset), &channel).await {
        return refusal;
    }
    let Some(filled) = Filled::of(request).await else { return forms::unreadable(&site) };
    match site.admin.reset_password(&link, filled.get("password")).await {
        Ok(true) => {
            let page =
                Words::new("Your password is set", "It counts from now on, and every session of before has ended.");
            page.link("/sign-in", "Sign in").answer(&site, StatusCode::OK)
        }
        Ok(false) => used_up_by_somebody(&site),
        Err(error @ AdminError::Unwell) => frame::failed(&site, &error),
        Err(error) => form(&site, ("Set your password", format!("/reset/{link}"), None), Some(&error)),
    }
}

/// Whether a request came over a channel that is fit for secrets, and its link is good.
async fn usable(site: &Site, (link, purpose): (&str, LinkPurpose), channel: &Channel) -> Result<(), Response> {
    if let Channel::Open(why) = channel {
        return Err(session::refused(site, why));
    }
    let is_good = link.len() <= MAX_LINK_CHARS
        && site.admin.link_is_good(link, purpose).await.map_err(|error| frame::failed(site, &error))?;
    match (is_good, purpose) {
        (true, _) => Ok(()),
        (false, LinkPurpose::Reset) => Err(used_up_by_somebody(site)),
        (false, _) => Err(used_up(site)),
    }
}

fn used_up_by_somebody(site: &Site) -> Response {
    let words = "This link was used already, or its time is over. Ask for another one, or ask whoever looks after this gateway.";
    Words::new("This link is used up", words).link("/reset", "Ask for another link").answer(site, StatusCode::GONE)
}

fn form(
    site: &Site,
    (title, action, email): (&'static str, String, Option<String>),
    error: Option<&AdminError>,
) -> Response {
    let status = error.map_or(StatusCode::OK, forms::status_of);
    let wrong = error.map(forms::faults).unwrap_or_default();
    frame::page(status, &NewPasswordPage { frame: Frame::outside(site, title), action, email, wrong })
}
