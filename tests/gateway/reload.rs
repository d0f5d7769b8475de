//! A configuration that is read again while the gateway runs.

use waypost::demo::inbox::{Behaviour, Inbox, Rule, Stage};

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn relay_and_guard_are_renewed_for_direct_delivery_and_for_the_queue() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    let relay = Inbox::start().await.unwrap();
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let waiting = world.until("shop@my.example", "deferred").await;

    let address = format!("smtp://{}", relay.address());
    world.reload_with(&[("DELIVERY__RELAY", &address)]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(relay.wait_for(1).await.len(), 1, "what comes now");
    world.post(&format!("/v1/queue/{}/retry", waiting["id"].as_str().unwrap()), serde_json::Value::Null).await;
    assert_eq!(relay.wait_for(2).await.len(), 2, "and what waited");

    world.reload_with(&[("DELIVERY__ALLOW_PRIVATE", "false")]).await;
    let last = world.letter("shop@my.example").await.last().to_owned();
    assert!(last.starts_with("550 5.2.1"), "no relay, and the inbox is within our network: {last}");
    assert_eq!(world.inbox.received().len(), 1, "nothing more came by the old ways");
    world.stop().await;
}

/// A certificate is renewed every few weeks: what has not changed is not disturbed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_nothing_keeps_warm_connections() {
    let world = World::start().await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.reload_with(&[]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.connections(), 1);
    world.reload_with(&[("DELIVERY__CONNECTIONS_PER_SITE", "3")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.connections(), 2);
    world.stop().await;
}
