//! What the list of aliases is narrowed by, as its address says it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::admin::{AliasFilter, Order};
use crate::http::api::Ask;
use crate::mail::Moment;

use super::alias_fields::Choice;
use super::text;

/// The keys of the query, in the order of its address.
const KEYS: [&str; 10] = ["q", "domain", "on", "action", "kind", "label", "to", "mail", "ends", "sort"];
/// Domains that are offered to choose from; of more, one is written.
const MAX_CHOICES: usize = 20;
const DAY: Duration = Duration::from_secs(86_400);

/// Something to choose: its key, what it is, and what there is.
type Asked = (&'static str, &'static str, &'static [(&'static str, &'static str)]);
const CHOICES: [Asked; 6] = [
    ("on", "Switch", &[("", "On or off"), ("true", "On"), ("false", "Off")]),
    (
        "action",
        "What it does",
        &[
            ("", "Any action"),
            ("forward", "Sent on"),
            ("drop", "Thrown away"),
            ("reject", "Refused"),
            ("create", "Made an alias of"),
        ],
    ),
    (
        "kind",
        "Kind",
        &[
            ("", "Any kind"),
            ("address", "Addresses"),
            ("glob", "Patterns (glob)"),
            ("regex", "Regular expressions"),
            ("catch_all", "Catch-alls"),
        ],
    ),
    (
        "mail",
        "Last mail",
        &[
            ("", "At any time, or never"),
            ("never", "Never had any"),
            ("30", "None for 30 days"),
            ("90", "None for 90 days"),
            ("365", "None for a year"),
        ],
    ),
    ("ends", "End", &[("", "With or without an end"), ("true", "Ends some day")]),
    (
        "sort",
        "Order",
        &[
            ("", "Newest first"),
            ("oldest", "Oldest first"),
            ("name", "By address"),
            ("backwards", "By address, backwards"),
            ("mail", "Last mail first"),
        ],
    ),
];

/// A field to choose in.
pub(super) struct Select {
    pub(super) key: &'static str,
    pub(super) label: &'static str,
    pub(super) choices: Vec<Choice>,
}

/// A filter that is set, and the list without it.
pub(super) struct Set {
    pub(super) words: String,
    pub(super) href: String,
}

/// What is asked for.
#[derive(Default)]
pub(super) struct Filters {
    values: BTreeMap<&'static str, String>,
    pub(super) domains: Vec<String>,
}

impl Filters {
    /// As the query says.
    pub(super) fn of(ask: &Ask) -> Self {
        let values = KEYS.iter().filter_map(|key| Some((*key, ask.owned(key)?.trim().to_owned())));
        Self { values: values.filter(|(_, value)| !value.is_empty()).collect(), domains: Vec::new() }
    }

    /// With these domains to choose from, where they are few.
    pub(super) fn on(self, domains: &[String]) -> Self {
        let offered = if (2..=MAX_CHOICES).contains(&domains.len()) { domains.to_vec() } else { Vec::new() };
        Self { domains: offered, ..self }
    }

    /// A value; empty where nothing is asked.
    pub(super) fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// Whether the list is narrowed.
    pub(super) fn any(&self) -> bool {
        !self.values.is_empty()
    }

    /// Whether it is by more than the search.
    pub(super) fn beyond_search(&self) -> bool {
        self.values.keys().any(|key| *key != "q")
    }

    /// As `admin` asks it.
    pub(super) fn wanted(&self, now: Moment) -> AliasFilter {
        let owned = |key: &str| self.values.get(key).cloned();
        let days = |days: u32| now.before(DAY * days).rfc3339();
        AliasFilter {
            domain: owned("domain"),
            search: owned("q"),
            enabled: owned("on").map(|on| on == "true"),
            destination: owned("to"),
            kind: owned("kind"),
            action: owned("action"),
            label: owned("label"),
            ending: self.values.contains_key("ends").then_some(true),
            last_mail_before: owned("mail").map(|mail| mail.parse().map_or(mail, days)),
            order: match self.value("sort") {
                "oldest" => Order::Oldest,
                "name" => Order::Name,
                "backwards" => Order::NameBackwards,
                "mail" => Order::LastMail,
                _ => Order::Usual,
            },
            ..AliasFilter::default()
        }
    }

    /// The list with these changes; an empty value takes a filter away.
    pub(super) fn href(&self, changes: &[(&str, &str)]) -> String {
        self.at("/aliases", changes)
    }

    /// What they show as a file.
    pub(super) fn export(&self) -> String {
        self.at("/aliases/export", &[])
    }

    fn at(&self, path: &str, changes: &[(&str, &str)]) -> String {
        let changed = |key: &str| changes.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let keys = KEYS.iter().chain(&["cursor"]);
        let pairs: Vec<_> = keys.map(|key| (*key, changed(key).unwrap_or_else(|| self.value(key)))).collect();
        text::with_query(path, &pairs)
    }

    /// The fields to choose in.
    pub(super) fn selects(&self) -> Vec<Select> {
        let select = |(key, label, all): Asked| {
            let chosen = self.value(key);
            let choice = |(word, label): &(&'static str, &'static str)| Choice { word, label, chosen: *word == chosen };
            Select { key, label, choices: all.iter().map(choice).collect() }
        };
        CHOICES.into_iter().map(select).collect()
    }

    /// The filters that are set, each to be taken away.
    pub(super) fn set(&self) -> Vec<Set> {
        let told = |(key, value): (&&'static str, &String)| {
            let known = CHOICES.iter().find(|(name, ..)| name == key);
            let label = known.and_then(|(.., all)| all.iter().find(|(word, _)| word == value)).map(|(_, label)| *label);
            let words = match (label, *key) {
                (Some(label), _) => label.to_owned(),
                (None, "label") => format!("label {}", text::short(value, text::SHORT)),
                (None, "to") => format!("→ {}", text::short_address(value)),
                (None, _) => text::short(value, text::SHORT),
            };
            Set { words, href: self.href(&[(key, "")]) }
        };
        self.values.iter().filter(|(key, _)| **key != "q").map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_set_and_taken_away_by_the_address() {
        let values = BTreeMap::from([("q", "a b".to_owned()), ("mail", "30".to_owned()), ("label", "buy".to_owned())]);
        let filters = Filters { values, domains: Vec::new() };
        assert_eq!(filters.href(&[]), "/aliases?q=a%20b&label=buy&mail=30");
        let set: Vec<_> = filters.set().into_iter().map(|set| (set.words, set.href)).collect();
        assert_eq!(
            set,
            [
                ("label buy".to_owned(), "/aliases?q=a%20b&mail=30".to_owned()),
                ("None for 30 days".to_owned(), "/aliases?q=a%20b&label=buy".to_owned()),
            ]
        );
        let wanted = filters.wanted(Moment::from_millis(1_795_373_784_000));
        assert_eq!(wanted.last_mail_before.as_deref(), Some("2026-10-23T18:56:24.000Z"));
    }
}
