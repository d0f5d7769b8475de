//! Step three: the first domain, and its records as the DNS comes to have them.

use askama::Template;
use axum::response::Response;
use serde_json::Map;

use super::super::destinations::{SURE, is_doubt};
use super::super::domains::records::{Records, look};
use super::super::forms::Filled;
use super::super::frame::Frame;
use super::super::text;
use super::{Around, Led, Screen, Wrong, shown, value};
use crate::admin::shapes::DomainShape;
use crate::admin::{AdminError, Order, Paging};
use crate::http::shield;

#[derive(Template)]
#[template(path = "setup_domain.html", config = "web/askama.toml")]
struct DomainPage {
    frame: Frame,
    around: Around,
    name: String,
    /// Whoever is sure of it adds it all the same.
    is_doubted: bool,
    /// Domains that are there already.
    known: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "setup_records.html", config = "web/askama.toml")]
struct RecordsPage {
    frame: Frame,
    around: Around,
    name: String,
    full: String,
    verified: bool,
    records: Records,
    again: String,
}

/// Domains that are shown again.
const KNOWN: u32 = 5;

/// The domain that is spoken of: the one that the address names, else the last that was added.
pub(super) async fn first(led: &Led<'_>) -> Result<Option<DomainShape>, AdminError> {
    if let Some(name) = led.ask.get("domain") {
        return led.site.admin.domain(led.actor, name).await.map(Some);
    }
    Ok(all(led).await?.into_iter().next())
}

/// The domain that an alias is made on: a mirror has those of another one.
pub(super) async fn for_aliases(led: &Led<'_>) -> Result<Option<DomainShape>, AdminError> {
    let named = first(led).await?;
    match named.as_ref().and_then(|domain| domain.mirror_of.as_deref()) {
        Some(original) => led.site.admin.domain(led.actor, original).await.map(Some),
        None => Ok(named),
    }
}

/// The last that were added.
pub(super) async fn all(led: &Led<'_>) -> Result<Vec<DomainShape>, AdminError> {
    let paging = Paging { limit: Some(KNOWN), cursor: None };
    Ok(led.site.admin.domains_in(led.actor, None, (Order::Newest, &paging)).await?.items)
}

pub(super) async fn name(led: &Led<'_>, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    let known = all(led).await?;
    let known = known.iter().map(|domain| (text::short_sender(&domain.unicode), records_of(led, &domain.name)));
    let page = DomainPage {
        frame: led.frame("Which domain is to get its mail here?"),
        around: led.around(Screen::Domain, wrong),
        name: value(wrong, "name", ""),
        is_doubted: wrong.is_some_and(|(_, error)| is_doubt(error)),
        known: known.collect(),
    };
    Ok(shown(&page, wrong))
}

fn records_of(led: &Led<'_>, name: &str) -> String {
    format!("{}&domain={}", led.place(Screen::Records), text::in_query(name))
}

pub(super) async fn take(led: &Led<'_>, filled: &Filled) -> Result<String, AdminError> {
    let name = filled.trimmed("name");
    if filled.trimmed(SURE) != name && is_this_server(led, name) {
        let why = format!(
            "{name} is the name of this server itself. A mail domain is what stands behind the @ of your addresses, such as \
             my.example for shop@my.example; the server's name stands in its MX record"
        );
        return Err(AdminError::field(SURE, why));
    }
    let written = Map::from_iter([("name".to_owned(), name.into())]);
    let added = led.site.admin.add_domain(led.actor, &written).await?;
    Ok(records_of(led, &added.name))
}

fn is_this_server(led: &Led<'_>, name: &str) -> bool {
    shield::is_called(&led.site.admin.facts.instance.load().hostname, name)
}

/// The records to publish, looked up anew where `check` asks for it.
pub(super) async fn records(led: &Led<'_>) -> Result<Response, AdminError> {
    let Some(domain) = first(led).await? else { return name(led, None).await };
    let page = RecordsPage {
        frame: led.frame("Publish these records"),
        around: led.around(Screen::Records, None),
        name: text::short_sender(&domain.unicode),
        verified: domain.verified_at.is_some(),
        records: look(led.site, led.actor, &domain, led.ask.get("check").is_some()).await?,
        again: format!("{}&check=1", records_of(led, &domain.name)),
        full: domain.name,
    };
    Ok(shown(&page, None))
}
