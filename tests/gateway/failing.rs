//! Destinations that refused their mailbox: remembered for new mail, and forgotten when that has changed.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::store::directory::FAILING_FOR;

use crate::support::World;

fn gone() -> Rule {
    Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 anna@inbox.example is no more")).to("anna@inbox.example")
}

fn asked(world: &World) -> usize {
    world.inbox.commands().iter().filter(|(_, command)| command.starts_with("RCPT")).count()
}

/// DESIGN section 4: refused alike for ten minutes, without another connection, and with a trace step that says why.
#[tokio::test]
async fn a_mailbox_that_is_gone_is_refused_at_rcpt_for_ten_minutes() {
    let world = World::start().await;
    world.inbox.script(gone());
    let dot = world.letter("shop@my.example").await.dot.unwrap();
    let second = world.letter("shop@my.example").await;
    assert_eq!((second.last(), asked(&world)), (&*dot, 1), "{second:?}");
    assert_eq!(second.dot, None, "refused at RCPT");
    let rows = world.rows().await;
    let row = world.get(&format!("/v1/activity/{}", rows[0]["id"].as_str().unwrap())).await;
    let said = |step: &Value| step["verdict"] == "failing" && step["detail"].as_str().unwrap().contains("5.1.1");
    assert!(row["trace"].as_array().unwrap().iter().any(said), "{row:#}");
    let asked_for = json!({ "to": "shop@my.example", "from": "ann@sender.example" });
    assert_eq!(world.post("/v1/route", asked_for).await["disposition"], "reject", "the simulator says so too");

    tokio::time::pause();
    tokio::time::advance(FAILING_FOR + Duration::from_secs(1)).await;
    tokio::time::resume();
    world.inbox.behave();
    assert!(world.letter("shop@my.example").await.is_accepted(), "forgotten");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_healthy_destination_is_enough_and_what_is_well_again_is_found_out() {
    let world = World::start().await;
    world.alias("pair@my.example", &["anna@inbox.example", "ben@inbox.example"]).await;
    world.inbox.script(gone());
    assert!(world.letter("shop@my.example").await.last().starts_with("550 5.2.1"));
    assert!(world.letter("pair@my.example").await.is_accepted());
    world.until_rows(|rows| rows.iter().any(|row| row["destination"] == "ben@inbox.example")).await;
    world.inbox.behave();
    assert!(world.letter("shop@my.example").await.last().starts_with("550 5.2.1"), "still remembered");
    assert!(world.letter("pair@my.example").await.is_accepted());
    assert!(world.letter("shop@my.example").await.is_accepted(), "a delivery to it has succeeded");
    world.stop().await;
}

/// The queue remembers as the direct way does; and the owner's word ends it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_finds_is_remembered_until_the_owner_verifies_anew() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 greylisted")).times(1));
    world.inbox.script(gone().times(1));
    let all = world.get("/v1/destinations").await;
    let mut all = all["items"].as_array().unwrap().iter();
    let anna = all.find(|item| item["address"] == "anna@inbox.example").unwrap()["id"].as_str().unwrap().to_owned();
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.until("shop@my.example", "failed").await;
    assert!(world.letter("shop@my.example").await.last().starts_with("550 5.2.1"));
    world.post(&format!("/v1/destinations/{anna}/verify"), Value::Null).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.stop().await;
}

/// What may be meant for one sender is not held against the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_does_not_name_the_mailbox_is_not_remembered() {
    let world = World::start().await;
    for words in ["550 no", "550 5.1.0 address rejected", "550 5.7.1 not from you"] {
        world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply(words)).times(1));
        assert!(world.letter("shop@my.example").await.last().starts_with("55"), "{words}");
        assert!(world.letter("shop@my.example").await.is_accepted(), "{words}");
    }
    world.stop().await;
}

/// RFC 5321 §4.5.1: postmaster is always taken, here for the owner to see.
#[tokio::test(flavor = "multi_thread")]
async fn postmaster_is_held_while_its_contact_is_gone() {
    let world = World::start().await;
    world.inbox.script(gone());
    assert!(world.letter("shop@my.example").await.last().starts_with("550 5.2.1"));
    assert!(world.letter("postmaster@my.example").await.is_accepted());
    world.until("postmaster@my.example", "held").await;
    world.stop().await;
}
