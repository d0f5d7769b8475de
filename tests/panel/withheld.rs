//! Aliases that send nothing on, whatever else is set: whoever lets a sender in, switches one on or leads it elsewhere hears of
//! that, and of what is to be done about it.

use serde_json::{Value, json};
use waypost::policy::status::{Status, TraceStep};
use waypost::store::activity::Row;

use super::aliases::{alias, mail_to};
use crate::web::House;

/// What an alias does with all its mail, and what it is until.
const WITHHELD: [(&str, &str, &str); 3] = [
    ("junk", "refuses all its mail", "you choose something else for it to do"),
    ("hole", "throws all its mail away", "you choose something else for it to do"),
    ("once", "has ended, and its mail is refused", "you give it a later end, or none"),
];

/// One that refuses, one that throws away, one that has ended; each has mail of the time before.
async fn withheld(house: &House) -> Vec<(String, waypost::store::activity::Row)> {
    let mut all = Vec::new();
    for (local, then) in
        [("junk", json!({ "action": "reject" })), ("hole", json!({ "action": "drop" })), ("once", json!({}))]
    {
        let address = format!("{local}@my.example");
        let end = if local == "once" { json!(1) } else { Value::Null };
        let id = alias(house, json!({ "address": address, "expires_after": end })).await;
        let row = mail_to(house, &id, ("spam@shop.example", &address)).await;
        house.operator("PATCH", &format!("/v1/aliases/{id}"), then).await.expect(200);
        all.push((id, row));
    }
    all
}

#[tokio::test]
async fn to_let_a_sender_in_promises_no_mail_that_the_alias_withholds() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for ((local, does, until), (id, row)) in WITHHELD.into_iter().zip(withheld(&house).await) {
        let message = format!("/activity/{}", row.id);
        let page = house.panel(&cookie, "GET", &message, "").await.expect(200).text();
        let before = format!("Neither blocked nor let in by a list of its own, but it {does}.");
        assert!(page.contains(&before), "{before}\n{page}");
        let form = format!("entry=spam@shop.example&what=allow&back={message}");
        let allowed = house.panel(&cookie, "POST", &format!("/aliases/{id}/sender"), &form).await;
        let page = house.follow(&cookie, allowed).await;
        let told = format!(
            "spam@shop.example is on the list of senders that {local}@my.example lets in. But {local}@my.example {does} until \
             {until}."
        );
        assert!(page.contains(&told) && !page.contains("is let in from now on"), "{told}\n{page}");
        let stands = format!("<bdi>let in, but it {does}</bdi>");
        assert!(page.contains(&stands), "{stands}\n{page}");
        let page = house.panel(&cookie, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
        assert!(page.contains(&stands), "{stands}\n{page}");
    }
}

#[tokio::test]
async fn an_address_of_a_catch_all_that_is_refused_by_now_says_so() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    let row = mail_to(&house, &id, ("spam@shop.example", "junk@my.example")).await;
    let block = format!("address=junk%40my.example&what=block&back=/activity/{}", row.id);
    let page =
        house.follow(&cookie, house.panel(&cookie, "POST", &format!("/aliases/{id}/address"), &block).await).await;
    assert!(page.contains("is an alias of its own by now, but it refuses all its mail"), "{page}");
}

#[tokio::test]
async fn to_switch_an_alias_on_promises_no_mail_that_it_does_not_send_on() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let mut ids: Vec<_> = withheld(&house).await.into_iter().map(|(id, _)| id).collect();
    let mut told: Vec<_> = WITHHELD
        .iter()
        .map(|(local, does, until)| format!("{local}@my.example is on, but it {does} until {until}."))
        .collect();
    let not_verified = "new@inbox.example is not verified and gets no mail until it is";
    for (address, to, words) in [
        ("shop@my.example", "owner@inbox.example", "shop@my.example is on: its mail is sent on again."),
        ("new@my.example", "new@inbox.example", &format!("new@my.example is on, but {not_verified}")),
        ("/x(.*)/@my.example", "$1@nobody.example", "is on, but no verified inbox is one that it computes"),
    ] {
        ids.push(alias(&house, json!({ "address": address, "destinations": [to] })).await);
        told.push(words.to_owned());
    }
    for (id, words) in ids.iter().zip(&told) {
        house.operator("PATCH", &format!("/v1/aliases/{id}"), json!({ "enabled": false })).await.expect(200);
        let on = house.panel(&cookie, "POST", &format!("/aliases/{id}/switch"), "on=true&back=/aliases").await;
        let page = house.follow(&cookie, on).await;
        assert!(page.contains(words) && page.contains(">Undo</button>"), "{words}\n{page}");
        assert_eq!(page.contains("is sent on again"), words.contains("is sent on again"), "{page}");
    }
    let chosen: String = ids.iter().map(|id| format!("id={id}&")).collect();
    let many = async |what: &str| {
        let form = format!("{chosen}what={what}&back=/aliases");
        house.follow(&cookie, house.panel(&cookie, "POST", "/aliases/many", &form).await).await
    };
    many("disable").await;
    let page = many("enable").await;
    for words in [
        "6 aliases are switched on. But ",
        "junk@my.example refuses all its mail until you choose something else for it to do. ",
        "hole@my.example throws all its mail away until you choose something else for it to do. ",
        "once@my.example has ended, and its mail is refused until you give it a later end, or none. ",
        &format!("Though new@my.example is on, {not_verified}"),
        "Though /x(.*)/@my.example is on, no verified inbox is one that it computes",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(!page.contains("shop@my.example is on"), "{page}");
}

#[tokio::test]
async fn to_lead_aliases_elsewhere_names_those_that_send_nothing_on() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let withheld: Vec<_> = withheld(&house).await.into_iter().map(|(id, _)| id).collect();
    let mut open = Vec::new();
    for local in ["shop", "news"] {
        open.push(alias(&house, json!({ "address": format!("{local}@my.example") })).await);
    }
    alias(&house, json!({ "address": "nay@my.example", "action": "reject", "destinations": ["owner@inbox.example"] }))
        .await;
    house.operator("POST", "/v1/destinations", json!({ "address": "two@inbox.example", "verified": true })).await;
    let sent = async |ids: &[&String], to: &str| {
        let ids: String = ids.iter().map(|id| format!("id={id}&")).collect();
        let form = format!("{ids}what=send&to={to}&back=/aliases");
        house.follow(&cookie, house.panel(&cookie, "POST", "/aliases/many", &form).await).await
    };
    let page = sent(&[&withheld[0]], "two%40inbox.example").await;
    let alone = "junk@my.example is changed: Destinations. But it refuses all its mail until you choose something else for it to \
                 do.";
    assert!(page.contains(alone), "{page}");
    let page = sent(&[&withheld[0], &open[0]], "new%40inbox.example").await;
    for words in [
        "2 aliases are changed. But junk@my.example refuses all its mail until you choose something else for it to do. ",
        "new@inbox.example is not verified and gets no mail until it is: open Destinations to verify it.",
        "Until then the mail of shop@my.example is put off, and refused after 3 days.",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let nay = &"nay@my.example".to_owned();
    let page = sent(&[&withheld[0], &withheld[1], nay, &open[0], &open[1]], "more%40inbox.example").await;
    for words in [
        "5 aliases are changed. But ",
        " refuse all their mail until you choose something else for them to do. ",
        "hole@my.example throws all its mail away until you choose something else for it to do. ",
        "Until then the mail of the others is put off, and refused after 3 days.",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    // Who has just chosen so needs not be told.
    let form = "version=2&action=reject&destinations=two%40inbox.example";
    let saved = house.panel(&cookie, "POST", &format!("/aliases/{}", open[0]), form).await;
    assert!(!saved.text().contains("refuses all its mail"));
}

/// To take an entry off a list brings no mail where the alias takes none.
#[tokio::test]
async fn of_a_blocked_message_it_is_said_that_the_alias_takes_none_in_any_case() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for ((local, does, until), (id, row)) in WITHHELD.into_iter().zip(withheld(&house).await) {
        let entry = json!({ "block": ["spam@shop.example"] });
        house.operator("PATCH", &format!("/v1/aliases/{id}"), entry).await.expect(200);
        let trace = vec![
            TraceStep::new("sender", "blocked", "spam@shop.example (alias)"),
            TraceStep::new("reply", "refused", "550 5.1.1 No such address here"),
        ];
        let row = Row {
            id: house.admin.chance.id(house.clock.now()),
            status: Status::Refused,
            attempts: Vec::new(),
            reason: "The entry spam@shop.example (alias) keeps this sender out.".to_owned(),
            trace,
            ..row
        };
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
        let told = page.split("<p id=\"next\">").nth(1).unwrap().split("</p>").next().unwrap();
        let words = format!("Off the list alone would not help: {local}@my.example {does} until {until}.");
        assert!(told.contains(&words) && !told.contains("Its mail is taken once"), "{words}\n{told}");
    }
}
