//! Step four: the first inbox, which is asked by mail, or vouched for by whoever looks after the gateway.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::super::destination::Said;
use super::super::destinations;
use super::super::forms::Filled;
use super::super::frame::Frame;
use super::super::look::{self, Look};
use super::super::text::{self, When};
use super::{Around, Led, Screen, Wrong, shown, value};
use crate::admin::shapes::DestinationShape;
use crate::admin::{AdminError, Paging, Target, TryNow};
use crate::policy::checkup::WayOut;

/// Inboxes among which the one that is spoken of is looked for.
const KNOWN: u32 = 50;

/// An inbox, and how its verification fares.
pub(super) struct Inbox {
    pub(super) address: String,
    pub(super) is_verified: bool,
    asked: Option<Asked>,
}

impl Inbox {
    /// Whether a mail that asks it is on its way.
    fn waits(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.waits)
    }

    /// The same, or was.
    fn was_sent(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.at.is_some())
    }
}

/// An inbox beside the one that is spoken of.
struct Other {
    address: String,
    in_query: String,
    is_verified: bool,
}

/// The mail that asks it.
struct Asked {
    look: Look,
    waits: bool,
    at: Option<When>,
    reply: Said,
    href: Option<String>,
}

#[derive(Template)]
#[template(path = "setup_inbox.html", config = "web/askama.toml")]
struct InboxPage {
    frame: Frame,
    around: Around,
    inbox: Option<Inbox>,
    /// Those that are not spoken of.
    others: Vec<Other>,
    address: String,
    /// Whoever is sure of it adds it all the same.
    is_doubted: bool,
    /// Nobody has tried yet whether mail can leave, or it could not.
    way_out: Option<String>,
    way_out_href: String,
    again: Option<String>,
    look_again: String,
    /// This panel has an address that a mail could lead to.
    can_ask: bool,
}

/// The inbox that is spoken of: the one that the address names, else the default, else the first.
pub(super) async fn first(led: &Led<'_>) -> Result<Option<Inbox>, AdminError> {
    Ok(spoken_of(led, &all(led).await?))
}

async fn all(led: &Led<'_>) -> Result<Vec<DestinationShape>, AdminError> {
    let paging = Paging { limit: Some(KNOWN), cursor: None };
    led.site.admin.own_destinations(led.actor, &paging).await
}

fn spoken_of(led: &Led<'_>, all: &[DestinationShape]) -> Option<Inbox> {
    let named = led.ask.get("inbox").and_then(|name| all.iter().find(|inbox| inbox.address == name));
    let whole = |inbox: &&DestinationShape| !inbox.address.starts_with('@');
    let chosen = named.or_else(|| all.iter().find(|inbox| inbox.default)).or_else(|| all.iter().find(whole));
    chosen.map(|inbox| Inbox {
        address: inbox.address.clone(),
        is_verified: is_verified(inbox, all),
        asked: asked(led, inbox),
    })
}

/// By itself, or with all of its domain.
fn is_verified(inbox: &DestinationShape, all: &[DestinationShape]) -> bool {
    let domain = inbox.address.rsplit_once('@').map_or("", |(_, domain)| domain);
    let trusts = |other: &DestinationShape| other.address.strip_prefix('@') == Some(domain);
    inbox.verified_at.is_some() || all.iter().any(|other| other.verified_at.is_some() && trusts(other))
}

fn others(inbox: Option<&Inbox>, all: &[DestinationShape]) -> Vec<Other> {
    let is_other = |one: &&DestinationShape| inbox.is_none_or(|inbox| inbox.address != one.address);
    let other = |one: &DestinationShape| Other {
        address: one.address.clone(),
        in_query: text::in_query(&one.address),
        is_verified: is_verified(one, all),
    };
    all.iter().filter(is_other).map(other).collect()
}

fn asked(led: &Led<'_>, inbox: &DestinationShape) -> Option<Asked> {
    let now = led.site.admin.clock.now();
    let verification = inbox.verification.as_ref()?;
    Some(Asked {
        look: look::of_word(&verification.status),
        waits: matches!(verification.status.as_str(), "queued" | "deferred"),
        at: verification.sent_at.map(|at| When::new(at, now)),
        reply: Said::new(&verification.reply),
        href: verification.activity_id.map(|id| format!("/activity/{id}")),
    })
}

pub(super) async fn show(led: &Led<'_>, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    let all = all(led).await?;
    let inbox = spoken_of(led, &all);
    let place = led.place(Screen::Inbox);
    let waits = inbox.as_ref().is_some_and(|inbox| !inbox.is_verified) && wrong.is_none();
    let page = InboxPage {
        frame: led.frame("Where do you read your mail?"),
        around: led.around(Screen::Inbox, wrong),
        address: value(wrong, "address", ""),
        is_doubted: wrong.is_some_and(|(_, error)| destinations::is_doubt(error)),
        way_out: way_out(led, inbox.as_ref()).await?,
        way_out_href: led.place(Screen::WayOut),
        again: waits.then(|| place.clone()),
        look_again: place,
        can_ask: led.site.admin.links_at.is_some(),
        others: others(inbox.as_ref(), &all),
        inbox,
    };
    Ok(shown(&page, wrong))
}

/// The first mail is about to leave, or waits: whether it can is worth knowing before.
async fn way_out(led: &Led<'_>, inbox: Option<&Inbox>) -> Result<Option<String>, AdminError> {
    let is_away = inbox.is_some_and(|inbox| inbox.is_verified || inbox.was_sent() && !inbox.waits());
    if led.site.admin.links_at.is_none() || is_away {
        return Ok(None);
    }
    let tried = led.site.admin.way_out(led.actor, TryNow::No).await?;
    let Some((out, _)) = tried else {
        return Ok(Some("Nobody has tried yet whether mail can leave this server.".to_owned()));
    };
    Ok(match out.way() {
        WayOut::Blocked => Some(format!(
            "Port {} was blocked when it was tried: this mail waits until it is open, or until there is a relay.",
            out.port
        )),
        WayOut::Unresolved if inbox.is_some_and(Inbox::waits) => Some(
            "The DNS did not say where mail servers are when it was tried: this mail waits until it does.".to_owned(),
        ),
        WayOut::Unresolved | WayOut::Untried | WayOut::Open => None,
    })
}

/// `do` is to ask an inbox again, to vouch for it, new or not, or to take it away; else one is written that is to be asked.
pub(super) async fn take(led: &Led<'_>, filled: &Filled) -> Result<String, AdminError> {
    let (admin, address) = (&led.site.admin, filled.get("address").trim());
    match filled.get("do") {
        "resend" => drop(admin.resend_verification(led.actor, address).await?),
        "vouch" => drop(admin.verify_destination(led.actor, address).await?),
        "remove" => {
            admin.remove_destination(led.actor, Target { id: address, version: None }).await?;
            return Ok(led.place(Screen::Inbox));
        }
        "" | "mine" if address.starts_with('@') => {
            let why = "this is a whole domain: write the address of one inbox, such as me@inbox.example";
            return Err(AdminError::field("address", why));
        }
        word => {
            let fields = [("address", address.into()), ("default", true.into()), ("verified", (word == "mine").into())];
            let written = fields.into_iter().map(|(key, value): (&str, Value)| (key.to_owned(), value)).collect();
            destinations::add(led.site, led.actor, (filled, &written)).await?;
        }
    }
    Ok(format!("{}&inbox={}", led.place(Screen::Inbox), text::in_query(address)))
}
