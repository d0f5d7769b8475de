//! Forms as they come from a browser: pairs of a name and a value; and what of them is a change as the API writes it.

use std::collections::HashMap;

use axum::Form;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::admin::{AdminError, Fault};
use crate::http::Site;

use super::frame::Words;
use super::text;

/// What a person wrote into a form.
#[derive(Debug, Default)]
pub(super) struct Filled(HashMap<String, String>);

impl FromRequest<Site> for Filled {
    type Rejection = Response;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Response> {
        Self::of(request).await.ok_or_else(unreadable)
    }
}

impl Filled {
    /// Takes what a request brings; none where that is no form.
    pub(super) async fn of(request: Request) -> Option<Self> {
        Form::<HashMap<String, String>>::from_request(request, &()).await.ok().map(|Form(pairs)| Self(pairs))
    }

    /// Of these pairs.
    pub(super) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    /// A value; empty if there is none.
    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// A value without the space around it.
    pub(super) fn trimmed(&self, key: &str) -> &str {
        self.get(key).trim()
    }

    /// A value, where the form has such a field.
    pub(super) fn given(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether there is such a field at all, empty or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// These fields as a change, without those that were left empty.
    pub(super) fn change(&self, keys: &[&str]) -> Map<String, Value> {
        let given = keys.iter().filter(|key| !self.get(key).is_empty());
        given.map(|key| ((*key).to_owned(), Value::String(self.get(key).to_owned()))).collect()
    }
}

/// The fields of a form: what stands in each, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Fields {
    values: HashMap<String, String>,
    wrong: HashMap<String, String>,
}

impl Fields {
    /// With these values.
    pub(super) fn of(values: impl IntoIterator<Item = (impl Into<String>, String)>) -> Self {
        Self { values: values.into_iter().map(|(key, value)| (key.into(), value)).collect(), wrong: HashMap::new() }
    }

    /// With these values beside what is marked.
    pub(super) fn with<const N: usize>(self, values: [(&str, String); N]) -> Self {
        Self { wrong: self.wrong, ..Self::of(values) }
    }

    /// With what a person wrote, right or wrong.
    pub(super) fn filled(mut self, filled: Option<&Filled>) -> Self {
        let Some(filled) = filled else { return self };
        for (key, value) in &mut self.values {
            if let Some(written) = filled.given(key) {
                written.clone_into(value);
            }
        }
        self
    }

    /// With each box ticked or not, as a person left it: one that is not ticked is not sent.
    pub(super) fn ticked(mut self, keys: &[&str], filled: Option<&Filled>) -> Self {
        if let Some(filled) = filled {
            let left = |key: &&str| ((*key).to_owned(), filled.get(key).to_owned());
            self.values.extend(keys.iter().map(left));
        }
        self
    }

    /// With what is wrong, `at` naming the field here of one of the API.
    pub(super) fn marked(mut self, error: Option<&AdminError>, at: impl Fn(&str) -> &str) -> Self {
        if let Some(AdminError::Invalid(faults)) = error {
            for Fault { field, detail, .. } in faults {
                self = self.marked_at(at(field), wrong(detail));
            }
        }
        self
    }

    /// With this wrong with one field, where nothing else is.
    pub(super) fn marked_at(mut self, field: &str, words: String) -> Self {
        self.wrong.entry(field.to_owned()).or_insert(words);
        self
    }

    /// The value of a field.
    pub(super) fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// What is wrong with it.
    pub(super) fn wrong(&self, key: &str) -> Option<&str> {
        self.wrong.get(key).map(String::as_str)
    }

    /// What a field is described by: its fault, else its hint.
    pub(super) fn about<'a>(&'a self, key: &str, hint: &'a str) -> &'a str {
        self.wrong(key).unwrap_or(hint)
    }
}

/// A field that says what is wrong with it: its place on the page, and the same by its name.
pub(super) type Marked = (String, String);

/// What is said above a form whose fields of these names say themselves what is wrong with them; nothing where all is theirs.
pub(super) fn above(error: &AdminError, marked: &[&str]) -> Option<String> {
    match error {
        AdminError::Invalid(faults) if faults.iter().all(|fault| marked.contains(&fault.field.as_str())) => None,
        AdminError::Changed => Some("Somebody changed this meanwhile, so nothing was saved yet. The fields have what you wrote: save again to put it in the \
             place of what is stored now.".to_owned()),
        AdminError::Invalid(_) => Some(faults(error).join(" ")),
        other => Some(text::said(other)),
    }
}

/// The way to each field that says what is wrong with it: `named` has the fields with their places and names, and `at` says
/// which of them is that of the API.
pub(super) fn links(
    error: &AdminError,
    named: impl IntoIterator<Item = (&'static str, String, &'static str)>,
    at: impl Fn(&str) -> &str,
) -> Vec<Marked> {
    let AdminError::Invalid(faults) = error else { return Vec::new() };
    let link = |(field, place, name): (&str, String, &str)| {
        let fault = faults.iter().find(|fault| at(&fault.field) == field)?;
        Some((place, labelled(name, &fault.detail)))
    };
    named.into_iter().filter_map(link).collect()
}

/// What is wrong: in sentences that stand above a form, a setting called by the last part of its name; and beside those
/// fields that `place` has a place for, by their name there.
pub(super) fn placed(error: Option<&AdminError>, place: impl Fn(&str) -> Option<&str>) -> (Vec<String>, Fields) {
    let (mut above, mut marks) = (Vec::new(), Fields::default());
    let Some(AdminError::Invalid(found)) = error else {
        return (error.map(faults).unwrap_or_default(), marks);
    };
    for Fault { field, detail, .. } in found {
        if let Some(place) = place(field) {
            marks = marks.marked_at(place, wrong(detail));
        } else {
            let last = field.rsplit(['.', '/']).next().unwrap_or_default().replace('_', " ");
            above.push(wrong(&format!("{last}: {detail}")));
        }
    }
    (above, marks)
}

/// What is wrong, as sentences.
pub(super) fn faults(error: &AdminError) -> Vec<String> {
    match error {
        AdminError::Invalid(faults) => faults.iter().map(|fault| wrong(&words(fault))).collect(),
        other => vec![text::said(other)],
    }
}

/// The same where no field need be named: there is one, or what is wrong says which.
pub(super) fn details(error: &AdminError) -> String {
    match error {
        AdminError::Invalid(faults) => {
            let told: Vec<_> = faults.iter().map(|fault| wrong(&fault.detail)).collect();
            told.join(" ")
        }
        other => text::said(other),
    }
}

fn words(fault: &Fault) -> String {
    format!("{}: {}", fault.field.replace('_', " "), fault.detail)
}

/// What is wrong with one field, by the name that it has on its page.
pub(super) fn labelled(label: &str, detail: &str) -> String {
    wrong(&format!("{label}: {detail}"))
}

/// What is wrong, as a sentence. What the configuration file has between straight quotes stands between those of the panel.
pub(super) fn wrong(detail: &str) -> String {
    let marks = ["“", "”"].into_iter().cycle();
    let quoted = detail.split('"').zip(std::iter::once("").chain(marks)).map(|(part, mark)| format!("{mark}{part}"));
    sentence(&text::visible(&quoted.collect::<String>()))
}

/// Words as a sentence. A name that begins it stays as it is written.
pub(super) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let is_name = words.split(' ').next().is_some_and(|word| word.contains(['.', '@']));
    let first = chars.next().filter(|_| !is_name).map(|c| c.to_uppercase().collect::<String>());
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    match first {
        Some(first) => format!("{first}{}{end}", chars.as_str()),
        None => format!("{words}{end}"),
    }
}

/// Words of a label within a sentence.
pub(super) fn small(label: &str) -> String {
    let mut chars = label.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// What is said of an address that nothing but a button leads to.
pub(super) const NO_BUTTON: &str = "This address does something only when a button of this panel sends it. Go back to the page that has \
    the button, and press it there.";

/// The refusal of a button that there is not.
pub(super) fn no_such_action() -> AdminError {
    AdminError::NotFound(NO_BUTTON.to_owned())
}

/// The answer to what is no form of ours, or larger than any.
pub(super) fn unreadable() -> Response {
    let page = Words::new("Nothing was changed", "What was sent cannot be read as a form of this panel.");
    page.answer(StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_large_unless_with_a_name() {
        assert_eq!(sentence("write a number"), "Write a number.");
        assert_eq!(sentence("my.example is not one of your domains"), "my.example is not one of your domains.");
        assert_eq!(sentence(""), ".");
        assert_eq!(wrong("\"a\" is none; write \"b\""), "“a” is none; write “b”.");
    }

    #[tokio::test]
    async fn a_form_is_read_as_browsers_write_it() {
        let kind = "application/x-www-form-urlencoded";
        let request = |kind: &str| {
            let body = axum::body::Body::from("email=anna%40my.example&password=a+b%2Bc&empty=");
            Request::post("/").header("content-type", kind).body(body).unwrap()
        };
        let filled = Filled::of(request(kind)).await.unwrap();
        assert_eq!((filled.get("email"), filled.get("password"), filled.get("none")), ("anna@my.example", "a b+c", ""));
        assert_eq!(Value::Object(filled.change(&["email", "empty"])), serde_json::json!({"email": "anna@my.example"}));
        assert!(Filled::of(request("text/plain")).await.is_none());
    }
}
