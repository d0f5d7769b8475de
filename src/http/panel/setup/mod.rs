//! `/setup/{link}`: the first run, one question a screen, from the owner's account to the journey of a first message.
//!
//! The link is used up by the account, which signs in; from then on the session leads. Which screen comes first when
//! somebody comes back is read from what is there (an account, a name, a domain, an inbox, an alias, a message), so that
//! nothing is forgotten and nothing has to be kept: one may go back, reload, restart, or do a part elsewhere.

mod account;
mod alias;
mod domain;
mod inbox;
mod server;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::Ask;
use crate::store::accounts::LinkPurpose;

use super::destinations::SURE;
use super::forms::{self, Fields, Filled};
use super::frame::{self, Frame, Words};
use super::secrets::Secrets;
use super::session::{self, Channel};
use super::sign_in::{MAX_LINK_CHARS, used_up};
use super::text;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Screen {
    Account,
    Host,
    WayOut,
    Limits,
    Domain,
    Records,
    Inbox,
    Alias,
    Test,
}

/// Where whoever is signed in goes on: their session leads in, and no link has this name.
pub(super) const GO_ON: &str = "/setup/go-on";

/// In their order: what the address calls them, the step of the rail, and its name.
const SCREENS: [(Screen, &str, usize); 9] = [
    (Screen::Account, "account", 1),
    (Screen::Host, "host", 2),
    (Screen::WayOut, "way-out", 2),
    (Screen::Limits, "limits", 2),
    (Screen::Domain, "domain", 3),
    (Screen::Records, "records", 3),
    (Screen::Inbox, "inbox", 4),
    (Screen::Alias, "alias", 5),
    (Screen::Test, "test", 5),
];
/// The steps of the rail, and the screen that each begins with.
const STEPS: [(&str, Screen); 5] = [
    ("Your account", Screen::Account),
    ("This server", Screen::Host),
    ("A domain", Screen::Domain),
    ("An inbox", Screen::Inbox),
    ("An alias, and a message", Screen::Alias),
];

impl Screen {
    fn of(word: &str) -> Option<Self> {
        SCREENS.iter().find(|(_, known, _)| *known == word).map(|(screen, ..)| *screen)
    }

    fn entry(self) -> (usize, &'static str, usize) {
        let at = SCREENS.iter().position(|(screen, ..)| *screen == self).unwrap_or(0);
        (at, SCREENS[at].1, SCREENS[at].2)
    }

    fn before(self) -> Option<Self> {
        self.entry().0.checked_sub(1).map(|at| SCREENS[at].0)
    }

    fn after(self) -> Option<Self> {
        SCREENS.get(self.entry().0 + 1).map(|(screen, ..)| *screen)
    }
}

/// A step as the rail shows it.
struct Step {
    number: usize,
    name: &'static str,
    href: Option<String>,
    here: bool,
    done: bool,
}

/// What every screen has around its question.
struct Around {
    steps: Vec<Step>,
    /// Which of the five this is.
    number: usize,
    /// Where its form goes, and which screen it is.
    action: String,
    at: &'static str,
    back: Option<String>,
    /// The next screen.
    on: String,
    done: Option<&'static str>,
    /// What is wrong and stands above, and what stands beside its field.
    wrong: Vec<String>,
    marks: Fields,
}

/// Who is being led, and by which link.
struct Led<'a> {
    site: &'a Site,
    actor: &'a Actor,
    link: &'a str,
    ask: &'a Ask,
}

/// What somebody wrote that was not taken, and why.
type Wrong<'a> = Option<(&'a Filled, &'a AdminError)>;

impl Led<'_> {
    fn place(&self, screen: Screen) -> String {
        place(self.link, screen)
    }

    fn frame(&self, title: &'static str) -> Frame {
        Frame::outside(self.site, title)
    }

    fn around(&self, screen: Screen, wrong: Wrong<'_>) -> Around {
        let (_, at, number) = screen.entry();
        let steps = STEPS.iter().enumerate().map(|(index, (name, first))| Step {
            number: index + 1,
            name,
            href: Some(self.place(*first)),
            here: index + 1 == number,
            done: index + 1 < number,
        });
        let (wrong, marks) = told(screen, wrong.map(|(_, error)| error));
        Around {
            steps: steps.collect(),
            number,
            action: format!("/setup/{}", text::in_query(self.link)),
            at,
            back: screen.before().map(|before| self.place(before)),
            on: screen.after().map_or_else(|| "/".to_owned(), |next| self.place(next)),
            done: None,
            wrong,
            marks,
        }
    }
}

/// What is wrong, above a screen and beside its fields.
fn told(screen: Screen, error: Option<&AdminError>) -> (Vec<String>, Fields) {
    forms::placed(error, |field| place_of(screen, field))
}

/// The field of a screen beside which it is said what is wrong with this one of the API.
fn place_of(screen: Screen, field: &str) -> Option<&str> {
    let has_place = match screen {
        Screen::Account => matches!(field, "email" | "password"),
        Screen::Host => matches!(field, "hostname" | "current_password"),
        Screen::WayOut => return server::place_of_relay(field),
        Screen::Limits => field.starts_with("limits."),
        Screen::Domain => return matches!(field, "name" | SURE).then_some("name"),
        Screen::Inbox => return matches!(field, "address" | SURE).then_some("address"),
        Screen::Alias => field == "local_part",
        Screen::Records | Screen::Test => false,
    };
    has_place.then_some(field)
}

fn place(link: &str, screen: Screen) -> String {
    format!("/setup/{}?at={}", text::in_query(link), screen.entry().1)
}

fn status(wrong: Wrong<'_>) -> StatusCode {
    wrong.map_or(StatusCode::OK, |(_, error)| frame::status_of(error))
}

/// What somebody wrote into a field, else what is proposed.
fn value(wrong: Wrong<'_>, key: &str, proposed: impl Into<String>) -> String {
    wrong.and_then(|(filled, _)| filled.given(key)).map_or_else(|| proposed.into(), str::to_owned)
}

fn shown(template: &impl Template, wrong: Wrong<'_>) -> Response {
    frame::page(status(wrong), template)
}

/// Who comes to `/setup/{link}`.
enum Guest {
    /// Whoever holds a link that is still good.
    New,
    /// Somebody who looks after the gateway, signed in.
    Known(Box<Actor>),
}

/// `GET /setup/{link}?at=`.
pub(super) async fn begin(State(site): State<Site>, Path(link): Path<String>, ask: Ask, request: Request) -> Response {
    let secrets = match came(&site, &request) {
        Ok(secrets) => secrets,
        Err(why) => return session::refused(why),
    };
    match guest(&site, &link, &secrets).await {
        Ok(Guest::New) => account::form(&site, &link, None),
        Ok(Guest::Known(actor)) => {
            let led = Led { site: &site, actor: &actor, link: &link, ask: &ask };
            let answer = match ask.get("at").and_then(Screen::of) {
                Some(screen) => show(&led, screen, None).await,
                None => resume(&led).await,
            };
            answer.unwrap_or_else(|error| frame::failed(&error))
        }
        // A screen is for who is signed in; the bare link says why it does no more.
        Err(_) if ask.get("at").is_some() && site.admin.is_set_up().await.unwrap_or(false) => {
            let wanted = format!("/setup/{}?at={}", text::in_query(&link), ask.get("at").unwrap_or_default());
            Redirect::to(&format!("/sign-in?to={}", text::in_query(&wanted))).into_response()
        }
        Err(refusal) => refusal,
    }
}

/// `POST /setup/{link}`: what was written on the screen that `at` names.
pub(super) async fn act(State(site): State<Site>, Path(link): Path<String>, ask: Ask, request: Request) -> Response {
    let secrets = match came(&site, &request) {
        Ok(secrets) => secrets,
        Err(why) => return session::refused(why),
    };
    let channel = Channel::of(&site.settings, &request);
    let visitor = session::visitor(&site.settings, &channel, &request);
    let guest = match guest(&site, &link, &secrets).await {
        Ok(guest) => guest,
        Err(refusal) => return refusal,
    };
    let Some(filled) = Filled::of(request).await else { return forms::unreadable() };
    let Guest::Known(actor) = guest else {
        return account::set_up(&site, (&link, &visitor, (&channel, secrets)), &filled).await;
    };
    let led = Led { site: &site, actor: &actor, link: &link, ask: &ask };
    let Some(screen) = Screen::of(filled.get("at")) else { return forms::unreadable() };
    let answer = match take(&led, screen, &filled).await {
        Ok(place) => Ok(Redirect::to(&place).into_response()),
        Err(error @ AdminError::Unwell) => Err(error),
        Err(error) => show(&led, screen, Some((&filled, &error))).await,
    };
    answer.unwrap_or_else(|error| frame::failed(&error))
}

/// The secrets of sessions that somebody brings, over a channel that is fit for them.
fn came(site: &Site, request: &Request) -> Result<Secrets, &'static str> {
    match Channel::of(&site.settings, request) {
        Channel::Open(why) => Err(why),
        channel => Ok(Secrets::of(&channel, request.headers())),
    }
}

async fn guest(site: &Site, link: &str, secrets: &Secrets) -> Result<Guest, Response> {
    let asked = async {
        let is_good = link.len() <= MAX_LINK_CHARS && site.admin.link_is_good(link, LinkPurpose::Setup).await?;
        let is_set_up = site.admin.is_set_up().await?;
        Ok((is_good && !is_set_up, is_set_up, secrets.actor(site).await?))
    };
    match asked.await {
        Ok((_, _, Some(actor))) if actor.is_admin() => Ok(Guest::Known(Box::new(actor))),
        Ok((true, ..)) => Ok(Guest::New),
        Ok((false, true, _)) => Err(has_an_owner()),
        Ok((false, false, _)) => Err(used_up()),
        Err(error) => Err(frame::failed(&error)),
    }
}

fn has_an_owner() -> Response {
    let words = "A link like this one makes the account of the owner, which is there already. Sign in as the owner: what is left of \
                 the set-up goes on from there.";
    let page = Words::new("This gateway has an owner", words);
    page.link("/sign-in?to=/setup/go-on", "Sign in").answer(StatusCode::GONE)
}

/// The first screen whose question has no answer yet.
async fn resume(led: &Led<'_>) -> Result<Response, AdminError> {
    let Some(open) = open(led).await? else {
        let words = "Each step is done. What is still to be mended, if anything, stands on the Overview.";
        let page = Words::new("This gateway is set up", words).link("/", "Go to Overview");
        return Ok(page.answer(StatusCode::OK));
    };
    Ok(Redirect::to(&led.place(open)).into_response())
}

async fn open(led: &Led<'_>) -> Result<Option<Screen>, AdminError> {
    if !led.site.admin.is_set_up().await? {
        return Ok(Some(Screen::Account));
    }
    let Some(domain) = domain::first(led).await? else {
        let is_named = !server::is_unnamed(led)?;
        return Ok(Some(if is_named { Screen::Domain } else { Screen::Host }));
    };
    let Some(inbox) = inbox::first(led).await? else {
        return Ok(Some(if domain.dns == "ok" { Screen::Inbox } else { Screen::Records }));
    };
    if !inbox.is_verified {
        return Ok(Some(Screen::Inbox));
    }
    let Some(alias) = alias::first(led, &domain.name).await? else { return Ok(Some(Screen::Alias)) };
    Ok(if alias::newest(led, &alias).await?.is_some() { None } else { Some(Screen::Test) })
}

async fn show(led: &Led<'_>, screen: Screen, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    match screen {
        Screen::Account => account::show(led).await,
        Screen::Host => server::host(led, wrong).await,
        Screen::WayOut => server::way_out(led, wrong).await,
        Screen::Limits => server::limits(led, wrong),
        Screen::Domain => domain::name(led, wrong).await,
        Screen::Records => domain::records(led).await,
        Screen::Inbox => inbox::show(led, wrong).await,
        Screen::Alias => alias::show(led, wrong).await,
        Screen::Test => alias::test(led, wrong).await,
    }
}

/// Does what a form asks for; gives the place to go on.
async fn take(led: &Led<'_>, screen: Screen, filled: &Filled) -> Result<String, AdminError> {
    match screen {
        Screen::Account | Screen::Records => Ok(led.place(screen.after().unwrap_or(Screen::Host))),
        Screen::Host => server::take_host(led, filled).await,
        Screen::WayOut => server::take_relay(led, filled).await,
        Screen::Limits => server::take_limits(led, filled).await,
        Screen::Domain => domain::take(led, filled).await,
        Screen::Inbox => inbox::take(led, filled).await,
        Screen::Alias => alias::take(led, filled).await,
        Screen::Test => alias::send(led, filled).await,
    }
}
