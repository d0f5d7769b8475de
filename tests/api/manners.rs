//! How the API answers whatever is asked: problems, conditions, repetition, lenience in form.

use axum::body::Body;
use serde_json::{Value, json};
use waypost::admin::Actor;
use waypost::mail::Domain;
use waypost::store::activity::Row;

use crate::web::rows::forwarded;
use crate::web::{House, call, request};

#[tokio::test]
async fn every_error_is_a_problem() {
    let house = House::furnished().await;
    let token = house.token(&["admin"], &[]).await;
    let bearer = format!("Bearer {token}");
    let auth = ("authorization", bearer.as_str());
    let json = ("content-type", "application/json");
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(300 * 1024));
    for (method, path, fields, body, status) in [
        ("GET", "/v1/nothing", vec![auth], "", 404),
        ("GET", "/v1", vec![auth], "", 404),
        ("PUT", "/v1/domains", vec![auth], "", 405),
        ("GET", "/v1/aliases/nobody@my.example", vec![auth], "", 404),
        ("GET", "/v1/aliases/not-an-address", vec![auth], "", 404),
        ("GET", "/v1/activity/not-an-id", vec![auth], "", 404),
        ("GET", "/v1/queue/not-an-id/message", vec![auth], "", 404),
        ("POST", "/v1/queue/not-an-id/explode", vec![auth], "", 404),
        ("GET", "/v1/aliases?cursor=nonsense", vec![auth], "", 422),
        ("GET", "/v1/destinations?cursor=nonsense", vec![auth], "", 422),
        ("GET", "/v1/activity?cursor=nonsense", vec![auth], "", 422),
        ("POST", "/v1/domains", vec![auth, json], "{", 400),
        ("POST", "/v1/domains", vec![auth, json], "[]", 422),
        ("POST", "/v1/domains", vec![auth, ("content-type", "text/plain")], "{}", 415),
        ("POST", "/v1/domains", vec![auth, ("content-type", "application/json; charset=utf-16")], "{}", 415),
        ("POST", "/v1/domains", vec![auth, ("content-type", "application/json; Charset=\"UTF-8\"")], "{}", 422),
        ("POST", "/v1/domains", vec![auth, json, ("content-encoding", "gzip")], "{}", 415),
        ("POST", "/v1/domains", vec![auth, json, ("content-encoding", "Identity")], "{}", 422),
        ("POST", "/v1/aliases/import", vec![auth, ("content-encoding", "gzip")], "x", 415),
        ("POST", "/v1/domains", vec![auth, json], &large, 413),
        ("POST", "/v1/domains", vec![auth, json, ("idempotency-key", "")], "{}", 400),
        ("GET", "/v1/domains", vec![], "", 401),
        ("GET", "/v1/nothing", vec![], "", 401),
        ("GET", "/v1/domains", vec![("authorization", "Bearer wp_wrong")], "", 401),
        ("GET", "/v1/domains", vec![("authorization", "Basic eDp5")], "", 401),
    ] {
        let answer = house.visitor(method, path, &fields, body).await.expect(status);
        answer.problem();
        assert_eq!(answer.field("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        if status == 401 {
            assert!(answer.field("www-authenticate").unwrap().starts_with("Bearer"), "{path}");
        }
        if status == 405 {
            assert!(answer.field("allow").unwrap().contains("POST"), "{path}");
        }
    }
}

#[tokio::test]
async fn form_is_taken_leniently() {
    let house = House::furnished().await;
    let made =
        house.operator_with("POST", "//v1///aliases/", &[], r#"{"address":"shop@my.example"}"#).await.expect(201);
    assert!(made.field("location").unwrap().starts_with("/v1/aliases/"));
    house.operator_with("GET", "/v1/aliases/?nonsense&x=%ff", &[], "").await.expect(200);
    house.operator_with("POST", "/v1/destinations/owner@inbox.example/verify", &[], "").await.expect(200);
    let kind = [("content-type", "application/json; charset=utf-8")];
    house.operator_with("POST", "/v1/aliases", &kind, r#"{"address":"b@my.example"}"#).await.expect(201);
}

#[tokio::test]
async fn changes_may_be_bound_to_a_version() {
    let house = House::furnished().await;
    let made = house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    for path in ["/v1/aliases/shop@my.example", "/v1/domains/my.example"] {
        let seen = house.operator("GET", path, Value::Null).await.expect(200).field("etag").unwrap();
        let body = if path.contains("domains") { r#"{"keep_tag":true}"# } else { r#"{"description":"mine"}"# };
        let changed = house.operator_with("PATCH", path, &[("if-match", &seen)], body).await.expect(200);
        assert_ne!(changed.field("etag").unwrap(), seen);
        house.operator_with("PATCH", path, &[("if-match", &seen)], body).await.expect(412).problem();
        house.operator_with("DELETE", path, &[("if-match", &seen)], "").await.expect(412).problem();
        house.operator_with("PATCH", path, &[("if-match", "*")], body).await.expect(200);
    }
    assert!(made.field("etag").is_some());
    let seen = house.operator("GET", "/v1/domains/my.example", Value::Null).await.field("etag").unwrap();
    house.operator("PATCH", "/v1/domains/my.example", json!({ "catch_all": "drop" })).await.expect(200);
    let body = r#"{"keep_tag":false}"#;
    let fields = [("if-match", seen.as_str())];
    house.operator_with("PATCH", "/v1/domains/my.example", &fields, body).await.expect(412);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
    let house = House::furnished().await;
    for (path, body, wrong) in [
        ("/v1/domains", json!({ "name": "-", "contact": "x", "colour": 1 }), &["/name", "/contact", "/colour"][..]),
        ("/v1/domains", json!({ "contact": "x" }), &["/name", "/contact"]),
        ("/v1/domains", json!({ "name": "10.0.0.1", "keep_tag": "no" }), &["/name", "/keep_tag"]),
        ("/v1/domains/batch", json!({ "names": [], "keep_tag": "no" }), &["/names", "/keep_tag"]),
        ("/v1/aliases", json!({ "address": "@", "quota": -1, "colour": 1 }), &["/address", "/quota", "/colour"]),
        ("/v1/aliases", json!({ "local_part": "a b", "domain": "my.example", "quota": 0 }), &["/local_part", "/quota"]),
        ("/v1/aliases", json!({ "address": "a@strange.example", "quota": -1 }), &["/address", "/quota"]),
        ("/v1/aliases", json!({ "enabled": 1, "labels": [2] }), &["/address", "/enabled", "/labels/0"]),
        ("/v1/destinations", json!({ "verified": 1, "colour": 1 }), &["/address", "/verified", "/colour"]),
        ("/v1/destinations", json!({ "address": "x", "verified": 1 }), &["/address", "/verified"]),
    ] {
        let refused = house.operator("POST", path, body.clone()).await.expect(422);
        assert_eq!(refused.pointers(), wrong, "{path} {body}");
    }
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let house = House::furnished().await;
    let key = [("idempotency-key", "k-1"), ("content-type", "application/json")];
    let body = r#"{"address":"shop@my.example"}"#;
    let first = house.operator_with("POST", "/v1/aliases", &key, body).await.expect(201);
    let second = house.operator_with("POST", "/v1/aliases", &key, body).await.expect(201);
    assert_eq!(first.json(), second.json());
    assert_eq!(second.field("idempotent-replayed").as_deref(), Some("true"));
    for name in ["etag", "location", "content-type"] {
        assert!(first.field(name).is_some(), "{name}");
        assert_eq!(first.field(name), second.field(name), "{name}");
    }
    let other = r#"{"address":"other@my.example"}"#;
    house.operator_with("POST", "/v1/aliases", &key, other).await.expect(422).problem();
    let wrong = [("idempotency-key", "k-2"), ("content-type", "application/json")];
    for _ in 0..2 {
        house.operator_with("POST", "/v1/aliases", &wrong, "{}").await.expect(422).problem();
    }
}

#[tokio::test]
async fn health_says_whether_it_can_work() {
    let house = House::new().await;
    assert_eq!(house.visitor("GET", "/healthz", &[], "").await.expect(200).text(), "ok\n");
    assert_eq!(house.visitor("GET", "/readyz", &[], "").await.expect(200).text(), "ready\n");
}

#[tokio::test]
async fn methods_that_ask_and_change_nothing_are_answered() {
    let house = House::furnished().await;
    let options = house.operator("OPTIONS", "/v1/domains/my.example", Value::Null).await.expect(204);
    for method in ["GET", "PATCH", "DELETE"] {
        assert!(options.field("allow").unwrap().contains(method), "{method}");
    }
    let head = house.operator("HEAD", "/v1/domains/my.example", Value::Null).await.expect(200);
    assert!(head.field("etag").is_some() && head.text().is_empty());
    house.operator("OPTIONS", "/v1/nothing", Value::Null).await.expect(404).problem();
    house.operator("TRACE", "/v1/domains", Value::Null).await.expect(405).problem();
    house.operator("POST", "/v1/aliases/random", json!(null)).await.expect(201);
}

/// RFC 9110 §13.1.2: who has it already is told so, by a strong or a weak tag, one of several, or any.
#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let house = House::furnished().await;
    let seen = house.operator("GET", "/v1/domains/my.example", Value::Null).await.field("etag").unwrap();
    let weak = format!("W/{seen}");
    let several = format!("\"x\", {seen}");
    for (known, status) in [(seen.as_str(), 304), (&weak, 304), (&several, 304), ("*", 304), ("\"x\"", 200), ("", 200)]
    {
        let fields = [("if-none-match", known)];
        let answer = house.operator_with("GET", "/v1/domains/my.example", &fields, "").await.expect(status);
        assert_eq!(answer.field("etag").as_ref(), Some(&seen), "{known}");
        assert_eq!(answer.text().is_empty(), status == 304, "{known}");
    }
    house.operator_with("PATCH", "/v1/domains/my.example", &[("if-none-match", "*")], "{}").await.expect(200);
}

/// What is shown beside what has a version: who asks by an old tag hears of it (RFC 9110 §8.8.1), and may still change what
/// they saw.
#[tokio::test]
async fn a_tag_is_known_only_while_all_that_is_shown_is_the_same() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let paths = ["/v1/aliases/shop@my.example", "/v1/domains/my.example", "/v1/destinations/owner@inbox.example"];
    let mut seen = Vec::new();
    for path in paths {
        seen.push(house.operator("GET", path, Value::Null).await.expect(200).field("etag").unwrap());
    }
    let (rules, log) = (&house.admin.store.rules, &house.admin.store.activity);
    let alias = house.admin.alias(&Actor::operator(), "shop@my.example").await.unwrap();
    let mail = Row { alias: Some(alias.key), ..forwarded(&house, "shop@my.example") };
    log.record(vec![mail]).await.unwrap();
    let domain = rules.domain(&Domain::parse("my.example").unwrap()).await.unwrap();
    rules.note_dns(domain.key, "drift", &[]).await.unwrap();
    for (path, tag) in paths.iter().zip(&seen) {
        let fields = [("if-none-match", tag.as_str())];
        let fresh = house.operator_with("GET", path, &fields, "").await.expect(200).field("etag").unwrap();
        assert_ne!(fresh, *tag, "{path}");
        for method in ["GET", "HEAD"] {
            house.operator_with(method, path, &[("if-none-match", &fresh)], "").await.expect(304);
        }
    }
    for (path, tag) in paths[..2].iter().zip(&seen) {
        house.operator_with("PATCH", path, &[("if-match", tag)], "{}").await.expect(200);
    }
    house.operator("DELETE", paths[0], Value::Null).await.expect(204);
    house.operator_with("DELETE", paths[2], &[("if-match", &seen[2])], "").await.expect(204);
}

/// Two tokens of one account are not shown the same.
#[tokio::test]
async fn who_one_is_has_a_tag_of_its_own_for_each_token() {
    let house = House::furnished().await;
    let mut seen = None::<String>;
    for scopes in [["domains:read"], ["aliases:read"]] {
        let bearer = format!("Bearer {}", house.token(&scopes, &[]).await);
        let known = seen.take().unwrap_or_default();
        let fields = [("authorization", bearer.as_str()), ("if-none-match", known.as_str())];
        seen = house.visitor("GET", "/v1/me", &fields, "").await.expect(200).field("etag");
    }
}

/// A body that is announced as too large is refused before any of it has come (RFC 9110 §10.1.1).
#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_not_waited_for() {
    let house = House::furnished().await;
    let bearer = format!("Bearer {}", house.token(&["admin"], &[]).await);
    for more in [&[][..], &[("idempotency-key", "once")]] {
        let mut fields = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        fields.extend([("content-length", "2000000000")]);
        fields.extend(more);
        let never = Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>());
        let answer = call(&house.public, request("POST", "/v1/domains", &fields, never)).await.expect(413);
        assert_eq!(answer.field("connection").as_deref(), Some("close"));
    }
}
