//! What is set for one domain: the fields as they are shown, and what somebody wrote into them as the API takes it.

use serde_json::{Map, Value, json};

use crate::admin::shapes::{CatchAll, DomainShape};
use crate::admin::{AdminError, DefaultContact};
use crate::policy::settings::{Enforcement, Instance, TlsPolicy, Unauthenticated};

use super::super::alias_fields::entries;
use super::super::forms::{self, Filled, Marked};
use super::super::policy_words;
use super::super::text;

/// The modes of a catch-all: the word of the API, and ours.
const CATCH_ALL: [(&str, CatchAll, &str); 5] = [
    ("off", CatchAll::Off, "Refuse it, no such address"),
    ("forward", CatchAll::Forward, "Send it on"),
    ("create", CatchAll::Create, "Make an alias, send it on"),
    ("drop", CatchAll::Drop, "Take it, throw it away"),
    ("reject", CatchAll::Reject, "Refuse it, words of yours"),
];
/// How random aliases may look.
const FORMATS: [(&str, &str); 5] = [
    ("words", "two words and a number"),
    ("characters", "random letters and digits"),
    ("hex", "hexadecimal digits"),
    ("uuid", "a UUID"),
    ("site", "the website's name"),
];

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
    /// What counts where it sets nothing.
    pub(super) inherited: &'static str,
}

/// The boxes of the form.
const BOXES: [&str; 2] = ["subaddressing", "keep_tag"];
/// The fields that say themselves what is wrong with them, and what the page calls them.
const MARKED: [(&str, &str); 6] = [
    ("catch_all_destinations", "Where it is sent on to"),
    ("contact", "Postmaster and abuse go to"),
    ("srs_domain", "Domain of rewritten senders"),
    ("mirror_of", "Mirror of"),
    ("allow", "Let in"),
    ("block", "Kept out"),
];

/// Every field.
pub(super) struct Fields {
    pub(super) form: forms::Fields,
    pub(super) modes: Vec<Choice>,
    /// The page of the alias that is its catch-all, where it has one in force.
    pub(super) rule: Option<String>,
    pub(super) formats: Vec<Choice>,
    pub(super) policies: Vec<Chooser>,
    /// It has no aliases of its own.
    pub(super) is_mirror: bool,
    /// Who gets mail for postmaster and abuse where it names nobody.
    pub(super) contact_help: String,
    /// What counts where it has no domain of rewritten senders of its own.
    pub(super) srs_help: String,
}

impl Fields {
    /// As the domain has them, `to` being where its catch-all sends mail; with what a person wrote, and what is wrong with
    /// that.
    pub(super) fn new(
        (domain, to): (&DomainShape, String),
        instance: &Instance,
        (filled, error): (Option<&Filled>, Option<&AdminError>),
    ) -> Self {
        let form =
            forms::Fields::of(values(domain, to)).filled(filled).ticked(&BOXES, filled).marked(error, |field| field);
        let modes = CATCH_ALL.map(|(word, _, label)| Choice {
            word,
            label: label.to_owned(),
            chosen: word == form.value("catch_all"),
        });
        Self {
            modes: modes.into(),
            rule: (domain.catch_all != CatchAll::Off)
                .then(|| format!("/aliases/{}", text::in_query(&format!("*@{}", domain.name)))),
            formats: choices((&FORMATS, form.value("alias_format")), "as the account has it".to_owned()),
            policies: policies(&form, instance),
            is_mirror: domain.mirror_of.is_some(),
            contact_help: "A destination of its owner. Empty: their default one.".to_owned(),
            srs_help: match &instance.srs_domain {
                Some(shared) => {
                    format!("Empty: {}, which all domains of this server share.", text::ours(&shared.to_string()))
                }
                None => "Empty: the domain itself.".to_owned(),
            },
            form,
        }
    }
}

impl Fields {
    /// Without what may not be chosen: each policy, and the value of it.
    pub(super) fn without(mut self, beyond: &[(&str, &str)]) -> Self {
        for policy in &mut self.policies {
            policy.choices.retain(|choice| choice.chosen || !beyond.contains(&(policy.name, choice.word)));
        }
        self
    }
}

/// Who gets mail for postmaster and abuse where the domain names nobody.
pub(super) fn contact_help(contact: &DefaultContact) -> String {
    let (one, default) =
        if contact.is_own { ("One of your destinations", "your") } else { ("A destination of its owner", "their") };
    let now = match &contact.address {
        Some(address) => format!(", now {}.", text::ours(address)),
        None => "; there is none, so this mail is held.".to_owned(),
    };
    format!("{one}. Empty: {default} default destination{now}")
}

/// What is said above the fields, where they do not say it all.
pub(super) fn above(error: &AdminError) -> Option<String> {
    forms::above(error, &MARKED.map(|(key, _)| key))
}

/// The fields that say what is wrong with them, each with the way there.
pub(super) fn marked(error: &AdminError) -> Vec<Marked> {
    forms::links(error, MARKED.map(|(key, name)| (key, format!("f-{key}"), name)), |field| field)
}

fn values(domain: &DomainShape, to: String) -> Vec<(&'static str, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let ticked = |is: bool| if is { "on".to_owned() } else { String::new() };
    let own = serde_json::to_value(&domain.policy).unwrap_or_default();
    let set = |name: &'static str| {
        let value = own.get(name).filter(|value| !value.is_null());
        (name, value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default())
    };
    let mut values = vec![
        ("catch_all", word_of(domain.catch_all).to_owned()),
        ("catch_all_destinations", to),
        ("subaddressing", ticked(domain.subaddressing)),
        ("keep_tag", ticked(domain.keep_tag)),
        ("contact", text(&domain.contact)),
        ("srs_domain", text(&domain.srs_domain)),
        ("mirror_of", text(&domain.mirror_of)),
        ("alias_format", text(&domain.alias_format)),
        ("allow", domain.allow.join("\n")),
        ("block", domain.block.join("\n")),
    ];
    values.extend(POLICIES.map(set));
    values
}

/// The word of a mode.
pub(super) fn word_of(mode: CatchAll) -> &'static str {
    CATCH_ALL.iter().find(|(_, known, _)| *known == mode).map_or("", |(word, ..)| word)
}

/// What a mode does, as it is chosen.
pub(super) fn label_of(mode: CatchAll) -> &'static str {
    CATCH_ALL.iter().find(|(_, known, _)| *known == mode).map_or("", |(.., label)| label)
}

/// What of the policy a domain may set for itself.
const POLICIES: [&str; 6] = ["spf", "dkim", "dmarc", "unauthenticated", "tls", "forwarded_headers"];

/// Each policy, with what is inherited where the domain sets none.
fn policies(form: &forms::Fields, instance: &Instance) -> Vec<Chooser> {
    let chooser = |(name, label): (&'static str, &'static str), known: &[(&'static str, &'static str)], above: &str| {
        let inherited = known.iter().find(|(word, _)| *word == above).map_or("", |(_, label)| label);
        let choices = choices((known, form.value(name)), "as the server has it".to_owned());
        Chooser { name, label, choices, inherited }
    };
    let words = |level: Enforcement| level.to_string();
    let stranger = if instance.unauthenticated == Unauthenticated::Accept { "accept" } else { "reject" };
    let tls = if instance.tls == TlsPolicy::Opportunistic { "opportunistic" } else { "require" };
    vec![
        chooser(("spf", "SPF of senders"), policy_words::CHECKS, &words(instance.spf)),
        chooser(("dkim", "DKIM signatures"), policy_words::CHECKS, &words(instance.dkim)),
        chooser(("dmarc", "DMARC of authors"), policy_words::DMARC, &words(instance.dmarc)),
        chooser(("unauthenticated", "Mail that proves nothing"), policy_words::STRANGERS, stranger),
        chooser(("tls", "TLS towards your inbox"), policy_words::TLS, tls),
        chooser(
            ("forwarded_headers", "X-Forwarded-To and -For"),
            policy_words::HEADERS,
            if instance.forwarded_headers { "true" } else { "false" },
        ),
    ]
}

fn choices((known, set): (&[(&'static str, &'static str)], &str), inherited: String) -> Vec<Choice> {
    let first = Choice { word: "", label: inherited, chosen: set.is_empty() };
    let rest = known.iter().map(|(word, label)| Choice { word, label: (*label).to_owned(), chosen: set == *word });
    std::iter::once(first).chain(rest).collect()
}

/// What somebody wrote, as the API takes it. Fields that the form does not have stay as they are.
pub(super) fn written(filled: &Filled) -> Map<String, Value> {
    let text = |key: &str| Some(filled.trimmed(key)).filter(|text| !text.is_empty());
    let mut written = Map::new();
    let mut set = |key: &str, value: Value| written.insert(key.to_owned(), value);
    set("subaddressing", filled.has("subaddressing").into());
    set("keep_tag", filled.has("keep_tag").into());
    for key in ["contact", "srs_domain", "alias_format", "mirror_of"] {
        if filled.has(key) {
            set(key, text(key).into());
        }
    }
    for key in ["allow", "block"] {
        if let Some(text) = filled.given(key) {
            set(key, entries(text).into());
        }
    }
    if let Some(mode) = text("catch_all") {
        set("catch_all", mode.into());
        if let Some(to) = text("catch_all_destinations").filter(|_| matches!(mode, "forward" | "create")) {
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
    let given = POLICIES.into_iter().filter_map(|name| Some((name, filled.given(name)?.trim())));
    let value = |(name, text): (&str, &str)| match (name, text) {
        (_, "") => Value::Null,
        ("forwarded_headers", "true" | "false") => json!(text == "true"),
        _ => json!(text),
    };
    given.map(|pair| (pair.0.to_owned(), value(pair))).collect()
}
