//! The form that makes an alias: what it proposes, what was written into it, and each fault beside its field.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::admin::{Actor, AdminError, Fault, MAX_LIMIT, Paging};
use crate::http::Site;

/// Destinations that the form proposes.
const PROPOSED: usize = 50;

/// What a person wrote into the form.
pub(super) type Filled = HashMap<String, String>;

/// The form that makes an alias, as it was filled in, with what is wrong.
#[derive(Default)]
pub(super) struct NewAlias {
    pub(super) open: bool,
    pub(super) domains: Vec<String>,
    pub(super) inboxes: Vec<String>,
    pub(super) local: String,
    pub(super) domain: String,
    pub(super) to: String,
    pub(super) note: String,
    pub(super) wrong: Option<String>,
    pub(super) local_wrong: Option<String>,
    pub(super) to_wrong: Option<String>,
    pub(super) note_wrong: Option<String>,
}

impl NewAlias {
    /// The form; open when asked for, when something is wrong with it, or when there is nothing else to see.
    pub(super) async fn show(
        site: &Site,
        actor: &Actor,
        (filled, lonely): (Option<Filled>, bool),
        error: Option<AdminError>,
    ) -> Result<Self, AdminError> {
        let all = Paging { limit: Some(MAX_LIMIT), cursor: None };
        let domains: Vec<_> = site.admin.domains(actor, None, &all).await?.items.into_iter().map(|d| d.name).collect();
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
        ] {
            if let Some(value) = filled.remove(key) {
                *slot = value;
            }
        }
    }

    /// Puts each fault beside its field.
    fn mark(&mut self, error: Option<AdminError>) {
        match error {
            None => {}
            Some(AdminError::Invalid(faults)) => faults.iter().for_each(|fault| self.mark_one(fault)),
            Some(error @ AdminError::Conflict(_)) => self.local_wrong = Some(error.to_string()),
            Some(other) => self.wrong = Some(other.to_string()),
        }
    }

    fn mark_one(&mut self, fault: &Fault) {
        let slot = match fault.field.as_str() {
            "address" | "local_part" | "domain" => &mut self.local_wrong,
            "destinations" => &mut self.to_wrong,
            "description" => &mut self.note_wrong,
            _ => &mut self.wrong,
        };
        slot.get_or_insert(sentence(&fault.detail));
    }
}

/// A fault's words as a sentence.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// The form as the change that it means.
pub(super) fn written(filled: &Filled) -> Map<String, Value> {
    let value = |key: &str| filled.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut change = Map::new();
    change.insert("local_part".to_owned(), json!(value("local_part")));
    change.insert("domain".to_owned(), json!(value("domain")));
    change.insert("description".to_owned(), json!(value("description")));
    change.insert("destinations".to_owned(), json!([value("destination")]));
    change
}
