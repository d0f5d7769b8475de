//! Greylisting as an option: who comes for the first time has to come again, and is remembered over a restart.

use waypost::demo::sender::{Answers, Sender};

use crate::support::{LETTER, World};

const COME_AGAIN: &str = "451 4.7.1 Greylisted, please try again in five minutes";

/// A client of another network than that of all others here.
async fn from_elsewhere(world: &World, from: &str) -> Answers {
    let mut sender = Sender::open(world.smtp(), Some("127.0.77.1:0".parse().unwrap())).await.unwrap();
    sender.command("EHLO elsewhere.example").await.unwrap();
    sender.send(from, &["shop@my.example"], LETTER).await.unwrap()
}

/// Lets six minutes pass for whoever has to wait.
async fn later(world: World) -> World {
    let world = world.restart().await;
    world.change("activity.db", "update greylist set first_at = first_at - 360000").await;
    world.restart().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_for_the_first_time_has_to_come_again() {
    let world = World::start_with(&[("POLICY__GREYLIST", "true")]).await;
    for _ in 0..2 {
        assert_eq!(world.letter("shop@my.example").await.last(), COME_AGAIN);
    }
    let rows = world.rows().await;
    assert!(rows.iter().all(|row| row["status"] == "refused_temporarily"), "{rows:#?}");
    assert_eq!(world.letter("unknown@my.example").await.last(), "550 5.1.1 No such address here");
    let world = later(world).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let world = world.restart().await;
    assert!(world.letter("SHOP@my.example").await.is_accepted(), "known from now on, and over a restart");
    assert_eq!(world.send("eve@sender.example", &["shop@my.example"], LETTER).await.last(), COME_AGAIN);
    world.reload_with(&[("POLICY__GREYLIST", "false")]).await;
    assert!(world.send("eve@sender.example", &["shop@my.example"], LETTER).await.is_accepted());
    world.stop().await;
}

/// Large senders come again by another of their addresses: where SPF passes, the domain is the client.
#[tokio::test(flavor = "multi_thread")]
async fn a_proved_domain_may_come_again_by_another_address() {
    let world = World::start_with(&[("POLICY__GREYLIST", "true")]).await;
    world.dns.txt("pool.example", "v=spf1 ip4:127.0.0.0/8 -all");
    for from in ["ann@pool.example", "ann@nowhere.example"] {
        assert_eq!(world.send(from, &["shop@my.example"], LETTER).await.last(), COME_AGAIN);
    }
    let world = later(world).await;
    assert!(from_elsewhere(&world, "ann@pool.example").await.is_accepted());
    assert_eq!(from_elsewhere(&world, "ann@nowhere.example").await.last(), COME_AGAIN);
    world.stop().await;
}

/// A report comes once, and from wherever the mail went: it is taken at once, as is mail of a sender that is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn reports_and_allowed_senders_do_not_wait() {
    let world = World::start_with(&[("POLICY__GREYLIST", "true")]).await;
    let allow = serde_json::json!({ "allow": ["ann@sender.example"] });
    world.patch("/v1/aliases/shop@my.example", allow).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let srs = world.inbox.wait_for(1).await[0].from.clone();
    assert!(world.send("", &[&srs], LETTER).await.is_accepted());
    assert_eq!(world.send("", &["shop@my.example"], LETTER).await.last(), COME_AGAIN);
    world.stop().await;
}
