//! What would become of mail for an alias that was just made, switched on or led elsewhere, by the function that decides at RCPT: what is
//! said to be ready is.

use serde_json::{Map, Value};

use crate::admin::shapes::{AliasShape, RouteShape, alias_name};
use crate::admin::{Actor, AliasName, RouteQuestion, Unheard, is_doubt};
use crate::http::Site;
use crate::policy::rule::{Action, Kind};
use crate::store::rules::AliasRow;

use super::domains;
use super::rule_words;
use super::text;

/// What is said of an alias, and whether something is still to be done.
pub(super) type Said = (String, bool);

/// What is said of an alias that was just made.
pub(super) async fn of_new(site: &Site, actor: &Actor, row: &AliasRow) -> Option<Said> {
    let shape = site.admin.alias_shapes(std::slice::from_ref(row)).await.ok()?.pop()?;
    let address = text::ours(&shape.address);
    if let Some(words) = of_action(&shape, &address) {
        return Some((words, false));
    }
    if let Some(trouble) = trouble(site, actor, (row, &shape)).await {
        return Some((format!("{address} is made, but {trouble}"), true));
    }
    let wants = rule_words::wants_smtputf8(&shape).map(|wants| format!(" {wants}")).unwrap_or_default();
    Some((format!("{address} is ready to receive mail{}.{wants}", as_far_as(&shape)), false))
}

fn of_action(alias: &AliasShape, address: &str) -> Option<String> {
    match alias.action {
        Action::Drop => Some(format!("{address} is made: its mail is taken and thrown away.")),
        Action::Reject => Some(format!("{address} is made: its mail is refused.")),
        Action::Forward | Action::Create => None,
    }
}

/// Why its mail would not be sent on, or not to all, in words that end a sentence; the nearest to the sender first.
pub(super) async fn trouble(site: &Site, actor: &Actor, (row, alias): (&AliasRow, &AliasShape)) -> Option<String> {
    if domains::put_off(site, &alias.domain).is_some() {
        let domain = text::ours(&alias.domain);
        return Some(format!("{domain} is not proved yet, and mail for it is put off until it is."));
    }
    if !alias.unverified.is_empty() {
        return Some(unverified(site, actor, (row, alias)).await);
    }
    let refused = match would(site, actor, (row, alias)).await {
        Some(route) => not_sent_on(&route).or_else(|| doubted(&route)),
        None => of_computed(site, actor, (row, alias)).await,
    };
    if refused.is_some() {
        return refused;
    }
    let strays = site.admin.mx_trouble(actor, &alias.domain).await.ok()??;
    Some(format!("no mail comes for it yet: {}", text::visible(&strays)))
}

/// What would become of a message; nothing where no address can be read off the alias, or a nearer one takes it.
pub(super) async fn would(site: &Site, actor: &Actor, (row, alias): (&AliasRow, &AliasShape)) -> Option<RouteShape> {
    let to = Map::from_iter([("to".to_owned(), Value::from(example(&alias_name(row))?))]);
    let route = site.admin.route(actor, &RouteQuestion::read(&to).ok()?).await.ok()?;
    let is_its = route.rule.as_ref().is_none_or(|rule| rule.id == alias.id);
    is_its.then_some(route)
}

fn not_sent_on(route: &RouteShape) -> Option<String> {
    let what = match route.disposition {
        "forward" => return None,
        "defer" => "put off",
        "discard" => "taken and thrown away",
        "hold" => "held",
        _ => "refused",
    };
    Some(format!("its mail is {what}: {}", text::visible(&route.reason)))
}

/// What is remembered against its inboxes.
fn doubted(route: &RouteShape) -> Option<String> {
    let doubts: Vec<_> =
        route.trace.iter().filter(|step| is_doubt(step)).map(|step| text::visible(&step.detail)).collect();
    (!doubts.is_empty()).then(|| format!("its mail may not arrive: {}", doubts.join(" ")))
}

/// Whether what a pattern computes can be a verified inbox at all.
async fn of_computed(site: &Site, actor: &Actor, (row, alias): (&AliasRow, &AliasShape)) -> Option<String> {
    if !computes(alias) || site.admin.may_compute_verified(actor, row).await.unwrap_or(true) {
        return None;
    }
    let templates = text::all_ours(&alias.destinations);
    Some(format!("no verified inbox is one that it computes ({templates}): its mail is refused until there is one."))
}

/// All that it leads to is computed out of the address.
fn computes(alias: &AliasShape) -> bool {
    alias.kind == Kind::Regex && alias.destinations.iter().all(|to| to.contains('$'))
}

/// As far as what a pattern computes is to be verified, in words that end no sentence.
pub(super) fn as_far_as(alias: &AliasShape) -> String {
    if !computes(alias) {
        return String::new();
    }
    let templates = text::all_ours(&alias.destinations);
    format!(", as far as the inbox that it computes ({templates}) is verified")
}

/// Which of its inboxes get no mail, and what is to be done about it by whom.
pub(super) async fn unverified(site: &Site, actor: &Actor, (row, alias): (&AliasRow, &AliasShape)) -> String {
    let begin = not_verified(&alias.unverified);
    let them = if alias.unverified.len() == 1 { "it" } else { "them" };
    match unheard(site, actor, (row, alias)).await {
        Unheard { is_asked: true, .. } => {
            format!("{begin}: a mail with a link was sent there; opening it and pressing its button verifies it.")
        }
        Unheard { has_failed: true, .. } => {
            let (mail, fails) = if alias.unverified.len() == 1 {
                ("mail that asks it", "it is")
            } else {
                ("mail that asks one of them", "they are")
            };
            format!("{begin}: the {mail} failed, so look whether {fails} written as it should be.")
        }
        Unheard { is_seen: true, .. } => format!("{begin}: open Destinations to verify {them}."),
        Unheard { .. } => format!("{begin}: ask the owner of {} to verify {them}.", text::ours(&alias.domain)),
    }
}

/// Inboxes that get no mail yet, in words that end no sentence.
pub(super) fn not_verified(inboxes: &[String]) -> String {
    let names = text::all_ours(inboxes);
    match inboxes.len() {
        1 => format!("{names} is not verified and gets no mail until it is"),
        _ => format!("{names} are not verified and get no mail until they are"),
    }
}

/// What is left to do about all of its inboxes.
async fn unheard(site: &Site, actor: &Actor, (row, alias): (&AliasRow, &AliasShape)) -> Unheard {
    let mut all = Unheard { is_asked: true, has_failed: false, is_seen: false };
    for inbox in &alias.unverified {
        let usual = Unheard { is_asked: false, has_failed: false, is_seen: true };
        let one = site.admin.unheard(actor, (row.account, inbox)).await.unwrap_or(usual);
        all = Unheard {
            is_asked: all.is_asked && one.is_asked,
            has_failed: all.has_failed || one.has_failed && !one.is_asked,
            is_seen: all.is_seen || one.is_seen,
        };
    }
    all
}

/// An address that an alias takes, where one can be read off it.
pub(super) fn example(name: &AliasName) -> Option<String> {
    match name.kind {
        Kind::Address => Some(name.to_string()),
        Kind::CatchAll => Some(format!("hello@{}", name.domain)),
        Kind::Glob if name.pattern.contains('[') => None,
        Kind::Glob => Some(format!("{}@{}", name.pattern.replace('*', "hello").replace('?', "x"), name.domain)),
        Kind::Regex => None,
    }
}
