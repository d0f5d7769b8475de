//! What can be set of an alias as a form shows it, and the form as the change that it means. What a person wrote stays in
//! its field, right or wrong.

use serde_json::{Map, Value, json};

use crate::admin::AdminError;
use crate::admin::shapes::{AliasShape, ExpiresAfter};
use crate::policy::rule::Kind;

use super::destinations::SURE;
use super::forms::{self, Filled, Marked};
use super::policy_words::{self, Words};
use super::rule_words::date;
use super::text;

/// The texts of a form: the name of a field in the API, and where an empty one means none.
const TEXTS: [(&str, Empty); 13] = [
    ("action", Empty::Absent),
    ("destinations", Empty::Nothing),
    ("reject_message", Empty::Null),
    ("description", Empty::Nothing),
    ("labels", Empty::Nothing),
    ("priority", Empty::Null),
    ("quota", Empty::Null),
    ("expires_at", Empty::Null),
    ("expires_after", Empty::Null),
    ("then", Empty::Absent),
    ("privacy", Empty::Absent),
    ("allow", Empty::Nothing),
    ("block", Empty::Nothing),
];
/// What can be done with mail.
pub(super) const ACTIONS: Words = &[
    ("forward", "Send it on"),
    ("drop", "Take it, throw it away"),
    ("reject", "Refuse it"),
    ("create", "Make an alias, send it on"),
];
/// What can be done once an alias has ended.
pub(super) const AFTERS: Words = &[
    ("refuse", "Refuse it, no such address"),
    ("reject", "Refuse it, words as above"),
    ("drop", "Take it, throw it away"),
    ("delete", "Refuse, remove the alias"),
];
/// What the log keeps.
pub(super) const PRIVACIES: Words =
    &[("off", "Everything"), ("subject", "No subjects, no authors"), ("envelope", "Only domains of senders")];
/// What an alias may set for itself: the key, what it is, and what can be chosen.
pub(super) const POLICIES: [(&str, &str, Words); 6] = [
    ("spf", "SPF", policy_words::CHECKS),
    ("dkim", "DKIM", policy_words::CHECKS),
    ("dmarc", "DMARC", policy_words::DMARC),
    ("unauthenticated", "Mail that proves nothing", policy_words::STRANGERS),
    ("tls", "TLS to the destination", policy_words::TLS),
    ("forwarded_headers", "X-Forwarded-To and -For", policy_words::HEADERS),
];

/// What an empty field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// An empty text or list.
    Nothing,
    /// The default.
    Null,
    /// That nothing was chosen.
    Absent,
}

/// Something to choose.
pub(super) struct Choice {
    pub(super) word: &'static str,
    pub(super) label: &'static str,
    pub(super) chosen: bool,
}

/// A setting that can be inherited.
pub(super) struct Policy {
    pub(super) key: &'static str,
    pub(super) label: &'static str,
    pub(super) choices: Vec<Choice>,
}

/// A field that somebody else has changed, or that is about to be.
pub(super) struct Differing {
    pub(super) label: &'static str,
    /// What is stored.
    pub(super) stored: String,
    /// What was written instead.
    pub(super) written: String,
}

/// The fields of a form.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) form: forms::Fields,
    pub(super) version: i64,
    /// What a number counts, and how far it has come.
    pub(super) ends_after: String,
    is_catch_all: bool,
    pub(super) is_pattern: bool,
    /// The policies, and values of them, that whoever looks may not choose.
    beyond: Vec<(&'static str, &'static str)>,
}

impl Fields {
    /// Of an alias as it is; with what a person wrote, and what is wrong with that.
    pub(super) fn of(
        alias: &AliasShape,
        version: i64,
        (filled, error): (Option<&Filled>, Option<&AdminError>),
    ) -> Self {
        let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
        let after = alias.expires_after.as_ref().map(|after| match after {
            ExpiresAfter::Messages(n) => n.to_string(),
            ExpiresAfter::Idle(span) => span.clone(),
        });
        let pairs = [
            ("action", word(json!(alias.action))),
            ("destinations", alias.destinations.join("\n")),
            ("reject_message", alias.reject_message.clone().unwrap_or_default()),
            ("description", alias.description.clone()),
            ("labels", alias.labels.join(", ")),
            ("priority", alias.priority.to_string()),
            ("quota", alias.quota.map(|quota| quota.to_string()).unwrap_or_default()),
            ("expires_at", alias.expires_at.map(date).unwrap_or_default()),
            ("expires_after", after.unwrap_or_default()),
            ("then", word(json!(alias.then))),
            ("privacy", word(json!(alias.privacy))),
            ("allow", alias.allow.join("\n")),
            ("block", alias.block.join("\n")),
        ];
        let mut values: Vec<_> = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let set = json!(alias.policy);
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        values.extend(POLICIES.iter().map(|(key, ..)| {
            (format!("policy.{key}"), set.get(key).filter(|value| !value.is_null()).map(plain).unwrap_or_default())
        }));
        let is_pattern = matches!(alias.kind, Kind::Glob | Kind::Regex);
        let form = forms::Fields::of(values).filled(filled).marked(error, at);
        let ends_after = ends_after(alias.messages);
        let is_catch_all = alias.kind == Kind::CatchAll;
        Self { form, version, ends_after, is_catch_all, is_pattern, beyond: Vec::new() }
    }

    /// Without what may not be chosen.
    pub(super) fn without(self, beyond: Vec<(&'static str, &'static str)>) -> Self {
        Self { beyond, ..self }
    }

    /// What was written that is not what is stored, which these fields show.
    pub(super) fn differing(&self, filled: &Filled) -> Vec<Differing> {
        let texts = TEXTS.iter().map(|(key, empty)| ((*key).to_owned(), *empty));
        let policies = POLICIES.iter().map(|(key, ..)| (format!("policy.{key}"), Empty::Null));
        let differs = |(key, empty): (String, Empty)| {
            let (stored, written) = (self.form.value(&key), filled.given(&key)?.trim());
            let is_same = meant((&key, stored.trim()), empty) == meant((&key, written), empty);
            let words = |value: &str| self.words(&key, value);
            (!is_same).then(|| Differing { label: label(&key), stored: words(stored), written: words(written) })
        };
        texts.chain(policies).filter_map(differs).collect()
    }

    /// A value as the form shows it.
    fn words(&self, key: &str, value: &str) -> String {
        let choices = match key {
            "action" => self.actions(),
            "then" => self.afters(),
            "privacy" => self.privacies(),
            _ => match key.strip_prefix("policy.") {
                Some(policy) => {
                    self.policies().into_iter().find(|one| one.key == policy).map_or_else(Vec::new, |one| one.choices)
                }
                None => Vec::new(),
            },
        };
        let chosen = choices.iter().find(|choice| choice.word == value).map(|choice| choice.label);
        match chosen.unwrap_or(value) {
            "" => "nothing".to_owned(),
            words => text::visible_lines(words),
        }
    }

    /// What is said above the fields, where they do not say it all.
    pub(super) fn above(error: &AdminError) -> Option<String> {
        let marked: Vec<_> = TEXTS.iter().map(|(key, _)| *key).chain(["policy", SURE]).collect();
        forms::above(error, &marked)
    }

    /// The fields that say what is wrong with them, each with the way there.
    pub(super) fn marked(error: &AdminError) -> Vec<Marked> {
        let keys = TEXTS.iter().map(|(key, _)| (*key, label(key))).chain([("policy", "Checks of its own")]);
        forms::links(error, keys.map(|(key, name)| (key, format!("f-{key}"), name)), at)
    }

    /// What can be done with mail.
    pub(super) fn actions(&self) -> Vec<Choice> {
        let fitting = ACTIONS.iter().copied().filter(|(word, _)| *word != "create" || self.is_catch_all);
        self.choices("action", fitting)
    }

    /// What can be done once it has ended.
    pub(super) fn afters(&self) -> Vec<Choice> {
        self.choices("then", AFTERS.iter().copied())
    }

    /// What the log keeps.
    pub(super) fn privacies(&self) -> Vec<Choice> {
        self.choices("privacy", PRIVACIES.iter().copied())
    }

    /// What it sets for itself.
    pub(super) fn policies(&self) -> Vec<Policy> {
        let inherit = [("", "as the domain has it")];
        let shown = |(key, label, choices): &(&'static str, &'static str, Words)| {
            let all = inherit.into_iter().chain(choices.iter().copied());
            let mut choices = self.choices(&format!("policy.{key}"), all);
            choices.retain(|choice| choice.chosen || !self.beyond.contains(&(*key, choice.word)));
            Policy { key, label, choices }
        };
        POLICIES.iter().map(shown).collect()
    }

    fn choices(&self, key: &str, all: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<Choice> {
        let value = self.form.value(key);
        all.map(|(word, label)| Choice { word, label, chosen: word == value }).collect()
    }
}

/// Where the form says what is wrong with a field of the API.
fn at(field: &str) -> &str {
    if field == SURE { "destinations" } else { field }
}

/// The form as the change that it means: fields that it does not have stay as they are.
pub(super) fn change(filled: &Filled) -> Map<String, Value> {
    let mut change = Map::new();
    for (key, empty) in TEXTS.into_iter().filter(|(key, _)| filled.has(key)) {
        let text = filled.get(key).trim();
        if !(text.is_empty() && empty == Empty::Absent) {
            change.insert(key.to_owned(), meant((key, text), empty));
        }
    }
    let policies = POLICIES.iter().filter_map(|(key, ..)| {
        let name = format!("policy.{key}");
        let value = match filled.get(&name) {
            "" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            word => Value::from(word),
        };
        filled.has(&name).then(|| ((*key).to_owned(), value))
    });
    let policies: Map<_, _> = policies.collect();
    if !policies.is_empty() {
        change.insert("policy".to_owned(), Value::Object(policies));
    }
    change
}

/// What is said of the field for an end by a count, where so many have come.
fn ends_after(came: u64) -> String {
    let came = match came {
        0 => String::new(),
        1 => " (one has come)".to_owned(),
        came => format!(" ({came} have come)"),
    };
    format!("A number of messages in all, such as 100{came}, or a time without any, such as 30d.")
}

/// What a field is called on the page.
fn label(key: &str) -> &'static str {
    const LABELS: [(&str, &str); 13] = [
        ("action", "Mail that comes"),
        ("destinations", "Destinations"),
        ("reject_message", "Words of a refusal"),
        ("description", "Note"),
        ("labels", "Labels"),
        ("priority", "Priority"),
        ("quota", "Messages a day"),
        ("expires_at", "Ends on"),
        ("expires_after", "Ends after"),
        ("then", "Once it has ended"),
        ("privacy", "The log keeps"),
        ("allow", "Let in"),
        ("block", "Kept out"),
    ];
    let policies = POLICIES.iter().map(|(name, label, _)| (*name, *label));
    let name = key.strip_prefix("policy.").unwrap_or(key);
    LABELS.into_iter().chain(policies).find(|(known, _)| *known == name).map_or("", |(_, label)| label)
}

fn meant((key, text): (&str, &str), empty: Empty) -> Value {
    match key {
        "destinations" | "labels" | "allow" | "block" => entries(text).into(),
        "priority" | "quota" if !text.is_empty() => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        _ if text.is_empty() && empty == Empty::Null => Value::Null,
        _ => Value::from(text),
    }
}

/// Entries, one a line or parted by commas.
pub(super) fn entries(text: &str) -> Vec<String> {
    text.split([',', '\n', ';']).map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_leaves_out_stays_and_what_is_emptied_is_none() {
        let filled = Filled::from_pairs(&[
            ("destinations", "a@b.example\r\n c@d.example,"),
            ("quota", ""),
            ("priority", "many"),
            ("then", ""),
            ("description", " Shops "),
            ("policy.spf", ""),
            ("policy.forwarded_headers", "true"),
        ]);
        let wanted = json!({
            "destinations": ["a@b.example", "c@d.example"], "quota": null, "priority": "many", "description": "Shops",
            "policy": { "spf": null, "forwarded_headers": true },
        });
        assert_eq!(Value::Object(change(&filled)), wanted);
    }
}
