//! The API's description: kept in the repository, served, printed, and readable without a script.

use std::collections::BTreeSet;

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
    let page = answer.text();
    for word in ["/v1/aliases/{id}", "Makes an alias.", "AliasForm", "If-Match", "application/x-ndjson", "catch_all"] {
        assert!(page.contains(word), "{word}");
    }
    let foreign = ["http://", "https://", "//cdn"].iter().find(|start| page.contains(&format!("src=\"{start}")));
    assert_eq!(foreign, None);
}
