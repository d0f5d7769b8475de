//! The parcels of one message share connections, and what finds none in time goes to the queue.

use std::time::Duration;

use futures_util::future::join_all;
use waypost::delivery::{Direct, Lanes, Report};
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::world::{PEER, World, parcel, words};

/// The reports of one message's parcels, each for an address of its own at inbox.example.
async fn reports(world: &World, lanes: Lanes, parcels: usize) -> Vec<Report> {
    let mut runs = Vec::new();
    for n in 0..parcels {
        match world.courier.direct(&lanes, parcel(&[&format!("{n}@inbox.example")])).await {
            Direct::Trying(attempt) => runs.push(attempt.run),
            other => panic!("{n}: {other:?}"),
        }
    }
    drop(lanes);
    join_all(runs).await
}

fn worded(reports: &[Report]) -> Vec<String> {
    reports.iter().flat_map(words).collect()
}

#[tokio::test]
async fn ten_parcels_take_one_connection_where_there_is_one() {
    let world = World::with(|wishes| wishes.settings.connections_per_site = 1).await;
    let reports = reports(&world, world.lanes(), 10).await;
    assert_eq!(worded(&reports), vec!["delivered 250"; 10]);
    assert_eq!(world.inbox.connections(), 1);
    let order = world.inbox.received().into_iter().map(|got| got.to[0].clone()).collect::<Vec<_>>();
    assert_eq!(order, (0..10).map(|n| format!("{n}@inbox.example")).collect::<Vec<_>>());
    // The slot is free for the next message.
    assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
}

/// Other lanes are opened while the site has slots to spare; other messages find one.
#[tokio::test]
async fn a_message_leaves_slots_for_others() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::SlowBytes(Duration::from_millis(2))));
    let reports = reports(&world, world.lanes(), 12).await;
    assert_eq!(worded(&reports), vec!["delivered 250"; 12]);
    assert_eq!(world.inbox.most_connections(), 3, "of five at first, more than half free");
}

#[tokio::test]
async fn one_session_counts_once_however_many_parcels_it_brings() {
    let world = World::with(|wishes| wishes.instance.direct_per_site = 1).await;
    assert_eq!(worded(&reports(&world, world.lanes(), 4).await), vec!["delivered 250"; 4]);
}

#[tokio::test]
async fn behind_trouble_or_for_too_long_nothing_is_tried() {
    let world = World::with(|wishes| wishes.settings.connections_per_site = 1).await;
    world.inbox.script(Rule::at(Stage::Greeting, Behaviour::reply("421 4.3.2 not now")));
    let reports_of_one = reports(&world, world.lanes(), 3).await;
    assert_eq!(worded(&reports_of_one), ["deferred 421 at Greeting of the site"]);
    assert_eq!(world.inbox.connections(), 1);

    let world = World::with(|wishes| wishes.settings.connections_per_site = 1).await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::SlowBytes(Duration::from_millis(200))).times(1));
    let soon = world.clock.instant() + Duration::from_secs(1);
    assert_eq!(worded(&reports(&world, Lanes::of(PEER, soon), 3).await), ["delivered 250"]);
    assert_eq!(world.inbox.received().len(), 1);
}

/// A message for more than stand in lanes: the rest goes to the queue.
#[tokio::test]
async fn the_lanes_of_a_message_are_bounded() {
    let world = World::with(|wishes| wishes.settings.connections_per_site = 1).await;
    let lanes = world.lanes();
    let mut begun = Vec::new();
    for n in 0..100 {
        begun.push(world.courier.direct(&lanes, parcel(&[&format!("{n}@inbox.example")])).await);
    }
    assert!(begun.iter().all(|direct| matches!(direct, Direct::Trying(_))));
    assert!(matches!(world.courier.direct(&lanes, parcel(&["last@inbox.example"])).await, Direct::Queue(_)));
}
