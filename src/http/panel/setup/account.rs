//! Step one: the owner's account, which uses the link up and signs in.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::super::forms::Filled;
use super::super::frame::{self, Frame};
use super::super::secrets::Secrets;
use super::super::session::{self, Channel};
use super::super::sign_in::used_up;
use super::super::text;
use super::{Around, Led, STEPS, Screen, Step, place, told};
use crate::admin::{AdminError, Visitor};
use crate::http::Site;

#[derive(Template)]
#[template(path = "setup_account.html", config = "web/askama.toml")]
struct AccountPage {
    frame: Frame,
    around: Around,
    /// Who has the account already.
    owner: Option<String>,
    email: String,
}

/// The form; nobody is signed in yet, so that no other screen can be gone to.
pub(super) fn form(site: &Site, link: &str, wrong: Option<(&Filled, &AdminError)>) -> Response {
    let steps = STEPS.iter().enumerate().map(|(index, (name, _))| Step {
        number: index + 1,
        name,
        href: None,
        here: index == 0,
        done: false,
    });
    let (above, marks) = told(Screen::Account, wrong.map(|(_, error)| error));
    let around = Around {
        steps: steps.collect(),
        number: 1,
        action: format!("/setup/{}", text::in_query(link)),
        at: "account",
        back: None,
        on: String::new(),
        done: None,
        wrong: above,
        marks,
    };
    let email = wrong.map(|(filled, _)| filled.get("email").to_owned()).unwrap_or_default();
    let status = wrong.map_or(StatusCode::OK, |(_, error)| frame::status_of(error));
    frame::page(status, &AccountPage { frame: Frame::outside(site, "Welcome to Waypost"), around, owner: None, email })
}

/// Makes the owner's account and signs in.
pub(super) async fn set_up(
    site: &Site,
    (link, visitor, came): (&str, &Visitor, (&Channel, Secrets)),
    filled: &Filled,
) -> Response {
    match site.admin.set_up((link, visitor), &filled.change(&["email", "password"])).await {
        Ok(Some(opened)) => {
            (session::open(site, came, &opened).await, Redirect::to(&place(link, Screen::Host))).into_response()
        }
        Ok(None) => used_up(),
        Err(error @ AdminError::Unwell) => frame::failed(&error),
        Err(error) => form(site, link, Some((filled, &error))),
    }
}

/// The account that there is, for who comes back.
pub(super) async fn show(led: &Led<'_>) -> Result<Response, AdminError> {
    let me = led.site.admin.me(led.actor).await?;
    let owner = me.account.email.unwrap_or_else(|| "the owner".to_owned());
    let (frame, around) = (led.frame("Your account"), led.around(Screen::Account, None));
    Ok(frame::page(
        StatusCode::OK,
        &AccountPage { frame, around, owner: Some(text::visible(&owner)), email: String::new() },
    ))
}
