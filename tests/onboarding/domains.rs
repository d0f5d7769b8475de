//! Many domains at once, like another one, and mirrors: asked of the API, and of the mail that comes.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::World;

/// A world with `my.example`, its alias `shop`, a pattern, and `inbox.example` trusted.
async fn world() -> World {
    let world = World::start().await;
    world.alias("list-*@my.example", &["bob@inbox.example"]).await;
    world
}

/// The recipients that the inbox took, in order.
fn taken(world: &World) -> Vec<String> {
    world.inbox.received().into_iter().flat_map(|delivery| delivery.to).collect()
}

async fn refused(world: &World, call: (Method, &str), body: Value) -> (StatusCode, Value) {
    let (status, problem) = world.ask(call.0, call.1, body).await;
    assert!(status.is_client_error(), "{status} {problem}");
    (status, problem)
}

#[tokio::test]
async fn many_domains_come_at_once_or_not_at_all() {
    let world = world().await;
    let added = world.post("/v1/domains/batch", json!({"names": ["a.example", "b.example"], "keep_tag": true})).await;
    let names: Vec<_> = added["items"].as_array().unwrap().iter().map(|domain| domain["name"].clone()).collect();
    assert_eq!(names, ["a.example", "b.example"]);
    assert_eq!(added["items"][1]["keep_tag"], true);
    assert_ne!(added["items"][0]["verified_at"], Value::Null);

    let (status, problem) =
        refused(&world, (Method::POST, "/v1/domains/batch"), json!({"names": ["c.example", "a.example"]})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("a.example exists already"), "{problem}");
    let (status, _) = world.ask(Method::GET, "/v1/domains/c.example", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "not even the first of them");

    for (body, pointer) in [
        (json!({"names": ["c.example", "c.example"]}), "/names/1"),
        (json!({"names": ["c.example", "single"]}), "/names/1"),
        (json!({"names": ["c.example", "-x.example"]}), "/names/1"),
        (json!({"names": []}), "/names"),
        (json!({}), "/names"),
        (json!({"names": ["c.example"], "like": "no.example"}), "/like"),
        (json!({"names": ["c.example"], "mirror_of": "no.example"}), "/mirror_of"),
        (json!({"names": ["c.example"], "mirror_of": "c.example"}), "/mirror_of"),
        (json!({"names": ["c.example"], "mirror_of": "my.example", "catch_all": "drop"}), "/catch_all"),
        (json!({"names": ["c.example"], "catch_all": "sideways"}), "/catch_all"),
    ] {
        let (status, problem) = refused(&world, (Method::POST, "/v1/domains/batch"), body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
        let (status, _) = world.ask(Method::GET, "/v1/domains/c.example", Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_domain_like_another_begins_with_its_settings_and_aliases() {
    let world = world().await;
    let settings =
        json!({"keep_tag": true, "block": ["@bad.example"], "policy": {"spf": "enforce"}, "catch_all": "drop"});
    world.patch("/v1/domains/my.example", settings).await;
    let made = world.post("/v1/domains", json!({"name": "new.example", "like": "my.example", "keep_tag": false})).await;
    assert_eq!(
        (&made["catch_all"], &made["keep_tag"]),
        (&json!("drop"), &json!(false)),
        "what is said here counts first"
    );
    assert_eq!((&made["block"], &made["policy"]), (&json!(["@bad.example"]), &json!({"spf": "enforce"})));
    assert_eq!(made["mirror_of"], Value::Null);

    world.letter("shop@new.example").await;
    world.letter("list-1@new.example").await;
    assert_eq!(taken(&world), ["anna@inbox.example", "bob@inbox.example"]);
    // A copy goes its own way.
    world.patch("/v1/aliases/shop@my.example", json!({"enabled": false})).await;
    assert!(world.letter("shop@new.example").await.is_accepted());
    world.stop().await;
}

#[tokio::test]
async fn a_mirror_has_the_aliases_of_another_domain_for_ever() {
    let world = world().await;
    world.post("/v1/domains", json!({"name": "mirror.example", "mirror_of": "my.example"})).await;
    assert!(world.letter("shop@mirror.example").await.is_accepted());
    assert!(world.letter("list-7@mirror.example").await.is_accepted());
    assert!(!world.letter("unknown@mirror.example").await.is_accepted());
    assert_eq!(taken(&world), ["anna@inbox.example", "bob@inbox.example"]);
    let row = world.until("shop@mirror.example", "forwarded").await;
    assert_eq!(row["domain"], "mirror.example");
    assert_eq!(row["alias_id"], world.get("/v1/aliases/shop@my.example").await["id"]);

    // What changes there counts here at once: new aliases, and those that are switched off.
    world.alias("later@my.example", &["carl@inbox.example"]).await;
    assert!(world.letter("later@mirror.example").await.is_accepted());
    world.patch("/v1/aliases/later@my.example", json!({"enabled": false})).await;
    assert!(!world.letter("later@mirror.example").await.is_accepted());

    let route = world.post("/v1/route", json!({"to": "shop@mirror.example", "from": "ann@sender.example"})).await;
    let step = route["trace"].as_array().unwrap().iter().find(|step| step["step"] == "mirror").unwrap().clone();
    assert_eq!(step["detail"], "mirror.example has the aliases of my.example");
    world.stop().await;
}

/// A mirror has its own settings; what is set at an alias comes with the alias, and `like` begins with those of the original.
#[tokio::test]
async fn what_is_set_for_the_original_of_a_mirror_is_not_set_for_the_mirror() {
    let world = world().await;
    world.patch("/v1/domains/my.example", json!({"block": ["@sender.example"], "policy": {"spf": "enforce"}})).await;
    world.post("/v1/domains", json!({"name": "mirror.example", "mirror_of": "my.example"})).await;
    world.post("/v1/domains", json!({"name": "twin.example", "mirror_of": "my.example", "like": "my.example"})).await;
    assert!(!world.letter("shop@my.example").await.is_accepted());
    assert!(world.letter("shop@mirror.example").await.is_accepted(), "the block of the original is not its own");
    assert!(!world.letter("shop@twin.example").await.is_accepted(), "it began with the settings of the original");
    let policy = world.get("/v1/domains/mirror.example").await["policy"]["spf"].clone();
    assert_eq!(policy, Value::Null);
    world.patch("/v1/aliases/shop@my.example", json!({"block": ["ann@sender.example"]})).await;
    assert!(!world.letter("shop@mirror.example").await.is_accepted(), "that of the alias is");
    world.stop().await;
}

#[tokio::test]
async fn mail_to_a_mirror_whose_catch_all_creates_makes_the_alias_at_the_original() {
    let world = world().await;
    let create = json!({"catch_all": "create", "catch_all_destinations": ["dora@inbox.example"]});
    world.patch("/v1/domains/my.example", create).await;
    world.post("/v1/domains", json!({"name": "mirror.example", "mirror_of": "my.example"})).await;
    assert!(world.letter("fresh@mirror.example").await.is_accepted());
    let alias = world.get("/v1/aliases/fresh@my.example").await;
    assert_eq!(alias["destinations"], json!(["dora@inbox.example"]));
    world.stop().await;
}

#[tokio::test]
async fn mirrors_make_no_circles_and_hide_nothing() {
    let world = world().await;
    world.post("/v1/domains", json!({"name": "mirror.example", "mirror_of": "my.example"})).await;
    world.domain("plain.example").await;
    let patch = |domain: &str| (Method::PATCH, format!("/v1/domains/{domain}"));
    for (domain, body, pointer) in [
        ("plain.example", json!({"mirror_of": "mirror.example"}), "/mirror_of"),
        ("my.example", json!({"mirror_of": "plain.example"}), "/mirror_of"),
        ("plain.example", json!({"mirror_of": "plain.example"}), "/mirror_of"),
        ("mirror.example", json!({"catch_all": "drop"}), "/catch_all"),
    ] {
        let (method, path) = patch(domain);
        let (status, problem) = refused(&world, (method, &path), body.clone()).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{domain} {body}"
        );
    }
    let alias = json!({"address": "own@mirror.example", "destinations": ["anna@inbox.example"]});
    let (_, problem) = refused(&world, (Method::POST, "/v1/aliases"), alias).await;
    assert!(problem["detail"].as_str().unwrap().contains("mirror.example has the aliases of my.example"), "{problem}");
    let (status, problem) = refused(&world, (Method::DELETE, "/v1/domains/my.example"), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem["detail"].as_str().unwrap().contains("has the mirrors mirror.example"), "{problem}");

    world.patch("/v1/domains/mirror.example", json!({"mirror_of": null})).await;
    assert!(!world.letter("shop@mirror.example").await.is_accepted(), "it is a domain like any other again");
    let (status, _) = world.ask(Method::DELETE, "/v1/domains/my.example", Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    world.stop().await;
}
