//! The form that makes an alias: what it proposes, what was written into it, and each fault beside its field.

use serde_json::{Map, Value, json};

use crate::admin::{Actor, AdminError, Paging};
use crate::http::Site;

use super::alias_fields::{Choice, entries};
use super::destinations::SURE;
use super::forms::{self, Fields, Filled, Marked, faults};
use super::text;

/// Destinations that the form proposes.
const PROPOSED: usize = 50;
/// Destinations among which these are.
const LOOKED_AT: u32 = 100;
/// What can be done with mail: the word of the API, and ours.
const ACTIONS: [(&str, &str); 4] = [
    ("", "Send it on"),
    ("drop", "Take it, throw it away"),
    ("reject", "Refuse it"),
    ("create", "Make an alias, send it on (for * alone)"),
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

/// The fields that are seldom needed.
const SELDOM: [&str; 9] =
    ["action", "reject_message", "priority", "format", "for", "expires_at", "expires_after", "block", "allow"];
/// The fields that say themselves what is wrong with them: their places on the page, and what it calls them.
const MARKED: [(&str, &str, &str); 11] = [
    ("local_part", "local", "New alias"),
    ("destination", "to", "Sends mail to"),
    ("description", "f-description", "Note"),
    ("labels", "f-labels", "Labels"),
    ("reject_message", "f-reject_message", "Words of a refusal"),
    ("priority", "f-priority", "Priority of a pattern"),
    ("expires_at", "f-expires_at", "Ends on"),
    ("expires_after", "f-expires_after", "Ends after"),
    ("block", "f-block", "Kept out"),
    ("allow", "f-allow", "Let in"),
    ("for", "f-for", "For the website"),
];

/// The form that makes an alias, as it was filled in, with what is wrong.
pub(super) struct NewAlias {
    pub(super) open: bool,
    /// What is seldom needed is shown too.
    pub(super) more: bool,
    /// The domains that are seen, and those of them on which aliases may be made.
    pub(super) domains: Vec<String>,
    pub(super) open_domains: Vec<String>,
    pub(super) inboxes: Vec<String>,
    pub(super) form: Fields,
    pub(super) wrong: Option<String>,
    /// The fields that say themselves what is wrong, with the way there.
    pub(super) marked: Vec<Marked>,
    /// Where whoever is sure of its inboxes sends it all the same.
    pub(super) again: Option<&'static str>,
}

impl NewAlias {
    /// The form; open when asked for, when something is wrong with it, or when there is nothing else to see.
    pub(super) async fn show(
        site: &Site,
        actor: &Actor,
        (filled, lonely): (Option<&Filled>, bool),
        error: Option<&AdminError>,
    ) -> Result<Self, AdminError> {
        let all = Paging { limit: Some(LOOKED_AT), cursor: None };
        let domains = site.admin.domain_names(actor).await?;
        let open_domains = site.admin.domains_for_aliases(actor).await?;
        let known = site.admin.own_destinations(actor, &all).await?;
        let default = site.admin.default_destinations(actor, actor.account).await?.into_iter().next();
        let inboxes = known.into_iter().map(|row| row.address).filter(|address| !address.starts_with('@'));
        let proposed = [("domain", site.admin.proposed_domain(actor).await?), ("destination", default)];
        let empty = MARKED.map(|(key, ..)| key).into_iter().chain(SELDOM).map(|key| (key, None)).chain(proposed);
        let form = Fields::of(empty.map(|(key, value)| (key, value.unwrap_or_default()))).filled(filled);
        Ok(Self {
            open: error.is_some() || ((filled.is_some() || lonely) && !open_domains.is_empty()),
            more: SELDOM.iter().any(|key| !form.value(key).is_empty()),
            inboxes: inboxes.take(PROPOSED).collect(),
            domains,
            open_domains,
            form: marked(form, error),
            wrong: error.filter(|error| !is_marked(error)).map(|error| faults(error).join(" ")),
            marked: error.map(ways_to_marked).unwrap_or_default(),
            again: None,
        })
    }

    /// What can be done with its mail.
    pub(super) fn actions(&self) -> Vec<Choice> {
        choices(&ACTIONS, self.form.value("action"))
    }

    /// How a random name looks.
    pub(super) fn formats(&self) -> Vec<Choice> {
        choices(&FORMATS, self.form.value("format"))
    }
}

/// Puts each fault beside its field; that there is such an alias, beside its name.
fn marked(form: Fields, error: Option<&AdminError>) -> Fields {
    match error {
        Some(error @ AdminError::Conflict(_)) => form.marked_at("local_part", text::said(error)),
        other => form.marked(other, at),
    }
}

fn ways_to_marked(error: &AdminError) -> Vec<Marked> {
    forms::links(error, MARKED.map(|(key, place, name)| (key, place.to_owned(), name)), at)
}

fn is_marked(error: &AdminError) -> bool {
    match error {
        AdminError::Invalid(faults) => {
            faults.iter().all(|fault| MARKED.iter().any(|(key, ..)| *key == at(&fault.field)))
        }
        AdminError::Conflict(_) => true,
        _ => false,
    }
}

/// Where the form says what is wrong with a field of the API.
fn at(field: &str) -> &str {
    match field {
        "address" | "domain" => "local_part",
        "destinations" | SURE => "destination",
        other => other,
    }
}

pub(super) fn choices(all: &[(&'static str, &'static str)], chosen: &str) -> Vec<Choice> {
    all.iter().map(|(word, label)| Choice { word, label, chosen: *word == chosen }).collect()
}

/// The form as the change that it means.
pub(super) fn written(filled: &Filled) -> Map<String, Value> {
    let mut change = shared(filled);
    change.insert("local_part".to_owned(), json!(filled.trimmed("local_part")));
    for key in ["action", "reject_message"] {
        insert_given(&mut change, (key, filled.trimmed(key)));
    }
    insert_number(&mut change, "priority", filled);
    // What sends nothing on has no destination; what does is told when none is named.
    if !matches!(filled.trimmed("action"), "drop" | "reject") {
        change.insert("destinations".to_owned(), entries(filled.trimmed("destination")).into());
    }
    change
}

/// Whether it asks for a random name and for no other.
pub(super) fn is_random(filled: &Filled) -> bool {
    filled.trimmed("local_part").is_empty() && ["format", "for"].iter().any(|key| !filled.trimmed(key).is_empty())
}

/// The form as it asks for a random name.
pub(super) fn written_random(filled: &Filled) -> Map<String, Value> {
    let mut change = shared(filled);
    for key in ["format", "for"] {
        insert_given(&mut change, (key, filled.trimmed(key)));
    }
    let to = entries(filled.trimmed("destination"));
    if !to.is_empty() {
        change.insert("destinations".to_owned(), to.into());
    }
    change
}

/// What the alias of the form is called.
pub(super) fn named(filled: &Filled) -> [(&'static str, &str); 2] {
    ["local_part", "domain"].map(|key| (key, filled.trimmed(key)))
}

/// A number; what is none is told by whoever reads it.
pub(super) fn insert_number(change: &mut Map<String, Value>, key: &str, filled: &Filled) {
    let text = filled.trimmed(key);
    if !text.is_empty() {
        change.insert(key.to_owned(), text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from));
    }
}

fn shared(filled: &Filled) -> Map<String, Value> {
    let mut change = Map::new();
    change.insert("domain".to_owned(), json!(filled.trimmed("domain")));
    change.insert("description".to_owned(), json!(filled.trimmed("description")));
    change.insert("labels".to_owned(), entries(filled.trimmed("labels")).into());
    for key in ["expires_at", "expires_after"] {
        insert_given(&mut change, (key, filled.trimmed(key)));
    }
    for key in ["block", "allow"] {
        let senders = entries(filled.trimmed(key));
        if !senders.is_empty() {
            change.insert(key.to_owned(), senders.into());
        }
    }
    change
}

fn insert_given(change: &mut Map<String, Value>, (key, value): (&str, &str)) {
    if !value.is_empty() {
        change.insert(key.to_owned(), value.into());
    }
}
