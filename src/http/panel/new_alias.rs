//! The form that makes an alias: what it proposes, what was written into it, and each fault beside its field.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::admin::{Actor, AdminError, Fault, Paging};
use crate::http::Site;

use super::alias_fields::{Choice, entries};
use super::forms::sentence;
use super::text;

/// Destinations that the form proposes.
const PROPOSED: usize = 50;
/// Destinations among which these are.
const LOOKED_AT: u32 = 100;
/// What can be done with mail: the word of the API, and ours.
const ACTIONS: [(&str, &str); 4] = [
    ("", "Send it on"),
    ("drop", "Take it and throw it away"),
    ("reject", "Refuse it"),
    ("create", "Make an alias of it, and send it on (for * alone)"),
];
/// How random names look.
const FORMATS: [(&str, &str); 6] = [
    ("", "As the domain says"),
    ("words", "Two words and a number"),
    ("characters", "Letters and digits"),
    ("hex", "Hexadecimal digits"),
    ("uuid", "A UUID"),
    ("site", "By the website's name"),
];

/// How far a trial looks back.
const DAYS: [(&str, &str); 3] = [("", "7 days"), ("30", "30 days"), ("90", "90 days")];

/// What a person wrote into the form.
pub(super) type Filled = HashMap<String, String>;

/// The form that makes an alias, as it was filled in, with what is wrong.
#[derive(Default)]
pub(super) struct NewAlias {
    pub(super) open: bool,
    /// What is seldom needed is shown too.
    pub(super) more: bool,
    pub(super) domains: Vec<String>,
    pub(super) inboxes: Vec<String>,
    pub(super) local: String,
    pub(super) domain: String,
    pub(super) to: String,
    pub(super) note: String,
    pub(super) labels: String,
    pub(super) action: String,
    pub(super) words: String,
    pub(super) format: String,
    pub(super) site: String,
    pub(super) priority: String,
    pub(super) days: String,
    pub(super) wrong: Option<String>,
    pub(super) local_wrong: Option<String>,
    pub(super) to_wrong: Option<String>,
    pub(super) note_wrong: Option<String>,
    pub(super) labels_wrong: Option<String>,
    pub(super) words_wrong: Option<String>,
    pub(super) site_wrong: Option<String>,
    pub(super) priority_wrong: Option<String>,
}

impl NewAlias {
    /// The form; open when asked for, when something is wrong with it, or when there is nothing else to see.
    pub(super) async fn show(
        site: &Site,
        actor: &Actor,
        (filled, lonely): (Option<Filled>, bool),
        error: Option<AdminError>,
    ) -> Result<Self, AdminError> {
        let all = Paging { limit: Some(LOOKED_AT), cursor: None };
        let domains = site.admin.domain_names(actor).await?;
        let known = site.admin.destinations(actor, None, &all).await?.items;
        let default = site.admin.default_destinations(actor, actor.account).await?.into_iter().next();
        let inboxes = known.into_iter().map(|row| row.address).filter(|address| !address.starts_with('@'));
        let mut form = Self {
            open: filled.is_some() || lonely,
            inboxes: inboxes.take(PROPOSED).collect(),
            domain: domains.first().cloned().unwrap_or_default(),
            domains,
            to: default.unwrap_or_default(),
            ..Self::default()
        };
        form.fill(filled.unwrap_or_default());
        form.mark(error);
        Ok(form)
    }

    fn fill(&mut self, mut filled: Filled) {
        for (key, slot) in [
            ("local_part", &mut self.local),
            ("domain", &mut self.domain),
            ("destination", &mut self.to),
            ("description", &mut self.note),
            ("labels", &mut self.labels),
            ("action", &mut self.action),
            ("reject_message", &mut self.words),
            ("format", &mut self.format),
            ("for", &mut self.site),
            ("priority", &mut self.priority),
            ("days", &mut self.days),
        ] {
            if let Some(value) = filled.remove(key) {
                *slot = value;
            }
        }
        self.more =
            [&self.action, &self.words, &self.format, &self.site, &self.priority].iter().any(|value| !value.is_empty());
    }

    /// What can be done with its mail.
    pub(super) fn actions(&self) -> Vec<Choice> {
        choices(&ACTIONS, &self.action)
    }

    /// How far a trial looks back.
    pub(super) fn spans(&self) -> Vec<Choice> {
        choices(&DAYS, &self.days)
    }

    /// How a random name looks.
    pub(super) fn formats(&self) -> Vec<Choice> {
        choices(&FORMATS, &self.format)
    }

    /// Puts each fault beside its field.
    fn mark(&mut self, error: Option<AdminError>) {
        match error {
            None => {}
            Some(AdminError::Invalid(faults)) => faults.iter().for_each(|fault| self.mark_one(fault)),
            Some(error @ AdminError::Conflict(_)) => self.local_wrong = Some(text::said(&error)),
            Some(other) => self.wrong = Some(text::said(&other)),
        }
    }

    fn mark_one(&mut self, fault: &Fault) {
        let slot = match fault.field.as_str() {
            "address" | "local_part" | "domain" => &mut self.local_wrong,
            "destinations" => &mut self.to_wrong,
            "description" => &mut self.note_wrong,
            "labels" => &mut self.labels_wrong,
            "reject_message" => &mut self.words_wrong,
            "for" => &mut self.site_wrong,
            "priority" => &mut self.priority_wrong,
            _ => &mut self.wrong,
        };
        slot.get_or_insert(sentence(&text::visible(&fault.detail)));
    }
}

fn choices(all: &[(&'static str, &'static str)], chosen: &str) -> Vec<Choice> {
    all.iter().map(|(word, label)| Choice { word, label, chosen: *word == chosen }).collect()
}

/// The form as the change that it means.
pub(super) fn written(filled: &Filled) -> Map<String, Value> {
    let mut change = shared(filled);
    change.insert("local_part".to_owned(), json!(value(filled, "local_part")));
    for key in ["action", "reject_message"] {
        insert_given(&mut change, (key, value(filled, key)));
    }
    insert_number(&mut change, "priority", filled);
    // What sends nothing on has no destination; what does is told when none is named.
    if !matches!(value(filled, "action"), "drop" | "reject") {
        change.insert("destinations".to_owned(), entries(value(filled, "destination")).into());
    }
    change
}

/// The form as it asks for a random name.
pub(super) fn written_random(filled: &Filled) -> Map<String, Value> {
    let mut change = shared(filled);
    for key in ["format", "for"] {
        insert_given(&mut change, (key, value(filled, key)));
    }
    let to = entries(value(filled, "destination"));
    if !to.is_empty() {
        change.insert("destinations".to_owned(), to.into());
    }
    change
}

/// The form as it asks what the alias would take.
pub(super) fn written_trial(filled: &Filled) -> Map<String, Value> {
    let mut trial = Map::new();
    for key in ["local_part", "domain"] {
        trial.insert(key.to_owned(), json!(value(filled, key)));
    }
    insert_number(&mut trial, "priority", filled);
    insert_number(&mut trial, "days", filled);
    trial
}

/// A number; what is none is told by whoever reads it.
fn insert_number(change: &mut Map<String, Value>, key: &str, filled: &Filled) {
    let text = value(filled, key);
    if !text.is_empty() {
        change.insert(key.to_owned(), text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from));
    }
}

fn shared(filled: &Filled) -> Map<String, Value> {
    let mut change = Map::new();
    change.insert("domain".to_owned(), json!(value(filled, "domain")));
    change.insert("description".to_owned(), json!(value(filled, "description")));
    change.insert("labels".to_owned(), entries(value(filled, "labels")).into());
    change
}

fn insert_given(change: &mut Map<String, Value>, (key, value): (&str, &str)) {
    if !value.is_empty() {
        change.insert(key.to_owned(), value.into());
    }
}

fn value<'f>(filled: &'f Filled, key: &str) -> &'f str {
    filled.get(key).map_or("", |text| text.trim())
}
