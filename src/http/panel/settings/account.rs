//! `/settings/account`: address, name, password, second factor.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::admin::shapes::{MeShape, NewTotpShape};
use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::{Ask, Caller};

use super::super::forms::Filled;
use super::super::frame::{self, Frame};
use super::{Around, done, status};

#[derive(Template)]
#[template(path = "settings_account.html", config = "web/askama.toml")]
struct AccountPage {
    frame: Frame,
    around: Around,
    me: MeShape,
    email: String,
    /// A secret that waits for its first code.
    proposed: Option<NewTotpShape>,
    /// Recovery codes, shown once.
    codes: Vec<String>,
}

const DONE: [(&str, &str); 3] = [
    ("saved", "Your account is saved."),
    ("password", "Your new password counts. Every other session has ended."),
    ("off", "The authenticator is switched off."),
];

/// What a page shows beside the account itself.
#[derive(Default)]
struct Extra {
    proposed: Option<NewTotpShape>,
    codes: Vec<String>,
    error: Option<AdminError>,
}

/// `GET /settings/account`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, (&ask, Extra::default())).await
}

/// `POST /settings/account`: address and name.
pub(super) async fn change(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let mut written = filled.change(&["email", "current_password"]);
    written.insert("name".to_owned(), filled.get("name").into());
    match site.admin.change_me(&actor, &written).await {
        Ok(_) => done("account", "saved"),
        Err(error) => failed(&site, &actor, error).await,
    }
}

/// `POST /settings/account/password`.
pub(super) async fn password(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let mut written = filled.change(&["current_password"]);
    written.insert("password".to_owned(), filled.get("password").into());
    match site.admin.change_me(&actor, &written).await {
        Ok(_) => done("account", "password"),
        Err(error) => failed(&site, &actor, error).await,
    }
}

/// `POST /settings/account/totp`: a secret to write into the authenticator; with it and a code, the recovery codes.
pub(super) async fn totp(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let extra = if filled.get("secret").is_empty() {
        match site.admin.propose_totp(&actor).await {
            Ok(proposed) => Extra { proposed: Some(proposed), ..Extra::default() },
            Err(error) => Extra { error: Some(error), ..Extra::default() },
        }
    } else {
        match site.admin.enable_totp(&actor, &filled.change(&["secret", "code"])).await {
            Ok(on) => Extra { codes: on.recovery_codes, ..Extra::default() },
            Err(error) => again(&filled, error),
        }
    };
    show(&site, &actor, (&Ask::default(), extra)).await
}

/// The same secret once more: it stands in the authenticator already.
fn again(filled: &Filled, error: AdminError) -> Extra {
    let proposed = NewTotpShape { secret: filled.get("secret").to_owned(), uri: filled.get("uri").to_owned() };
    Extra { proposed: Some(proposed), error: Some(error), ..Extra::default() }
}

/// `POST /settings/account/totp/off`.
pub(super) async fn no_totp(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    match site.admin.disable_totp(&actor, &filled.change(&["code"])).await {
        Ok(()) => done("account", "off"),
        Err(error) => failed(&site, &actor, error).await,
    }
}

async fn failed(site: &Site, actor: &Actor, error: AdminError) -> Response {
    show(site, actor, (&Ask::default(), Extra { error: Some(error), ..Extra::default() })).await
}

async fn show(site: &Site, actor: &Actor, (ask, extra): (&Ask, Extra)) -> Response {
    let me = match site.admin.me(actor).await {
        Ok(me) => me,
        Err(error) => return frame::failed(site, &error),
    };
    let Extra { proposed, codes, error } = extra;
    let page = AccountPage {
        frame: Frame::inside(site, "Account", "settings"),
        around: Around::new(actor, "account").told(ask, &DONE).with(error.as_ref()),
        email: me.account.email.clone().unwrap_or_default(),
        me,
        proposed,
        codes,
    };
    frame::page(status(error.as_ref()), &page)
}
