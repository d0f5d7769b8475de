//! The log over the API: lists, filters, one row, the live stream; and the simulator.

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use waypost::policy::status::Status;
use waypost::store::activity::Row;

use crate::people::somebody;
use crate::web::rows::{attempt, forwarded};
use crate::web::{House, request};

#[tokio::test]
async fn a_row_has_the_whole_shape() {
    let house = House::furnished().await;
    let row = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let listed = house.operator("GET", "/v1/activity", Value::Null).await.expect(200).json();
    let shown = &listed["items"][0];
    for key in [
        "id",
        "transaction_id",
        "message_id",
        "received_at",
        "status",
        "sender",
        "recipient",
        "destination",
        "domain",
        "alias_id",
        "subject",
        "size",
        "reason",
        "rule",
        "client",
        "auth",
        "sha256_received",
        "sha256_sent",
        "attempts",
        "next_attempt_at",
    ] {
        assert!(shown.get(key).is_some(), "{key} is missing");
    }
    assert_eq!(shown["domain"], "my.example");
    assert_eq!(shown["client"]["helo"], "out.shop.example");
    assert_eq!(shown["attempts"][0]["outcome"], "delivered");
    assert_eq!(shown["sha256_received"], shown["sha256_sent"]);
    assert!(shown.get("trace").is_none(), "lists leave the long parts out");

    let one = house.operator("GET", &format!("/v1/activity/{}", row.id), Value::Null).await.expect(200).json();
    assert_eq!(one["envelope"]["before"]["to"], json!(["shop@my.example"]));
    assert_eq!(one["trace"][0]["verdict"], "matched");
    assert_eq!(one["bounce"], Value::Null);
    let by_transaction = house.operator("GET", &format!("/v1/activity/{}", row.transaction), Value::Null).await;
    assert_eq!(by_transaction.expect(200).json()["id"], row.id.to_string());
}

#[tokio::test]
async fn a_transaction_of_several_rows_is_shown_whole() {
    let house = House::furnished().await;
    let first = forwarded(&house, "a@my.example");
    let second = Row { transaction: first.transaction, ..forwarded(&house, "b@my.example") };
    house.admin.store.activity.record(vec![first.clone(), second]).await.unwrap();
    let shown =
        house.operator("GET", &format!("/v1/activity/{}", first.transaction), Value::Null).await.expect(200).json();
    assert_eq!(shown["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn lists_are_filtered() {
    let house = House::furnished().await;
    let refused = Row {
        status: Status::Refused,
        destination: None,
        attempts: vec![attempt(house.clock.now(), "refused", "550 no")],
        ..forwarded(&house, "old@my.example")
    };
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example"), refused]).await.unwrap();
    let count = async |query: &str| {
        let page = house.operator("GET", &format!("/v1/activity?{query}"), Value::Null).await.expect(200).json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 2);
    assert_eq!(count("status=refused").await, 1);
    assert_eq!(count("status=refused,forwarded").await, 2);
    assert_eq!(count("status=held").await, 0);
    assert_eq!(count("since=2026-11-23").await, 0);
    assert_eq!(count("until=2026-11-23&domain=my.example").await, 2);
    for query in ["status=lost", "since=yesterday"] {
        house.operator("GET", &format!("/v1/activity?{query}"), Value::Null).await.expect(422).problem();
    }
    house.operator("GET", "/v1/activity?domain=other.example", Value::Null).await.expect(404).problem();
}

#[tokio::test]
async fn the_stream_tells_what_happens() {
    let house = House::furnished().await;
    let open = request("GET", "/v1/activity/stream", &[], Body::empty());
    let answer = house.control.clone().oneshot(open).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let row = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let frame = answer.into_body().frame().await.unwrap().unwrap();
    let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
    assert!(text.starts_with("event: activity\ndata: {") && text.contains(&row.id.to_string()), "{text}");
}

/// Answers that go on, as many as there are before one is refused.
async fn all_of(house: &House, token: &str, path: &str) -> Vec<axum::response::Response> {
    let mut open = Vec::new();
    for _ in 0..200 {
        let answer = ask(house, token, path).await;
        if answer.status() == 429 {
            assert!(answer.headers().contains_key("retry-after"));
            return open;
        }
        assert_eq!(answer.status(), 200);
        open.push(answer);
    }
    open
}

/// An answer as it begins.
async fn ask(house: &House, token: &str, path: &str) -> axum::response::Response {
    let bearer = format!("Bearer {token}");
    let mut question = request("GET", path, &[("authorization", &bearer)], Body::empty());
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 40000));
    let arrival = waypost::http::Arrival { peer, over: waypost::http::Transport::Plain };
    question.extensions_mut().insert(arrival);
    house.public.clone().oneshot(question).await.unwrap()
}

#[tokio::test]
async fn nobody_takes_all_streams_and_exports() {
    let house = House::furnished().await;
    let (anna, bert) =
        (somebody(&house, "anna@my.example", "member").await, somebody(&house, "bert@my.example", "member").await);
    let owner = house.token(&["admin"], &[]).await;
    let export = "/v1/activity/export?format=csv";
    for (path, share) in [("/v1/activity/stream", 20), (export, 2)] {
        let open = all_of(&house, &anna, path).await;
        assert_eq!(open.len(), share, "{path}");
        let beside = (ask(&house, &bert, path).await, ask(&house, &owner, path).await);
        assert_eq!((beside.0.status().as_u16(), beside.1.status().as_u16()), (200, 200), "{path}");
        drop(open);
        assert_eq!(ask(&house, &anna, path).await.status(), 200, "what has ended counts no more: {path}");
    }
}

#[tokio::test]
async fn the_simulator_says_what_would_happen() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let question = json!({ "from": "orders@shop.example", "to": "shop@my.example" });
    let told = house.operator("POST", "/v1/route", question).await.expect(200).json();
    assert_eq!((&told["disposition"], &told["reply"]), (&json!("forward"), &json!("250 2.1.5 Recipient ok")));
    assert_eq!(told["rule"]["pattern"], "shop@my.example");
    assert_eq!(told["envelope"]["before"], json!({ "from": "orders@shop.example", "to": ["shop@my.example"] }));
    assert_eq!(told["envelope"]["after"]["to"], json!(["owner@inbox.example"]));
    let from = told["envelope"]["after"]["from"].as_str().unwrap();
    assert!(from.starts_with("SRS0=") && from.ends_with("@my.example"), "{from}");

    let unknown = json!({ "from": "orders@shop.example", "to": "nobody@my.example" });
    let told = house.operator("POST", "/v1/route", unknown).await.expect(200).json();
    assert_eq!(told["disposition"], "reject");
    assert!(told["reply"].as_str().unwrap().starts_with("550 5.1.1"), "{}", told["reply"]);
    assert_eq!(told["envelope"]["after"], Value::Null);

    let forged = json!({ "from": "boss@my.example", "to": "shop@my.example" });
    let told = house.operator("POST", "/v1/route", forged).await.expect(200).json();
    assert_eq!(told["envelope"]["after"]["from"], "boss@my.example", "the guard leaves it to fail SPF");
    for (body, pointer) in [
        (json!({}), "/to"),
        (json!({ "to": "x y" }), "/to"),
        (json!({ "to": "a@my.example", "from": "b" }), "/from"),
        (json!({ "to": "a@my.example", "ip": "1.2.3" }), "/ip"),
    ] {
        assert_eq!(house.operator("POST", "/v1/route", body.clone()).await.expect(422).pointers(), [pointer], "{body}");
    }
}

/// What comes for a mirror is mail of the alias that its original has.
#[tokio::test]
async fn mail_of_an_alias_is_found_by_its_address_on_a_mirror() {
    let house = House::furnished().await;
    let twin = json!({ "name": "twin.example", "mirror_of": "my.example" });
    house.operator("POST", "/v1/domains", twin).await.expect(201);
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let key = house.admin.alias(&waypost::admin::Actor::operator(), "shop@my.example").await.unwrap().key;
    let row = Row { alias: Some(key), ..forwarded(&house, "shop@twin.example") };
    house.admin.store.activity.record(vec![row]).await.unwrap();
    for address in ["shop@my.example", "shop@twin.example"] {
        let found =
            house.operator("GET", &format!("/v1/activity?alias={address}"), Value::Null).await.expect(200).json();
        assert_eq!(found["items"][0]["recipient"], "shop@twin.example", "{address}: {found}");
    }
    house.operator("GET", "/v1/activity?alias=nobody@twin.example", Value::Null).await.expect(404);
}
