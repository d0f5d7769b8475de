//! Domains and destinations.

use serde_json::{Value, json};

use crate::web::House;

#[tokio::test]
async fn a_domain_is_added_shown_and_removed() {
    let house = House::new().await;
    let made = house.operator("POST", "/v1/domains", json!({ "name": "Bücher.example" })).await.expect(201);
    assert_eq!(made.field("location").as_deref(), Some("/v1/domains/xn--bcher-kva.example"));
    let domain = made.json();
    for key in [
        "id",
        "name",
        "unicode",
        "verified_at",
        "catch_all",
        "subaddressing",
        "keep_tag",
        "srs_domain",
        "dns",
        "contact",
        "created_at",
    ] {
        assert!(domain.get(key).is_some(), "{key} is missing");
    }
    assert_eq!(domain["name"], "xn--bcher-kva.example");
    assert_eq!(domain["unicode"], "bücher.example");
    assert_eq!(domain["catch_all"], "off");
    assert_eq!(domain["verified_at"], "2026-11-22T18:56:24.000Z");

    let again = house.operator("POST", "/v1/domains", json!({ "name": "bücher.example" })).await.expect(409);
    assert_eq!(again.problem()["detail"], "The domain bücher.example exists already.");
    // One letter of it is Latin, the others Cyrillic.
    let alike = house.operator("GET", "/v1/domains/xn--pp-nlclup.example", Value::Null).await.expect(404);
    assert_eq!(alike.problem()["detail"], "There is no domain пpимеp.example (xn--pp-nlclup.example).");
    let strange = json!({ "address": "shop@xn--bcher-kva.other", "action": "drop" });
    let strange = house.operator("POST", "/v1/aliases", strange).await.expect(422).problem();
    let detail = "bücher.other is not one of your domains: add it first";
    assert_eq!(strange["errors"][0]["detail"], detail, "{strange:#}");
    assert_eq!(strange["detail"], format!("address: {detail}"));

    let page = house.operator("GET", "/v1/domains", Value::Null).await.expect(200).json();
    assert_eq!(page["items"][0]["id"], domain["id"]);
    assert_eq!(page["next_cursor"], Value::Null);

    house.operator("DELETE", "/v1/domains/b%C3%BCcher.example", Value::Null).await.expect(204);
    house.operator("GET", "/v1/domains/xn--bcher-kva.example", Value::Null).await.expect(404).problem();
}

#[tokio::test]
async fn the_catch_all_is_a_view_of_its_alias() {
    let house = House::furnished().await;
    let set = async |mode: &str| house.operator("PATCH", "/v1/domains/my.example", json!({ "catch_all": mode })).await;
    assert_eq!(set("drop").await.expect(200).json()["catch_all"], "drop");
    let alias = house.operator("GET", "/v1/aliases/*@my.example", Value::Null).await.expect(200).json();
    assert_eq!((&alias["kind"], &alias["action"]), (&json!("catch_all"), &json!("drop")));

    assert_eq!(set("create").await.expect(200).json()["catch_all"], "create");
    let alias = house.operator("GET", "/v1/aliases/*@my.example", Value::Null).await.expect(200).json();
    assert_eq!(alias["destinations"], json!(["owner@inbox.example"]));

    let off = json!({ "enabled": false });
    house.operator("PATCH", "/v1/aliases/*@my.example", off).await.expect(200);
    let domain = house.operator("GET", "/v1/domains/my.example", Value::Null).await.json();
    assert_eq!(domain["catch_all"], "off");
    assert_eq!(set("reject").await.expect(200).json()["catch_all"], "reject");
    assert_eq!(set("off").await.expect(200).json()["catch_all"], "off");
    assert_eq!(set("sideways").await.expect(422).pointers(), ["/catch_all"]);
}

#[tokio::test]
async fn a_catch_all_is_switched_off_whatever_it_did_before() {
    let house = House::furnished().await;
    for (domain, mode) in
        [("a.example", "drop"), ("b.example", "reject"), ("c.example", "forward"), ("d.example", "create")]
    {
        let path = format!("/v1/domains/{domain}");
        house.operator("POST", "/v1/domains", json!({ "name": domain, "catch_all": mode })).await.expect(201);
        let off = house.operator("PATCH", &path, json!({ "catch_all": "off" })).await.expect(200).json();
        assert_eq!(off["catch_all"], "off", "after {mode}");
        let alias = house.operator("GET", &format!("/v1/aliases/*@{domain}"), Value::Null).await.expect(200).json();
        assert_eq!((&alias["enabled"], &alias["action"]), (&json!(false), &json!(mode)));
    }
}

#[tokio::test]
async fn to_switch_off_a_catch_all_that_is_not_there_makes_none() {
    let house = House::furnished().await;
    house.operator("PATCH", "/v1/domains/my.example", json!({ "catch_all": "off" })).await.expect(200);
    house.operator("GET", "/v1/aliases/*@my.example", Value::Null).await.expect(404).problem();
}

#[tokio::test]
async fn a_catch_all_that_forwards_needs_to_know_where_to() {
    let house = House::new().await;
    house.operator("POST", "/v1/domains", json!({ "name": "my.example" })).await.expect(201);
    let forward = json!({ "catch_all": "forward" });
    let refused = house.operator("PATCH", "/v1/domains/my.example", forward).await.expect(422);
    assert_eq!(refused.pointers(), ["/catch_all"]);
    let named = json!({ "catch_all": "forward", "catch_all_destinations": ["a@inbox.example"] });
    assert_eq!(
        house.operator("PATCH", "/v1/domains/my.example", named).await.expect(200).json()["catch_all"],
        "forward"
    );
}

#[tokio::test]
async fn settings_of_a_domain_are_checked_field_by_field() {
    let house = House::furnished().await;
    let wrong = json!({
        "subaddressing": "yes", "srs_domain": "elsewhere.example", "contact": "stranger@inbox.example",
        "policy": { "spf": "maybe" }, "block": ["no-at"], "colour": "red",
    });
    let refused = house.operator("PATCH", "/v1/domains/my.example", wrong).await.expect(422);
    let mut pointers = refused.pointers();
    pointers.sort();
    assert_eq!(pointers, ["/block/0", "/colour", "/contact", "/policy", "/srs_domain", "/subaddressing"]);

    let right = json!({
        "subaddressing": false, "keep_tag": true, "contact": "owner@inbox.example", "policy": { "spf": "enforce" },
        "block": ["@Bad.example"], "srs_domain": "my.example",
    });
    let domain = house.operator("PATCH", "/v1/domains/my.example", right).await.expect(200).json();
    assert_eq!(domain["subaddressing"], false);
    assert_eq!(domain["block"], json!(["@bad.example"]));
    assert_eq!(domain["policy"], json!({ "spf": "enforce" }));
    let cleared = json!({ "srs_domain": null, "contact": null, "policy": null });
    let domain = house.operator("PATCH", "/v1/domains/my.example", cleared).await.expect(200).json();
    assert_eq!(
        (&domain["srs_domain"], &domain["contact"], &domain["policy"]),
        (&Value::Null, &Value::Null, &json!({}))
    );
}

#[tokio::test]
async fn what_is_no_domain_is_refused_in_words() {
    let house = House::new().await;
    for name in [json!("-a.example"), json!("a b"), json!(""), json!("localhost"), json!(7), Value::Null] {
        let refused = house.operator("POST", "/v1/domains", json!({ "name": name })).await.expect(422);
        assert_eq!(refused.pointers(), ["/name"], "{name}");
    }
}

#[tokio::test]
async fn a_destination_waits_for_verification_or_the_owners_word() {
    let house = House::new().await;
    let first =
        house.operator("POST", "/v1/destinations", json!({ "address": "a@inbox.example" })).await.expect(201).json();
    assert_eq!((&first["verified_at"], &first["default"]), (&Value::Null, &json!(true)));
    for key in ["id", "address", "verified_at", "default", "last_delivered_at", "failing_since"] {
        assert!(first.get(key).is_some(), "{key} is missing");
    }
    let second = json!({ "address": "b@inbox.example", "verified": true });
    let second = house.operator("POST", "/v1/destinations", second).await.expect(201).json();
    assert_eq!((&second["verified_at"], &second["default"]), (&json!("2026-11-22T18:56:24.000Z"), &json!(false)));

    let id = first["id"].as_str().unwrap();
    let verified =
        house.operator("POST", &format!("/v1/destinations/{id}/verify"), Value::Null).await.expect(200).json();
    assert_eq!(verified["verified_at"], "2026-11-22T18:56:24.000Z");
    let default =
        house.operator("POST", "/v1/destinations/b@inbox.example/default", Value::Null).await.expect(200).json();
    assert_eq!(default["default"], true);
    let first = house.operator("GET", "/v1/destinations/a@inbox.example", Value::Null).await.expect(200).json();
    assert_eq!(first["default"], false);

    let trusted =
        house.operator("POST", "/v1/destinations", json!({ "address": "@corp.example" })).await.expect(201).json();
    assert_eq!((&trusted["address"], &trusted["default"]), (&json!("@corp.example"), &json!(false)));
    assert_ne!(trusted["verified_at"], Value::Null);
    house.operator("POST", "/v1/destinations", json!({ "address": "A@inbox.example" })).await.expect(409);
    house.operator("DELETE", &format!("/v1/destinations/{id}"), Value::Null).await.expect(204);
    house.operator("DELETE", &format!("/v1/destinations/{id}"), Value::Null).await.expect(404).problem();
    let wrong = house.operator("POST", "/v1/destinations", json!({ "address": "nowhere" })).await.expect(422);
    assert_eq!(wrong.pointers(), ["/address"]);
}

#[tokio::test]
async fn a_destination_in_use_is_not_removed() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    house.operator("DELETE", "/v1/destinations/owner@inbox.example", Value::Null).await.expect(409).problem();
}

#[tokio::test]
async fn what_no_mail_can_be_sent_to_is_no_domain_to_add() {
    let house = House::new().await;
    for (name, why) in [
        ("10.0.0.1", "is an IP address"),
        ("my.1", "ends in a number"),
        ("bad_.example", "an underscore"),
        ("bad-.example", "no hyphen first or last"),
        ("", "write a domain"),
    ] {
        let answer = house.operator("POST", "/v1/domains", json!({ "name": name })).await.expect(422);
        assert!(answer.text().contains(why), "{name}: {}", answer.text());
        house.operator("POST", "/v1/domains/batch", json!({ "names": [name] })).await.expect(422);
    }
    assert_eq!(house.operator("GET", "/v1/domains", Value::Null).await.json()["items"], json!([]));
}
