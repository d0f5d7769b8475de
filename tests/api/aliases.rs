//! Aliases: their forms, their fields, what is refused, and bringing in many.

use serde_json::{Value, json};

use crate::web::{House, in_path};

#[tokio::test]
async fn an_alias_has_the_whole_shape() {
    let house = House::furnished().await;
    let made = house.operator("POST", "/v1/aliases", json!({ "address": "Shop@my.example" })).await.expect(201);
    let alias = made.json();
    let keys: Vec<_> = [
        "id",
        "address",
        "domain",
        "kind",
        "priority",
        "action",
        "destinations",
        "enabled",
        "description",
        "labels",
        "expires_at",
        "expires_after",
        "then",
        "allow",
        "block",
        "quota",
        "privacy",
        "reject_message",
        "created_at",
        "updated_at",
        "last_mail_at",
        "counts",
    ]
    .into_iter()
    .filter(|key| alias.get(key).is_none())
    .collect();
    assert!(keys.is_empty(), "missing: {keys:?}");
    assert_eq!(alias["address"], "Shop@my.example");
    assert_eq!(alias["destinations"], json!(["owner@inbox.example"]));
    assert_eq!(alias["counts"], json!({ "forwarded": 0, "refused": 0, "dropped": 0, "failed": 0, "bounced": 0 }));
    let by_id = house.operator("GET", &made.field("location").unwrap(), Value::Null).await.expect(200).json();
    let by_name = house.operator("GET", "/v1/aliases/shop@MY.example", Value::Null).await.expect(200).json();
    assert_eq!((&by_id, &by_name), (&alias, &alias));
}

#[tokio::test]
async fn every_form_of_an_alias_is_made_and_found_by_its_text() {
    let house = House::furnished().await;
    for (text, kind) in [
        ("plain@my.example", "address"),
        ("shop-*@my.example", "glob"),
        ("/^n([0-9]+)$/@my.example", "regex"),
        ("*@my.example", "catch_all"),
        ("\"a b\"@my.example", "address"),
    ] {
        let made = house.operator("POST", "/v1/aliases", json!({ "address": text })).await.expect(201).json();
        assert_eq!((&made["kind"], &made["address"]), (&json!(kind), &json!(text)));
        let found = house.operator("GET", &format!("/v1/aliases/{}", in_path(text)), Value::Null).await.expect(200);
        assert_eq!(found.json()["id"], made["id"], "{text}");
        house.operator("POST", "/v1/aliases", json!({ "address": text })).await.expect(409).problem();
    }
    let parts = json!({ "local_part": "parts", "domain": "my.example" });
    assert_eq!(house.operator("POST", "/v1/aliases", parts).await.expect(201).json()["address"], "parts@my.example");
}

#[tokio::test]
async fn all_that_can_be_set_is_set_and_cleared() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let change = json!({
        "priority": -5, "action": "reject", "description": "Shops", "labels": ["shops", "old", "shops"],
        "expires_at": "2027-01-31", "expires_after": "30d", "then": "delete", "allow": ["Anna@Friend.example"],
        "block": ["@bad.example", "*@*.bad.example"], "quota": 10, "privacy": "subject",
        "reject_message": "450 4.2.1 later", "enabled": false, "policy": { "tls": "require" },
    });
    let alias = house.operator("PATCH", "/v1/aliases/shop@my.example", change).await.expect(200).json();
    assert_eq!(alias["labels"], json!(["old", "shops"]));
    assert_eq!(alias["expires_at"], "2027-01-31T00:00:00.000Z");
    assert_eq!(alias["expires_after"], "30d");
    assert_eq!(alias["allow"], json!(["anna@friend.example"]));
    assert_eq!((&alias["quota"], &alias["privacy"]), (&json!(10), &json!("subject")));
    let clear = json!({
        "expires_at": null, "expires_after": 7, "allow": null, "block": [], "quota": null, "reject_message": null,
        "description": null,
    });
    let alias = house.operator("PATCH", "/v1/aliases/shop@my.example", clear).await.expect(200).json();
    assert_eq!((&alias["expires_at"], &alias["expires_after"]), (&Value::Null, &json!(7)));
    assert_eq!((&alias["allow"], &alias["quota"], &alias["description"]), (&json!([]), &Value::Null, &json!("")));
    let whole = house.operator("PATCH", "/v1/aliases/shop@my.example", alias.clone()).await.expect(200).json();
    assert_eq!(whole, alias, "an answer can be sent back as it is");

    house.operator("DELETE", "/v1/aliases/shop@my.example", Value::Null).await.expect(204);
    let again = house.operator("POST", "/v1/aliases", alias.clone()).await.expect(201).json();
    for key in ["address", "priority", "action", "labels", "expires_after", "then", "quota", "enabled", "policy"] {
        assert_eq!(again[key], alias[key], "{key}: and as a new alias");
    }
    let torn = json!({ "address": "a@my.example", "local_part": "b", "domain": "other.example" });
    let refused = house.operator("POST", "/v1/aliases", torn).await.expect(422);
    assert_eq!(refused.pointers(), ["/domain", "/local_part"]);
}

#[tokio::test]
async fn an_end_that_is_over_already_is_refused_and_one_that_has_come_stays() {
    let house = House::furnished().await;
    let path = "/v1/aliases/shop@my.example";
    let made = json!({ "address": "shop@my.example", "expires_at": "2026-11-23" });
    let alias = house.operator("POST", "/v1/aliases", made).await.expect(201).json();
    let past = json!({ "expires_at": "2026-11-22" });
    for (method, at, body) in [
        ("POST", "/v1/aliases", with(&past, json!({ "address": "late@my.example" }))),
        ("POST", "/v1/aliases/random", past.clone()),
        ("PATCH", path, past.clone()),
    ] {
        let refused = house.operator(method, at, body).await.expect(422);
        assert_eq!(refused.pointers(), ["/expires_at"], "{method} {at}");
        assert!(refused.problem()["detail"].as_str().unwrap().contains("over already"));
    }
    let batch = json!({ "operations": [with(&past, json!({ "op": "update", "id": alias["id"] }))] });
    house.operator("POST", "/v1/aliases/batch", batch).await.expect(422).problem();

    house.clock.advance(std::time::Duration::from_secs(2 * 86_400));
    let noted = house.operator("PATCH", path, json!({ "description": "over" })).await.expect(200).json();
    house.operator("PATCH", path, noted.clone()).await.expect(200);
    house.operator("DELETE", path, Value::Null).await.expect(204);
    let log = house.operator("GET", "/v1/audit?limit=1", Value::Null).await.expect(200).json();
    let undo = format!("/v1/audit/{}/undo", log["items"][0]["id"]);
    house.operator("POST", &undo, Value::Null).await.expect(200);
    let again = house.operator("GET", path, Value::Null).await.expect(200).json();
    assert_eq!(again["expires_at"], noted["expires_at"], "what is taken back is as it was");
}

fn with(fields: &Value, more: Value) -> Value {
    let mut both = more;
    both.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    both
}

#[tokio::test]
async fn what_is_wrong_is_named_where_it_is() {
    let house = House::furnished().await;
    for (body, pointer) in [
        (json!({}), "/address"),
        (json!({ "address": 7 }), "/address"),
        (json!({ "address": "shop" }), "/address"),
        (json!({ "address": "shop@other.example" }), "/address"),
        (json!({ "address": "a..b@my.example" }), "/address"),
        (json!({ "address": "/(/@my.example" }), "/address"),
        (json!({ "address": "ad\u{200b}min@my.example" }), "/address"),
        (json!({ "address": "a@my.example", "action": "explode" }), "/action"),
        (json!({ "address": "a@my.example", "action": "create" }), "/action"),
        (json!({ "address": "a@my.example", "destinations": [] }), "/destinations"),
        (json!({ "address": "a@my.example", "destinations": ["x@y.example", "nowhere"] }), "/destinations/1"),
        (json!({ "address": "a@my.example", "destinations": ["x@y.example", "X@y.example"] }), "/destinations/1"),
        (json!({ "address": "a@my.example", "destinations": ["A@my.example"] }), "/destinations/0"),
        (json!({ "address": "a@my.example", "destinations": ["$1@y.example"] }), "/destinations/0"),
        (json!({ "address": "/a(b)/@my.example", "destinations": ["$2@y.example"] }), "/destinations/0"),
        (json!({ "address": "a@my.example", "quota": 0 }), "/quota"),
        (json!({ "address": "a@my.example", "expires_after": "soon" }), "/expires_after"),
        (json!({ "address": "a@my.example", "block": ["x@y.example", "z"] }), "/block/1"),
        (json!({ "address": "a@my.example", "reject_message": "250 fine" }), "/reject_message"),
        (json!({ "address": "a@my.example", "reject_message": "write to owner@inbox.example" }), "/reject_message"),
        (json!({ "address": "a@my.example", "destination": "x@y.example" }), "/destination"),
    ] {
        let refused = house.operator("POST", "/v1/aliases", body.clone()).await.expect(422);
        assert_eq!(refused.pointers(), [pointer], "{body}: {}", refused.text());
    }
    let made = house.operator("GET", "/v1/aliases", Value::Null).await.json();
    assert_eq!(made["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn captures_may_be_used_where_they_exist() {
    let house = House::furnished().await;
    let body = json!({ "address": "/^n([0-9]+)$/@my.example", "destinations": ["box+$1@inbox.example"] });
    let made = house.operator("POST", "/v1/aliases", body).await.expect(201).json();
    assert_eq!(made["destinations"], json!(["box+$1@inbox.example"]));
}

#[tokio::test]
async fn look_alikes_are_refused() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "admin@my.example" })).await.expect(201);
    for twin in ["аdmin@my.example", "ａｄｍｉｎ@my.example"] {
        let refused = house.operator("POST", "/v1/aliases", json!({ "address": twin })).await.expect(422);
        assert!(refused.text().contains("reads like admin@my.example"), "{}", refused.text());
    }
    house.operator("POST", "/v1/aliases", json!({ "address": "grüße@my.example" })).await.expect(201);
}

#[tokio::test]
async fn circles_are_refused_on_saving() {
    let house = House::furnished().await;
    let add = async |address: &str, to: &str| {
        house.operator("POST", "/v1/aliases", json!({ "address": address, "destinations": [to] })).await
    };
    add("a@my.example", "b@my.example").await.expect(201);
    add("b@my.example", "c@my.example").await.expect(201);
    let refused = add("c@my.example", "a@my.example").await.expect(422);
    assert_eq!(refused.pointers(), ["/destinations/0"]);
    assert!(refused.text().contains("circle"), "{}", refused.text());
    add("c-*@my.example", "c-1@my.example").await.expect(422);
    add("*@my.example", "unknown@my.example").await.expect(422);
    add("*@my.example", "a@my.example").await.expect(422);
    add("c@my.example", "owner@inbox.example").await.expect(201);
    let turned = json!({ "destinations": ["a@my.example"] });
    house.operator("PATCH", "/v1/aliases/c@my.example", turned).await.expect(422);
    add("*@my.example", "a@my.example").await.expect(201);
}

#[tokio::test]
async fn the_address_of_an_alias_does_not_change() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let renamed = json!({ "address": "other@my.example" });
    assert_eq!(
        house.operator("PATCH", "/v1/aliases/shop@my.example", renamed).await.expect(422).pointers(),
        ["/address"]
    );
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    for index in 0..5 {
        house.operator("POST", "/v1/aliases", json!({ "address": format!("a{index}@my.example") })).await.expect(201);
    }
    house.operator("POST", "/v1/aliases", json!({ "address": "b@other.example", "enabled": false })).await.expect(201);
    let list =
        async |query: &str| house.operator("GET", &format!("/v1/aliases{query}"), Value::Null).await.expect(200).json();
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["address"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&list("?domain=other.example").await), ["b@other.example"]);
    assert_eq!(names(&list("?enabled=false&unknown=key").await), ["b@other.example"]);
    assert_eq!(names(&list("?search=a3").await), ["a3@my.example"]);
    let first = list("?limit=4").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 4);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = list(&format!("?limit=4&cursor={}", in_path(cursor))).await;
    let mut all = names(&first);
    all.extend(names(&second));
    all.sort();
    assert_eq!(
        all,
        ["a0@my.example", "a1@my.example", "a2@my.example", "a3@my.example", "a4@my.example", "b@other.example"]
    );
    assert_eq!(second["next_cursor"], Value::Null);
    for query in ["?limit=0", "?limit=501", "?limit=x", "?enabled=maybe"] {
        house.operator("GET", &format!("/v1/aliases{query}"), Value::Null).await.expect(422).problem();
    }
}

#[tokio::test]
async fn random_names_come_in_every_format() {
    let house = House::furnished().await;
    for format in ["words", "characters", "hex", "uuid"] {
        let body = json!({ "domain": "my.example", "format": format, "description": "Website" });
        let made = house.operator("POST", "/v1/aliases/random", body).await.expect(201).json();
        assert!(made["address"].as_str().unwrap().ends_with("@my.example"));
        assert_eq!(made["description"], "Website");
    }
    let wrong = json!({ "domain": "my.example", "format": "verse" });
    assert_eq!(house.operator("POST", "/v1/aliases/random", wrong).await.expect(422).pointers(), ["/format"]);
}

#[tokio::test]
async fn a_random_name_stands_on_the_only_domain_there_is() {
    let house = House::furnished().await;
    let made = house.operator("POST", "/v1/aliases/random", json!({})).await.expect(201).json();
    assert!(made["address"].as_str().unwrap().ends_with("@my.example"), "{made}");
    house.operator("POST", "/v1/domains", json!({ "name": "two.example" })).await.expect(201);
    assert_eq!(house.operator("POST", "/v1/aliases/random", json!({})).await.expect(422).pointers(), ["/domain"]);
}

#[tokio::test]
async fn what_sends_no_mail_on_has_no_destination_by_default() {
    let house = House::furnished().await;
    for action in ["drop", "reject"] {
        let body = json!({ "address": format!("{action}@my.example"), "action": action });
        let made = house.operator("POST", "/v1/aliases", body).await.expect(201).json();
        assert_eq!(made["destinations"], json!([]), "{made}");
    }
    let on = house.operator("PATCH", "/v1/aliases/drop@my.example", json!({ "action": "forward" })).await.expect(200);
    assert_eq!(on.json()["destinations"], json!(["owner@inbox.example"]));
    // What somebody chose is kept for the day when the alias sends mail on again.
    let off = house.operator("PATCH", "/v1/aliases/drop@my.example", json!({ "action": "drop" })).await.expect(200);
    assert_eq!(off.json()["destinations"], json!(["owner@inbox.example"]));
}

#[tokio::test]
async fn destinations_that_get_no_mail_yet_are_named() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "two.example" })).await.expect(201);
    let to = json!(["owner@inbox.example", "new@inbox.example", "inside@two.example"]);
    let body = json!({ "address": "shop@my.example", "destinations": to });
    let made = house.operator("POST", "/v1/aliases", body).await.expect(201).json();
    assert_eq!(made["unverified"], json!(["new@inbox.example"]));
    house.operator("POST", "/v1/destinations/new@inbox.example/verify", Value::Null).await.expect(200);
    let listed = house.operator("GET", "/v1/aliases", Value::Null).await.expect(200).json();
    assert_eq!(listed["items"][0]["unverified"], json!([]));
}

#[tokio::test]
async fn an_import_is_all_or_nothing() {
    let house = House::furnished().await;
    let import = async |query: &str, accept: &str, body: &str| {
        house.operator_with("POST", &format!("/v1/aliases/import{query}"), &[("accept", accept)], body).await
    };
    let lines: String = (0..1000).map(|n| format!("n{n}@my.example\towner@inbox.example\n")).collect();
    let dry = import("?dry_run=true", "application/json", &lines).await.expect(200).json();
    assert_eq!(dry, json!({ "imported": 1000, "dry_run": true, "unverified": [] }));
    let bad = format!("{lines}nowhere\nn7@my.example\tx@y.example\n");
    let refused = import("", "application/json", &bad).await.expect(422);
    let places: Vec<_> = refused.problem()["errors"].as_array().unwrap().iter().map(|e| e["field"].clone()).collect();
    assert_eq!(places, [json!("line 1001"), json!("line 1002")]);
    assert_eq!(house.operator("GET", "/v1/aliases", Value::Null).await.json()["items"], json!([]));

    let told = import("", "application/x-ndjson", &lines).await.expect(200);
    assert_eq!(told.field("content-type").as_deref(), Some("application/x-ndjson"));
    let last: Value = serde_json::from_str(told.text().lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({ "imported": 1000, "known": 0, "dry_run": false, "unverified": [] }));
    let found = house.operator("GET", "/v1/aliases/N999@my.example", Value::Null).await.expect(200).json();
    assert_eq!(found["destinations"], json!(["owner@inbox.example"]));

    let again = import("", "application/json", "n5@my.example\towner@inbox.example\n").await.expect(200).json();
    let known = json!({ "imported": 0, "known": 1, "dry_run": false, "unverified": [] });
    assert_eq!(again, known, "what stands already is not made twice");
    let other = import("", "application/json", "# mine\n\nn5@my.example\tsecond@inbox.example\n").await.expect(422);
    assert_eq!(other.problem()["errors"][0]["field"], "line 3", "{}", other.text());
}

#[tokio::test]
async fn an_import_names_the_inboxes_that_get_no_mail_yet() {
    let house = House::furnished().await;
    let lines = "a@my.example\tnew@inbox.example\nb@my.example\towner@inbox.example\nc@my.example\tnew@inbox.example\n\
                 d@my.example\ta@my.example\n";
    for (query, accept) in [("?dry_run=true", "application/json"), ("", "application/x-ndjson")] {
        let path = format!("/v1/aliases/import{query}");
        let told = house.operator_with("POST", &path, &[("accept", accept)], lines).await.expect(200).text();
        let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        assert_eq!(last["unverified"], json!(["new@inbox.example"]), "{told}");
    }
}
