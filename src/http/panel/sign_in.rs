//! Signing in by password or by a one-time link, and out. Looking at a link uses none up: mail scanners look at links too.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::{AdminError, SignIn};
use crate::http::Site;
use crate::http::api::Ask;
use crate::store::accounts::LinkPurpose;

use super::forms::{self, Filled};
use super::frame::{self, Frame, Words};
use super::secrets::Secrets;
use super::session::{self, Channel};

/// Characters of a link; anything longer is none of ours.
pub(super) const MAX_LINK_CHARS: usize = 128;

#[derive(Template)]
#[template(path = "sign_in.html", config = "web/askama.toml")]
struct SignInPage {
    frame: Frame,
    email: String,
    to: String,
    wrong: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in_link.html", config = "web/askama.toml")]
struct LinkPage {
    frame: Frame,
    link: String,
}

/// `GET /sign-in?to=`: the form; while nobody could fill it in, how to begin.
pub(super) async fn how(State(site): State<Site>, ask: Ask, request: Request) -> Response {
    if let Channel::Open(why) = Channel::of(&site.settings, &request) {
        return session::refused(why);
    }
    match site.admin.anybody_signs_in().await {
        Ok(true) => form(&site, &Filled::from_pairs(&[("to", ask.get("to").unwrap_or_default())]), None),
        Ok(false) => {
            let words = "You begin with a link that works once. In a demo, press Enter in the terminal where it runs: it \
                         prints one. For any other gateway, make one on the machine where it runs:";
            Words::new("Set Waypost up", words).command("waypost panel-link").answer(StatusCode::OK)
        }
        Err(error) => frame::failed(&error),
    }
}

fn form(site: &Site, filled: &Filled, wrong: Option<(StatusCode, String)>) -> Response {
    let (status, wrong) = wrong.map_or((StatusCode::OK, None), |(status, words)| (status, Some(words)));
    let page = SignInPage {
        frame: Frame::outside(site, "Sign in"),
        email: filled.get("email").to_owned(),
        to: filled.get("to").to_owned(),
        wrong,
    };
    frame::page(status, &page)
}

/// `POST /sign-in`.
pub(super) async fn by_password(State(site): State<Site>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Channel::Open(why) = channel {
        return session::refused(why);
    }
    let (visitor, brought) =
        (session::visitor(&site.settings, &channel, &request), Secrets::of(&channel, request.headers()));
    let Some(filled) = Filled::of(request).await else { return forms::unreadable() };
    let written = SignIn { email: filled.get("email"), password: filled.get("password"), code: filled.get("code") };
    match site.admin.sign_in(&written, &visitor).await {
        Ok(Some(opened)) => {
            let to = Redirect::to(local(filled.get("to")));
            (session::open(&site, (&channel, brought), &opened).await, to).into_response()
        }
        Ok(None) => form(&site, &filled, Some((StatusCode::UNPROCESSABLE_ENTITY, not_right(&filled).to_owned()))),
        Err(error @ AdminError::TooMany(_)) => {
            let mut answer = form(&site, &filled, Some((StatusCode::TOO_MANY_REQUESTS, error.to_string())));
            frame::retry_later(&mut answer, "60");
            answer
        }
        Err(error) => frame::failed(&error),
    }
}

/// What may be wrong, told by what was written alone: whether the password was right is nobody's business who lacks the code.
fn not_right(filled: &Filled) -> &'static str {
    if filled.trimmed("code").is_empty() {
        return "The e-mail address or the password is not right, or your account has an authenticator and its code is \
                missing: if you use one, write its code too.";
    }
    "The e-mail address, the password or the code is not right. An authenticator shows a new \
     code every half minute, and each works once."
}

/// Where somebody wanted to go, if it is a page of ours: nothing that another host could be read from.
pub(super) fn local(to: &str) -> &str {
    let plain = to.bytes().all(|octet| (0x21..0x7f).contains(&octet) && octet != b'\\');
    if plain && to.starts_with('/') && !to.starts_with("//") { to } else { "/" }
}

/// `GET /sign-in/{link}`: one button.
pub(super) async fn offer(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    if let Channel::Open(why) = Channel::of(&site.settings, &request) {
        return session::refused(why);
    }
    if link.len() > MAX_LINK_CHARS {
        return used_up();
    }
    match site.admin.link_is_good(&link, LinkPurpose::SignIn).await {
        Ok(true) => {
            let page = LinkPage { frame: Frame::outside(&site, "Sign in"), link };
            frame::page(StatusCode::OK, &page)
        }
        Ok(false) => used_up(),
        Err(error) => frame::failed(&error),
    }
}

/// `POST /sign-in/{link}`: uses the link up.
pub(super) async fn by_link(State(site): State<Site>, Path(link): Path<String>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    if let Channel::Open(why) = channel {
        return session::refused(why);
    }
    let visitor = session::visitor(&site.settings, &channel, &request);
    match site.admin.open_session(&link, &visitor).await {
        Ok(Some(opened)) => {
            let brought = Secrets::of(&channel, request.headers());
            (session::open(&site, (&channel, brought), &opened).await, Redirect::to("/activity")).into_response()
        }
        Ok(None) => used_up(),
        Err(error) => frame::failed(&error),
    }
}

/// `POST /sign-out`.
pub(super) async fn sign_out(State(site): State<Site>, request: Request) -> Response {
    let channel = Channel::of(&site.settings, &request);
    let others = match Secrets::of(&channel, request.headers()).end(&site).await {
        Ok(others) => others,
        Err(error) => return frame::failed(&error),
    };
    let mut answer = Redirect::to("/sign-in").into_response();
    session::keep(&channel, &others, answer.headers_mut());
    answer
}

/// A write by somebody whose session has ended.
pub(super) fn ended() -> Response {
    let page = Words::new("Sign in again", "Your session has ended, and nothing was changed.");
    page.link("/sign-in", "Sign in").answer(StatusCode::UNAUTHORIZED)
}

pub(super) fn used_up() -> Response {
    let words = "This link was used already, or is older than 24 hours. In a demo, press Enter in the terminal where \
                 it runs: it prints another. For any other gateway, make a new one on the machine where it runs:";
    Words::new("This link is used up", words)
        .command("waypost panel-link")
        .link("/sign-in", "Sign in")
        .answer(StatusCode::GONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_a_page_of_ours() {
        for to in ["/aliases", "/activity?q=a%20b", "/settings/account"] {
            assert_eq!(local(to), to);
        }
        for to in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "aliases", "/ä"] {
            assert_eq!(local(to), "/", "{to:?}");
        }
    }
}
