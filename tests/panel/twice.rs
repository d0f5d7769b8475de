//! Whoever presses a button twice has it done once, and is told that it is done; and what was removed comes back whole.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::store::queue::Entry;

use super::aliases::{alias, mail_to, shown, undo};
use crate::web::rows::{forwarded, queued};
use crate::web::{House, in_path};

#[tokio::test]
async fn a_button_that_is_pressed_twice_does_it_once() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let other = alias(&house, json!({ "address": "other@my.example" })).await;
    let catch_all = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    let both = format!("id={id}&id={other}&back=%2Faliases");
    for (path, form, words) in [
        (format!("/aliases/{id}/switch"), "on=false&back=/aliases".to_owned(), "shop@my.example is off"),
        (format!("/aliases/{id}/switch"), "on=true&back=/aliases".to_owned(), "shop@my.example is on"),
        ("/aliases/many".to_owned(), format!("{both}&what=disable"), "2 aliases are switched off"),
        ("/aliases/many".to_owned(), format!("{both}&what=enable"), "2 aliases are switched on"),
        ("/aliases/many".to_owned(), format!("{both}&what=label&label=buy"), "2 aliases are changed"),
        (format!("/aliases/{id}/sender"), "entry=a@b.example&what=block&back=".to_owned(), "Mail from a@b.example"),
        (
            format!("/aliases/{catch_all}/address"),
            "address=books%40my.example&what=keep&back=".to_owned(),
            "books@my.example is made",
        ),
        ("/aliases/many".to_owned(), format!("{both}&what=remove"), "2 aliases are removed"),
        (format!("/aliases/{catch_all}/remove"), String::new(), "*@my.example is removed"),
    ] {
        let (once, twice) =
            tokio::join!(house.panel(&cookie, "POST", &path, &form), house.panel(&cookie, "POST", &path, &form));
        let late = house.panel(&cookie, "POST", &path, &form).await;
        for answer in [once, twice, late] {
            let page = house.follow(&cookie, answer).await;
            assert!(page.contains(words) && page.contains(">Undo</button>"), "{path} {form}: {words}\n{page}");
        }
        house.clock.advance(Duration::from_secs(60));
    }
    house.panel(&cookie, "POST", "/aliases/many", &format!("{both}&what=remove")).await.expect(404);
    house.panel(&cookie, "POST", &format!("/aliases/{id}/switch"), "on=true&back=").await.expect(404);
}

#[tokio::test]
async fn undo_that_is_pressed_twice_takes_it_back_once() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example", "quota": 4 })).await;
    for (path, form) in [("switch", "on=false"), ("remove", "")] {
        let done = house.panel(&cookie, "POST", &format!("/aliases/{id}/{path}"), form).await;
        let form = undo(&house.follow(&cookie, done).await);
        let (once, twice) =
            tokio::join!(house.panel(&cookie, "POST", "/undo", &form), house.panel(&cookie, "POST", "/undo", &form));
        for answer in [once, twice] {
            let page = house.follow(&cookie, answer).await;
            assert!(page.contains("It is as it was."), "{path}: {page}");
        }
        assert_eq!(shown(&house, "shop@my.example").await["enabled"], true);
    }
    house.panel(&cookie, "POST", &format!("/aliases/{id}/remove"), "").await.expect(303);
    let page = house.panel(&cookie, "GET", "/settings/audit", "").await.expect(200).text();
    let place = page.split_once("/settings/audit/").unwrap().1.split_once("/undo").unwrap().0.to_owned();
    alias(&house, json!({ "address": "shop@my.example" })).await;
    let page = house.panel(&cookie, "POST", &format!("/settings/audit/{place}/undo"), "").await.expect(409).text();
    assert!(page.contains("exists already"), "another alias has its place: {page}");
}

#[tokio::test]
async fn what_is_done_to_a_message_twice_is_done() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(Duration::from_secs(240)));
    let row = queued(&house, "shop@my.example", due).await;
    for (word, words) in [("hold", "It is on hold until"), ("release", "It is released"), ("cancel", "It is cancelled")]
    {
        for _ in 0..2 {
            let path = format!("/activity/{}/{word}", row.id);
            let page = house.follow(&cookie, house.panel(&cookie, "POST", &path, "").await).await;
            assert!(page.contains(words), "{word}: {page}");
        }
    }
    house.panel(&cookie, "POST", &format!("/activity/{}/hold", row.id), "").await.expect(404);
}

#[tokio::test]
async fn what_else_is_removed_twice_is_removed() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/domains", json!({ "name": "gone.example" })).await.expect(201);
    let inbox = house.operator("POST", "/v1/destinations", json!({ "address": "x@inbox.example", "verified": true }));
    let inbox = inbox.await.expect(201).json()["id"].as_str().unwrap().to_owned();
    house.token(&["aliases"], &[]).await;
    let tokens = house.operator("GET", "/v1/tokens", Value::Null).await.json();
    let token = tokens["items"][0]["id"].as_str().unwrap();
    for path in [
        "/domains/gone.example/remove".to_owned(),
        format!("/destinations/{inbox}/remove"),
        format!("/settings/tokens/{token}/revoke"),
    ] {
        for _ in 0..2 {
            house.panel(&cookie, "POST", &path, "").await.expect(303);
        }
        house.clock.advance(Duration::from_secs(60));
        let late = house.panel(&cookie, "POST", &path, "").await;
        assert_eq!(late.status.as_u16(), 404, "{path}");
    }
}

/// With its id, its counts, its mail and its senders, one by one or several at once.
#[tokio::test]
async fn a_removed_alias_comes_back_as_what_it_was() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let other = alias(&house, json!({ "address": "s-*@my.example" })).await;
    let row = mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    mail_to(&house, &other, ("s@shop.example", "s-1@my.example")).await;
    let before = [shown(&house, "shop@my.example").await, shown(&house, "s-*@my.example").await];
    house.clock.advance(Duration::from_secs(3600));
    for (path, form, words) in [
        (format!("/aliases/{id}/remove"), String::new(), "It is as it was."),
        (
            "/aliases/many".to_owned(),
            format!("id={id}&id={other}&what=remove&back=%2Faliases"),
            "2 aliases are as they were.",
        ),
    ] {
        let page = house.follow(&cookie, house.panel(&cookie, "POST", &path, &form).await).await;
        let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &undo(&page)).await).await;
        assert!(page.contains(words), "{path}: {page}");
        for (address, mut before) in ["shop@my.example", "s-*@my.example"].into_iter().zip(before.clone()) {
            let mut is = shown(&house, address).await;
            is["updated_at"] = Value::Null;
            before["updated_at"] = Value::Null;
            assert_eq!(is, before, "{path}");
        }
        let page = house.panel(&cookie, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
        assert!(page.contains("1 forwarded") && page.contains("Your order") && page.contains("Block sender"), "{page}");
        let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
        assert!(page.contains(">Block sender</button>"), "{page}");
        let page = house.panel(&cookie, "GET", "/settings/audit", "").await.expect(200).text();
        assert!(!page.contains(">Undo</button>"), "nothing is left to take back: {page}");
    }
    let page = house.panel(&cookie, "GET", "/aliases?q=shop", "").await.expect(200).text();
    assert!(page.contains("Choose shop@my.example"), "found as before: {page}");
}

/// Whoever has the domain's name after it was removed is not shown what came for the one before.
#[tokio::test]
async fn on_another_domain_of_its_name_an_alias_comes_back_as_a_new_one() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    let removed = house.panel(&cookie, "POST", &format!("/aliases/{id}/remove"), "").await;
    let form = undo(&house.follow(&cookie, removed).await);
    house.operator("DELETE", "/v1/domains/my.example", Value::Null).await.expect(204);
    house.operator("POST", "/v1/domains", json!({ "name": "my.example" })).await.expect(201);
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &form).await).await;
    assert!(page.contains("It is there again as a new alias") && !page.contains("as it was"), "{page}");
    let is = shown(&house, "shop@my.example").await;
    assert_ne!(is["id"], json!(id));
    assert_eq!(is["counts"]["forwarded"], 0);
    let page = house.panel(&cookie, "GET", "/aliases/shop@my.example", "").await.expect(200).text();
    assert!(!page.contains("Your order"), "{page}");
}

#[tokio::test]
async fn mail_that_a_catch_all_took_is_shown_with_the_alias_of_its_address() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let catch_all = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    mail_to(&house, &catch_all, ("orders@shop.example", "Books@my.example")).await;
    let refused = waypost::store::activity::Row { rule: None, ..forwarded(&house, "books@my.example") };
    house
        .admin
        .store
        .activity
        .record(vec![waypost::store::activity::Row { sender: "nobody@shop.example".to_owned(), ..refused }])
        .await
        .unwrap();
    house.admin.store.activity.index().await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/aliases/{catch_all}"), "").await.expect(200).text();
    assert!(page.contains("Keep makes an alias of the address at once"), "{page}");
    let keep = "address=books%40my.example&what=keep&back=";
    let made = house.panel(&cookie, "POST", &format!("/aliases/{catch_all}/address"), keep).await;
    house.follow(&cookie, made).await;
    let page = house.panel(&cookie, "GET", "/aliases/books@my.example", "").await.expect(200).text();
    assert!(page.contains("Your order") && page.contains("orders@shop.example"), "{page}");
    assert!(page.contains("each message says by which") && !page.contains("nobody@shop.example"), "{page}");
    assert!(page.contains("/activity?q=books@my.example"), "{page}");
    let viewer =
        house.signed_in_as("viewer@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    let page = house.panel(&viewer, "GET", "/aliases/books@my.example", "").await.expect(200).text();
    assert!(page.contains("orders@shop.example") && !page.contains("Your order"), "{page}");
}

#[tokio::test]
async fn to_let_a_sender_in_says_that_the_alias_is_off() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example", "enabled": false })).await;
    let place = format!("/aliases/{id}/sender");
    let allowed = house.panel(&cookie, "POST", &place, "entry=a@b.example&what=allow&back=").await;
    let page = house.follow(&cookie, allowed).await;
    assert!(page.contains("But shop@my.example is off, and its mail is refused until you switch it on."), "{page}");
    assert!(!page.contains("is let in from now on"), "{page}");
}

#[tokio::test]
async fn labels_of_several_are_parted_by_commas_too() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let form = |what: &str, label: &str| format!("id={id}&back=&what={what}&label={}", in_path(label));
    house.panel(&cookie, "POST", "/aliases/many", &form("label", "weiß, zwei")).await.expect(303);
    assert_eq!(shown(&house, "shop@my.example").await["labels"], json!(["weiß", "zwei"]));
    house.panel(&cookie, "POST", "/aliases/many", &form("unlabel", "zwei,drei")).await.expect(303);
    assert_eq!(shown(&house, "shop@my.example").await["labels"], json!(["weiß"]));
}

#[tokio::test]
async fn what_cannot_be_brought_back_is_asked_for_first() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = queued(&house, "shop@my.example", Entry::Held).await;
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    let asked = page.split_once("<summary class=\"button danger\" id=\"ask-cancel\">Cancel</summary>").unwrap().1;
    let asked = asked.split_once("</details>").unwrap().0;
    assert!(asked.contains("owner@inbox.example never gets it, and its sender is not told."), "{asked}");
    assert!(asked.contains("there is no Undo") && asked.contains(">Cancel it for good</button>"), "{asked}");
    let page = house.panel(&cookie, "GET", "/domains/my.example", "").await.expect(200).text();
    assert!(page.contains("There is no Undo."), "{page}");
    alias(&house, json!({ "address": "shop@my.example" })).await;
    for path in ["/aliases", "/domains/my.example"] {
        let page = house.panel(&cookie, "GET", path, "").await.expect(200).text();
        assert!(page.contains("notes, labels, limits, lists"), "{path}: {page}");
    }
}

#[tokio::test]
async fn aliases_are_found_by_where_they_lead() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for to in ["anna@inbox.example", "bob@other.example"] {
        let local = &to[..1];
        alias(&house, json!({ "address": format!("{local}@my.example"), "destinations": [to] })).await;
    }
    for indexed in [false, true] {
        if indexed {
            house.admin.store.rules.index().await.unwrap();
        }
        for (query, found) in [("anna@inbox", "a@my"), ("OTHER.ex", "b@my"), ("nowhere", "No alias matches")] {
            let page = house.panel(&cookie, "GET", &format!("/aliases?q={}", in_path(query)), "").await.text();
            let is_one = page.matches("aria-label=\"Choose ").count() <= 1;
            assert!(page.contains(found) && is_one, "{query}, {indexed}: {page}");
        }
    }
}

#[tokio::test]
async fn the_first_run_doubts_what_is_the_gateways_own_and_shows_every_inbox() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let post = async |form: &str| house.panel(&cookie, "POST", "/setup/go-on", form).await;
    let page = post("at=inbox&do=mine&address=me%40my.example").await.expect(422).text();
    assert!(page.contains("no alias leads on from there") && page.contains("Add it all the same"), "{page}");
    let page = post("at=domain&name=mx.gateway.example").await.expect(422).text();
    assert!(page.contains("is the name of this server itself") && page.contains("Add it all the same"), "{page}");
    post("at=domain&name=mx.gateway.example&sure=mx.gateway.example").await.expect(303);
    post("at=inbox&do=mine&address=me%40else.example&sure=me%40else.example").await.expect(303);
    let page = house.panel(&cookie, "GET", "/setup/go-on?at=inbox", "").await.expect(200).text();
    assert!(page.contains("me@else.example") && page.contains("Remove it: owner@inbox.example"), "{page}");
    post("at=inbox&do=remove&address=owner%40inbox.example").await.expect(303);
    let page = house.panel(&cookie, "GET", "/setup/go-on?at=inbox", "").await.expect(200).text();
    assert!(!page.contains("owner@inbox.example"), "{page}");
}
