//! What is said beside what was just done to aliases: which of them send nothing on all the same, which lead to an inbox that
//! gets no mail yet, and what is left to be done about it.

use serde_json::Value;

use crate::admin::Actor;
use crate::admin::shapes::{AliasShape, AuditShape};
use crate::http::Site;
use crate::mail::told_in_unicode;
use crate::policy::admission::TIME_TO_VERIFY;
use crate::policy::deeds::Deed;
use crate::store::rules::AliasRow;

use super::ready::{self, Said};
use super::text;
use super::toast;
use super::withheld::{Withheld, named};

/// Aliases of one change that are looked at: a page of the list has as many.
const MAX_LOOKED_AT: usize = 30;

/// An alias as it is now.
struct One {
    row: AliasRow,
    shape: AliasShape,
    withheld: Option<Withheld>,
}

impl One {
    fn name(&self) -> String {
        text::ours(&self.shape.address)
    }
}

/// What was `done` by these entries, and what else there is to say of it.
pub(super) async fn said(site: &Site, actor: &Actor, (entries, done): (&[AuditShape], String)) -> Said {
    let is_switched_on = |entry: &AuditShape| entry.action == Deed::AliasEnable.as_str();
    if entries.iter().all(is_switched_on) {
        return switched_on(site, actor, (entries, done)).await;
    }
    if let [entry] = entries
        && let Some(sender) = toast::newly_let_in(entry)
    {
        return let_in(site, actor, (entry, &sender, done)).await;
    }
    match led_elsewhere(site, actor, entries).await {
        Some(more) => (format!("{done} {more}"), true),
        None => (done, false),
    }
}

async fn looked_up(site: &Site, actor: &Actor, entries: impl Iterator<Item = &AuditShape>) -> Vec<One> {
    let mut rows = Vec::new();
    for entry in entries.take(MAX_LOOKED_AT) {
        rows.extend(site.admin.alias(actor, &entry.object).await);
    }
    let shapes = site.admin.alias_shapes(&rows).await.unwrap_or_default();
    let one = |(row, shape)| One { withheld: Withheld::of(&shape), row, shape };
    rows.into_iter().zip(shapes).map(one).collect()
}

/// Nothing of what was switched off again since.
async fn switched_on(site: &Site, actor: &Actor, (entries, done): (&[AuditShape], String)) -> Said {
    let mut all = looked_up(site, actor, entries.iter()).await;
    all.retain(|one| one.shape.enabled);
    if entries.len() > 1 {
        return match not_all_sent_on(site, actor, &all).await {
            Some(more) => (format!("{done} {more}"), true),
            None => (done, false),
        };
    }
    let Some(one) = all.first() else { return (done, false) };
    let but = match one.withheld {
        Some(withheld) => Some(withheld.of_one("it")),
        None => ready::trouble(site, actor, (&one.row, &one.shape)).await,
    };
    match but {
        Some(but) => (format!("{} is on, but {but}", one.name()), true),
        None => (format!("{} is on: its mail is sent on again{}.", one.name(), ready::as_far_as(&one.shape)), false),
    }
}

/// Which of several send nothing on, or not to all of their inboxes.
async fn not_all_sent_on(site: &Site, actor: &Actor, all: &[One]) -> Option<String> {
    let mut troubled = Vec::new();
    for one in all.iter().filter(|one| one.withheld.is_none()) {
        let trouble = ready::trouble(site, actor, (&one.row, &one.shape)).await;
        troubled.extend(trouble.map(|trouble| (trouble, one.name())));
    }
    let mut words = Vec::from_iter(withheld_of(all.iter()));
    words.extend(grouped(troubled.into_iter()).into_iter().map(|(trouble, names)| match names.as_slice() {
        [name] => format!("Though {name} is on, {trouble}"),
        names => format!("Though each of {} is on, {trouble}", named(names)),
    }));
    (!words.is_empty()).then(|| words.join(" "))
}

/// Those that send nothing on, in sentences.
fn withheld_of<'a>(all: impl Iterator<Item = &'a One>) -> Option<String> {
    let groups = grouped(all.filter_map(|one| Some((one.withheld?, one.name()))));
    let words: Vec<_> = groups.into_iter().map(|(withheld, names)| withheld.of_all(&names)).collect();
    (!words.is_empty()).then(|| format!("But {}", words.join(" ")))
}

/// The names of what is alike, in the order in which each comes first.
fn grouped<K: PartialEq>(all: impl Iterator<Item = (K, String)>) -> Vec<(K, Vec<String>)> {
    let mut groups: Vec<(K, Vec<String>)> = Vec::new();
    for (key, name) in all {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, names)) => names.push(name),
            None => groups.push((key, vec![name])),
        }
    }
    groups
}

/// A list lets nobody past what the alias does with all its mail.
async fn let_in(site: &Site, actor: &Actor, (entry, sender, done): (&AuditShape, &str, String)) -> Said {
    let found = looked_up(site, actor, std::iter::once(entry)).await;
    let Some(withheld) = found.first().and_then(|one| one.withheld) else { return (done, false) };
    let [sender, name] = [sender, &toast::called(&entry.object)].map(|words| text::visible(&told_in_unicode(words)));
    (format!("{sender} is on the list of senders that {name} lets in. But {}", withheld.of_one(&name)), true)
}

/// Of aliases that were led to other inboxes.
async fn led_elsewhere(site: &Site, actor: &Actor, entries: &[AuditShape]) -> Option<String> {
    let is_led = |entry: &&AuditShape| entry.action == Deed::AliasChange.as_str() && differs(entry, "destinations");
    let all = looked_up(site, actor, entries.iter().filter(is_led)).await;
    // Whoever has just chosen what else it does knows.
    let chosen: Vec<_> = entries.iter().filter(|entry| differs(entry, "action")).map(|entry| &*entry.object).collect();
    let is_told = |one: &&One| !chosen.contains(&&*one.shape.address);
    let withheld = match all.as_slice() {
        [one] if entries.len() == 1 => {
            let words = one.withheld.filter(|_| is_told(&one)).map(|withheld| withheld.of_one("it"));
            words.map(|words| format!("But {words}"))
        }
        all => withheld_of(all.iter().filter(is_told)),
    };
    let (open, shut): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.withheld.is_none());
    let whose = match (open.as_slice(), shut.is_empty()) {
        ([_], true) => "its mail".to_owned(),
        (_, true) => "their mail".to_owned(),
        ([one], false) => format!("the mail of {}", one.name()),
        (_, false) => "the mail of the others".to_owned(),
    };
    let unverified = match open.iter().find(|one| !one.shape.unverified.is_empty()) {
        Some(one) => Some(unverified(site, actor, (one, &whose)).await),
        None => None,
    };
    let words: Vec<_> = withheld.into_iter().chain(unverified).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn differs(entry: &AuditShape, key: &str) -> bool {
    let of = |side: &Option<Value>| side.as_ref().and_then(|side| side.get(key).cloned());
    of(&entry.before) != of(&entry.after)
}

/// Which inboxes get no mail yet, and what becomes of `whose` meanwhile.
async fn unverified(site: &Site, actor: &Actor, (one, whose): (&One, &str)) -> String {
    let alias = (&one.row, &one.shape);
    let meanwhile = match ready::would(site, actor, alias).await.map(|route| route.disposition) {
        Some("defer") => {
            let days = TIME_TO_VERIFY.as_secs() / 86_400;
            format!(" Until then {whose} is put off, and refused after {days} days.")
        }
        Some("reject") => format!(" Until then {whose} is refused."),
        _ => String::new(),
    };
    format!("{}{meanwhile}", ready::unverified(site, actor, alias).await)
}
