//! Lists in other orders: each whole, whatever the size of its pages, and words that are none are named.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::admin::Actor;
use waypost::store::activity::Row;

use super::people::somebody;
use crate::web::House;
use crate::web::rows::forwarded;

/// All of a list, in pages of two.
async fn all(house: &House, token: &str, list: &str, field: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..20 {
        let path = format!("{list}&limit=2{cursor}");
        let page = house.bearer(token, "GET", &path, Value::Null).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return seen };
        cursor = format!("&cursor={}", crate::web::in_path(next));
    }
    panic!("{list} never ends: {seen:?}");
}

fn backwards(list: &[&str]) -> Vec<String> {
    list.iter().rev().map(|text| (*text).to_owned()).collect()
}

/// Two domains of the owner and one of a member; six aliases and four destinations.
async fn house() -> (House, String, String) {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "an.example" })).await.expect(201);
    let member = somebody(&house, "member@people.example", "member").await;
    house.bearer(&member, "POST", "/v1/domains", json!({ "name": "team.example" })).await.expect(201);
    house.bearer(&member, "POST", "/v1/destinations", json!({ "address": "m@team.test" })).await.expect(201);
    for address in ["shop@my.example", "z-*@my.example", "b@an.example", "a@my.example", "c@an.example"] {
        house.operator("POST", "/v1/aliases", json!({ "address": address })).await.expect(201);
    }
    for address in ["x@team.example", "d@team.example"] {
        house.bearer(&member, "POST", "/v1/aliases", json!({ "address": address })).await.expect(201);
    }
    for address in ["z@inbox.example", "a@inbox.example"] {
        house.operator("POST", "/v1/destinations", json!({ "address": address, "verified": true })).await.expect(201);
    }
    let owner = house.token(&["admin"], &[]).await;
    (house, owner, member)
}

#[tokio::test]
async fn domains_and_destinations_go_by_name_or_age_either_way() {
    let (house, owner, member) = house().await;
    let domains = async |sort: &str| all(&house, &owner, &format!("/v1/domains?sort={sort}"), "name").await;
    let by_name = ["an.example", "my.example", "team.example"];
    let by_age = ["my.example", "an.example", "team.example"];
    assert_eq!(domains("name").await, by_name);
    assert_eq!(domains("-name").await, backwards(&by_name));
    assert_eq!(domains("created_at").await, by_age);
    assert_eq!(domains("-created_at").await, backwards(&by_age));
    assert_eq!(all(&house, &member, "/v1/domains?sort=-created_at", "name").await, ["team.example"]);
    let inboxes = async |sort: &str| all(&house, &owner, &format!("/v1/destinations?sort={sort}"), "address").await;
    // Those of the member stand behind one's own.
    let by_address = ["a@inbox.example", "owner@inbox.example", "z@inbox.example", "m@team.test"];
    let by_age = ["owner@inbox.example", "m@team.test", "z@inbox.example", "a@inbox.example"];
    assert_eq!(inboxes("address").await, by_address);
    assert_eq!(inboxes("-address").await, backwards(&by_address));
    assert_eq!(inboxes("created_at").await, by_age);
    assert_eq!(inboxes("-created_at").await, backwards(&by_age));
}

#[tokio::test]
async fn aliases_go_by_age_or_address_either_way() {
    let (house, owner, member) = house().await;
    let aliases = async |token: &str, query: &str| all(&house, token, &format!("/v1/aliases?{query}"), "address").await;
    let by_address = [
        "a@my.example",
        "shop@my.example",
        "z-*@my.example",
        "b@an.example",
        "c@an.example",
        "d@team.example",
        "x@team.example",
    ];
    let by_age = [
        "shop@my.example",
        "z-*@my.example",
        "b@an.example",
        "a@my.example",
        "c@an.example",
        "x@team.example",
        "d@team.example",
    ];
    assert_eq!(aliases(&owner, "sort=address").await, by_address);
    assert_eq!(aliases(&owner, "sort=-address").await, backwards(&by_address));
    assert_eq!(aliases(&owner, "sort=created_at").await, by_age);
    assert_eq!(aliases(&owner, "sort=-created_at").await, backwards(&by_age));
    assert_eq!(aliases(&owner, "sort=address&domain=an.example").await, ["b@an.example", "c@an.example"]);
    assert_eq!(aliases(&owner, "sort=-address&domain=an.example").await, ["c@an.example", "b@an.example"]);
    assert_eq!(aliases(&owner, "sort=created_at&domain=my.example").await.len(), 3);
    // A member sees their own, and what they have a role on.
    assert_eq!(aliases(&member, "sort=address").await, ["d@team.example", "x@team.example"]);
    let role = json!({ "domains": [{ "domain": "an.example", "role": "viewer" }] });
    house.operator("PATCH", "/v1/users/member@people.example", role).await.expect(200);
    let seen = ["b@an.example", "c@an.example", "d@team.example", "x@team.example"];
    assert_eq!(aliases(&member, "sort=address").await, seen);
    assert_eq!(aliases(&member, "sort=-address").await, backwards(&seen));
    assert_eq!(
        aliases(&member, "sort=created_at").await,
        ["b@an.example", "c@an.example", "x@team.example", "d@team.example"]
    );
}

#[tokio::test]
async fn aliases_go_by_their_last_mail() {
    let (house, owner, member) = house().await;
    let aliases = async |token: &str, query: &str| {
        all(&house, token, &format!("/v1/aliases?sort=-last_mail_at{query}"), "address").await
    };
    assert!(aliases(&owner, "").await.is_empty(), "none has had any");
    for address in ["x@team.example", "shop@my.example", "b@an.example", "a@my.example", "c@an.example"] {
        let alias = house.admin.alias(&Actor::operator(), address).await.unwrap();
        // Two come at one moment.
        house.clock.advance(Duration::from_secs(if address == "a@my.example" { 0 } else { 60 }));
        let row = Row { alias: Some(alias.key), account: alias.account, ..forwarded(&house, address) };
        house.admin.store.activity.record(vec![row]).await.unwrap();
    }
    let by_mail = ["c@an.example", "a@my.example", "b@an.example", "shop@my.example", "x@team.example"];
    assert_eq!(aliases(&owner, "").await, by_mail);
    assert_eq!(aliases(&owner, "&domain=my.example").await, ["a@my.example", "shop@my.example"]);
    assert_eq!(aliases(&member, "").await, ["x@team.example"], "d@team.example never had any");
    let alias = house.admin.alias(&Actor::operator(), "shop@my.example").await.unwrap();
    house.clock.advance(Duration::from_secs(60));
    let row = Row { alias: Some(alias.key), ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![row]).await.unwrap();
    assert_eq!(aliases(&owner, "").await[..2], ["shop@my.example", "c@an.example"]);
    house.operator("DELETE", "/v1/aliases/shop@my.example", Value::Null).await.expect(204);
    assert_eq!(aliases(&owner, "").await.len(), 4, "what is gone is passed over");
}

#[tokio::test]
async fn what_is_no_order_of_a_list_is_named() {
    let (house, owner, _) = house().await;
    for (list, choice) in [
        ("domains", "-name"),
        ("aliases", "-address"),
        ("aliases", "-last_mail_at"),
        ("destinations", "-created_at"),
        ("activity", "-received_at"),
        ("queue", "received_at"),
        ("users", "created_at"),
        ("audit", "-at"),
    ] {
        let refused = house.bearer(&owner, "GET", &format!("/v1/{list}?sort=colour"), Value::Null).await.expect(422);
        assert!(refused.problem()["detail"].as_str().unwrap().contains(choice), "{list}: {}", refused.text());
        house.bearer(&owner, "GET", &format!("/v1/{list}?sort="), Value::Null).await.expect(422).problem();
        house.bearer(&owner, "GET", &format!("/v1/{list}?sort={choice}"), Value::Null).await.expect(200);
    }
    for sort in ["address", "-address", "created_at", "-last_mail_at"] {
        let path = format!("/v1/aliases?sort={sort}&cursor=nonsense");
        house.bearer(&owner, "GET", &path, Value::Null).await.expect(422).problem();
    }
}

#[tokio::test]
async fn what_is_filtered_is_put_in_order_page_by_page_and_too_much_is_refused() {
    let (house, owner, member) = house().await;
    let aliases = async |token: &str, query: &str| all(&house, token, &format!("/v1/aliases?{query}"), "address").await;
    let by_address =
        ["a@my.example", "shop@my.example", "b@an.example", "c@an.example", "d@team.example", "x@team.example"];
    assert_eq!(aliases(&owner, "sort=address&kind=address").await, by_address);
    assert_eq!(aliases(&owner, "sort=-address&kind=address").await, backwards(&by_address));
    assert_eq!(aliases(&owner, "sort=created_at&search=an.example").await, ["b@an.example", "c@an.example"]);
    assert_eq!(aliases(&member, "sort=address&enabled=true").await, ["d@team.example", "x@team.example"]);
    assert!(aliases(&owner, "sort=-last_mail_at&kind=address").await.is_empty(), "none has had any");
    let path = "/v1/aliases?sort=address&kind=address&cursor=nonsense";
    house.bearer(&owner, "GET", path, Value::Null).await.expect(422).problem();
    for part in 0..6 {
        let made = (0..100).map(|n| json!({ "op": "create", "address": format!("many{part}{n:02}@my.example") }));
        let batch = json!({ "operations": made.collect::<Vec<_>>(), "atomic": true });
        house.operator("POST", "/v1/aliases/batch", batch).await.expect(200);
    }
    let both = house.bearer(&owner, "GET", "/v1/aliases?sort=address&search=many", Value::Null).await;
    assert_eq!(both.expect(422).pointers(), ["/sort"]);
}
