//! Forms as they come from a browser: pairs of a name and a value; and what of them is a change as the API writes it.

use std::collections::HashMap;

use axum::Form;
use axum::extract::{FromRequest as _, Request};
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

/// What is wrong, as sentences.
pub(super) fn faults(error: &AdminError) -> Vec<String> {
    match error {
        AdminError::Invalid(faults) => faults.iter().map(|fault| sentence(&text::visible(&words(fault)))).collect(),
        other => vec![text::said(other)],
    }
}

fn words(fault: &Fault) -> String {
    format!("{}: {}", fault.field.replace('_', " "), fault.detail)
}

/// Words as a sentence.
pub(super) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// The status of a form that was not taken.
pub(super) const fn status_of(error: &AdminError) -> StatusCode {
    match error {
        AdminError::Forbidden(_) => StatusCode::FORBIDDEN,
        AdminError::NotFound(_) => StatusCode::NOT_FOUND,
        AdminError::Conflict(_) | AdminError::Changed => StatusCode::CONFLICT,
        AdminError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        AdminError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        AdminError::Unwell => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The answer to what is no form of ours, or larger than any.
pub(super) fn unreadable(site: &Site) -> Response {
    let page = Words::new("Nothing was changed", "What was sent cannot be read as a form of this panel.");
    page.answer(site, StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

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
