//! What an alias would take is asked before it is saved, by the function that mail itself is routed by.

use serde_json::{Value, json};
use waypost::policy::status::Status;
use waypost::store::activity::Row;

use crate::web::House;
use crate::web::rows::forwarded;

/// Mail of the last days, for these addresses.
async fn mailed(house: &House, recipients: &[&str]) {
    let rows = recipients.iter().map(|recipient| Row {
        recipient: (*recipient).to_owned(),
        status: Status::Refused,
        destination: None,
        ..forwarded(house, "x@my.example")
    });
    house.admin.store.activity.record(rows.collect()).await.unwrap();
}

fn matched(answer: &Value) -> Vec<(String, u64, bool, Option<String>)> {
    let of = |hit: &Value| {
        let then = hit["then"]["address"].as_str().map(str::to_owned);
        let recipient = hit["recipient"].as_str().unwrap().to_owned();
        (recipient, hit["messages"].as_u64().unwrap(), hit["wins"].as_bool().unwrap(), then)
    };
    let mut all: Vec<_> = answer["matched"].as_array().unwrap().iter().map(of).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_pattern_is_tried_on_the_mail_that_came() {
    let house = House::furnished().await;
    mailed(&house, &["old-x@my.example"]).await;
    house.clock.advance(std::time::Duration::from_secs(20 * 86_400));
    mailed(&house, &["shop-a@my.example", "Shop-A@my.example", "shop-b+tag@my.example", "shop-c@my.example"]).await;
    mailed(&house, &["other@my.example", ""]).await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop-c@my.example" })).await.expect(201);
    let ask = async |body: Value| house.operator("POST", "/v1/aliases/test", body).await.expect(200).json();
    let answer = ask(json!({ "address": "shop-*@my.example" })).await;
    assert_eq!((&answer["looked_at"], &answer["days"]), (&json!(4), &json!(7)));
    let wanted = [
        ("shop-a@my.example".to_owned(), 2, true, None),
        ("shop-b+tag@my.example".to_owned(), 1, true, None),
        ("shop-c@my.example".to_owned(), 1, false, Some("shop-c@my.example".to_owned())),
    ];
    assert_eq!(matched(&answer), wanted);
    house.operator("POST", "/v1/aliases", json!({ "address": "s*@my.example", "priority": 5 })).await.expect(201);
    let behind = ask(json!({ "address": "shop-[ab]@my.example", "priority": 6 })).await;
    let nearer = Some("s*@my.example".to_owned());
    assert_eq!(matched(&behind), [("shop-a@my.example".to_owned(), 2, false, nearer)]);
    let before = ask(json!({ "local_part": "/shop-(.)/", "domain": "my.example", "priority": 4 })).await;
    assert_eq!(matched(&before)[0], ("shop-a@my.example".to_owned(), 2, true, None));
    assert_eq!(before["matched"][0]["now"]["address"], "s*@my.example");
    assert_eq!(before["matched"][0]["now"]["sends_on"], true);
    for withheld in [json!({ "enabled": false }), json!({ "enabled": true, "action": "reject" })] {
        house.operator("PATCH", "/v1/aliases/s*@my.example", withheld).await.expect(200);
        let after = ask(json!({ "local_part": "/shop-(.)/", "domain": "my.example", "priority": 4 })).await;
        assert_eq!(after["matched"][0]["now"]["sends_on"], false, "{after}");
    }
    let old = ask(json!({ "address": "*@my.example", "days": 30 })).await;
    assert_eq!(old["looked_at"], 5);
    assert!(matched(&old).contains(&("old-x@my.example".to_owned(), 1, true, None)), "{old}");
    let list = house.operator("GET", "/v1/aliases", Value::Null).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "nothing is saved");
}

#[tokio::test]
async fn what_cannot_be_tried_is_said_beside_its_field() {
    let house = House::furnished().await;
    for (body, pointer) in [
        (json!({ "address": "/(/@my.example" }), "/address"),
        (json!({ "address": "/(a{1000}){1000}/@my.example" }), "/address"),
        (json!({ "address": "x@my.example", "days": 0 }), "/days"),
        (json!({ "address": "x@my.example", "days": 91 }), "/days"),
        (json!({ "address": "x@my.example", "priority": "high" }), "/priority"),
        (json!({ "address": "x@my.example", "colour": "red" }), "/colour"),
        (json!({}), "/address"),
    ] {
        let answer = house.operator("POST", "/v1/aliases/test", body.clone()).await.expect(422);
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    let elsewhere = house.operator("POST", "/v1/aliases/test", json!({ "address": "x@other.example" })).await;
    assert_eq!(elsewhere.expect(422).pointers(), ["/address"]);
}

#[tokio::test]
async fn trying_takes_the_right_to_see_both_aliases_and_mail() {
    let house = House::furnished().await;
    let body = json!({ "address": "x*@my.example" });
    for (scopes, status) in
        [(vec!["aliases:read", "activity:read"], 200), (vec!["aliases"], 403), (vec!["aliases:create"], 403)]
    {
        let token = house.token(&scopes, &[]).await;
        house.bearer(&token, "POST", "/v1/aliases/test", body.clone()).await.expect(status);
    }
}
