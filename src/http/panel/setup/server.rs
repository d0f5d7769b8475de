//! Step two: what the server is called, whether mail can leave it, and how much is too much.

use std::num::NonZeroU16;

use askama::Template;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::super::domains::records::{Shown, of_host, said_once};
use super::super::forms::Filled;
use super::super::frame::Frame;
use super::super::text::{self, When};
use super::{Around, Led, Screen, Wrong, shown, value};
use crate::admin::{AdminError, Setting, SettingPlace, TryNow, read_hostname};
use crate::mail::Domain;
use crate::policy::checkup::{Tried, Unreached, WayOut};
use crate::policy::limits::PROPOSED;

/// The ports that relays listen on: with STARTTLS, and inside TLS from the start.
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

#[derive(Template)]
#[template(path = "setup_host.html", config = "web/askama.toml")]
struct HostPage {
    frame: Frame,
    around: Around,
    hostname: String,
    /// Where it is set, if not here.
    place: Option<String>,
    /// Somebody or the DNS says so.
    proposed: bool,
    records: Vec<Shown>,
    /// Why nothing is known of any of them.
    unheard: Option<String>,
    again: Option<String>,
    takes_password: bool,
}

#[derive(Template)]
#[template(path = "setup_way_out.html", config = "web/askama.toml")]
struct WayOutPage {
    frame: Frame,
    around: Around,
    tried: Vec<Called>,
    at: Option<When>,
    way: WayOut,
    /// On which port mail servers are called, and what to do where the DNS says of none where it is.
    called_at: u16,
    dns_remedy: String,
    /// What was written of a relay was not taken.
    is_refused: bool,
    relay: Option<String>,
    relay_is_ours: bool,
    again: Option<String>,
    host: String,
    port: String,
    username: String,
    takes_password: bool,
}

/// Whom we tried, with the greeting or why there was none.
struct Called {
    host: String,
    answers: bool,
    word: &'static str,
    words: String,
}

impl Called {
    fn of(tried: &Tried) -> Self {
        let (word, words) = match &tried.outcome {
            Ok(greeting) => ("answers", greeting.clone()),
            Err(why @ Unreached::Unknown(_)) => ("not found", why.to_string()),
            Err(why @ Unreached::Silent(_)) => ("no answer", why.to_string()),
        };
        let (host, answers) = (tried.host.clone(), tried.outcome.is_ok());
        Self { host, answers, word, words: text::short(&words, text::LINE) }
    }
}

#[derive(Template)]
#[template(path = "setup_limits.html", config = "web/askama.toml")]
struct LimitsPage {
    frame: Frame,
    around: Around,
    limits: Vec<(&'static str, &'static str, String)>,
    /// Where they are set, if not here.
    place: Option<String>,
}

fn setting(led: &Led<'_>, key: &str) -> Result<Option<Setting>, AdminError> {
    Ok(led.site.admin.settings(led.actor)?.items.into_iter().find(|setting| setting.key == key))
}

fn text_of(setting: Option<&Setting>) -> String {
    setting.and_then(|setting| setting.value.as_str()).unwrap_or_default().to_owned()
}

fn elsewhere(setting: Option<&Setting>) -> Option<String> {
    setting.filter(|setting| !setting.changeable).and_then(|setting| setting.source.clone())
}

/// Whether nobody has said what the server is called.
pub(super) fn is_unnamed(led: &Led<'_>) -> Result<bool, AdminError> {
    Ok(setting(led, "hostname")?.is_none_or(|setting| setting.place == SettingPlace::Default))
}

/// What the server is called.
pub(super) async fn host(led: &Led<'_>, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    let set = setting(led, "hostname")?;
    let is_set = set.as_ref().is_some_and(|setting| setting.place != SettingPlace::Default);
    let proposed = match (is_set, led.ask.get("hostname")) {
        (true, None) => text_of(set.as_ref()),
        (_, Some(name)) => name.to_owned(),
        (false, None) => {
            led.site.admin.propose_hostname(led.actor).await?.map(|name| name.to_string()).unwrap_or_default()
        }
    };
    let hostname = value(wrong, "hostname", proposed);
    let mut records = match Domain::parse(hostname.trim()) {
        Ok(name) if wrong.is_none() => of_host(&led.site.admin.host_records(led.actor, &name).await?),
        _ => Vec::new(),
    };
    let unheard = said_once(records.iter_mut());
    let unsettled = records.iter().any(|record| record.tone != "ok" && record.icon != "stop");
    let page = HostPage {
        frame: led.frame("What is this server called?"),
        around: led.around(Screen::Host, wrong),
        place: elsewhere(set.as_ref()),
        proposed: !is_set && led.ask.get("hostname").is_none() && wrong.is_none() && !hostname.is_empty(),
        again: unsettled.then(|| format!("{}&hostname={}", led.place(Screen::Host), text::in_query(&hostname))),
        hostname,
        records,
        unheard,
        takes_password: led.site.admin.asks_again(led.actor).await?,
    };
    Ok(shown(&page, wrong))
}

pub(super) async fn take_host(led: &Led<'_>, filled: &Filled) -> Result<String, AdminError> {
    let set = setting(led, "hostname")?;
    let name = filled.trimmed("hostname").to_owned();
    let is_mine = set.as_ref().is_some_and(|set| set.changeable);
    if is_mine && !name.contains('.') {
        return Err(AdminError::field("hostname", "write the whole name, with its domain, such as gw.my.example"));
    }
    if filled.get("do") == "look" {
        read_hostname(&json!(name))?;
        return Ok(format!("{}&hostname={}", led.place(Screen::Host), text::in_query(&name)));
    }
    let is_new =
        set.as_ref().is_some_and(|set| set.place == SettingPlace::Default || set.value.as_str() != Some(&name));
    if is_mine && is_new {
        let mut written = filled.change(&["current_password"]);
        written.insert("hostname".to_owned(), name.into());
        led.site.admin.change_settings(led.actor, &written).await?;
    }
    Ok(led.place(Screen::WayOut))
}

/// Whether mail can leave.
pub(super) async fn way_out(led: &Led<'_>, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    let try_now = if led.ask.get("check").is_some() && wrong.is_none() { TryNow::Yes } else { TryNow::No };
    let found = led.site.admin.way_out(led.actor, try_now).await?;
    let now = led.site.admin.clock.now();
    let set = setting(led, "delivery.relay")?;
    let relay = Some(text_of(set.as_ref())).filter(|relay| !relay.is_empty());
    let at = found.as_ref().map(|(_, at)| When::new(*at, now));
    let out = found.map(|(out, _)| out).unwrap_or_default();
    let tried: Vec<_> = out.tried.iter().map(Called::of).collect();
    let page = WayOutPage {
        frame: led.frame("Can mail leave this server?"),
        around: led.around(Screen::WayOut, wrong),
        at,
        is_refused: wrong.is_some(),
        way: out.way(),
        called_at: out.port,
        dns_remedy: out.dns_remedy(),
        relay_is_ours: set.as_ref().is_some_and(|setting| setting.changeable),
        again: (relay.is_none() && tried.is_empty() && wrong.is_none())
            .then(|| format!("{}&check=1", led.place(Screen::WayOut))),
        tried,
        relay,
        host: value(wrong, "host", ""),
        port: value(wrong, "port", SUBMISSION.to_string()),
        username: value(wrong, "username", ""),
        takes_password: led.site.admin.asks_again(led.actor).await?,
    };
    Ok(shown(&page, wrong))
}

/// The relay that was written, or none.
pub(super) async fn take_relay(led: &Led<'_>, filled: &Filled) -> Result<String, AdminError> {
    let mut written = filled.change(&["current_password"]);
    if filled.get("do") == "none" {
        written.insert("delivery.relay".to_owned(), Value::Null);
        written.insert("delivery.relay_username".to_owned(), Value::Null);
    } else {
        written.insert("delivery.relay".to_owned(), relay(filled)?.into());
        let name = filled.get("username").trim();
        written.insert("delivery.relay_username".to_owned(), if name.is_empty() { Value::Null } else { name.into() });
        if !filled.get("password").is_empty() {
            written.insert("delivery.relay_password".to_owned(), filled.get("password").into());
        }
    }
    led.site.admin.change_settings(led.actor, &written).await?;
    Ok(led.place(Screen::WayOut))
}

/// Where it is said what is wrong with the relay: it is written in parts here, and what no part is to blame for is about the
/// whole.
pub(super) fn place_of_relay(field: &str) -> Option<&str> {
    match field {
        "host" | "port" | "current_password" => Some(field),
        "delivery.relay" => Some("host"),
        "delivery.relay_username" => Some("username"),
        "delivery.relay_password" => Some("relay_password"),
        _ => None,
    }
}

/// Inside TLS from the start on the one port that is for it.
fn relay(filled: &Filled) -> Result<String, AdminError> {
    let host = filled.get("host").trim();
    let is_name = !host.is_empty() && !host.contains(['/', ':', '@', ' ']);
    if !is_name && !host.starts_with('[') {
        let words = "write the name of the relay alone, such as smtp.provider.example; its port stands beside it";
        return Err(AdminError::field("host", words));
    }
    let wrong = |_| AdminError::field("port", "write a number from 1 to 65535; relays mostly listen on 587 or 465");
    let port: NonZeroU16 = filled.get("port").trim().parse().map_err(wrong)?;
    let scheme = if port.get() == SUBMISSIONS { "smtps" } else { "smtp" };
    Ok(format!("{scheme}://{host}:{port}"))
}

/// How much is too much.
pub(super) fn limits(led: &Led<'_>, wrong: Wrong<'_>) -> Result<Response, AdminError> {
    let all = led.site.admin.settings(led.actor)?.items;
    let mut place = None;
    let mut limits = Vec::with_capacity(PROPOSED_LIMITS.len());
    for (key, label, proposed) in PROPOSED_LIMITS {
        let set = all.iter().find(|setting| setting.key == key);
        place = place.or_else(|| elsewhere(set));
        let is_set = set.filter(|setting| setting.place != SettingPlace::Default);
        let now = is_set.map_or_else(|| proposed.to_string(), |setting| setting.value.to_string());
        limits.push((key, label, value(wrong, key, now)));
    }
    let page = LimitsPage {
        frame: led.frame("How much is too much?"),
        around: led.around(Screen::Limits, wrong),
        limits,
        place,
    };
    Ok(shown(&page, wrong))
}

const PROPOSED_LIMITS: [(&str, &str, u64); 6] = [
    ("limits.connections_per_ip_per_minute", "Connections of one IP address a minute", PROPOSED.connections),
    ("limits.messages_per_ip_per_hour", "Messages of one IP address an hour", PROPOSED.messages),
    (
        "limits.unknown_recipients_per_ip_per_hour",
        "Unknown recipients of one IP address an hour",
        PROPOSED.unknown_recipients,
    ),
    ("limits.messages_per_sender_domain_per_hour", "Messages of one sender's domain an hour", PROPOSED.sender_domain),
    ("limits.messages_per_alias_per_hour", "Messages to one alias an hour", PROPOSED.alias),
    ("limits.messages_per_destination_per_hour", "Messages to one destination an hour", PROPOSED.destination),
];

pub(super) async fn take_limits(led: &Led<'_>, filled: &Filled) -> Result<String, AdminError> {
    let all = led.site.admin.settings(led.actor)?.items;
    let mut written = Map::new();
    for (key, ..) in PROPOSED_LIMITS {
        let may = all.iter().any(|setting| setting.key == key && setting.changeable);
        let Some(text) = filled.given(key).map(str::trim).filter(|_| may) else { continue };
        let number = if filled.get("do") == "none" { Ok(0) } else { text.parse::<u64>() };
        written.insert(key.to_owned(), number.map_or_else(|_| json!(text), Value::from));
    }
    led.site.admin.change_settings(led.actor, &written).await?;
    Ok(led.place(Screen::Domain))
}
