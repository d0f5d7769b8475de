//! A change in words: what was done, and field by field what was and what is, under the names that the panel has for them.
//! An entry has no secret in it; what it says of how things were and not of what was wanted is left out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::admin::shapes::AuditShape;
use crate::mail::Moment;
use crate::policy::deeds::Deed;

use super::super::alias_fields::{ACTIONS, AFTERS, POLICIES, PRIVACIES};
use super::super::policy_words::Words;
use super::super::rule_words::date;
use super::super::text;
use super::server_keys;
use super::tokens::SCOPES;

/// Fields of one change that are shown.
pub(super) const MAX_FIELDS: usize = 12;
/// Characters of a value that are shown.
pub(super) const VALUE_CHARS: usize = 80;

/// What was done, in words before what it was done to and behind it.
pub(super) const fn done(deed: Deed) -> (&'static str, &'static str) {
    match deed {
        Deed::DestinationAsk => ("Asked", " whether it takes mail from here"),
        Deed::DestinationRetry => ("Tried", " again"),
        Deed::DestinationDefault => ("Made", " the default destination"),
        Deed::DestinationPutBack => ("Put", " back in place of another destination"),
        Deed::SessionOpen => ("Signed in (session", ")"),
        Deed::QueueRetry => ("Tried the message", " again"),
        Deed::QueueHold => ("Put the message", " on hold"),
        Deed::SettingsChange => ("Changed", " in the settings"),
        other => (begun(other), ""),
    }
}

/// The words that what it was done to ends.
const fn begun(deed: Deed) -> &'static str {
    match deed {
        Deed::AliasCreate => "Made the alias",
        Deed::AliasChange => "Changed the alias",
        Deed::AliasEnable => "Switched on the alias",
        Deed::AliasDisable => "Switched off the alias",
        Deed::AliasRemove => "Removed the alias",
        Deed::AliasImport => "Imported",
        Deed::AliasTrial => "Sent a test message to the alias",
        Deed::DomainAdd => "Added the domain",
        Deed::DomainSet => "Changed the domain",
        Deed::DomainVerify => "Verified the domain",
        Deed::DomainCatchAll => "Changed the catch-all of",
        Deed::DomainRemove => "Removed the domain",
        Deed::DomainGiveWay => "Removed an unproven claim on the domain",
        Deed::DestinationAdd => "Added the destination",
        Deed::DestinationVerify => "Verified the destination",
        Deed::DestinationReplace => "Replaced the destination",
        Deed::DestinationRemove => "Removed the destination",
        Deed::UserAdd => "Added the account",
        Deed::UserChange => "Changed the account",
        Deed::UserRoles => "Changed the roles of",
        Deed::UserRemove => "Removed the account",
        Deed::AccountPassword => "Changed the password of",
        Deed::AccountTotpOn => "Switched on the authenticator of",
        Deed::AccountTotpOff => "Switched off the authenticator of",
        Deed::TokenCreate => "Made the token",
        Deed::TokenRevoke => "Revoked the token",
        Deed::SessionRefused => "Turned somebody away who wanted to sign in as",
        Deed::SessionEnd => "Ended the session",
        Deed::LinkCreate => "Made a link to the",
        Deed::LinkReset => "Made a password link for",
        Deed::LinkUnsent => "Could not mail a password link to",
        Deed::QueueRelease => "Released the message",
        Deed::QueueCancel => "Cancelled the message",
        Deed::QueueResend => "Sent the message",
        Deed::BackupTake => "Took a backup of the",
        Deed::NoticeTest => "Sent a test notice to",
        // What is said behind it, too, stands above.
        Deed::DestinationAsk
        | Deed::DestinationRetry
        | Deed::DestinationDefault
        | Deed::DestinationPutBack
        | Deed::SessionOpen
        | Deed::QueueRetry
        | Deed::QueueHold
        | Deed::SettingsChange => "",
    }
}

/// What a field is called, and how its words are said.
const FIELDS: &[(&str, &str, Words)] = &[
    ("handed_over_to", "Handed over to", &[]),
    ("handed_over", "What that was", &[]),
    ("why", "Why", &[]),
    ("removed_aliases", "Aliases that went with it", &[]),
    ("among_them", "Among them", &[]),
    ("destination", "Destination", &[]),
    ("aliases", "Aliases that led there", &[]),
    ("default", "It was the default", &[]),
    ("contact_of", "Postmaster and abuse of", &[]),
    ("tokens", "Tokens that bring it along", &[]),
    ("by", "How", &[("password", "by a password"), ("link", "by a link"), ("set-up", "in the first set-up")]),
    ("ip", "From", &[]),
    ("agent", "Browser", &[]),
    ("email", "E-mail address", &[]),
    ("name", "Name", &[]),
    ("role", "Role", &[]),
    ("disabled", "Switched off", &[]),
    ("totp", "Authenticator", &[]),
    ("scopes", "What it is for", &SCOPES),
    ("domains", "Only on", &[]),
    ("default_domain", "Domain of new aliases", &[]),
    ("default_destination", "Destination of new aliases", &[]),
    ("verified_at", "Verified", &[]),
    ("enabled", "Switched on", &[]),
    ("catch_all", "Mail to addresses without an alias", ACTIONS),
    ("action", "Mail that comes", ACTIONS),
    ("destinations", "Destinations", &[]),
    ("reject_message", "Words of a refusal", &[]),
    ("description", "Note", &[]),
    ("labels", "Labels", &[]),
    ("priority", "Priority", &[]),
    ("quota", "Messages a day", &[]),
    ("expires_at", "Ends on", &[]),
    ("expires_after", "Ends after", &[]),
    ("then", "Once it has ended", AFTERS),
    ("privacy", "The log keeps", PRIVACIES),
    ("subaddressing", "shop+anything finds shop", &[]),
    ("keep_tag", "The destination gets the tag too", &[]),
    ("contact", "Postmaster and abuse go to", &[]),
    ("srs_domain", "Domain of rewritten senders", &[]),
    ("mirror_of", "Mirror of", &[]),
    ("alias_format", "Random aliases look like", &[]),
    ("block", "Kept out", &[]),
    ("allow", "Let in", &[]),
];
/// What says how things were, or what the heading says already.
const UNSAID: &[&str] = &[
    "id",
    "address",
    "domain",
    "kind",
    "unicode",
    "dns",
    "unverified",
    "ended",
    "counts",
    "messages",
    "quota_used",
    "last_mail_at",
    "created_at",
    "updated_at",
    "has_password",
    "prefix",
    "last_used_at",
    "first_used_at",
    "first_used_from",
    "changed",
];
/// What goes without saying of a thing that came or went.
const USUAL: &[(&str, &str)] = &[
    ("priority", "0"),
    ("aliases", "0"),
    ("removed_aliases", "0"),
    ("enabled", "yes"),
    ("then", "refuse"),
    ("privacy", "off"),
    ("catch_all", "off"),
    ("subaddressing", "yes"),
];
/// The settings that have no field on the page of the server.
const ELSEWHERE: &[(&str, &str)] =
    &[("notify.mute", "Kinds of notices that write to nobody"), ("policy.arc", "ARC seals")];

type Side = BTreeMap<String, Value>;

/// `Note: Shops → Toys`, for each field that differs; of what came or went, `Note: Shops`.
pub(in crate::http::panel) fn fields(entry: &AuditShape) -> Vec<String> {
    let deed = Deed::parse(&entry.action);
    let sides = (side(entry.before.as_ref()), side(entry.after.as_ref()));
    let mut told: Vec<_> = keys(&sides).into_iter().filter_map(|key| line(deed, key, (&sides.0, &sides.1))).collect();
    // What it was done to stands above.
    told.retain(|line| line.split_once(": ").is_none_or(|(_, value)| value != entry.object));
    if deed == Some(Deed::SettingsChange) && entry.object.contains("relay_password") {
        told.push("Password at the relay: another one, which is never shown".to_owned());
    }
    let more = told.len().saturating_sub(MAX_FIELDS);
    told.truncate(MAX_FIELDS);
    told.extend((more > 0).then(|| format!("and {more} more")));
    told
}

/// The fields of one side; what is set below a policy stands beside the others.
fn side(value: Option<&Value>) -> Option<Side> {
    let mut fields = Side::new();
    for (key, value) in value?.as_object()? {
        match value {
            Value::Object(inner) if key == "policy" => {
                fields.extend(inner.iter().map(|(inner, value)| (format!("{key}.{inner}"), value.clone())));
            }
            _ => drop(fields.insert(key.clone(), value.clone())),
        }
    }
    Some(fields)
}

/// The keys of both, in the order in which they are told.
fn keys((before, after): &(Option<Side>, Option<Side>)) -> Vec<&String> {
    let mut all: Vec<_> = before.iter().chain(after).flat_map(BTreeMap::keys).collect();
    all.sort_by_key(|key| (FIELDS.iter().position(|(known, ..)| known == key).unwrap_or(FIELDS.len()), *key));
    all.dedup();
    all.retain(|key| !UNSAID.contains(&key.as_str()));
    all
}

fn line(deed: Option<Deed>, key: &str, sides: (&Option<Side>, &Option<Side>)) -> Option<String> {
    let of =
        |side: &Option<Side>| side.as_ref().and_then(|side| side.get(key)).filter(|value| !value.is_null()).cloned();
    let (was, is) = (of(sides.0), of(sides.1));
    let is_settings = deed == Some(Deed::SettingsChange);
    let (label, choices) = named(key, is_settings);
    let said = |value: &Value| text::short(&text::visible(&in_words((key, value), &choices)), VALUE_CHARS);
    // Of a replacement, the entry has what it was done to on one side, and where it leads on the other; of somebody who was
    // removed, who they were, and who has what was theirs.
    let is_change = sides.0.is_some() && sides.1.is_some() && deed != Some(Deed::UserRemove);
    if is_change && (deed != Some(Deed::DestinationReplace) || is.is_some()) {
        let none = || absent(key, is_settings).to_owned();
        let side = |value: Option<&Value>| value.map_or_else(none, said);
        return (was != is).then(|| format!("{label}: {} → {}", side(was.as_ref()), side(is.as_ref())));
    }
    let value = was.or(is).filter(|value| !is_usual(key, value))?;
    Some(format!("{label}: {}", said(&value)))
}

/// What nobody has said.
fn absent(key: &str, is_settings: bool) -> &'static str {
    match key {
        _ if is_settings => "the default",
        _ if key.starts_with("policy.") => "inherited",
        _ => "none",
    }
}

/// What a field is called, and how its words are said; a setting by its name too, as it stands beside its field.
fn named(key: &str, is_settings: bool) -> (String, Vec<(&'static str, &'static str)>) {
    if is_settings {
        let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == key).map(|(_, label)| (*label, &[][..]));
        let found = server_keys::known(key).map(|known| (known.label, known.choices)).or(elsewhere);
        return found.map_or_else(
            || (key.to_owned(), Vec::new()),
            |(label, choices)| (format!("{label} ({key})"), choices.to_vec()),
        );
    }
    if let Some(policy) = key.strip_prefix("policy.") {
        let found = POLICIES.iter().find(|(known, ..)| *known == policy);
        return found.map_or_else(
            || (policy.replace('_', " "), Vec::new()),
            |(_, label, choices)| ((*label).to_owned(), choices.to_vec()),
        );
    }
    let found = FIELDS.iter().find(|(known, ..)| *known == key);
    found.map_or_else(
        || (key.replace('_', " "), Vec::new()),
        |(_, label, choices)| ((*label).to_owned(), choices.to_vec()),
    )
}

fn is_usual(key: &str, value: &Value) -> bool {
    let plain = in_words((key, value), &[]);
    matches!(value, Value::Bool(false)) || plain == "none" || USUAL.contains(&(key, &plain))
}

fn in_words((key, value): (&str, &Value), choices: &[(&str, &str)]) -> String {
    let chosen = |word: &str| choices.iter().find(|(known, _)| *known == word).map(|(_, label)| (*label).to_owned());
    let of_item = |item: &Value| in_words((key, item), choices);
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(is) => chosen(&is.to_string()).unwrap_or_else(|| if *is { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => number.to_string(),
        Value::String(empty) if empty.is_empty() => "none".to_owned(),
        Value::String(word) if key.ends_with("_at") => Moment::parse_rfc3339(word).map_or_else(|| word.clone(), date),
        Value::String(word) => chosen(word).unwrap_or_else(|| word.clone()),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(of_item).collect::<Vec<_>>().join(", "),
        Value::Object(pairs) => {
            let told = pairs.iter().map(|(key, item)| format!("{} {}", key.replace('_', " "), of_item(item)));
            told.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(deed: Deed, before: Value, after: Value) -> Vec<String> {
        let side = |value: Value| Some(value).filter(|value| !value.is_null());
        fields(&AuditShape {
            id: 1,
            at: Moment::from_millis(0),
            actor: "session".to_owned(),
            email: None,
            action: deed.as_str().to_owned(),
            object: "delivery.relay_password".to_owned(),
            before: side(before),
            after: side(after),
            undoable: false,
        })
    }

    #[test]
    fn only_what_differs_is_told_and_as_the_panel_names_it() {
        let before = json!({ "quota": 5, "labels": [], "address": "a@b", "then": "refuse", "updated_at": 1,
            "policy": { "spf": "off" }, "expires_at": null });
        let after = json!({ "quota": null, "labels": ["x", "y"], "address": "a@b", "then": "drop", "updated_at": 2,
            "policy": { "dmarc": "enforce" }, "expires_at": "2027-01-31T00:00:00Z" });
        let changes = [
            "Labels: none → x, y",
            "Messages a day: 5 → none",
            "Ends on: none → 2027-01-31",
            "Once it has ended: Refuse it, no such address → Take it, throw it away",
            "DMARC: inherited → refused if its domain asks",
            "SPF: not checked → inherited",
        ];
        assert_eq!(told(Deed::AliasChange, before, after.clone()), changes);
        let made = told(Deed::AliasCreate, Value::Null, after);
        assert_eq!(made[..2], ["Labels: x, y", "Ends on: 2027-01-31"], "{made:?}");
    }

    #[test]
    fn settings_are_told_by_their_field_and_their_name_and_secrets_are_not() {
        let after = json!({ "log.max_bytes": "4GiB", "policy.spf": "enforce", "policy.greylist": null, "x.y": 1 });
        let changes = told(Deed::SettingsChange, json!({ "policy.greylist": true }), after);
        let wanted = [
            "At most (log.max_bytes): the default → 4GiB",
            "Greylisting (policy.greylist): yes → the default",
            "SPF (policy.spf): the default → refused where it fails",
            "x.y: the default → 1",
            "Password at the relay: another one, which is never shown",
        ];
        assert_eq!(changes, wanted);
    }

    #[test]
    fn of_a_replacement_both_are_told_and_what_led_there() {
        let before = json!({ "destination": "a@b.example", "aliases": 2, "changed": [{}], "default": true,
            "contact_of": [], "tokens": ["vault"] });
        let changes = told(Deed::DestinationReplace, before, json!({ "destination": "c@d.example" }));
        let wanted = [
            "Destination: a@b.example → c@d.example",
            "Aliases that led there: 2",
            "It was the default: yes",
            "Tokens that bring it along: vault",
        ];
        assert_eq!(changes, wanted);
    }

    #[test]
    fn much_is_told_by_its_number() {
        let after: serde_json::Map<_, _> = (0..16).map(|n| (format!("log.key{n}"), json!(n))).collect();
        let changes = told(Deed::SettingsChange, json!({}), Value::Object(after));
        assert_eq!((changes.len(), changes[MAX_FIELDS].as_str()), (MAX_FIELDS + 1, "and 5 more"));
    }
}
