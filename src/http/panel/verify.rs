//! The page behind the link of a verification mail. Looking at it uses nothing up; its button verifies; nobody has to be
//! signed in.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::Proof;
use crate::http::Site;

use super::frame::{self, Frame, Words};

/// Characters of a link; anything longer is none of ours.
const MAX_LINK_CHARS: usize = 128;

#[derive(Template)]
#[template(path = "verify.html", config = "web/askama.toml")]
struct VerifyPage {
    frame: Frame,
    address: String,
    gateway: String,
    link: String,
}

/// `GET /verify/{link}`: one button.
pub(super) async fn offer(State(site): State<Site>, Path(link): Path<String>) -> Response {
    if link.len() > MAX_LINK_CHARS {
        return told(&Proof::Unknown);
    }
    match site.admin.verification_link(&link).await {
        Ok(Proof::Good(address)) => {
            let (frame, gateway) =
                (Frame::outside(&site, "Is this inbox yours?"), site.admin.facts.instance.load().hostname.to_string());
            frame::page(StatusCode::OK, &VerifyPage { frame, address, gateway, link })
        }
        Ok(proof) => told(&proof),
        Err(error) => frame::failed(&error),
    }
}

/// `POST /verify/{link}`: uses the link up.
pub(super) async fn verify(State(site): State<Site>, Path(link): Path<String>) -> Response {
    if link.len() > MAX_LINK_CHARS {
        return told(&Proof::Unknown);
    }
    match site.admin.verify_by_link(&link).await {
        Ok(proof) => told(&proof),
        Err(error) => frame::failed(&error),
    }
}

fn told(proof: &Proof) -> Response {
    let (status, title, words) = match proof {
        Proof::Good(address) | Proof::Verified(address) => {
            let words = format!(
                "Mail to the aliases that lead to {address} is delivered there from now on. You can close this page."
            );
            (StatusCode::OK, "This inbox is verified", words)
        }
        Proof::Already(address) => (
            StatusCode::OK,
            "This inbox is verified already",
            format!("{address} gets its mail; nothing is left to do."),
        ),
        Proof::Used => (
            StatusCode::GONE,
            "This link was used already",
            "A link works once. The person who looks after the aliases can have a new mail sent.".to_owned(),
        ),
        Proof::Expired(at) => (
            StatusCode::GONE,
            "This link has expired",
            format!("It was good until {at}. The person who looks after the aliases can have a new mail sent."),
        ),
        Proof::Unknown => (
            StatusCode::NOT_FOUND,
            "This link is not known here",
            "It may be mistyped or cut short, or the inbox is no destination of this gateway any more. The person who looks \
             after the aliases can have a new mail sent."
                .to_owned(),
        ),
    };
    Words::new(title, words).answer(status)
}
