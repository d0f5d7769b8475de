//! Many at once: batches, filters over lists, exports, counts over time; and how much of it one token may ask for.

use serde_json::{Value, json};
use waypost::policy::status::Status;
use waypost::store::activity::Row;

use crate::web::House;
use crate::web::rows::{forwarded, mailbox};

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "old@my.example" })).await.expect(201);
    let good = json!({ "operations": [
        { "op": "create", "address": "a@my.example" },
        { "op": "create", "local_part": "b", "domain": "my.example", "action": "drop" },
        { "op": "disable", "id": "old@my.example" },
    ]});
    let done = house.operator("POST", "/v1/aliases/batch", good.clone()).await.expect(200).json();
    assert_eq!((&done["done"], &done["items"][2]["alias"]["enabled"]), (&json!(3), &json!(false)));
    // The first stands in the way now, so the others are not done again either.
    house.operator("POST", "/v1/aliases/batch", good).await.expect(409).problem();
    let bad = json!({ "operations": [
        { "op": "create", "address": "c@my.example" },
        { "op": "update", "id": "old@my.example", "quota": 0 },
    ]});
    let refused = house.operator("POST", "/v1/aliases/batch", bad.clone()).await.expect(422);
    assert_eq!(refused.pointers(), ["/operations/1/quota"]);
    house.operator("GET", "/v1/aliases/c@my.example", Value::Null).await.expect(404);
    let each = json!({ "atomic": false, "operations": bad["operations"] });
    let done = house.operator("POST", "/v1/aliases/batch", each).await.expect(200).json();
    assert_eq!((&done["done"], &done["items"][1]["status"]), (&json!(1), &json!(422)));
    assert_eq!(done["items"][1]["problem"]["errors"][0]["field"], "quota");
    let removal = json!({ "operations": [{ "op": "delete", "id": "c@my.example" }] });
    let done = house.operator("POST", "/v1/aliases/batch", removal).await.expect(200).json();
    assert_eq!(done["items"], json!([{ "status": 204 }]));
    house.operator("GET", "/v1/aliases/c@my.example", Value::Null).await.expect(404);
}

#[tokio::test]
async fn a_batch_says_what_is_wrong_with_it() {
    let house = House::furnished().await;
    let many: Vec<_> = (0..1001).map(|_| json!({ "op": "delete", "id": "a@my.example" })).collect();
    for (operations, status) in [
        (json!([]), 422),
        (json!([{ "op": "explode" }]), 422),
        (json!([{ "op": "update", "enabled": true }]), 422),
        (json!([{ "op": "delete", "id": "nobody@my.example" }]), 422),
        (json!([{ "op": "create", "address": "a@my.example" }, { "op": "create", "address": "a@my.example" }]), 409),
        (
            json!([
                { "op": "create", "address": "a@my.example", "destinations": ["b@my.example"] },
                { "op": "create", "address": "b@my.example", "destinations": ["a@my.example"] },
            ]),
            422,
        ),
        (Value::from(many), 422),
    ] {
        let body = json!({ "operations": operations });
        house.operator("POST", "/v1/aliases/batch", body).await.expect(status).problem();
    }
    assert_eq!(house.operator("GET", "/v1/aliases", Value::Null).await.json()["items"], json!([]));
}

#[tokio::test]
async fn aliases_are_filtered_by_all_that_they_are() {
    let house = House::furnished().await;
    house
        .operator("POST", "/v1/destinations", json!({ "address": "b@inbox.example", "verified": true }))
        .await
        .expect(201);
    house.operator("POST", "/v1/domains", json!({ "name": "two.example" })).await.expect(201);
    for body in [
        json!({ "address": "plain@my.example" }),
        json!({ "address": "other@my.example", "destinations": ["b@inbox.example"], "labels": ["shop"] }),
        json!({ "address": "gone@my.example", "action": "drop", "labels": ["shop"] }),
        json!({ "address": "glob-*@my.example", "destinations": ["b@inbox.example", "owner@inbox.example"] }),
    ] {
        house.operator("POST", "/v1/aliases", body).await.expect(201);
    }
    for (query, expected) in [
        ("destination=b@inbox.example", vec!["glob-*", "other"]),
        ("destination=nobody@inbox.example", vec![]),
        ("destination=garbage", vec![]),
        ("kind=glob", vec!["glob-*"]),
        ("kind=address&destination=b@inbox.example", vec!["other"]),
        ("action=drop", vec!["gone"]),
        ("action=forward&domain=my.example", vec!["glob-*", "other", "plain"]),
        ("label=shop", vec!["gone", "other"]),
        ("label=shop&action=drop", vec!["gone"]),
        ("label=none", vec![]),
        ("label=shop&domain=two.example", vec![]),
        ("destination=b@inbox.example&domain=two.example", vec![]),
        ("destination=b@inbox.example&domain=my.example", vec!["glob-*", "other"]),
        ("q=glob&kind=glob", vec!["glob-*"]),
        ("q=glob&kind=address", vec![]),
        ("colour=red&enabled=true&label=shop", vec!["gone", "other"]),
    ] {
        let page = house.operator("GET", &format!("/v1/aliases?{query}"), Value::Null).await.expect(200).json();
        let found = page["items"].as_array().unwrap().iter().map(|alias| alias["address"].as_str().unwrap().to_owned());
        let expected: Vec<_> = expected.iter().map(|local| format!("{local}@my.example")).collect();
        assert_eq!(found.collect::<Vec<_>>(), expected, "{query}");
    }
    for query in ["kind=pattern", "action=webhook", "enabled=maybe", "limit=0", "limit=501"] {
        house.operator("GET", &format!("/v1/aliases?{query}"), Value::Null).await.expect(422).problem();
    }
}

/// Rows of three senders, of which one was refused.
async fn with_rows() -> House {
    let house = House::furnished().await;
    let shop = forwarded(&house, "shop@my.example");
    let news = Row {
        sender: "News@news.example".to_owned(),
        subject: Some("=cmd, \"now\"".to_owned()),
        id: house.admin.chance.id(house.clock.now()),
        ..forwarded(&house, "news@my.example")
    };
    let spam = Row {
        status: Status::Refused,
        destination: None,
        sender: "spam@spam.example".to_owned(),
        ..forwarded(&house, "shop@my.example")
    };
    house.admin.store.activity.record(vec![shop, news, spam]).await.unwrap();
    house.admin.store.activity.index().await.unwrap();
    house
}

#[tokio::test]
async fn the_log_is_filtered_by_who_wrote_to_whom() {
    let house = with_rows().await;
    for (query, count) in [
        ("sender=news@NEWS.example", 1),
        ("recipient=shop@my.example", 2),
        ("recipient=shop@my.example&status=refused", 1),
        ("destination=owner@inbox.example", 2),
        ("sender=nobody@news.example", 0),
        ("q=news.example", 1),
    ] {
        let page = house.operator("GET", &format!("/v1/activity?{query}"), Value::Null).await.expect(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn the_log_is_exported_in_lines_and_as_a_table() {
    let house = with_rows().await;
    let lines = house.operator("GET", "/v1/activity/export", Value::Null).await.expect(200);
    assert_eq!(lines.field("content-type").as_deref(), Some("application/x-ndjson"));
    let rows: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    let table = house.operator("GET", "/v1/activity/export?format=csv&status=forwarded", Value::Null).await.expect(200);
    let text = table.text();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.starts_with("id,transaction_id,received_at,status,sender,"));
    assert!(text.contains("\"'=cmd, \"\"now\"\"\""), "what strangers wrote is no formula: {text}");
    house.operator("GET", "/v1/activity/export?format=xml", Value::Null).await.expect(422).problem();
    house.operator("GET", "/v1/activity/export?status=nonsense", Value::Null).await.expect(422).problem();
}

#[tokio::test]
async fn counts_add_up_by_whatever_they_are_taken() {
    let house = with_rows().await;
    for (by, expected) in [
        ("status", json!({ "forwarded": 2, "refused": 1 })),
        ("domain", json!({ "my.example": 3 })),
        ("site", json!({ "inbox.example": 2 })),
        ("spf", json!({ "pass": 3 })),
        ("dkim", json!({ "pass": 3 })),
        ("dmarc", json!({})),
        ("alias", json!({})),
    ] {
        let stats = house.operator("GET", &format!("/v1/stats?by={by}"), Value::Null).await.expect(200).json();
        let series = stats["series"].as_array().unwrap().iter();
        let sums: serde_json::Map<_, _> =
            series.map(|one| (one["key"].as_str().unwrap().to_owned(), one["total"].clone())).collect();
        assert_eq!(Value::from(sums), expected, "{by}");
    }
    let hourly = house.operator("GET", "/v1/stats?since=2026-11-22T18:00:00Z&until=2026-11-22T20:00:00Z", Value::Null);
    let hourly = hourly.await.expect(200).json();
    assert_eq!(
        (&hourly["step"], &hourly["series"][0]["points"][0]["at"]),
        (&json!("hour"), &json!("2026-11-22T18:00:00.000Z"))
    );
    let refused = house.operator("GET", "/v1/stats?by=domain&status=refused", Value::Null).await.expect(200).json();
    assert_eq!(refused["series"][0]["total"], 1);
    for wrong in [
        "by=colour",
        "step=year",
        "since=tomorrow",
        "since=2026-11-22&until=2026-11-21",
        "status=maybe",
        "since=2020-01-01&step=hour",
    ] {
        house.operator("GET", &format!("/v1/stats?{wrong}"), Value::Null).await.expect(422).problem();
    }
    let limited = house.token(&["activity:read"], &["my.example"]).await;
    house.bearer(&limited, "GET", "/v1/stats?by=site", Value::Null).await.expect(403).problem();
    let own = house.bearer(&limited, "GET", "/v1/stats", Value::Null).await.expect(200).json();
    assert_eq!(own["series"][0]["total"], 2);
}

#[tokio::test]
async fn a_token_makes_so_many_requests_and_no_more() {
    let house = House::furnished().await;
    let token = house.token(&["account:read"], &[]).await;
    let first = house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(200);
    assert_eq!(first.field("ratelimit-policy").as_deref(), Some("\"default\";q=3000;w=60"));
    assert_eq!(first.field("ratelimit").as_deref(), Some("\"default\";r=2999;t=1"));
    for _ in 1..3000 {
        house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(200);
    }
    let refused = house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(429);
    refused.problem();
    assert_eq!(refused.field("retry-after").as_deref(), Some("1"));
    let other = house.token(&["account"], &[]).await;
    house.bearer(&other, "GET", "/v1/me", Value::Null).await.expect(200);
    house.clock.advance(std::time::Duration::from_secs(1));
    house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(200);
}

#[tokio::test]
async fn random_names_follow_domain_and_website_and_end_somewhere() {
    let house = House::furnished().await;
    let site = json!({ "domain": "my.example", "for": "https://www.shop.example/cart" });
    let made = house.operator("POST", "/v1/aliases/random", site.clone()).await.expect(201).json();
    assert!(made["address"].as_str().unwrap().starts_with("shop."), "{made}");
    house.operator("PATCH", "/v1/domains/my.example", json!({ "alias_format": "hex" })).await.expect(200);
    let made = house.operator("POST", "/v1/aliases/random", site).await.expect(201).json();
    let local = mailbox(made["address"].as_str().unwrap()).local().as_str().to_owned();
    assert!(local.len() == 16 && local.bytes().all(|b| b.is_ascii_hexdigit()), "{local}");
    let wrong = json!({ "domain": "my.example", "format": "site" });
    assert_eq!(house.operator("POST", "/v1/aliases/random", wrong).await.expect(422).pointers(), ["/for"]);
    for batch in 0..2 {
        let create = |index: usize| json!({ "op": "create", "address": format!("a{batch}-{index}@my.example") });
        let operations: Vec<_> = (0..499).map(create).collect();
        let body = json!({ "operations": operations });
        house.operator("POST", "/v1/aliases/batch", body).await.expect(200);
    }
    let refused = house.operator("POST", "/v1/aliases/random", json!({ "domain": "my.example" })).await.expect(429);
    assert!(refused.json()["detail"].as_str().unwrap().contains("1000 aliases"));
    house.clock.advance(std::time::Duration::from_secs(86_401));
    house.operator("POST", "/v1/aliases/random", json!({ "domain": "my.example" })).await.expect(201);
}

#[tokio::test]
async fn settings_are_shown_with_their_place_and_changed_in_one_go() {
    let house = House::furnished().await;
    let of = |list: &Value, key: &str| {
        list["items"].as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap().clone()
    };
    let seen = house.operator("GET", "/v1/settings", Value::Null).await.expect(200);
    let tag = seen.field("etag").unwrap();
    let spf = of(&seen.json(), "policy.spf");
    assert_eq!(
        (&spf["value"], &spf["place"], &spf["changeable"]),
        (&json!("observe"), &json!("default"), &json!(true))
    );
    assert_eq!(of(&seen.json(), "smtp.listen")["changeable"], false);
    let body = json!({ "policy.spf": "enforce", "limits.messages_per_ip_per_hour": 100 });
    let fields = [("if-match", tag.as_str()), ("content-type", "application/json")];
    let changed = house.operator_with("PATCH", "/v1/settings", &fields, &body.to_string()).await.expect(200).json();
    assert_eq!(of(&changed, "policy.spf")["place"], "panel");
    house.operator_with("PATCH", "/v1/settings", &fields, &body.to_string()).await.expect(412).problem();
    for (body, key) in [
        (json!({ "policy.spf": "perhaps" }), "policy.spf"),
        (json!({ "policy.dkim": "off", "log.retention": "soon" }), "log.retention"),
        (json!({ "smtp.listen": ["[::]:25"] }), "smtp.listen"),
        (json!({ "colour": "red" }), "colour"),
    ] {
        let refused = house.operator("PATCH", "/v1/settings", body).await.expect(422);
        assert_eq!(refused.json()["errors"][0]["field"], key);
    }
    let again = house.operator("GET", "/v1/settings", Value::Null).await.expect(200).json();
    assert_eq!(of(&again, "policy.dkim")["place"], "default", "none of several where one is wrong");
    house.operator("PATCH", "/v1/settings", json!({ "policy.spf": null })).await.expect(200);
    let token = house.token(&["domains", "activity"], &[]).await;
    house.bearer(&token, "GET", "/v1/settings", Value::Null).await.expect(403).problem();
}
