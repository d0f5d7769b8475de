//! Signing in by a one-time link, and out. Looking at a link uses none up: mail scanners look at links too.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::http::Site;

use super::frame::{self, Frame, Words};
use super::session::{self, Channel};

/// Characters of a link; anything longer is none of ours.
const MAX_LINK_CHARS: usize = 128;

#[derive(Template)]
#[template(path = "sign_in_link.html", config = "web/askama.toml")]
struct LinkPage {
    frame: Frame,
    link: String,
}

/// `GET /sign-in`: how to get a link.
pub(super) async fn how(State(site): State<Site>, request: Request) -> Response {
    if let Channel::Open(why) = Channel::of(&site.settings, &request) {
        return session::refused(&site, why);
    }
    let words = "You sign in with a link that works once. Make one on the machine where Waypost runs:";
    Words::new("Sign in to Waypost", words).command("waypost panel-link").answer(&site, StatusCode::OK)
}

/// `GET /sign-in/{link}`: one button.
pub(super) async fn offer(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    if let Channel::Open(why) = Channel::of(&site.settings, &request) {
        return session::refused(&site, why);
    }
    if link.len() > MAX_LINK_CHARS {
        return used_up(&site);
    }
    match site.admin.link_is_good(&link).await {
        Ok(true) => {
            let page = LinkPage { frame: Frame::outside(&site, "Sign in"), link };
            frame::page(StatusCode::OK, &page)
        }
        Ok(false) => used_up(&site),
        Err(error) => frame::failed(&site, &error),
    }
}

/// `POST /sign-in/{link}`: uses the link up.
pub(super) async fn sign_in(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Channel::Open(why) = channel {
        return session::refused(&site, why);
    }
    let opened = site.admin.open_session(&link).await;
    let secret = match opened {
        Ok(Some(secret)) => secret,
        Ok(None) => return used_up(&site),
        Err(error) => return frame::failed(&site, &error),
    };
    let mut answer = Redirect::to("/activity").into_response();
    if let Some(cookie) = session::cookie(&channel, secret.text()) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// `POST /sign-out`.
pub(super) async fn sign_out(State(site): State<Site>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Some(secret) = session::secret(&channel, request.headers())
        && let Err(error) = site.admin.close_session(&secret).await
    {
        return frame::failed(&site, &error);
    }
    let mut answer = Redirect::to("/sign-in").into_response();
    if let Some(cookie) = session::no_cookie(&channel) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// A write by somebody whose session has ended.
pub(super) fn ended(site: &Site) -> Response {
    let words = "Your session has ended, and nothing was changed. Make a new link on the machine where Waypost runs:";
    Words::new("Sign in again", words).command("waypost panel-link").answer(site, StatusCode::UNAUTHORIZED)
}

fn used_up(site: &Site) -> Response {
    let words =
        "This link was used already, or is older than 24 hours. Make a new one on the machine where Waypost runs:";
    Words::new("This link is used up", words).command("waypost panel-link").answer(site, StatusCode::GONE)
}
