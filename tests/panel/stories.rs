//! The story of a message where it went several ways: what is told of each try, and what there is to do about the last.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;
use waypost::policy::status::{OwnMail, Status};
use waypost::policy::verdict::Fault;
use waypost::store::activity::{Attempt, Client, Progress, Row};
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{attempt, forwarded, queued_to};

const NO_DOMAIN: &str = "the destination's domain does not exist";

async fn inbox(house: &House, address: &str) {
    house.operator("POST", "/v1/destinations", json!({ "address": address, "verified": true })).await.expect(201);
}

/// An attempt that asked nobody.
fn in_vain(house: &House, outcome: &str, words: &str) -> Attempt {
    let fault = (outcome == "refused").then_some(Fault::Mailbox);
    Attempt { mx: None, ip: None, tls: None, fault, ..attempt(house.clock.now(), outcome, words) }
}

/// An old try led where it led then, and what was wrong with that is not said of where the message goes now.
#[tokio::test]
async fn what_was_tried_before_it_was_sent_elsewhere_is_told_of_the_inbox_of_then() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    inbox(&house, "me@typo.example").await;
    inbox(&house, "spare@well.example").await;
    let until = house.clock.now().after(Duration::from_secs(3600));
    let row = queued_to(&house, ("shop@my.example", "me@typo.example"), Entry::Kept(until)).await;
    let failed = Progress {
        id: row.id,
        status: Status::Failed,
        reason: format!("There is no way to the destination: 550 5.1.2 {NO_DOMAIN}"),
        attempt: Some(in_vain(&house, "refused", NO_DOMAIN)),
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    };
    house.admin.store.activity.progress(vec![failed]).await.unwrap();
    house.clock.advance(Duration::from_secs(60));
    let path = format!("/activity/{}", row.id);
    let page = async || house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    let told = "<bdi>No server was asked: the domain typo.example does not exist.</bdi>";
    let before = page().await;
    assert!(before.contains(told) && before.contains(">Open the inbox</a>"), "{before}");
    house.panel(&cookie, "POST", &format!("{path}/resend"), "destination=spare%40well.example").await.expect(303);
    let page = page().await;
    assert!(page.contains(told), "{page}");
    assert!(!page.contains("well.example does not exist") && !page.contains(">Open the inbox</a>"), "{page}");
}

/// Whatever the name of the host begins with.
#[tokio::test]
async fn words_of_ours_that_begin_with_a_number_are_no_reply() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let words = "163mx01.mxmail.netease.com: no answer from DNS";
    let tried = Attempt { ip: None, ..attempt(house.clock.now(), "deferred", words) };
    let reason = format!("It could not be delivered yet: {words}");
    let row = Row { status: Status::Deferred, reason, attempts: vec![tried], ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(page.contains("could not take it") && !page.contains("asked to try later"), "{page}");
}

/// A host in a network of our own was called by nobody, though its address was found.
#[tokio::test]
async fn a_mail_host_that_is_never_connected_to_is_not_said_to_have_refused() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let words = "the destination's mail host has a private address, which is never connected to";
    let tried = Attempt { tls: None, fault: Some(Fault::Mailbox), ..attempt(house.clock.now(), "refused", words) };
    let reason = format!("There is no way to the destination: 550 5.4.4 {words}");
    let row = Row { status: Status::Failed, reason, attempts: vec![tried], ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(page.contains(&format!("<h1><bdi>Not sent on: {}</bdi></h1>", words.replace('\'', "&#39;"))), "{page}");
    assert!(page.contains(&format!("No server was asked: {}.", words.replace('\'', "&#39;"))), "{page}");
    assert!(page.contains("no mail goes to") && !page.contains("Nothing more is known"), "{page}");
}

/// To a mail of the gateway itself no alias leads, whichever release wrote it.
#[tokio::test]
async fn of_an_own_mail_nobody_is_told_to_lead_an_alias_elsewhere() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let reason = format!("The next hop refused it: 550 5.1.2 {NO_DOMAIN}");
    let (own, attempts) = (Some(OwnMail::Notice), Vec::new());
    let row = Row { own, status: Status::Failed, reason, attempts, ..forwarded(&house, "me@vanish.example") };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(page.contains("The domain of this inbox does not exist.") && !page.contains("lead the alias"), "{page}");
}

/// A catch-all that is sent much spam has taken what it took.
#[tokio::test]
async fn a_catch_all_shows_what_it_took_behind_all_that_was_refused() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let made = json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] });
    house.operator("POST", "/v1/aliases", made).await.expect(201);
    let found = house.admin.alias(&waypost::admin::Actor::operator(), "*@my.example").await.unwrap();
    let came = |local: &str| {
        let row = forwarded(&house, &format!("{local}@my.example"));
        Row { alias: Some(found.key), ..row }
    };
    // Of one network and one hour they would be one row.
    let spam = |n: u8| {
        let row = came(&format!("spam{n}"));
        let client = Client { ip: Ipv4Addr::new(203, 0, n, 7).into(), ..row.client.clone() };
        Row { status: Status::Refused, attempts: Vec::new(), client, ..row }
    };
    house.admin.store.activity.record(vec![came("books")]).await.unwrap();
    house.admin.store.activity.record((0..=250).map(spam).collect()).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/aliases/{}", found.id), "").await.expect(200).text();
    assert!(page.contains("books@my.example") && !page.contains("None lately."), "{page}");
}
