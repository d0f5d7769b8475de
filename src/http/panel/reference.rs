//! `/docs/api/…`: the reference of the API, rendered here from its own description (`/openapi.json`), without any script: what
//! there is on one page, and a page for each part with the shapes that it speaks of.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::http::{Site, api};

use super::frame::{self, Frame, Words};
use super::secrets::Secrets;
use super::session;

#[derive(Template)]
#[template(path = "reference.html", config = "web/askama.toml")]
struct ReferencePage {
    frame: Frame,
    about: String,
    parts: &'static [Part],
}

#[derive(Template)]
#[template(path = "reference_part.html", config = "web/askama.toml")]
struct PartPage {
    frame: Frame,
    part: &'static Part,
    /// Those that the part speaks of.
    shapes: Vec<&'static Shape>,
}

/// The operations under one first path segment.
struct Part {
    name: String,
    about: &'static str,
    operations: Vec<Operation>,
}

/// Its words are markup.
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Field>,
    body: Option<Type>,
    answers: Vec<Answer>,
}

struct Answer {
    status: String,
    words: String,
    body: Option<Type>,
}

/// An object of the API and its fields.
struct Shape {
    name: String,
    about: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    /// Where it stands, for parameters; that it must be there.
    notes: String,
    kind: Type,
    about: String,
}

/// A type in words, and the shape that it leads to.
struct Type {
    words: String,
    shape: Option<String>,
}

static REFERENCE: LazyLock<(Vec<Part>, Vec<Shape>)> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(api::openapi()).unwrap_or_default();
    (parts(&document), shapes(&document))
});

/// `GET /docs/api`.
pub(super) async fn page(State(site): State<Site>, request: Request) -> Response {
    let ((parts, _), about) = (&*REFERENCE, marked(api::ABOUT));
    let frame = framed(&site, session::brought(&site, &request), "API").await;
    frame::page(StatusCode::OK, &ReferencePage { frame, about, parts })
}

async fn framed(site: &Site, secrets: Secrets, title: &str) -> Frame {
    Frame::for_anybody(site, &secrets, (title, "help")).await
}

/// `GET /docs/api/{part}`.
pub(super) async fn part(State(site): State<Site>, Path(name): Path<String>, request: Request) -> Response {
    let (parts, shapes) = &*REFERENCE;
    let Some(part) = parts.iter().find(|part| part.name == name) else {
        let page = Words::new("There is no such page", "The API has no part of this name.");
        return page.link("/docs/api", "Show the reference").answer(StatusCode::NOT_FOUND);
    };
    let shapes = reached(part, shapes);
    let frame = framed(&site, session::brought(&site, &request), &format!("API: {name}")).await;
    frame::page(StatusCode::OK, &PartPage { frame, part, shapes })
}

/// The shapes that a part names, and those that these name.
fn reached<'a>(part: &Part, shapes: &'a [Shape]) -> Vec<&'a Shape> {
    let kinds = |operation: &'_ Operation| {
        let answers = operation.answers.iter().filter_map(|answer| answer.body.as_ref());
        let named = operation.parameters.iter().map(|field| &field.kind).chain(&operation.body).chain(answers);
        named.filter_map(|kind| kind.shape.clone()).collect::<Vec<_>>()
    };
    let mut open: Vec<String> = part.operations.iter().flat_map(kinds).collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        let found = shapes.iter().find(|shape| shape.name == name);
        if seen.insert(name) {
            let fields = found.iter().flat_map(|shape| &shape.fields);
            open.extend(fields.filter_map(|field| field.kind.shape.clone()));
        }
    }
    shapes.iter().filter(|shape| seen.contains(&shape.name)).collect()
}

/// `GET /openapi.json`.
pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], api::openapi()).into_response()
}

/// In the order of [`api::PARTS`], which a test holds to be all there are.
fn parts(document: &Value) -> Vec<Part> {
    let all = operations(document);
    let part = |(name, about): &(&str, &'static str)| Part {
        name: (*name).to_owned(),
        about,
        operations: all
            .iter()
            .filter(|(tag, ..)| tag == name)
            .map(|(_, path, method)| operation(document, path, method))
            .collect(),
    };
    api::PARTS.iter().map(part).filter(|part| !part.operations.is_empty()).collect()
}

/// Part, path and method of every operation.
fn operations(document: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in object(item) {
            all.push((text(&operation["tags"][0]), path.clone(), method.clone()));
        }
    }
    all
}

fn operation(document: &Value, path: &str, method: &str) -> Operation {
    let told = &document["paths"][path][method];
    let parameters = list(&told["parameters"]).iter().map(|parameter| Field {
        name: text(&parameter["name"]),
        notes: notes(text(&parameter["in"]), parameter["required"] == true),
        kind: kind(&parameter["schema"]),
        about: prose(&parameter["description"]),
    });
    Operation {
        id: text(&told["operationId"]),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: prose(&told["summary"]),
        description: prose(&told["description"]),
        parameters: parameters.collect(),
        body: body(&told["requestBody"]),
        answers: object(&told["responses"]).map(|(status, answer)| self::answer(document, status, answer)).collect(),
    }
}

fn answer(document: &Value, status: &str, answer: &Value) -> Answer {
    let shared =
        answer["$ref"].as_str().and_then(|place| place.strip_prefix('#')).and_then(|place| document.pointer(place));
    let answer = shared.unwrap_or(answer);
    Answer { status: status.to_owned(), words: prose(&answer["description"]), body: body(answer) }
}

/// The type of the first kind of content.
fn body(carrier: &Value) -> Option<Type> {
    let (media, content) = object(&carrier["content"]).next()?;
    let kind = kind(&content["schema"]);
    Some(if media.ends_with("json") { kind } else { Type { words: media.clone(), shape: None } })
}

fn shapes(document: &Value) -> Vec<Shape> {
    let all = object(&document["components"]["schemas"]).map(|(name, schema)| Shape {
        name: name.clone(),
        about: prose(&schema["description"]),
        fields: fields(schema),
    });
    all.collect()
}

/// The fields of an object, those of its parts included; the words of an enumeration stand for themselves.
fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<_> = list(&schema["required"]).iter().map(text).collect();
    let own = object(&schema["properties"]).map(|(name, property)| Field {
        name: name.clone(),
        notes: notes(String::new(), required.contains(name)),
        kind: kind(property),
        about: described(property),
    });
    let of_parts = list(&schema["allOf"]).iter().flat_map(|part| match part["$ref"].as_str() {
        Some(place) => {
            vec![Field { name: "…".to_owned(), notes: String::new(), kind: named(place), about: String::new() }]
        }
        None => fields(part),
    });
    let of_words = list(&schema["enum"]).iter().map(|word| Field {
        name: text(word),
        notes: String::new(),
        kind: Type { words: String::new(), shape: None },
        about: String::new(),
    });
    own.chain(of_parts).chain(of_words).collect()
}

/// A type in words.
fn kind(schema: &Value) -> Type {
    if let Some(place) = schema["$ref"].as_str() {
        return named(place);
    }
    if let Some(items) = schema.get("items") {
        let of = kind(items);
        return Type { words: format!("list of {}", of.words), shape: of.shape };
    }
    let ways = list(&schema["oneOf"]).iter().chain(list(&schema["anyOf"])).chain(list(&schema["allOf"]));
    if let Some(one) = ways.into_iter().map(kind).find(|kind| kind.words != "null") {
        return one;
    }
    let words = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).filter(|kind| kind != "null").collect::<Vec<_>>().join(" or "),
        other => text(other),
    };
    let format = schema["format"].as_str().filter(|format| !format.starts_with("int"));
    Type { words: format.map(|format| format!("{words} ({format})")).unwrap_or(words), shape: None }
}

fn named(place: &str) -> Type {
    let name = place.rsplit('/').next().unwrap_or_default();
    Type { words: name.to_owned(), shape: Some(name.to_owned()) }
}

fn notes(place: String, is_required: bool) -> String {
    match (place.is_empty(), is_required) {
        (true, true) => "required".to_owned(),
        (false, true) => format!("{place}, required"),
        (_, false) => place,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What is said of a property; where it may be null, its kind says it.
fn described(property: &Value) -> String {
    let ways = list(&property["oneOf"]).iter();
    let mut told = std::iter::once(property).chain(ways).map(|way| prose(&way["description"]));
    told.find(|about| !about.is_empty()).unwrap_or_default()
}

/// A description as markup.
fn prose(value: &Value) -> String {
    marked(&text(value))
}

/// Words as markup: what stands between backticks is code.
fn marked(words: &str) -> String {
    let escaped = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_is_markup() {
        assert_eq!(marked("Lines of `a<TAB>b` & `c`."), "Lines of <code>a&lt;TAB&gt;b</code> &amp; <code>c</code>.");
    }

    #[test]
    fn what_may_be_null_is_described_too() {
        let document: Value = serde_json::from_str(api::openapi()).unwrap();
        let activity = fields(&document["components"]["schemas"]["Activity"]);
        for name in ["bounced_at", "dsn", "next_attempt_at"] {
            assert!(activity.iter().any(|field| field.name == name && !field.about.is_empty()), "{name}");
        }
    }

    #[test]
    fn every_operation_has_its_place_in_the_reference() {
        let document: Value = serde_json::from_str(api::openapi()).unwrap();
        for (tag, path, method) in operations(&document) {
            assert!(api::PARTS.iter().any(|(part, _)| *part == tag), "{method} {path}");
            let told = &document["paths"][&path][&method];
            assert!(!text(&told["summary"]).is_empty(), "{method} {path} says nothing of itself");
        }
        let ids: std::collections::BTreeSet<_> = operations(&document)
            .iter()
            .map(|(_, path, method)| text(&document["paths"][path][method]["operationId"]))
            .collect();
        assert_eq!(ids.len(), operations(&document).len());
    }
}
