//! Step five: the first alias, and a message to it, whose journey is shown as it happens and ends on its own page.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, json};

use super::super::forms::Filled;
use super::super::frame::Frame;
use super::super::look::{self, Look};
use super::super::ready;
use super::super::story::{self, Happening};
use super::super::text;
use super::{Around, Led, Screen, Wrong, domain, inbox, shown, value};
use crate::admin::shapes::alias_name;
use crate::admin::{ActivityFilter, AdminError, AliasFilter, Paging};
use crate::policy::status::Status;
use crate::store::activity::Row;

#[derive(Template)]
#[template(path = "setup_alias.html", config = "web/askama.toml")]
struct AliasPage {
    frame: Frame,
    around: Around,
    local: String,
    domain: String,
    /// The last domains that were added, where there are several.
    domains: Vec<String>,
    /// Where it leads; none where there is nothing yet.
    to: Option<String>,
    /// Why no mail of the gateway arrives where the owner signs in with.
    lost: Option<String>,
    /// One that is there already.
    known: Option<String>,
    missing: Option<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "setup_test.html", config = "web/askama.toml")]
struct TestPage {
    frame: Frame,
    around: Around,
    alias: String,
    /// An address to write to; none where nothing but its pattern says which it takes.
    example: Option<String>,
    /// The newest message got as far as it will, and not to the inbox.
    ended: bool,
    /// What has happened so far to the newest message.
    journey: Option<Journey>,
    /// Where its inbox is seen to.
    inbox_href: String,
    again: String,
}

/// A message on its way.
struct Journey {
    look: Look,
    headline: String,
    events: Vec<Happening>,
    href: String,
}

/// The first alias of a domain that is an address.
pub(super) async fn first(led: &Led<'_>, domain: &str) -> Result<Option<String>, AdminError> {
    if let Some(named) = led.ask.get("alias") {
        return Ok(Some(named.to_owned()));
    }
    let filter = AliasFilter {
        domain: Some(domain.to_owned()),
        kind: Some("address".to_owned()),
        paging: Paging { limit: Some(1), cursor: None },
        ..AliasFilter::default()
    };
    Ok(led.site.admin.aliases(led.actor, filter).await?.items.into_iter().next().map(|alias| alias.address))
}

/// The newest message to it.
pub(super) async fn newest(led: &Led<'_>, alias: &str) -> Result<Option<Row>, AdminError> {
    let filter = ActivityFilter {
        alias: Some(alias.to_owned()),
        paging: Paging { limit: Some(1), cursor: None },
        ..ActivityFilter::default()
    };
    Ok(led.site.admin.activity_rows(led.actor, &filter).await?.rows.into_iter().next())
}

pub(super) async fn show(led: &Led<'_>, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    let (domain, inbox) = (domain::for_aliases(led).await?, inbox::first(led).await?);
    let known = match &domain {
        Some(domain) => first(led, &domain.name).await?,
        None => None,
    };
    let missing = match (&domain, &inbox) {
        (None, _) => Some(("There is no domain yet.", led.place(Screen::Domain))),
        (_, None) => Some(("There is no inbox yet.", led.place(Screen::Inbox))),
        _ => None,
    };
    let all = domain::all(led).await?;
    let page = AliasPage {
        frame: led.frame("Which address do you begin with?"),
        around: led.around(Screen::Alias, wrong),
        local: value(wrong, "local_part", ""),
        domain: value(wrong, "domain", domain.map(|domain| domain.name).unwrap_or_default()),
        domains: all.into_iter().filter(|domain| domain.mirror_of.is_none()).map(|domain| domain.name).collect(),
        to: inbox.map(|inbox| inbox.address),
        lost: led.site.admin.lost_to(led.actor).await?.map(|words| text::visible(&words)),
        known,
        missing,
    };
    Ok(shown(&page, wrong))
}

pub(super) async fn take(led: &Led<'_>, filled: &Filled) -> Result<String, AdminError> {
    let mut written = Map::new();
    for key in ["local_part", "domain"] {
        written.insert(key.to_owned(), json!(filled.get(key).trim()));
    }
    written.insert("destinations".to_owned(), json!([filled.get("to").trim()]));
    let made = led.site.admin.add_alias(led.actor, &written).await?;
    Ok(test_of(led, &alias_name(&made).to_string()))
}

/// Waits for a message, shows its journey, and ends on its page.
pub(super) async fn test(led: &Led<'_>, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    let alias = match domain::for_aliases(led).await? {
        Some(domain) => first(led, &domain.name).await?,
        None => None,
    };
    let Some(alias) = alias else { return show(led, wrong).await };
    let row = newest(led, &alias).await?;
    let has_arrived = |row: &&Row| row.status == Status::Forwarded && wrong.is_none();
    if let Some(row) = row.as_ref().filter(has_arrived) {
        // The words go in the address: a script that looks for it would take them out of a cookie.
        // What the gateway wrote itself, from nobody, proves nothing of others.
        let done = if row.sender.is_empty() { "works" } else { "arrived" };
        return Ok(Redirect::to(&format!("/activity/{}?done={done}", row.id)).into_response());
    }
    let now = led.site.admin.clock.now();
    let ended = row.as_ref().is_some_and(|row| row.status.is_terminal());
    let journey = row.map(|row| Journey {
        look: look::of(&row),
        headline: story::headline(&row, now),
        events: story::happenings(&row, now),
        href: format!("/activity/{}", row.id),
    });
    let again = test_of(led, &alias);
    let (frame, around) = (led.frame("Send it a message"), led.around(Screen::Test, wrong));
    let example = ready::example(&alias_name(&led.site.admin.alias(led.actor, &alias).await?));
    let inbox_href = led.place(Screen::Inbox);
    Ok(shown(&TestPage { frame, around, alias, example, ended, journey, inbox_href, again }, wrong))
}

/// Has the gateway write to the alias itself.
pub(super) async fn send(led: &Led<'_>, filled: &Filled) -> Result<String, AdminError> {
    let alias = filled.get("alias");
    led.site.admin.send_trial(led.actor, alias).await?;
    Ok(test_of(led, alias))
}

fn test_of(led: &Led<'_>, alias: &str) -> String {
    format!("{}&alias={}", led.place(Screen::Test), text::in_query(alias))
}
