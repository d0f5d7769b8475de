//! What is set for one domain: the fields as they are shown, and what somebody wrote into them as the API takes it.

use serde_json::{Map, Value, json};

use crate::admin::shapes::{CatchAll, DomainShape};
use crate::policy::settings::{Enforcement, Instance, TlsPolicy, Unauthenticated};

use super::super::new_alias::Filled;

/// The modes of a catch-all: the word of the API, and ours.
const CATCH_ALL: [(&str, CatchAll, &str); 5] = [
    ("off", CatchAll::Off, "Refuse it: there is no such address"),
    ("forward", CatchAll::Forward, "Send it on"),
    ("create", CatchAll::Create, "Make an alias of it, and send it on"),
    ("drop", CatchAll::Drop, "Take it and throw it away"),
    ("reject", CatchAll::Reject, "Refuse it with words of your own"),
];
/// How random aliases may look.
const FORMATS: [(&str, &str); 5] = [
    ("words", "two words and a number"),
    ("characters", "random letters and digits"),
    ("hex", "hexadecimal digits"),
    ("uuid", "a UUID"),
    ("site", "the name of the website, and a few letters"),
];
const ENFORCEMENTS: [(&str, &str); 3] =
    [("off", "not checked"), ("observe", "checked and shown"), ("enforce", "refused where it fails")];
const YES_NO: [(&str, &str); 2] = [("true", "added"), ("false", "not added")];

/// One value to choose.
pub(super) struct Choice {
    pub(super) word: &'static str,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// A field of several values.
pub(super) struct Chooser {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) choices: Vec<Choice>,
}

/// Every field.
pub(super) struct Fields {
    pub(super) modes: Vec<Choice>,
    pub(super) to: String,
    pub(super) subaddressing: bool,
    pub(super) keep_tag: bool,
    pub(super) contact: String,
    pub(super) srs_domain: String,
    pub(super) mirror_of: String,
    pub(super) formats: Vec<Choice>,
    pub(super) policies: Vec<Chooser>,
}

impl Fields {
    /// As the domain has them; `to` is where its catch-all sends mail.
    pub(super) fn new(domain: &DomainShape, to: String, instance: &Instance) -> Self {
        let mode = |(word, mode, label): (&'static str, CatchAll, &str)| Choice {
            word,
            label: label.to_owned(),
            chosen: mode == domain.catch_all,
        };
        let format = domain.alias_format.as_deref();
        Self {
            modes: CATCH_ALL.map(mode).into(),
            to,
            subaddressing: domain.subaddressing,
            keep_tag: domain.keep_tag,
            contact: domain.contact.clone().unwrap_or_default(),
            srs_domain: domain.srs_domain.clone().unwrap_or_default(),
            mirror_of: domain.mirror_of.clone().unwrap_or_default(),
            formats: choices((&FORMATS, format), "as the account has it".to_owned()),
            policies: policies(domain, instance),
        }
    }
}

/// The word of a mode.
pub(super) fn word_of(mode: CatchAll) -> &'static str {
    CATCH_ALL.iter().find(|(_, known, _)| *known == mode).map_or("", |(word, ..)| word)
}

/// Each policy, with what is inherited where the domain sets none.
fn policies(domain: &DomainShape, instance: &Instance) -> Vec<Chooser> {
    let own = serde_json::to_value(&domain.policy).unwrap_or_default();
    let chooser = |(name, label): (&'static str, &'static str), known: &[(&'static str, &'static str)], above: &str| {
        let set = own.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let inherited = known.iter().find(|(word, _)| *word == above).map_or(above, |(_, label)| label);
        let choices = choices((known, set.as_deref()), format!("as the server has it ({inherited})"));
        Chooser { name, label, choices }
    };
    let words = |level: Enforcement| level.to_string();
    let stranger = if instance.unauthenticated == Unauthenticated::Accept { "accept" } else { "reject" };
    let tls = if instance.tls == TlsPolicy::Opportunistic { "opportunistic" } else { "require" };
    let strangers = [("accept", "taken"), ("reject", "refused")];
    let tls_words = [("opportunistic", "where it is offered"), ("require", "always; else mail waits")];
    vec![
        chooser(("spf", "SPF of senders"), &ENFORCEMENTS, &words(instance.spf)),
        chooser(("dkim", "DKIM signatures"), &ENFORCEMENTS, &words(instance.dkim)),
        chooser(("dmarc", "DMARC of authors"), &ENFORCEMENTS, &words(instance.dmarc)),
        chooser(("unauthenticated", "Mail that proves nothing"), &strangers, stranger),
        chooser(("tls", "TLS towards your inbox"), &tls_words, tls),
        chooser(
            ("forwarded_headers", "X-Forwarded-To and -For"),
            &YES_NO,
            if instance.forwarded_headers { "true" } else { "false" },
        ),
    ]
}

fn choices((known, set): (&[(&'static str, &'static str)], Option<&str>), inherited: String) -> Vec<Choice> {
    let first = Choice { word: "", label: inherited, chosen: set.is_none() };
    let rest =
        known.iter().map(|(word, label)| Choice { word, label: (*label).to_owned(), chosen: set == Some(*word) });
    std::iter::once(first).chain(rest).collect()
}

/// What somebody wrote, as the API takes it. Fields that the form does not have stay as they are.
pub(super) fn written(filled: &Filled) -> Map<String, Value> {
    let text = |key: &str| filled.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut written = Map::new();
    let mut set = |key: &str, value: Value| written.insert(key.to_owned(), value);
    set("subaddressing", filled.contains_key("subaddressing").into());
    set("keep_tag", filled.contains_key("keep_tag").into());
    for key in ["contact", "srs_domain", "alias_format", "mirror_of"] {
        if filled.contains_key(key) {
            set(key, text(key).into());
        }
    }
    if let Some(mode) = text("catch_all") {
        set("catch_all", mode.into());
        if let Some(to) = text("to").filter(|_| matches!(mode, "forward" | "create")) {
            set("catch_all_destinations", to.split(',').map(str::trim).collect::<Vec<_>>().into());
        }
    }
    let policy = policy(filled);
    if !policy.is_empty() {
        set("policy", policy.into());
    }
    written
}

fn policy(filled: &Filled) -> Map<String, Value> {
    let names = ["spf", "dkim", "dmarc", "unauthenticated", "tls", "forwarded_headers"];
    let given = names.into_iter().filter_map(|name| Some((name, filled.get(name)?.trim())));
    let value = |(name, text): (&str, &str)| match (name, text) {
        (_, "") => Value::Null,
        ("forwarded_headers", "true" | "false") => json!(text == "true"),
        _ => json!(text),
    };
    given.map(|pair| (pair.0.to_owned(), value(pair))).collect()
}
