//! What a domain or an alias sets for itself, who may loosen what, and the entries that ask for proof.

use serde_json::{Value, json};

use crate::web::House;

/// The house's own policy for DMARC is observe.
#[tokio::test]
async fn a_policy_is_set_and_inherited_again_key_by_key() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    for path in ["/v1/domains/my.example", "/v1/aliases/shop@my.example"] {
        let set = async |policy: Value| house.operator("PATCH", path, json!({ "policy": policy })).await;
        set(json!({ "dmarc": "enforce", "unauthenticated": "reject" })).await.expect(200);
        let shown = set(json!({ "dmarc": null, "spf": "off" })).await.expect(200).json();
        assert_eq!(shown["policy"], json!({ "spf": "off", "unauthenticated": "reject" }), "{path}");
        let told = house.operator("POST", "/v1/route", json!({ "to": "shop@my.example" })).await.expect(200).json();
        assert!(told["trace"].to_string().contains("unauthenticated reject"), "{told}");
        for (wrong, word) in [
            (json!({ "dmarc": "perhaps" }), "perhaps"),
            (json!({ "dmrac": "enforce" }), "dmrac"),
            (json!("enforce"), "object"),
        ] {
            let refused = set(wrong).await.expect(422);
            assert_eq!(refused.pointers(), ["/policy"]);
            assert!(refused.json()["errors"][0]["detail"].as_str().unwrap().contains(word), "{}", refused.json());
        }
        assert_eq!(set(Value::Null).await.expect(200).json()["policy"], json!({}));
    }
}

#[tokio::test]
async fn members_tighten_and_only_admins_loosen() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let token = house.token(&["domains", "aliases"], &[]).await;
    for path in ["/v1/domains/my.example", "/v1/aliases/shop@my.example"] {
        let set = async |policy: Value| house.bearer(&token, "PATCH", path, json!({ "policy": policy })).await;
        set(json!({ "spf": "enforce", "unauthenticated": "reject" })).await.expect(200);
        set(json!({ "spf": "observe" })).await.expect(200);
        let refused = set(json!({ "spf": "off" })).await.expect(422);
        assert_eq!(refused.pointers(), ["/policy"]);
        assert!(refused.json()["errors"][0]["detail"].as_str().unwrap().contains("spf"), "{}", refused.json());
        // What an administrator loosened stays, and is no fault of who changes something else.
        house.operator("PATCH", path, json!({ "policy": { "dkim": "off" } })).await.expect(200);
        set(json!({ "tls": "require" })).await.expect(200);
    }
    // What the domain may do, its aliases may.
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "policy": null })).await.expect(200);
    let policy = json!({ "policy": { "dkim": "off" } });
    house.bearer(&token, "PATCH", "/v1/aliases/shop@my.example", policy).await.expect(200);
}

/// The simulator without a client: what would be refused whatever it proves is, and what proof decides is said to.
#[tokio::test]
async fn what_is_let_in_by_proof_alone_is_not_said_to_be_sent_on() {
    let house = House::furnished().await;
    let asked = async |from: &str| {
        let route = json!({ "from": from, "to": "shop@my.example" });
        house.operator("POST", "/v1/route", route).await.expect(200).json()
    };
    let set = async |entries: serde_json::Value| {
        house.operator("PATCH", "/v1/aliases/shop@my.example", entries).await.expect(200);
    };
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    for (block, stranger) in [("*@*", "reject"), ("@plain.example", "reject")] {
        set(json!({ "allow": ["authenticated:@friend.example"], "block": [block] })).await;
        let kept_out = asked("bob@plain.example").await;
        assert_eq!(kept_out["disposition"], stranger, "{kept_out}");
        assert_eq!(kept_out["reason"], format!("The entry {block} (alias) keeps this sender out."), "{kept_out}");
    }
    set(json!({ "allow": ["authenticated:@friend.example"], "block": ["*@*"] })).await;
    let friend = asked("ann@friend.example").await;
    let words = "The entry *@* keeps it out unless it proves who sent it, by SPF or DKIM: name the client";
    assert_eq!(friend["disposition"], "forward", "{friend}");
    assert!(friend["reason"].as_str().unwrap().contains(words), "{friend}");
    set(json!({ "allow": [], "block": ["authenticated:@friend.example"] })).await;
    let blocked = asked("ann@friend.example").await;
    let words = "The entry authenticated:@friend.example keeps it out once it proves who sent it";
    assert!(blocked["reason"].as_str().unwrap().contains(words), "{blocked}");
    let other = asked("bob@plain.example").await;
    assert!(other["disposition"] == "forward" && !other["reason"].as_str().unwrap().contains("entry"), "{other}");
}

/// An alias may pass its mail to another of ours, and a refusal of that one is certain whatever the first depends on.
#[tokio::test]
async fn what_another_alias_refuses_in_any_case_is_not_said_to_depend_on_proof() {
    let house = House::furnished().await;
    let friends = json!({ "address": "shop@my.example", "destinations": ["next@my.example"],
        "allow": ["authenticated:@friend.example"], "block": ["*@*"] });
    let next = json!({ "address": "next@my.example", "destinations": ["owner@inbox.example"] });
    house.operator("POST", "/v1/aliases", next).await.expect(201);
    house.operator("POST", "/v1/aliases", friends).await.expect(201);
    let asked = async || {
        let route = json!({ "from": "ann@friend.example", "author": "ceo@friend.example", "to": "shop@my.example" });
        house.operator("POST", "/v1/route", route).await.expect(200).json()
    };
    let words = "keeps it out unless it proves who sent it";
    let depends = asked().await;
    assert!(depends["disposition"] == "forward" && depends["reason"].as_str().unwrap().contains(words), "{depends}");
    let block = json!({ "block": ["ceo@friend.example"] });
    house.operator("PATCH", "/v1/aliases/next@my.example", block).await.expect(200);
    let kept_out = asked().await;
    assert_eq!(kept_out["disposition"], "reject", "{kept_out}");
}

/// SPF proves the sender alone, and a signature the author's domain alone.
#[tokio::test]
async fn what_depends_on_which_of_two_is_proved_is_said_to_depend() {
    let house = House::furnished().await;
    let entries = json!({ "address": "shop@my.example", "destinations": ["owner@inbox.example"],
        "allow": ["authenticated:@author.example"], "block": ["authenticated:@sender.example"] });
    house.operator("POST", "/v1/aliases", entries).await.expect(201);
    let route = json!({ "from": "ann@sender.example", "author": "ann@author.example", "to": "shop@my.example" });
    let asked = house.operator("POST", "/v1/route", route).await.expect(200).json();
    let words = "The entry authenticated:@sender.example keeps it out";
    assert!(asked["disposition"] == "forward" && asked["reason"].as_str().unwrap().contains(words), "{asked}");
}

#[tokio::test]
async fn entries_may_ask_for_proof() {
    let house = House::furnished().await;
    let entries = json!({ "address": "shop@my.example", "allow": ["Authenticated:@Friend.example"], "block": ["*@*"] });
    let alias = house.operator("POST", "/v1/aliases", entries).await.expect(201).json();
    assert_eq!(alias["allow"], json!(["authenticated:@friend.example"]));
    let wrong = json!({ "allow": ["authenticated:friend.example"] });
    let refused = house.operator("PATCH", "/v1/aliases/shop@my.example", wrong).await.expect(422);
    assert_eq!(refused.pointers(), ["/allow/0"]);
}
