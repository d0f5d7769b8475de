//! Where a destination is used, another one in its place everywhere, and inboxes that come into being with aliases.

use serde_json::{Value, json};
use waypost::policy::status::Status;
use waypost::store::activity::{Attempt, Row};

use super::people::somebody;
use crate::web::rows::forwarded;
use crate::web::{Answer, House};

const OLD: &str = "/v1/destinations/owner@inbox.example";

/// Aliases to the default, to both, and a pattern that may compute it; it is a contact, and comes with a token.
async fn used() -> House {
    let house = House::furnished().await;
    let new = json!({ "address": "new@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", new).await.expect(201);
    for alias in [
        json!({ "address": "shop@my.example" }),
        json!({ "address": "both@my.example", "destinations": ["new@inbox.example", "owner@inbox.example"] }),
        json!({ "address": "*@my.example" }),
        json!({ "address": "/^(owner|anna)$/@my.example", "destinations": ["$1@inbox.example"] }),
        json!({ "address": "/^n([0-9]+)$/@my.example", "destinations": ["n$1@inbox.example"] }),
    ] {
        house.operator("POST", "/v1/aliases", alias).await.expect(201);
    }
    let contact = json!({ "contact": "owner@inbox.example" });
    house.operator("PATCH", "/v1/domains/my.example", contact).await.expect(200);
    let token = json!({ "name": "phone", "scopes": ["aliases:create"], "default_destination": "owner@inbox.example" });
    house.operator("POST", "/v1/tokens", token).await.expect(201);
    house
}

async fn get(house: &House, path: &str) -> Value {
    house.operator("GET", path, Value::Null).await.expect(200).json()
}

async fn replace(house: &House, to: Value) -> Answer {
    house.operator("POST", &format!("{OLD}/replace"), to).await
}

async fn leads_to(house: &House, alias: &str) -> Value {
    get(house, &format!("/v1/aliases/{}", crate::web::in_path(alias))).await["destinations"].clone()
}

#[tokio::test]
async fn a_destination_says_where_it_is_used() {
    let house = used().await;
    let uses = get(&house, OLD).await["uses"].clone();
    assert_eq!((&uses["aliases"], &uses["more"], &uses["default"]), (&json!(3), &json!(false), &json!(true)));
    assert_eq!(uses["newest"], json!(["*@my.example", "both@my.example", "shop@my.example"]));
    assert_eq!((&uses["contact_of"], &uses["tokens"]), (&json!(["my.example"]), &json!(["phone"])));
    let computed = json!([{ "alias": "/^(owner|anna)$/@my.example", "destination": "$1@inbox.example" }]);
    assert_eq!(uses["computed"], computed);
    let listed = get(&house, "/v1/aliases?destination=owner@inbox.example").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    assert_eq!(get(&house, "/v1/destinations").await["items"][1].get("uses"), None, "lists stay short");
    let reader = house.token(&["destinations:read"], &[]).await;
    let seen = house.bearer(&reader, "GET", OLD, Value::Null).await.expect(200).json();
    assert_eq!((&seen["uses"]["aliases"], &seen["uses"]["newest"]), (&json!(3), &json!([])), "aliases are not told");
}

#[tokio::test]
async fn another_one_takes_its_place_everywhere_in_one_audited_step() {
    let house = used().await;
    let tag = house.operator("GET", "/v1/aliases/shop@my.example", Value::Null).await.field("etag").unwrap();
    let done = replace(&house, json!({ "to": "New@inbox.example" })).await.expect(200).json();
    assert_eq!((&done["aliases"], &done["default"]), (&json!(3), &json!(true)));
    assert_eq!((&done["contact_of"], &done["tokens"]), (&json!(["my.example"]), &json!(["phone"])));
    assert_eq!(done["untouched"][0]["alias"], "/^(owner|anna)$/@my.example");
    for alias in ["shop@my.example", "both@my.example", "*@my.example"] {
        assert_eq!(leads_to(&house, alias).await, json!(["new@inbox.example"]), "{alias}");
    }
    assert_eq!(leads_to(&house, "/^(owner|anna)$/@my.example").await, json!(["$1@inbox.example"]));
    let stale = house.operator_with("PATCH", "/v1/aliases/shop@my.example", &[("if-match", &tag)], "{}").await;
    stale.expect(412);
    let old = get(&house, OLD).await;
    assert_eq!((&old["default"], &old["uses"]["aliases"]), (&json!(false), &json!(0)));
    assert_eq!(get(&house, "/v1/domains/my.example").await["contact"], "new@inbox.example");
    assert_eq!(get(&house, "/v1/tokens").await["items"][0]["default_destination"], "new@inbox.example");
    let told = get(&house, "/v1/audit?limit=1").await["items"][0].clone();
    assert_eq!((&told["action"], &told["object"]), (&json!("destination.replace"), &json!("owner@inbox.example")));
    assert_eq!((&told["after"]["destination"], &told["undoable"]), (&json!("new@inbox.example"), &json!(true)));
    house.operator("DELETE", OLD, Value::Null).await.expect(204);
}

#[tokio::test]
async fn a_replacement_is_taken_back_while_it_stands() {
    let house = used().await;
    replace(&house, json!({ "to": "new@inbox.example" })).await.expect(200);
    let undo = format!("/v1/audit/{}/undo", get(&house, "/v1/audit?limit=1").await["items"][0]["id"]);
    let elsewhere = json!({ "destinations": ["owner@inbox.example"] });
    house.operator("PATCH", "/v1/aliases/shop@my.example", elsewhere).await.expect(200);
    house.operator("POST", &undo, Value::Null).await.expect(409).problem();
    assert_eq!(leads_to(&house, "both@my.example").await, json!(["new@inbox.example"]), "all of it, or nothing");
    let again = json!({ "destinations": ["new@inbox.example"], "description": "changed otherwise" });
    house.operator("PATCH", "/v1/aliases/shop@my.example", again).await.expect(200);
    house.operator("POST", &undo, Value::Null).await.expect(200);
    assert_eq!(leads_to(&house, "shop@my.example").await, json!(["owner@inbox.example"]));
    assert_eq!(leads_to(&house, "both@my.example").await, json!(["new@inbox.example", "owner@inbox.example"]));
    let old = get(&house, OLD).await;
    assert_eq!((&old["default"], &old["uses"]["contact_of"]), (&json!(true), &json!(["my.example"])));
    assert_eq!(old["uses"]["tokens"], json!(["phone"]));
    house.operator("POST", &undo, Value::Null).await.expect(409).problem();
}

#[tokio::test]
async fn what_holds_a_destination_is_named_as_it_is_written() {
    let house = House::furnished().await;
    let regex = json!({ "address": "/^n[0-9]+$/@my.example" });
    house.operator("POST", "/v1/aliases", regex).await.expect(201);
    let problem = house.operator("DELETE", OLD, Value::Null).await.expect(409).problem();
    assert!(problem["detail"].as_str().unwrap().contains(" /^n[0-9]+$/@my.example."), "{problem}");
}

#[tokio::test]
async fn what_cannot_take_its_place_is_said() {
    let house = used().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "late@inbox.example" })).await.expect(201);
    house.operator("POST", "/v1/destinations", json!({ "address": "shop@my.example", "verified": true })).await;
    for (to, words) in [
        (json!({}), "name the destination"),
        (json!({ "to": 5 }), "write a text"),
        (json!({ "to": "nobody@inbox.example" }), "is no destination yet"),
        (json!({ "to": "late@inbox.example" }), "not verified"),
        (json!({ "to": "owner@inbox.example" }), "is to be replaced"),
        (json!({ "to": "shop@my.example" }), "of this gateway"),
    ] {
        let refused = replace(&house, to.clone()).await.expect(422);
        assert_eq!(refused.pointers(), ["/to"], "{to}");
        assert!(refused.text().contains(words), "{to}: {}", refused.text());
    }
    replace(&house, json!({ "to": "new@inbox.example", "form": "x" })).await.expect(422);
    house.operator("POST", "/v1/destinations", json!({ "address": "@trusted.example" })).await.expect(201);
    let whole = "/v1/destinations/@trusted.example/replace";
    house.operator("POST", whole, json!({ "to": "new@inbox.example" })).await.expect(409).problem();
    house.operator("POST", "/v1/destinations/no@x.example/replace", json!({})).await.expect(404).problem();
    assert_eq!(get(&house, OLD).await["uses"]["aliases"], 3);
    // Both lead nowhere yet.
    house.operator("POST", "/v1/destinations", json!({ "address": "typo@inbox.example" })).await.expect(201);
    let typo = "/v1/destinations/typo@inbox.example/replace";
    house.operator("POST", typo, json!({ "to": "late@inbox.example" })).await.expect(200);
}

#[tokio::test]
async fn only_who_may_change_all_of_its_aliases_replaces_it() {
    let house = used().await;
    let to = json!({ "to": "new@inbox.example" });
    let path = format!("{OLD}/replace");
    for scopes in [&["destinations"][..], &["aliases"], &["destinations:read", "aliases"]] {
        let token = house.token(scopes, &[]).await;
        house.bearer(&token, "POST", &path, to.clone()).await.expect(403).problem();
    }
    let limited = house.token(&["destinations", "aliases"], &["my.example"]).await;
    assert!(house.bearer(&limited, "POST", &path, to.clone()).await.expect(403).text().contains("limited"));
    let member = somebody(&house, "member@people.example", "member").await;
    house.bearer(&member, "POST", &path, to.clone()).await.expect(404).problem();
    let token = house.token(&["destinations", "aliases"], &[]).await;
    house.bearer(&token, "POST", &path, to).await.expect(200);
}

/// The addresses that are being asked by mail, in order.
async fn asked(house: &House) -> Vec<String> {
    let waiting = house.admin.store.queue.list(None, None, 100).await.unwrap();
    let mut asked: Vec<_> = waiting.iter().map(|mail| mail.destination.to_string()).collect();
    asked.sort();
    asked
}

#[tokio::test]
async fn inboxes_that_come_with_aliases_are_asked_once() {
    let house = House::linked().await;
    let alias = |local: &str, inbox: &str| json!({ "address": format!("{local}@my.example"), "destinations": [inbox] });
    house.operator("POST", "/v1/aliases", alias("a", "a@inbox.example")).await.expect(201);
    house.operator("POST", "/v1/aliases", alias("again", "a@inbox.example")).await.expect(201);
    house.operator("POST", "/v1/aliases", alias("inside", "a@my.example")).await.expect(201);
    house.operator("PATCH", "/v1/aliases/a@my.example", alias("a", "b@inbox.example")).await.expect(200);
    let random = json!({ "domain": "my.example", "destinations": ["c@inbox.example"] });
    house.operator("POST", "/v1/aliases/random", random).await.expect(201);
    let mut create = alias("batch", "d@inbox.example");
    create["op"] = json!("create");
    house.operator("POST", "/v1/aliases/batch", json!({ "operations": [create] })).await.expect(200);
    let catch_all = json!({ "catch_all": "forward", "catch_all_destinations": ["e@inbox.example"] });
    house.operator("PATCH", "/v1/domains/my.example", catch_all).await.expect(200);
    let lines = "x@my.example\tf@inbox.example\ny@my.example\tg@inbox.example\nz@my.example\tf@inbox.example\n";
    house.operator_with("POST", "/v1/aliases/import", &[("content-type", "text/plain")], lines).await.expect(200);
    let expected = ["a", "b", "c", "d", "e", "f", "g"].map(|local| format!("{local}@inbox.example"));
    assert_eq!(asked(&house).await, expected);
    let seen = get(&house, "/v1/destinations/f@inbox.example").await;
    assert_eq!(seen["verification"]["status"], "queued", "{seen}");
}

#[tokio::test]
async fn a_domain_like_another_one_has_the_inboxes_asked_that_are_new_to_its_owner() {
    let house = House::linked().await;
    let member = somebody(&house, "member@people.example", "member").await;
    house.bearer(&member, "POST", "/v1/domains", json!({ "name": "team.example" })).await.expect(201);
    let alias = json!({ "address": "shop@team.example", "destinations": ["anna@inbox.example"] });
    house.bearer(&member, "POST", "/v1/aliases", alias).await.expect(201);
    assert_eq!(asked(&house).await, ["anna@inbox.example"]);
    house.clock.advance(std::time::Duration::from_secs(60));
    house.operator("POST", "/v1/domains", json!({ "name": "mine.example", "like": "team.example" })).await.expect(201);
    assert_eq!(asked(&house).await, ["anna@inbox.example", "anna@inbox.example"], "each owner asks for themselves");
}

#[tokio::test]
async fn an_import_asks_no_more_inboxes_than_a_day_allows() {
    let house = House::linked().await;
    let lines: String = (0..60).map(|n| format!("x{n}@my.example\ti{n}@inbox.example\n")).collect();
    house.operator_with("POST", "/v1/aliases/import", &[("content-type", "text/plain")], &lines).await.expect(200);
    assert_eq!(asked(&house).await.len(), 50);
    let all = get(&house, "/v1/destinations?limit=100").await["items"].as_array().unwrap().clone();
    let unasked = all.iter().filter(|one| one["verification"]["status"] == "not_sent");
    assert_eq!(unasked.count(), 10);
}

#[tokio::test]
async fn an_inbox_of_a_trusted_domain_needs_no_asking() {
    let house = House::linked().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "@whole.example" })).await.expect(201);
    let alias = json!({ "address": "a@my.example", "destinations": ["me@whole.example"] });
    house.operator("POST", "/v1/aliases", alias).await.expect(201);
    let me = get(&house, "/v1/destinations/me@whole.example").await;
    house.operator("POST", "/v1/destinations", json!({ "address": "you@whole.example" })).await.expect(201);
    assert_eq!((&me["trusted"], &me["verified_at"], &me["verification"]), (&json!(true), &Value::Null, &Value::Null));
    assert_eq!(asked(&house).await, Vec::<String>::new());
    assert_eq!(get(&house, OLD).await["trusted"], false, "it is verified by itself");
}

/// Where a domain names nobody for it, the default gets it: every answer says so, and one inbox in another's place takes it
/// along even where neither is the default.
#[tokio::test]
async fn mail_for_postmaster_of_a_domain_without_a_contact_follows_the_default() {
    let house = House::furnished().await;
    for address in ["anna@inbox.example", "new@inbox.example"] {
        house.operator("POST", "/v1/destinations", json!({ "address": address, "verified": true })).await.expect(201);
    }
    let uses = async |address: &str| get(&house, &format!("/v1/destinations/{address}")).await["uses"].clone();
    let of = |uses: &Value| (uses["default_contact_of"].clone(), uses["contact_after"].clone());
    assert_eq!(of(&uses("owner@inbox.example").await), (json!(["my.example"]), json!("anna@inbox.example")));
    assert_eq!(of(&uses("anna@inbox.example").await), (json!([]), json!("owner@inbox.example")));
    for dry_run in [true, false] {
        let told = replace(&house, json!({ "to": "new@inbox.example", "dry_run": dry_run })).await.expect(200).json();
        assert_eq!((&told["contact_of"], &told["default_contact_of"]), (&json!([]), &json!(["my.example"])), "{told}");
    }
    assert_eq!(of(&uses("owner@inbox.example").await).0, json!([]));
    assert_eq!(of(&uses("new@inbox.example").await), (json!(["my.example"]), json!("owner@inbox.example")));
    house.operator("DELETE", "/v1/destinations/new@inbox.example", Value::Null).await.expect(204);
    assert_eq!(of(&uses("owner@inbox.example").await).0, json!(["my.example"]), "there is no default any more");
    for dry_run in [true, false] {
        let told = replace(&house, json!({ "to": "anna@inbox.example", "dry_run": dry_run })).await.expect(200).json();
        assert_eq!((&told["contact_of"], &told["default_contact_of"]), (&json!(["my.example"]), &json!([])), "{told}");
    }
    assert_eq!(get(&house, "/v1/domains/my.example").await["contact"], "anna@inbox.example");
    let undo = format!("/v1/audit/{}/undo", get(&house, "/v1/audit?limit=1").await["items"][0]["id"]);
    house.operator("POST", &undo, Value::Null).await.expect(200);
    let owner = uses("owner@inbox.example").await;
    assert_eq!(of(&owner).0, json!(["my.example"]), "it gets that mail again");
    assert_eq!(
        get(&house, "/v1/domains/my.example").await["contact"],
        Value::Null,
        "and nobody is named for it, as before"
    );
}

/// Who is named for it and has not said yes yet stays named, and what named nobody names nobody again.
#[tokio::test]
async fn another_one_does_not_take_the_place_of_a_contact_that_is_yet_to_be_verified() {
    let house = House::furnished().await;
    for (address, verified) in [("anna@inbox.example", true), ("new@inbox.example", true), ("kim@inbox.example", false)]
    {
        let inbox = json!({ "address": address, "verified": verified });
        house.operator("POST", "/v1/destinations", inbox).await.expect(201);
    }
    house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    let kim = json!({ "contact": "kim@inbox.example" });
    house.operator("PATCH", "/v1/domains/my.example", kim).await.expect(200);
    // Then there is no default any more.
    house.operator("POST", "/v1/destinations/new@inbox.example/default", Value::Null).await.expect(200);
    house.operator("DELETE", "/v1/destinations/new@inbox.example", Value::Null).await.expect(204);
    let contacts = async || {
        let of = async |name: &str| get(&house, &format!("/v1/domains/{name}")).await["contact"].clone();
        [of("my.example").await, of("other.example").await]
    };
    for dry_run in [true, false] {
        let told = replace(&house, json!({ "to": "anna@inbox.example", "dry_run": dry_run })).await.expect(200).json();
        assert_eq!(
            (&told["contact_of"], &told["default_contact_of"]),
            (&json!(["other.example"]), &json!([])),
            "{told}"
        );
    }
    assert_eq!(contacts().await, ["kim@inbox.example", "anna@inbox.example"]);
    let still = get(&house, OLD).await["uses"]["default_contact_of"].clone();
    assert_eq!(still, json!(["my.example"]), "until she is verified");
    let undo = format!("/v1/audit/{}/undo", get(&house, "/v1/audit?limit=1").await["items"][0]["id"]);
    house.operator("POST", &undo, Value::Null).await.expect(200);
    assert_eq!(contacts().await, [json!("kim@inbox.example"), Value::Null]);
}

/// That our own DNS does not answer says nothing of an inbox; that its host has no address does, and that it does not answer.
#[tokio::test]
async fn an_inbox_is_not_put_off_by_a_dns_that_does_not_answer() {
    let unheard = "mx.inbox.example: DNS failed for now: no answer within 5 s";
    for (reply, ip, fails) in [
        (unheard, None, false),
        ("mx.inbox.example: the domain does not exist", None, true),
        ("no answer within 30 s", Some("192.0.2.9"), true),
    ] {
        let house = House::furnished().await;
        for _ in 0..2 {
            let row = forwarded(&house, "shop@my.example");
            let tried = Attempt {
                outcome: "deferred".to_owned(),
                reply: reply.to_owned(),
                mx: Some("mx.inbox.example".to_owned()),
                ip: ip.map(|ip| ip.parse().unwrap()),
                ..row.attempts[0].clone()
            };
            let row = Row { status: Status::Deferred, attempts: vec![tried], ..row };
            house.admin.store.activity.record(vec![row]).await.unwrap();
            house.clock.advance(std::time::Duration::from_secs(7200));
        }
        assert_eq!(get(&house, OLD).await["failing_since"].is_string(), fails, "{reply}");
    }
}
