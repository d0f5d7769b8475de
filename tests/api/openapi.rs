//! The API's description: kept in the repository, served, printed, and readable without a script.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::web::House;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi.json");

/// `UPDATE_EXPECT=1` rewrites the expectation, to be looked at as a difference.
#[tokio::test]
async fn the_description_is_the_one_that_is_kept() {
    let house = House::new().await;
    let answer = house.visitor("GET", "/openapi.json", &[("host", "localhost")], "").await.expect(200);
    assert_eq!(answer.field("content-type").as_deref(), Some("application/json"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(KEPT, answer.text()).unwrap();
    }
    let kept = std::fs::read_to_string(KEPT).unwrap();
    assert!(kept == answer.text(), "tests/openapi.json differs: look, and run this test again with UPDATE_EXPECT=1");
    assert_eq!(answer.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn what_is_not_there_yet_and_what_is_ours_alone_is_not_described() {
    let house = House::furnished().await;
    let document = house.visitor("GET", "/openapi.json", &[("host", "localhost")], "").await.expect(200).json();
    let paths: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert!(paths.iter().all(|path| path.starts_with("/v1/")), "{paths:?}");
    for path in ["/v1/webhooks", "/v1/export", "/v1/import"] {
        assert!(!paths.contains(path));
        house.operator("GET", path, Value::Null).await.expect(404).problem();
    }
    assert!(!document.to_string().contains("webhook"));
    let body = json!({ "address": "shop@my.example", "action": "webhook" });
    let refused = house.operator("POST", "/v1/aliases", body).await.expect(422);
    assert_eq!(refused.json()["errors"][0]["field"], "action");
}

#[tokio::test]
async fn the_reference_is_a_page_without_script_of_others() {
    let house = House::new().await;
    let answer = house.visitor("GET", "/docs/api", &[("host", "localhost")], "").await.expect(200);
    assert!(answer.field("content-security-policy").unwrap().contains("default-src 'none'"));
    let list = answer.text();
    assert!(list.contains("/v1/aliases/{id}") && list.contains("Makes an alias."), "{list}");
    let parts =
        list.split("<a href=\"/docs/api/").skip(1).map(|rest| rest.split(['"', '#']).next().unwrap().to_owned());
    let mut all = list.clone();
    for part in parts.collect::<BTreeSet<_>>() {
        let page =
            house.visitor("GET", &format!("/docs/api/{part}"), &[("host", "localhost")], "").await.expect(200).text();
        assert!(page.len() <= 60 * 1024, "{part} has {} octets", page.len());
        let named = page.split("href=\"#shape-").skip(1).map(|rest| rest.split('"').next().unwrap());
        for shape in named {
            assert!(page.contains(&format!("id=\"shape-{shape}\"")), "{part} speaks of {shape}");
        }
        all += &page;
    }
    for word in ["AliasForm", "If-Match", "application/x-ndjson", "catch_all"] {
        assert!(all.contains(word), "{word}");
    }
    let foreign = ["http://", "https://", "//cdn"].iter().find(|start| all.contains(&format!("src=\"{start}")));
    assert_eq!(foreign, None);
}

/// What is described is read, by one of the requests that have this body at least: whatever is wrong with a described field,
/// it is never that there is none of its name.
#[tokio::test]
async fn every_field_of_a_described_body_is_known() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let document = house.visitor("GET", "/openapi.json", &[("host", "localhost")], "").await.expect(200).json();
    let mut unknown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some((place, fields)) = body_of(&document, operation) else { continue };
            let body: serde_json::Map<_, _> =
                fields.iter().map(|field| (field.clone(), json!({ "no": "such" }))).collect();
            let path = path.replace("/aliases/{id}", "/aliases/shop@my.example").replace("{name}", "my.example");
            let answer = house.operator(&method.to_uppercase(), &path, Value::from(body)).await;
            assert!(!answer.status.is_server_error(), "{method} {path}: {}", answer.text());
            let faults = answer.json()["errors"].as_array().cloned().unwrap_or_default().into_iter();
            let nameless = faults.filter(|fault| fault["detail"] == "there is no field of this name");
            let here: BTreeSet<_> = nameless.map(|fault| fault["field"].as_str().unwrap().to_owned()).collect();
            unknown.entry(place).and_modify(|all| all.retain(|field| here.contains(field))).or_insert(here);
        }
    }
    assert!(unknown.len() >= 8, "{unknown:?}");
    assert!(unknown.values().all(BTreeSet::is_empty), "{unknown:?}");
}

/// The body of an operation that is one of the described objects: its place, and the names of its fields.
fn body_of(document: &Value, operation: &Value) -> Option<(String, Vec<String>)> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let of_option = schema["oneOf"].as_array().and_then(|ways| ways.iter().find(|way| way["$ref"].is_string()));
    let place = of_option.unwrap_or(schema)["$ref"].as_str()?;
    let fields = document.pointer(&format!("{}/properties", &place[1..]))?.as_object()?;
    Some((place.to_owned(), fields.keys().cloned().collect()))
}

/// Whatever one part of the document leads to is there.
#[tokio::test]
async fn no_reference_leads_nowhere() {
    let house = House::new().await;
    let document = house.visitor("GET", "/openapi.json", &[("host", "localhost")], "").await.expect(200).json();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        if let Some(place) = value["$ref"].as_str() {
            assert!(document.pointer(&place[1..]).is_some(), "{place}");
        }
        open.extend(value.as_array().into_iter().flatten());
        open.extend(value.as_object().into_iter().flat_map(|fields| fields.values()));
    }
}
