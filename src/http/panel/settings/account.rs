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
use super::super::qr::Qr;
use super::super::text;
use super::{Around, done, status};

#[derive(Template)]
#[template(path = "settings_account.html", config = "web/askama.toml")]
struct AccountPage {
    frame: Frame,
    around: Around,
    me: MeShape,
    email: String,
    name: String,
    /// Why no mail of the gateway arrives at that address.
    lost: Option<String>,
    /// A secret that waits for its first code.
    proposed: Option<Proposed>,
    /// Recovery codes, shown once.
    codes: Vec<String>,
}

/// A secret for an authenticator, as each of them reads it: by its camera, by a link, by hand.
struct Proposed {
    qr: Option<Qr>,
    uri: String,
    secret: String,
    /// The same for the eye.
    groups: Vec<String>,
}

impl Proposed {
    fn new(NewTotpShape { secret, uri }: NewTotpShape) -> Self {
        let groups = secret.as_bytes().chunks(GROUP).map(|group| String::from_utf8_lossy(group).into_owned());
        Self { qr: Qr::of(&uri), groups: groups.collect(), uri, secret }
    }
}

/// Characters of a group of the secret.
const GROUP: usize = 4;

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
    refused: Option<Refused>,
}

/// A form that was not taken, why, and where on the page its fields say what is wrong with them.
struct Refused {
    filled: Filled,
    error: AdminError,
    place: fn(&str) -> Option<&str>,
}

/// `GET /settings/account`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, (&ask, Extra::default())).await
}

/// `POST /settings/account`: address and name.
pub(super) async fn change(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let mut written = filled.change(&["email", "current_password"]);
    written.insert("name".to_owned(), filled.get("name").into());
    match site.admin.change_me(&actor, (&written, None)).await {
        Ok(_) => done("account", "saved"),
        Err(error) => refused(&site, &actor, Refused { filled, error, place: place_of_you }).await,
    }
}

fn place_of_you(field: &str) -> Option<&str> {
    match field {
        "email" | "name" => Some(field),
        "current_password" => Some("present"),
        _ => None,
    }
}

/// `POST /settings/account/password`.
pub(super) async fn password(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let mut written = filled.change(&["current_password"]);
    written.insert("password".to_owned(), filled.get("password").into());
    match site.admin.change_me(&actor, (&written, None)).await {
        Ok(_) => done("account", "password"),
        Err(error) => refused(&site, &actor, Refused { filled, error, place: place_of_password }).await,
    }
}

fn place_of_password(field: &str) -> Option<&str> {
    match field {
        "current_password" => Some("old"),
        "password" => Some("new"),
        _ => None,
    }
}

/// `POST /settings/account/totp`: a secret to write into the authenticator; with it, a code and
/// the present password, the recovery codes.
pub(super) async fn totp(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    if filled.get("secret").is_empty() {
        return match site.admin.propose_totp(&actor).await {
            Ok(new) => show(&site, &actor, (&Ask::default(), Extra { proposed: Some(new), ..Extra::default() })).await,
            Err(error) => refused(&site, &actor, Refused { filled, error, place: place_of_code }).await,
        };
    }
    match site.admin.enable_totp(&actor, &filled.change(&["secret", "code", "current_password"])).await {
        Ok(on) => show(&site, &actor, (&Ask::default(), Extra { codes: on.recovery_codes, ..Extra::default() })).await,
        Err(error) => {
            let again = site.admin.propose_totp_again(&actor, &filled.change(&["secret"])).await;
            let refused = Some(Refused { filled, error, place: place_of_code });
            show(&site, &actor, (&Ask::default(), Extra { proposed: again.ok(), refused, ..Extra::default() })).await
        }
    }
}

/// `POST /settings/account/totp/off`.
pub(super) async fn no_totp(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    match site.admin.disable_totp(&actor, &filled.change(&["code"])).await {
        Ok(()) => done("account", "off"),
        Err(error) => refused(&site, &actor, Refused { filled, error, place: place_of_code }).await,
    }
}

fn place_of_code(field: &str) -> Option<&str> {
    match field {
        "code" => Some(field),
        "current_password" => Some("proof"),
        _ => None,
    }
}

async fn refused(site: &Site, actor: &Actor, refused: Refused) -> Response {
    show(site, actor, (&Ask::default(), Extra { refused: Some(refused), ..Extra::default() })).await
}

async fn show(site: &Site, actor: &Actor, (ask, extra): (&Ask, Extra)) -> Response {
    let me = match site.admin.me(actor).await {
        Ok(me) => me,
        Err(error) => return frame::failed(&error),
    };
    let lost = match site.admin.lost_to(actor).await {
        Ok(lost) => lost.map(|words| text::visible(&words)),
        Err(error) => return frame::failed(&error),
    };
    let Extra { proposed, codes, refused } = extra;
    let (error, place) = refused.as_ref().map(|refused| (&refused.error, refused.place)).unzip();
    let around = Around::new(actor, "account").told(ask, &DONE);
    let written = |key: &str, is: &str| {
        let given = refused.as_ref().and_then(|refused| refused.filled.given(key));
        given.unwrap_or(is).to_owned()
    };
    let page = AccountPage {
        frame: Frame::inside(site, "Account", "settings"),
        around: around.placed(error, place.unwrap_or(place_of_you)),
        email: written("email", me.account.email.as_deref().unwrap_or_default()),
        name: written("name", &me.account.name),
        me,
        lost,
        proposed: proposed.map(Proposed::new),
        codes,
    };
    frame::page(status(error), &page)
}
