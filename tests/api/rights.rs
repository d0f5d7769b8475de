//! Tokens: made once, stored as a hash, as far as their scopes and domains go, and no further than their maker.

use serde_json::{Value, json};

use crate::web::House;

#[tokio::test]
async fn a_name_that_several_tokens_bear_revokes_none_of_them() {
    let house = House::furnished().await;
    let mut prefixes = Vec::new();
    for scopes in [["aliases"], ["activity"]] {
        let made = house.operator("POST", "/v1/tokens", json!({ "name": "phone", "scopes": scopes })).await.expect(201);
        prefixes.push(made.json()["prefix"].as_str().unwrap().to_owned());
    }
    let refused = house.operator("DELETE", "/v1/tokens/phone", Value::Null).await.expect(409).problem();
    assert!(prefixes.iter().all(|prefix| refused["detail"].as_str().unwrap().contains(prefix)), "{refused}");
    let left = async || house.operator("GET", "/v1/tokens", Value::Null).await.json()["items"].clone();
    assert_eq!(left().await.as_array().unwrap().len(), 2);
    house.operator("DELETE", &format!("/v1/tokens/{}", prefixes[0]), Value::Null).await.expect(204);
    assert_eq!((&left().await[0]["prefix"], &left().await[1]), (&json!(prefixes[1]), &Value::Null));
    house.operator("DELETE", "/v1/tokens/phone", Value::Null).await.expect(204);
}

#[tokio::test]
async fn a_token_is_shown_once_and_works_until_revoked() {
    let house = House::furnished().await;
    let made = house.operator("POST", "/v1/tokens", json!({ "name": "vault", "scopes": ["aliases:create"] })).await;
    let made = made.expect(201).json();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("wp_") && token.len() == 46, "{token}");
    assert!(token.starts_with(made["prefix"].as_str().unwrap()));
    let listed = house.operator("GET", "/v1/tokens", Value::Null).await.expect(200);
    assert!(!listed.text().contains(token), "a list holds no token");
    for key in [
        "id",
        "name",
        "prefix",
        "scopes",
        "domains",
        "default_domain",
        "alias_format",
        "default_destination",
        "expires_at",
        "last_used_at",
    ] {
        assert!(listed.json()["items"][0].get(key).is_some(), "{key} is missing");
    }
    house.bearer(token, "POST", "/v1/aliases", json!({ "address": "a@my.example" })).await.expect(201);
    house.operator("DELETE", "/v1/tokens/vault", Value::Null).await.expect(204);
    house.bearer(token, "POST", "/v1/aliases", json!({ "address": "b@my.example" })).await.expect(401).problem();
    house.operator("DELETE", "/v1/tokens/vault", Value::Null).await.expect(404).problem();
}

#[tokio::test]
async fn no_token_is_found_in_the_database() {
    let house = House::furnished().await;
    let token = house.token(&["admin"], &[]).await;
    house.admin.store.close().await;
    for file in std::fs::read_dir(house.dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let octets = std::fs::read(&path).unwrap();
            let found = octets.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn each_scope_opens_its_own_doors_only() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let doors = [
        ("GET", "/v1/domains", "domains:read"),
        ("PATCH", "/v1/domains/my.example", "domains:write"),
        ("GET", "/v1/aliases", "aliases:read"),
        ("PATCH", "/v1/aliases/shop@my.example", "aliases:write"),
        ("GET", "/v1/destinations", "destinations:read"),
        ("GET", "/v1/activity", "activity:read"),
        ("GET", "/v1/queue", "queue:read"),
        ("GET", "/v1/tokens", "account:read"),
    ];
    let scopes = [
        "domains:read",
        "domains",
        "aliases:read",
        "aliases:write",
        "aliases:create",
        "destinations:read",
        "activity",
        "queue:read",
        "account:read",
        "admin",
        "admin:read",
    ];
    for scope in scopes {
        let token = house.token(&[scope], &[]).await;
        for (method, path, needed) in doors {
            let answer =
                house.bearer(&token, method, path, if method == "PATCH" { json!({}) } else { Value::Null }).await;
            let (area, access) = needed.split_once(':').unwrap();
            let own = scope == needed || scope == area || (scope == format!("{area}:write") && access == "read");
            let all = scope == "admin" || (scope == "admin:read" && access == "read");
            assert_eq!(answer.status.as_u16(), if own || all { 200 } else { 403 }, "{scope} {method} {path}");
        }
        house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(200);
    }
}

#[tokio::test]
async fn scopes_are_listed_as_they_were_written_and_their_bearer_is_told_their_bare_names() {
    let house = House::furnished().await;
    let written = json!(["aliases:write", "domains", "queue:read"]);
    let wanted = json!({ "name": "x", "scopes": written });
    let made = house.operator("POST", "/v1/tokens", wanted).await.expect(201).json();
    let list = house.operator("GET", "/v1/tokens", Value::Null).await.expect(200).json();
    assert_eq!([&made["scopes"], &list["items"][0]["scopes"]], [&written; 2]);
    let me = house.bearer(made["token"].as_str().unwrap(), "GET", "/v1/me", Value::Null).await.expect(200).json();
    assert_eq!(me["scopes"], json!(["aliases", "domains", "queue:read"]));
    let operator = house.operator("GET", "/v1/me", Value::Null).await.expect(200).json();
    assert_eq!(operator["scopes"], json!(["admin"]));
}

#[tokio::test]
async fn a_token_of_one_domain_sees_no_other() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    for address in ["a@my.example", "b@other.example"] {
        house.operator("POST", "/v1/aliases", json!({ "address": address })).await.expect(201);
    }
    let token = house.token(&["domains", "aliases"], &["my.example"]).await;
    let ask = async |method: &str, path: &str, body: Value| house.bearer(&token, method, path, body).await;
    let domains = ask("GET", "/v1/domains", Value::Null).await.expect(200).json();
    assert_eq!(domains["items"].as_array().unwrap().len(), 1);
    let aliases = ask("GET", "/v1/aliases", Value::Null).await.expect(200).json();
    assert_eq!(aliases["items"].as_array().unwrap().len(), 1);
    ask("GET", "/v1/aliases/b@other.example", Value::Null).await.expect(404);
    ask("DELETE", "/v1/aliases/b@other.example", Value::Null).await.expect(404);
    ask("GET", "/v1/domains/other.example", Value::Null).await.expect(404);
    ask("POST", "/v1/aliases", json!({ "address": "c@other.example" })).await.expect(403);
    ask("POST", "/v1/domains", json!({ "name": "third.example" })).await.expect(422);
    ask("POST", "/v1/aliases", json!({ "address": "c@my.example" })).await.expect(201);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let house = House::furnished().await;
    let token = house.token(&["account", "aliases:read"], &["my.example"]).await;
    let make = async |body: Value| house.bearer(&token, "POST", "/v1/tokens", body).await;
    assert_eq!(make(json!({ "name": "x", "scopes": ["admin"] })).await.expect(422).pointers(), ["/scopes/0"]);
    assert_eq!(make(json!({ "name": "x", "scopes": ["aliases"] })).await.expect(422).pointers(), ["/scopes/0"]);
    let wide = json!({ "name": "x", "scopes": ["aliases:read"], "domains": [] });
    assert_eq!(make(wide).await.expect(422).pointers(), ["/domains"]);
    let made = make(json!({ "name": "x", "scopes": ["aliases:read"] })).await.expect(201).json();
    assert_eq!(made["domains"], json!(["my.example"]), "its limits are inherited");
    let word = json!({ "address": "evil@inbox.example", "verified": true });
    let word_token = house.token(&["destinations"], &[]).await;
    house.bearer(&word_token, "POST", "/v1/destinations", word).await.expect(403).problem();
}

/// The scope `account` is for the account's tokens and sessions; a limit to domains is a limit there too.
#[tokio::test]
async fn a_token_of_one_domain_knows_and_ends_only_tokens_that_go_no_further_and_no_session() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    house.signed_in().await;
    let make = async |name: &str, domains: &[&str]| {
        let wanted = json!({ "name": name, "scopes": ["account", "aliases"], "domains": domains });
        house.operator("POST", "/v1/tokens", wanted).await.expect(201).json()
    };
    let own = make("own", &["my.example"]).await;
    let both = make("both", &["my.example", "other.example"]).await;
    let all = make("all", &[]).await;
    make("like it", &["my.example"]).await;
    make("beside it", &["other.example"]).await;
    let ask = async |token: &Value, method: &str, path: &str| {
        house.bearer(token["token"].as_str().unwrap(), method, path, Value::Null).await
    };
    let names = async |token: &Value| {
        let list = ask(token, "GET", "/v1/tokens").await.expect(200).json()["items"].clone();
        let mut names: Vec<_> =
            list.as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&own).await, ["like it", "own"]);
    assert_eq!(names(&both).await, ["beside it", "both", "like it", "own"]);
    assert_eq!(names(&all).await.len(), 5);
    for foreign in [&all["id"], &all["prefix"], &json!("all"), &both["id"], &json!("beside%20it")] {
        let path = format!("/v1/tokens/{}", foreign.as_str().unwrap());
        ask(&own, "DELETE", &path).await.expect(404).problem();
    }
    let sessions = ask(&all, "GET", "/v1/sessions").await.expect(200).json();
    let session = format!("/v1/sessions/{}", sessions["items"][0]["id"].as_str().unwrap());
    assert_eq!(ask(&own, "GET", "/v1/sessions").await.expect(200).json()["items"], json!([]));
    ask(&own, "DELETE", &session).await.expect(404).problem();
    ask(&all, "DELETE", &session).await.expect(204);
    ask(&own, "DELETE", "/v1/tokens/like%20it").await.expect(204);
    ask(&own, "DELETE", "/v1/tokens/own").await.expect(204);
    ask(&own, "GET", "/v1/tokens").await.expect(401).problem();
    ask(&all, "DELETE", "/v1/tokens/both").await.expect(204);
}

#[tokio::test]
async fn a_token_brings_its_defaults() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "two@inbox.example" })).await.expect(201);
    let body = json!({
        "name": "vault", "scopes": ["aliases:create"], "default_domain": "my.example", "alias_format": "characters",
        "default_destination": "two@inbox.example", "expires_at": "2026-12-01",
    });
    let token =
        house.operator("POST", "/v1/tokens", body).await.expect(201).json()["token"].as_str().unwrap().to_owned();
    let made = house.bearer(&token, "POST", "/v1/aliases/random", Value::Null).await.expect(201).json();
    let local = made["address"].as_str().unwrap().split('@').next().unwrap().to_owned();
    assert_eq!((local.len(), &made["destinations"]), (10, &json!(["two@inbox.example"])));
    house.clock.advance(std::time::Duration::from_secs(10 * 86_400));
    house.bearer(&token, "POST", "/v1/aliases/random", Value::Null).await.expect(401).problem();
    for (body, pointer) in [
        (json!({ "scopes": ["aliases"] }), "/name"),
        (json!({ "name": "x" }), "/scopes"),
        (json!({ "name": "x", "scopes": ["everything"] }), "/scopes/0"),
        (json!({ "name": "x", "scopes": ["aliases"], "expires_at": "2020-01-01" }), "/expires_at"),
        (json!({ "name": "x", "scopes": ["aliases"], "default_domain": "other.example" }), "/default_domain"),
        (json!({ "name": "x", "scopes": ["aliases"], "default_destination": "q@z.example" }), "/default_destination"),
    ] {
        assert_eq!(
            house.operator("POST", "/v1/tokens", body.clone()).await.expect(422).pointers(),
            [pointer],
            "{body}"
        );
    }
}
